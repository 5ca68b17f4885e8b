"""Pages for people who would rather look: frames are rendered here, data comes from the API."""
