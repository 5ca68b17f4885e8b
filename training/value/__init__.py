"""Training of customer value: purchases to come, backtested and fitted as of a cut-off."""
