"""Golden rows: inputs made by a seed, and what this very model answered when it was new."""
