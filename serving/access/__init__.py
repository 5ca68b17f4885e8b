"""Who may ask the service what: keys, tokens, scopes, limits, and the log of what was refused."""
