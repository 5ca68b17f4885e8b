"""What several channels are worth, where customers go between them, and where they are lost."""
