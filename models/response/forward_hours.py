"""A message lies there until the customer looks: what follows a send, by the age of the message.

A rate that depends on age is kept as steps: constant between `edges`, in hours since the send.
"""

from __future__ import annotations

import numpy as np

from features.schema import SLOTS_PER_WEEK


def build_ahead(weights: np.ndarray) -> np.ndarray:
    """Return the matrix that sums a week over the hours after each slot.

    Parameters
    ----------
    weights : array of shape (k,)
        Weight of each hour after the send, k <= 168.

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


def weigh_hours(edges: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Return how much of a rate by age falls into each local hour after that of the send.

    The message was sent at any minute of its hour, each as likely: so a message of age a lies in
    the j-th hour after that of its send with probability 1 − |a − j|, if that is above 0.

    Parameters
    ----------
    edges : array of shape (k + 1,)
        Ages at which the rate changes; rising from 0 to at most 167 hours.
    rate : array of shape (k,)
        Rate per hour between them.

    Returns
    -------
    array of shape (j,)
        Entry j is of the j-th hour after that of the send; sums to Σ rate × width.

    Examples
    --------
    >>> weigh_hours(np.array([0.0, 1.0]), np.array([1.0])).tolist()
    [0.5, 0.5]
    """
    hours = np.arange(int(np.ceil(edges[-1])) + 1)
    reached = _below_triangle(edges[:, None] - hours[None, :])
    return np.asarray(rate @ np.diff(reached, axis=0))


def expose(
    busy: np.ndarray, row: np.ndarray, slot: np.ndarray, minute: np.ndarray, edges: np.ndarray
) -> np.ndarray:
    """Return how much activity there was at each age of messages, to the minute.

    Parameters
    ----------
    busy : array of shape (n, 168)
        How busy each customer is in every slot.
    row, slot, minute : arrays of shape (m,)
        Customer, local hour of the week of the send, and minutes of that hour that were over.
    edges : array of shape (k + 1,)
        Rising from 0 hours.

    Returns
    -------
    array of shape (m, k)
        The integral of `busy` over each stretch of age.

    Examples
    --------
    A message of half past Sunday 23:00 sees half an hour of it, then Monday.

    >>> week = np.append(np.full(167, 1.0), 4.0)[None, :]
    >>> expose(week, np.array([0]), np.array([167]), np.array([30.0]), np.array([0, 1, 3])).tolist()
    [[2.5, 2.0]]
    """
    passed = np.concatenate([np.zeros((len(busy), 1)), np.cumsum(busy, axis=1)], axis=1)
    weeks, within = np.divmod((slot + minute / 60)[:, None] + edges, float(SLOTS_PER_WEEK))
    hour = within.astype(np.int64)
    at = passed[row[:, None], hour] + (within - hour) * busy[row[:, None], hour]
    return np.asarray(np.diff(at + weeks * passed[row, -1:].reshape(-1, 1), axis=1))


def _below_triangle(x: np.ndarray) -> np.ndarray:
    """Return the integral of max(0, 1 − |x|) up to x."""
    inside = np.clip(x, -1.0, 1.0)
    return np.asarray(np.where(inside < 0, (inside + 1) ** 2 / 2, 1 - (1 - inside) ** 2 / 2))
