"""Estimators over arrays and tables: send time, demand, seasonal, intervals; no clock, no tracker."""
