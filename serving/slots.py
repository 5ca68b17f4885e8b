"""The permitted hours of a window, and the best of them for each customer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

import msgspec
import numpy as np

from models.campaign.send_slots import QuietHours, build_window, choose_best

Bound = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Slot(msgspec.Struct, frozen=True, gc=False):
    """One hour in which to send.

    A Struct, as 240,000 may be in one answer: a frozen dataclass costs ten times as much.
    """

    start: str
    slot: int
    probability: float
    low: float
    high: float
    lift: float
    channel: str


@lru_cache(maxsize=256)
def find_permitted(
    start: datetime, end: datetime, time_zone: str, quiet: QuietHours | None
) -> tuple[list[str], np.ndarray]:
    """Return the start of each permitted slot as text, and its hour of the week."""
    starts, slots = build_window(start, end, time_zone, quiet)
    return [moment.isoformat() for moment in starts], slots


def choose_slots(
    values: np.ndarray,
    starts: list[str],
    hours: np.ndarray,
    channel: str,
    top_k: int,
    bound: Bound,
) -> list[list[Slot]]:
    """Return the `top_k` best slots of each customer.

    Parameters
    ----------
    values : array of shape (n, n_permitted)
        Probability in each permitted slot.
    starts : list of str, length n_permitted
    hours : array of int64, shape (n_permitted,)
        Start as text, and hour of the local week, of each permitted slot.
    channel : str
        Over which they are sent to.
    top_k : int
        At most as many as are permitted are returned.
    bound : callable
        Slots (n, k) → lower and upper bounds of their probabilities.
    """
    best = choose_best(values, top_k)
    chosen = np.take_along_axis(values, best, axis=1)
    low, high = bound(hours[best])
    lifts = chosen / values.mean(axis=1, keepdims=True)
    slots = hours.tolist()
    return [
        [
            Slot(starts[at], slots[at], probability, least, most, lift, channel)
            for at, probability, least, most, lift in zip(*row, strict=True)
        ]
        for row in zip(*(part.tolist() for part in (best, chosen, low, high, lifts)), strict=True)
    ]
