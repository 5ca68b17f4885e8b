"""One customer across every channel: what came in, who it was, and their live profile."""
