"""Estimators over arrays and tables: send time, demand, intervals; no clock, no tracker."""
