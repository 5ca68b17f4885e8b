"""Two trainings side by side: scores, features, settings, and what moved."""
