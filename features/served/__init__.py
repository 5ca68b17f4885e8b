"""What a running service leaves for whoever learns from it: decisions, and what came of them."""
