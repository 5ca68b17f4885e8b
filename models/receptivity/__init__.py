"""When a customer is reachable: activity by hour of the week, and how much of it."""
