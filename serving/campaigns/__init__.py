"""Campaigns: which offer goes to whom, when and over which channel, within what is allowed."""
