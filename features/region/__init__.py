"""The region × product panel: calendars, hierarchies, and what is known at an origin."""
