"""The value of a send-time policy from the sends of another, before anything is sent."""
