"""How a customer answers a message: by hour of the week, channel, offer and fatigue."""
