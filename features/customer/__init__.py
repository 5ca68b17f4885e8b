"""Per-customer features: declared once, read as SQL and as a fold."""
