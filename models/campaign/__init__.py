"""Which customers get which offer, when and over which channel: windows, arms, assignment."""
