"""Classical forecasters of many series at once: exponential smoothing, Theta, Croston."""
