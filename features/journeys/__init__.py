"""How customers move through events: funnels, journeys between channels, mixes of channels."""
