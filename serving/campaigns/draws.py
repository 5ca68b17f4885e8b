"""Drawing options within shared limits, so that every message's chance is known.

Customers are drawn for in a random order, some at a time, as if one by one: as soon as an hour is
full, or a channel that the money no longer pays for is closed, the draws of all who come later are
thrown away and made again of what is still open. So the chance that is logged is exact given all
that was decided before: nobody's draw depends on whether what they wanted had room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from models.campaign.exploration import Choice

MOST_ROWS = 256
"""Customers drawn for at once: the fewer, the less is thrown away when an option closes."""
_SLACK = 1e-9
"""Of a message's cost, by which the money may be short: sums of decimals are not exact."""

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

    @property
    def is_limited(self) -> bool:
        """Whether anything can run out."""
        return bool(np.isfinite(self.capacity).any() or np.isfinite(self.budget))

    def is_open(self) -> np.ndarray:
        """Return whether each option takes one more message, shape (k,)."""
        return np.asarray((self.capacity >= 1.0) & (self.cost * (1.0 - _SLACK) <= self.budget))

    def take(self, options: np.ndarray) -> int:
        """Enter messages in their order up to the first that closes an option.

        Parameters
        ----------
        options : array of int64, shape (m,)
            Open ones; below 0 or from k on is no message.

        Returns
        -------
        int
            How many of the m are entered, that first one included.
        """
        sent = np.flatnonzero((options >= 0) & (options < len(self.capacity)))
        own = options[sent]
        left = self.budget - np.cumsum(self.cost[own])
        dearest = np.max(self.cost[self.is_open()], initial=0.0) * (1.0 - _SLACK)
        closes = (self.capacity[own] - _count_before(own) < 2.0) | (left < dearest)
        last = int(closes.argmax()) if closes.any() else len(own) - 1
        entered = own[: last + 1]
        self.capacity = self.capacity - np.bincount(entered, minlength=len(self.capacity))
        self.budget = float(left[last]) if len(entered) else self.budget
        return int(sent[last]) + 1 if closes.any() else len(options)

    def split(self, share: float, rng: np.random.Generator) -> Limits:
        """Take a share of all that is left out of these limits.

        Parameters
        ----------
        share : float
            0 to 1; of an hour's messages it is a whole number, rounded up or down by chance.
        rng : numpy Generator

        Returns
        -------
        Limits
            The share; what is left of it may be put back by `join`.
        """
        is_limited = np.isfinite(self.capacity)
        whole = np.where(is_limited, self.capacity, 0.0)
        part = np.minimum(np.floor(whole * share + rng.random(len(whole))), whole)
        money = self.budget * share if np.isfinite(self.budget) else np.inf
        taken = replace(self, capacity=np.where(is_limited, part, np.inf), budget=money)
        self.capacity = self.capacity - np.where(is_limited, part, 0.0)
        self.budget -= money if np.isfinite(money) else 0.0
        return taken

    def join(self, part: Limits) -> None:
        """Put back what is left of a share."""
        finite = np.isfinite(part.capacity)
        self.capacity = self.capacity + np.where(finite, part.capacity, 0.0)
        self.budget += max(part.budget, 0.0) if np.isfinite(part.budget) else 0.0


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
    candidates: list[str]

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
    waiting = rng.permutation(customers)
    while len(waiting):
        some = waiting[:MOST_ROWS]
        choice = draw(some, limits.is_open())
        done = limits.take(choice.index)
        _enter(some[:done], _cut(choice, done), write, len(limits.capacity), into)
        waiting = waiting[done:]


def _enter(
    customers: np.ndarray,
    choice: Choice,
    write: Callable[[Choice], np.ndarray],
    n_options: int,
    into: Drawn,
) -> None:
    is_sent = (choice.index >= 0) & (choice.index < n_options)
    into.option[customers] = np.where(is_sent, choice.index, -1)
    into.propensity[customers] = np.where(choice.index < 0, 1.0, choice.propensity)
    for customer, text in zip(customers.tolist(), write(choice), strict=True):
        into.candidates[customer] = text


def _cut(choice: Choice, n: int) -> Choice:
    """Return the first n rows of a choice."""
    return Choice(**{name: values[:n] for name, values in vars(choice).items()})


def _count_before(options: np.ndarray) -> np.ndarray:
    """Return how often each option occurs before its place, shape (m,)."""
    order = np.argsort(options, kind="stable")
    ordered = options[order]
    before = np.empty(len(options), dtype=np.int64)
    before[order] = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    return before
