"""What changed since the champions were trained: drift, calibration, forecast error, age."""
