"""Promotion timing from a project file: backtested, chosen, scored, shown."""
