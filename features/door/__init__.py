"""The door: tables as their owner keeps them, read, checked and made canonical."""
