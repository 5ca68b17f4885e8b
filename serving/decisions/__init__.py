"""The decision log: what was answered, with what probability, and what came of it."""
