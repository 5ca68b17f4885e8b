"""The best few hours of a customer, no two closer than a gap: dynamic programming over hours.

All functions work on many customers at once; the last axis is the customer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def find_forward(gain: Floats, most: int, gap: int) -> Floats:
    """Return the most that a customer gains by messages in the hours before each hour.

    Parameters
    ----------
    gain : array of shape (n_hours, n)
        What a message in the hour adds; -inf where none may be sent.
    most : int
        Messages a customer; >= 1.
    gap : int
        Hours from one message to the next, at least; >= 1.

    Returns
    -------
    array of shape (most + 1, n_hours + 1, n)
        At (k, h): by at most k messages, all in hours before h; >= 0.

    Examples
    --------
    >>> find_forward(np.array([[3.0], [4.0], [2.0]]), 2, gap=2)[2, 3]
    array([5.])
    """
    n_hours, n = gain.shape
    best = np.zeros((most + 1, n_hours + 1, n))
    for hour in range(n_hours):
        with_hour = gain[hour] + best[:-1, max(hour + 1 - gap, 0)]
        np.maximum(best[1:, hour], with_hour, out=best[1:, hour + 1])
    return best


def find_best_with(gain: Floats, most: int, gap: int) -> Floats:
    """Return the most that a customer gains by plans with a message in a given hour.

    Parameters
    ----------
    gain, most, gap
        As for `find_forward`.

    Returns
    -------
    array of shape (n_hours, n)
        -inf where none may be sent.
    """
    n_hours = len(gain)
    before = find_forward(gain, most, gap)
    after = find_forward(gain[::-1], most, gap)[:, ::-1]
    hours = np.arange(n_hours)
    left, right = np.maximum(hours + 1 - gap, 0), np.minimum(hours + gap, n_hours)
    others = np.zeros_like(gain)
    for earlier in range(most):
        np.maximum(others, before[earlier][left] + after[most - 1 - earlier][right], out=others)
    return np.asarray(gain + others)


def choose_hours(gain: Floats, most: int, gap: int) -> tuple[Whole, Whole]:
    """Choose the hours that gain most; of equal plans the one with the earlier hours.

    Parameters
    ----------
    gain, most, gap
        As for `find_forward`.

    Returns
    -------
    customer, hour : arrays of int64
        One per message, by customer, then hour.
    """
    n_hours, n = gain.shape
    best = find_forward(gain, most, gap)
    left, end = np.full(n, most), np.full(n, n_hours)
    everyone = np.arange(n)
    is_sent = np.zeros((n, n_hours), dtype=bool)
    for hour in reversed(range(n_hours)):
        is_better = best[left, hour + 1, everyone] > best[left, hour, everyone]
        is_taken = (end == hour + 1) & (left > 0) & is_better
        is_sent[:, hour] = is_taken
        left -= is_taken
        end = np.where(is_taken, max(hour + 1 - gap, 0), np.minimum(end, hour))
    customer, hours = np.nonzero(is_sent)
    return customer, hours
