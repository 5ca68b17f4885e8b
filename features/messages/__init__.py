"""Messages that were sent, and what people, not machines, made of them."""
