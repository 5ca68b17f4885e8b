"""From when a customer is active to when a message should lie there: the hours after the send.

A message waits for its reader, and sinks below later ones while it waits. So the hour to send in is
not the one in which the customer is most likely to be active, but one with such hours just ahead.
Where answers to messages were logged, `models.response` learns how long a message lasts; until then
a window of some hours stands in for it.
"""

from __future__ import annotations

import numpy as np

INBOXES = ("email", "sms", "push", "mail", "social")
"""Channels in which a message waits."""
REACH_HOURS = 3
"""Hours, that of the send among them, within which a message is taken to be found: a convention."""


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
    # the week is a circle: its first hours lie ahead of its last
    ahead = np.concatenate([silent, silent[:, : REACH_HOURS - 1]], axis=1)
    n_slots = probability.shape[1]
    together = sum(ahead[:, hours : hours + n_slots] for hours in range(REACH_HOURS))
    return np.asarray(-np.expm1(together))
