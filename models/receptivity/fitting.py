"""How the few strengths of the chains of priors are fitted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

MAX_FIT_CUSTOMERS = 4000
"""Customers that the few strengths are fitted on; more of them change no digit that matters."""
PULL_QUANTILE = 0.99
"""Nobody pulls harder at what holds for everybody than all but 1 % of the active customers do."""


def maximise_posterior(loss: Callable[[np.ndarray], float], prior: np.ndarray) -> np.ndarray:
    """Return the maximum a posteriori point within four deviations of the prior.

    Parameters
    ----------
    loss : callable
        Negative log-likelihood at a point of shape (k,).
    prior : array of shape (k, 2)
        Centre and deviation of each coordinate's normal prior.
    """
    centre, deviation = prior.T

    def penalised(point: np.ndarray) -> float:
        return loss(point) + 0.5 * float((((point - centre) / deviation) ** 2).sum())

    bounds = np.column_stack([centre - 4 * deviation, centre + 4 * deviation])
    found = minimize(penalised, centre, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-7})
    return np.asarray(found.x)


def pick_customers(rows: np.ndarray) -> np.ndarray:
    """Take at most `MAX_FIT_CUSTOMERS` of `rows`, evenly spread."""
    step = max(1, -(-len(rows) // MAX_FIT_CUSTOMERS))
    return rows[::step]


def find_usual(events: np.ndarray) -> np.ndarray:
    """Return the rows of customers who may judge the strengths, shape (m,).

    Not those with more than twice the activity that all but 1 % stay below: what a single one of
    them does later would outweigh hundreds.
    """
    return np.flatnonzero(limit_pull(events) >= 0.5)


def limit_pull(events: np.ndarray) -> np.ndarray:
    """Return how much of each customer's activity goes into what holds for all, shape (n,).

    A till with the number of one customer, or a robot that never sleeps, is one customer among
    many, not half of a region.

    Parameters
    ----------
    events : array of shape (n,)
        Decayed activity of each customer; >= 0.

    Returns
    -------
    array of shape (n,)
        1 up to the 99 % quantile of the active customers, then that over the customer's events.

    Examples
    --------
    >>> limit_pull(np.append(np.full(999, 10.0), 5000.0))[[0, 999]].tolist()
    [1.0, 0.002]
    """
    active = events[events > 0]
    if len(active) == 0:
        return np.ones(len(events))
    most = float(np.quantile(active, PULL_QUANTILE))
    return np.asarray(np.minimum(1.0, most / np.maximum(events, most)))
