"""Drawing options within shared limits, so that every message's chance is known.

Customers are drawn for in a random order, some at a time. An hour that has become full, or a
channel that the money no longer pays for, is closed to those who come later, and their chances are
those of what is still open: so what is logged is the chance at the moment of the draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from models.campaign.exploration import Choice

STEPS = 50
"""Parts that an audience is drawn for in, at least: what is full is noticed after each."""
MOST_ROWS = 4000
"""Customers drawn for at once, at most."""

Draw = Callable[[np.ndarray, np.ndarray], Choice]
"""Customers (m,) and open options (k,) → a choice among what is permitted and open to each."""


@dataclass
class Limits:
    """What is left of hours and money while a campaign is drawn.

    Attributes
    ----------
    capacity : array of float64, shape (k,)
        Messages that each option (hour and channel) still takes; inf = any number.
    cost : array of float64, shape (k,)
        Money a message costs.
    budget : float
        Money left; inf = any sum.
    """

    capacity: np.ndarray
    cost: np.ndarray
    budget: float

    def is_open(self) -> np.ndarray:
        """Return whether each option takes one more message, shape (k,)."""
        return np.asarray((self.capacity >= 1.0) & (self.cost <= self.budget))

    def take(self, options: np.ndarray) -> np.ndarray:
        """Enter messages in their order, and return which found room, shape (m,).

        Options below 0 or from k on are no message and always find room.
        """
        found = np.ones(len(options), dtype=np.bool_)
        sent = np.flatnonzero((options >= 0) & (options < len(self.capacity)))
        order = sent[np.argsort(options[sent], kind="stable")]
        own = options[order]
        rank = np.arange(len(own)) - np.searchsorted(own, own)
        found[order] = rank < np.floor(self.capacity[own])
        kept = sent[found[sent]]
        spent = np.cumsum(self.cost[options[kept]])
        found[kept[spent > self.budget]] = False
        kept = sent[found[sent]]
        self.capacity = self.capacity - np.bincount(options[kept], minlength=len(self.capacity))
        self.budget -= float(self.cost[options[kept]].sum())
        return found


@dataclass
class Drawn:
    """What was drawn for n customers, filled in as it goes.

    Attributes
    ----------
    option, propensity : arrays of shape (n,)
        The option, -1 for no message; and the chance of it given the arm.
    candidates : list of str, length n
        The likeliest options with their chances, as JSON.
    """

    option: np.ndarray
    propensity: np.ndarray
    candidates: list[str] = field(default_factory=list)

    @classmethod
    def empty(cls, n: int) -> Drawn:
        """Nobody gets anything, for certain."""
        return cls(np.full(n, -1, dtype=np.int64), np.ones(n), ["[]"] * n)


def draw_within(
    customers: np.ndarray,
    draw: Draw,
    write: Callable[[Choice], np.ndarray],
    limits: Limits,
    into: Drawn,
    rng: np.random.Generator,
) -> None:
    """Draw for `customers` and enter what was drawn.

    Parameters
    ----------
    customers : array of int64
        Places in `into`.
    draw : callable
        Its choice may hold one option more than there are limits for, the last: no message.
    write : callable
        Choice → candidates as JSON, one a row.
    limits : Limits
        Used up.
    into : Drawn
        Filled in at `customers`.
    rng : numpy Generator
        Of the order.
    """
    for part in _split(customers, rng):
        waiting = part
        while len(waiting):
            choice = draw(waiting, limits.is_open())
            found = limits.take(choice.index)
            is_none = (choice.index < 0) | (choice.index >= len(limits.capacity))
            chances = np.where(choice.index < 0, 1.0, choice.propensity)
            texts = write(choice)
            for place in np.flatnonzero(found).tolist():
                into.candidates[waiting[place]] = texts[place]
            rows = waiting[found]
            into.option[rows] = np.where(is_none, -1, choice.index)[found]
            into.propensity[rows] = chances[found]
            waiting = waiting[~found]


def _split(customers: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    order = rng.permutation(customers)
    size = max(1, min(MOST_ROWS, -(-len(order) // STEPS)))
    for first in range(0, len(order), size):
        yield order[first : first + size]
