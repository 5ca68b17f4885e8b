"""Each customer's choice at given prices, and all that the choice may become as prices move.

Prices are known to lie in a box: `prices - fall` to `prices + rise`. An option that is in no best
plan anywhere in the box is no candidate; a customer whose candidates make one plan that is best
everywhere in the box has decided. The linear programme needs the others only, and is exact
within the box.

References
----------
.. [1] Marsten, Hogan, Blankenship (1975), "The Boxstep method for large-scale optimization",
   Operations Research 23(3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.campaign.assignment_limits import ROUNDING, Flags, Floats, Whole
from models.campaign.assignment_plans import choose_hours, find_best_with

PLAN_CELLS = 2_000_000
"""Cells of a table of plans that are worked on at a time: 16 MB."""


@dataclass(frozen=True)
class Rules:
    """What holds for each customer alone.

    Attributes
    ----------
    most : array of int64, shape (n,)
        Messages a customer at most.
    gap : int
        Hours from one message to the next, at least; >= 1.
    shape : tuple of int
        (n_hours, n_channels).
    """

    most: Whole
    gap: int
    shape: tuple[int, int]


@dataclass(frozen=True)
class Box:
    """The price of each option, and how far it may rise and fall; arrays of shape (n_options,)."""

    prices: Floats
    rise: Floats
    fall: Floats


@dataclass(frozen=True)
class Options:
    """Options of customers, by customer, then option; arrays of one length.

    Attributes
    ----------
    customer, option : array of int64
    value : array of float64
        Value of a message, prices apart.
    """

    customer: Whole
    option: Whole
    value: Floats

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, which: Flags | Whole) -> Options:
        """Return some of them."""
        return Options(self.customer[which], self.option[which], self.value[which])


def choose_at(value: Floats, most: Whole, price: Floats, rules: Rules) -> tuple[Options, float]:
    """Choose each customer's best plan at prices; ties to the earliest hour, then first channel.

    Parameters
    ----------
    value : array of shape (n, n_options)
        -inf where not permitted.
    most : array of int64, shape (n,)
    price : array of shape (n_options,)
    rules : Rules

    Returns
    -------
    options : Options
        Rows of `value` as customers.
    surplus : float
        Sum of value less price over the messages: the customers' part of the dual function.
    """
    reduced = value - price
    nothing = np.zeros(0, dtype=np.int64)
    found: list[tuple[Whole, Whole]] = [(nothing, nothing)]
    single = np.flatnonzero(most == 1)
    if len(single):
        best = reduced[single].argmax(axis=1)
        gains = reduced[single, best] > 0
        found.append((single[gains], best[gains]))
    for rows, count in _split_several(most, rules):
        by_channel = reduced[rows].reshape(len(rows), *rules.shape)
        customer, hour = choose_hours(by_channel.max(axis=2).T, count, rules.gap)
        channel = by_channel[customer, hour].argmax(axis=1)
        found.append((rows[customer], hour * rules.shape[1] + channel))
    customers, options = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((options, customers))
    customers, options = customers[order], options[order]
    surplus = float(reduced[customers, options].sum())
    return Options(customers, options, value[customers, options]), surplus


def find_candidates(value: Floats, most: Whole, box: Box, rules: Rules) -> Options:
    """Find every option that is in a best plan somewhere in the box.

    Parameters
    ----------
    value, most, rules
        As for `choose_at`.
    box : Box

    Returns
    -------
    Options
        Rows of `value` as customers. May hold a few that are in no best plan.
    """
    low, high = value - (box.prices + box.rise), value - (box.prices - box.fall)
    is_candidate = np.zeros(value.shape, dtype=bool)
    single = np.flatnonzero(most == 1)
    if len(single):
        sure = np.maximum(low[single].max(axis=1), 0.0)
        is_candidate[single] = high[single] >= sure[:, None]
    for rows, count in _split_several(most, rules):
        is_candidate[rows] = _find_in_plans(value[rows], box, count, rules)
    customer, option = np.nonzero(is_candidate & (high > 0))
    return Options(customer, option, value[customer, option])


def find_decided(options: Options, box: Box, rules: Rules) -> Flags:
    """Tell which candidates belong to a customer who takes all of them anywhere in the box."""
    if not len(options):
        return np.zeros(0, dtype=bool)
    first = find_starts(options.customer)
    hour = options.option // rules.shape[1]
    is_near = np.zeros(len(options), dtype=bool)
    is_near[1:] = np.diff(options.customer) == 0
    is_near[1:] &= np.diff(hour) < rules.gap
    may_lose = options.value < box.prices[options.option] + box.rise[options.option]
    blocked = np.add.reduceat(is_near | may_lose, first, dtype=np.int64)
    count = np.diff(np.append(first, len(options)))
    is_decided = (blocked == 0) & (count <= rules.most[options.customer[first]])
    return np.repeat(is_decided, count)


def find_starts(customer: npt.NDArray[np.int64]) -> Whole:
    """Return where each customer's options begin."""
    return np.flatnonzero(np.diff(customer, prepend=-1))


def _find_in_plans(value: Floats, box: Box, most: int, rules: Rules) -> Flags:
    """Keep what is in a plan that comes up to the one chosen at the middle of the box.

    Only what two plans do not share tells between them: the chosen plan's own options are priced
    at their worst, all others at their best.
    """
    reduced = (value - box.prices).reshape(len(value), *rules.shape)
    customer, hour = choose_hours(reduced.max(axis=2).T, most, rules.gap)
    option = hour * rules.shape[1] + reduced[customer, hour].argmax(axis=1)
    gain = value - (box.prices - box.fall)
    gain[customer, option] -= (box.fall + box.rise)[option]
    chosen = np.bincount(customer, gain[customer, option], minlength=len(value))
    by_channel = gain.reshape(reduced.shape)
    by_hour = by_channel.max(axis=2)
    with_hour = find_best_with(by_hour.T, most, rules.gap).T
    # an hour is worth what its better channel is, so the other's shortfall is taken off
    with np.errstate(invalid="ignore"):
        short = by_hour[:, :, None] - by_channel
    slack = ROUNDING * np.abs(chosen)
    reached = (with_hour[:, :, None] - short >= (chosen - slack)[:, None, None]).reshape(gain.shape)
    reached[customer, option] = True
    return np.asarray(reached)


def _split_several(most: Whole, rules: Rules) -> Iterator[tuple[Whole, int]]:
    """Yield rows of customers with the same number of messages, two or more, few at a time."""
    n_hours = rules.shape[0]
    for count in np.unique(most[most > 1]).tolist():
        rows = np.flatnonzero(most == count)
        step = max(1, PLAN_CELLS // ((count + 1) * (n_hours + 1)))
        for start in range(0, len(rows), step):
            yield rows[start : start + step], count
