"""When to reach a customer: activity, receptivity, calibration, schedule."""
