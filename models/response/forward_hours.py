"""A message is answered when the customer next looks: a week averaged over the hours to come."""

from __future__ import annotations

import numpy as np

from features.schema import SLOTS_PER_WEEK

AHEAD_HOURS = (2.0, 8.0)
"""Mean waits of the two kernels that a message may be answered after, besides at once."""
REACH = 24
"""Hours after which a kernel ends."""


def build_ahead(weights: np.ndarray) -> np.ndarray:
    """Return the matrix that averages a week over the hours after each slot.

    Parameters
    ----------
    weights : array of shape (k,)
        Share of each hour after the send, k <= 168; sums to 1.

    Examples
    --------
    >>> build_ahead(np.array([0.75, 0.25]))[[0, 1, 2, 0], [167, 0, 0, 0]].tolist()
    [0.25, 0.25, 0.0, 0.75]
    """
    slots = np.arange(SLOTS_PER_WEEK)
    apart = (slots[:, None] - slots[None, :]) % SLOTS_PER_WEEK
    padded = np.zeros(SLOTS_PER_WEEK)
    padded[: len(weights)] = weights
    return np.asarray(padded[apart])


def mix_ahead(short: float, long: float) -> np.ndarray:
    """Return the matrix that mixes a week as it is with it over the next hours, (168, 168).

    Parameters
    ----------
    short, long : float
        Weights of the kernels of `AHEAD_HOURS`; the rest is the hour itself.
    """
    now = (1 - short - long) * np.eye(SLOTS_PER_WEEK)
    return np.asarray(now + short * KERNELS[0] + long * KERNELS[1])


def _wait(hours: float) -> np.ndarray:
    weights = np.exp(-np.arange(REACH) / hours)
    return build_ahead(weights / weights.sum())


KERNELS = tuple(_wait(hours) for hours in AHEAD_HOURS)
"""Waits that fade exponentially, with each of the means of `AHEAD_HOURS`."""
