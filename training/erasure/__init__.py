"""Erasing people from the files of a workspace: tables, datasets, decisions, models, MLflow."""
