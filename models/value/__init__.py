"""When a customer buys next, how often, for how much, and whether they still do."""
