"""Customers of a known BG/NBD world, drawn one by one."""

import numpy as np


def draw_purchase_times(model, n, *, weeks, seed):
    """Return for each customer the times of their purchases, in weeks from the first (0)."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(model.r, 1 / model.alpha, n)
    leaving = rng.beta(model.a, model.b, n)
    customers = []
    for rate, leave in zip(rates, leaving, strict=True):
        times, now = [0.0], 0.0
        while True:
            now += rng.exponential(1 / rate)
            if now > weeks:
                break
            times.append(now)
            if rng.random() < leave:
                break
        customers.append(times)
    return customers


def draw_histories(model, n, *, weeks, seed):
    """Return x, t_x and T of customers who first bought within the first quarter."""
    customers = draw_purchase_times(model, n, weeks=weeks, seed=seed)
    start = np.random.default_rng(seed + 1).uniform(0, weeks / 4, n)
    seen = weeks - start
    kept = [[t for t in times if t <= T] for times, T in zip(customers, seen, strict=True)]
    x = np.array([len(times) - 1.0 for times in kept])
    return x, np.array([times[-1] for times in kept]), seen
