"""Demand from a project file: backtested, calibrated, scored, shown."""
