"""From when a customer is active to when a message should lie there: the hours after the send.

A message waits for its reader, and sinks below later ones while it waits. So the hour to send in is
not the one in which the customer is most likely to be active, but one with such hours just ahead.
Where answers to messages were logged, `models.response` learns how long a message lasts; until then
a window of some hours stands in for it.
"""

from __future__ import annotations

import numpy as np

from features.schema import SLOTS_PER_WEEK

INBOXES = ("email", "sms", "push", "mail", "social")
"""Channels in which a message waits."""
REACH_HOURS = 3
"""Hours, that of the send among them, within which a message is taken to be found: a convention."""


def list_reached(slots: np.ndarray) -> np.ndarray:
    """Return the slots within reach of a send at the start of each slot.

    Parameters
    ----------
    slots : array of int64, any shape
        Hours of the week; the week is a circle.

    Returns
    -------
    array of int64, shape of `slots` and (3,)

    Examples
    --------
    >>> list_reached(np.array([167])).tolist()
    [[167, 0, 1]]
    """
    return np.asarray((np.asarray(slots)[..., None] + np.arange(REACH_HOURS)) % SLOTS_PER_WEEK)


def join_hours(probability: np.ndarray) -> np.ndarray:
    """Return the probability of activity in any of some hours, taken as independent.

    Parameters
    ----------
    probability : array of shape (..., n_hours)
        Of activity in each.

    Examples
    --------
    >>> join_hours(np.array([0.5, 0.5])).item()
    0.75
    """
    return np.asarray(-np.expm1(np.log1p(-probability).sum(axis=-1)))


def find_reach(probability: np.ndarray) -> np.ndarray:
    """Return P(active within reach of a send) of every slot.

    Parameters
    ----------
    probability : array of shape (n, 168)
        P(active in slot), each below 1.

    Returns
    -------
    array of shape (n, 168)
    """
    silent = np.log1p(-probability)
    ahead = sum(np.roll(silent, -hours, axis=1) for hours in range(REACH_HOURS))
    return np.asarray(-np.expm1(ahead))
