"""Configuration, folds, scores, backtests, gates, MLflow, publishing, reports. Never serves."""
