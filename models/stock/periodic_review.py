"""The (s, S) policy under periodic review: at or below s, order up to S; exact.

References
----------
.. [1] Zheng & Federgruen (1991), "Finding optimal (s, S) policies is about as simple as evaluating
   a single policy", Operations Research 39(4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from models.stock.inputs import Floats, check_values
from models.stock.newsvendor import find_critical_ratio

TAIL = 1e-15
"""Probability that a Poisson distribution may lose beyond its last value."""


@dataclass(frozen=True)
class ReorderLevels:
    """A reorder point, an order-up-to level and what they cost.

    Attributes
    ----------
    reorder_point : int
        s: an order is placed when the inventory position is at or below it, in units.
    order_up_to : int
        S: what the order fills the position up to, in units.
    cost : float
        Long-run average cost per period, in money.
    """

    reorder_point: int
    order_up_to: int
    cost: float


def build_poisson_pmf(mean: float) -> Floats:
    """Return the probabilities of 0, 1, 2, ... units per period, cut where less than 1e-15 is left.

    Raises
    ------
    ValueError
        If the mean is negative or NaN.
    """
    check_values("mean", mean, at_least=0.0)
    last = int(stats.poisson.isf(TAIL, mean)) + 1
    return _normalise(np.asarray(stats.poisson.pmf(np.arange(last + 1), mean)))


def build_sampled_pmf(samples: npt.ArrayLike) -> Floats:
    """Return the probabilities of 0, 1, 2, ... units per period from samples.

    Parameters
    ----------
    samples : array of any shape
        Demand of single periods in whole units; >= 0.

    Returns
    -------
    array of shape (largest sample + 1,)
        Sums to 1.

    Raises
    ------
    ValueError
        If a sample is negative, NaN or not whole, or there is none.

    Examples
    --------
    >>> build_sampled_pmf([0, 2, 2, 1]).tolist()
    [0.25, 0.25, 0.5]
    """
    drawn = np.asarray(samples, dtype=np.float64).ravel()
    if drawn.size == 0:
        raise ValueError("samples: expected at least one, got none; draw some")
    check_values("samples", drawn, at_least=0.0)
    whole = np.rint(drawn)
    if not np.array_equal(whole, drawn):
        raise ValueError("samples: expected whole units, got fractions; round them first")
    return np.asarray(np.bincount(whole.astype(np.int64)) / drawn.size)


def solve_reorder_levels(
    pmf: npt.ArrayLike,
    *,
    order_cost: float,
    holding_cost: float,
    backorder_cost: float,
    lead_time: int = 0,
) -> ReorderLevels:
    """Find the (s, S) policy of lowest average cost, exactly, by Zheng and Federgruen's algorithm.

    Parameters
    ----------
    pmf : array of shape (n_values,)
        Probability of 0, 1, 2, ... units of demand in a period; sums to 1. Periods are independent.
    order_cost : float
        Money per order (K); >= 0.
    holding_cost, backorder_cost : float
        Money per unit left, and per unit backordered, at the end of a period (h, p); > 0.
    lead_time : int
        Periods from an order to its arrival; 0 arrives before the period's demand.

    Returns
    -------
    ReorderLevels
        In whole units.

    Raises
    ------
    ValueError
        If `pmf` is no distribution or all at zero, or a cost or the lead time is out of range.

    Examples
    --------
    >>> found = solve_reorder_levels(
    ...     build_poisson_pmf(10), order_cost=64, holding_cost=1, backorder_cost=9)
    >>> found.reorder_point, found.order_up_to, round(found.cost, 3)
    (6, 40, 35.022)
    """
    chances = _read_pmf(pmf)
    tiny = np.finfo(float).tiny
    check_values("holding_cost", holding_cost, at_least=tiny)
    check_values("backorder_cost", backorder_cost, at_least=tiny)
    check_values("order_cost", order_cost, at_least=0.0)
    if lead_time < 0 or int(lead_time) != lead_time:
        raise ValueError(f"lead_time: expected a whole number >= 0, got {lead_time}; round it up")
    covered = _cover(chances, int(lead_time) + 1)
    search = _Search(chances, covered, order_cost, holding_cost, backorder_cost)
    return search.run()


class _Search:
    """Zheng and Federgruen's search over s and S; renewal masses are worked out once."""

    def __init__(
        self, pmf: Floats, covered: Floats, order_cost: float, holding: float, backorder: float
    ) -> None:
        self._pmf, self._order_cost = pmf, order_cost
        self._holding, self._backorder = holding, backorder
        self._support = np.arange(len(covered))
        self._covered = covered
        self._rates: dict[int, float] = {}
        self._mass = [1.0 / (1.0 - pmf[0])]
        ratio = float(find_critical_ratio(backorder, holding))
        self._lowest = int(np.searchsorted(np.cumsum(covered), ratio - 1e-12))

    def run(self) -> ReorderLevels:
        """Return the optimum; the steps are those of the paper's section 2."""
        top = self._lowest
        point = top - 1
        while self._average(point, top) > self._rate(point):
            point -= 1
        cost = self._average(point, top)
        trial = top + 1
        while self._rate(trial) <= cost:
            if self._average(point, trial) < cost:
                top = trial
                while point + 1 < top and self._average(point, top) <= self._rate(point + 1):
                    point += 1
                cost = self._average(point, top)
            trial += 1
        return ReorderLevels(point, top, cost)

    def _rate(self, position: int) -> float:
        """Return the expected cost of a period that the position `position` leads to."""
        if position not in self._rates:
            left = position - self._support
            paid = np.where(left > 0, self._holding * left, -self._backorder * left)
            self._rates[position] = float(self._covered @ paid)
        return self._rates[position]

    def _average(self, point: int, top: int) -> float:
        """Return the average cost per period of (point, top): a renewal cycle's, by its length."""
        steps = top - point
        while len(self._mass) < steps:
            self._mass.append(self._next_mass())
        mass = np.asarray(self._mass[:steps])
        rates = np.asarray([self._rate(top - step) for step in range(steps)])
        return float((self._order_cost + mass @ rates) / mass.sum())

    def _next_mass(self) -> float:
        """Return the expected periods at the next position of a cycle."""
        at = len(self._mass)
        known = min(at, len(self._pmf) - 1)
        back = np.asarray(self._mass[at - known : at])[::-1]
        return float(self._pmf[1 : known + 1] @ back / (1.0 - self._pmf[0]))


def _read_pmf(pmf: npt.ArrayLike) -> Floats:
    chances = np.asarray(pmf, dtype=np.float64)
    if chances.ndim != 1 or chances.size == 0:
        raise ValueError(f"pmf: expected shape (n_values,), got {chances.shape}; give one item's")
    check_values("pmf", chances, at_least=0.0)
    if abs(chances.sum() - 1.0) > 1e-6:
        raise ValueError(f"pmf: expected to sum to 1, got {chances.sum():g}; divide by its sum")
    if chances[0] >= 1.0:
        raise ValueError(
            "pmf: expected some demand, got none; an item without demand needs no s, S"
        )
    return _normalise(chances)


def _cover(pmf: Floats, periods: int) -> Floats:
    """Return the distribution of the demand of several independent periods."""
    covered = pmf
    for _ in range(periods - 1):
        covered = np.convolve(covered, pmf)
    return covered


def _normalise(chances: Floats) -> Floats:
    return np.asarray(chances / chances.sum())
