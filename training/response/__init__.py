"""Training of response models: the backtest, and the model that is published."""
