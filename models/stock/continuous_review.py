"""The (r, Q) policy under continuous review: order Q units when the position falls to r.

Two definitions are in use, and their answers differ; the name of each function says which it is.

References
----------
.. [1] Hadley & Whitin (1963), "Analysis of Inventory Systems", chapter 4.
.. [2] Zheng (1992), "On properties of stochastic inventory systems", Management Science 38(1).
.. [3] Snyder & Shen (2019), "Fundamentals of Supply Chain Theory", 2nd ed., chapter 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from models.stock.inputs import check_values

MAX_ROUNDS = 1000
TOLERANCE = 1e-10


@dataclass(frozen=True)
class ReorderQuantity:
    """A reorder point, an order quantity and what they cost.

    Attributes
    ----------
    reorder_point : float
        Inventory position at which an order is placed, in units.
    quantity : float
        Units of an order.
    cost : float
        Expected cost per unit of time in money, as the function's definition counts it.
    """

    reorder_point: float
    quantity: float
    cost: float


def solve_rq_expected_inventory(
    mean: float,
    sd: float,
    lead_time: float,
    *,
    order_cost: float,
    holding_cost: float,
    penalty: float,
) -> ReorderQuantity:
    """Solve (r, Q) by Hadley and Whitin's expected-inventory-level (EIL) approximation.

    The shortage penalty is paid once per unit short, whatever the wait: r leaves a probability
    Q h / (p mean) of running out, and Q = sqrt(2 mean (K + p n(r)) / h), solved in turns ([3],
    equations 5.16-5.18).

    Parameters
    ----------
    mean, sd : float
        Demand per unit of time: mean > 0, standard deviation >= 0, in units.
    lead_time : float
        Time from an order to its arrival; >= 0.
    order_cost, holding_cost, penalty : float
        Money per order (K), per unit held over a unit of time (h), per unit short (p); > 0.

    Returns
    -------
    ReorderQuantity
        With the approximate cost.

    Raises
    ------
    ValueError
        If a value is out of range, or shortages are so cheap that no reorder point exists
        (Q h > p mean).

    Examples
    --------
    >>> found = solve_rq_expected_inventory(
    ...     1300, 150, 1 / 12, order_cost=8, holding_cost=0.225, penalty=7.5)
    >>> round(found.reorder_point, 3), round(found.quantity, 3)
    (213.97, 318.59)
    """
    _check_rq(mean, sd, lead_time, order_cost, holding_cost, penalty)
    during, spread = mean * lead_time, sd * math.sqrt(lead_time)
    quantity, last = math.sqrt(2 * mean * order_cost / holding_cost), math.inf
    for _ in range(MAX_ROUNDS):
        chance = quantity * holding_cost / (penalty * mean)
        if chance >= 1:
            raise ValueError(
                f"penalty: expected shortages dear enough that Q h < p mean, got {chance:.3g} of "
                "it; raise the penalty or do not stock the item"
            )
        z = float(stats.norm.isf(chance))
        short = spread * _loss(z)
        last, quantity = (
            quantity,
            math.sqrt(2 * mean * (order_cost + penalty * short) / holding_cost),
        )
        if abs(quantity - last) <= TOLERANCE * quantity:
            break
    point = during + spread * z
    held = holding_cost * (point - during + quantity / 2)
    return ReorderQuantity(point, quantity, held + mean / quantity * (order_cost + penalty * short))


def score_rq_cost(
    reorder_point: float,
    quantity: float,
    mean: float,
    sd: float,
    lead_time: float,
    *,
    order_cost: float,
    holding_cost: float,
    backorder_cost: float,
) -> float:
    """Return the exact expected cost per unit of time of (r, Q) under normal lead-time demand.

    The position is uniform between r and r + Q: the cost is (K mean + integral of g over that
    range) / Q, where g(y) is the cost rate of holding and backorders at the position y ([3], 5.7).

    Parameters are those of `solve_rq_exact`.
    """
    _check_rq(mean, sd, lead_time, order_cost, holding_cost, backorder_cost)
    check_values("quantity", quantity, at_least=np.finfo(float).tiny)
    rate = _CostRate(mean * lead_time, sd * math.sqrt(lead_time), holding_cost, backorder_cost)
    over = rate.integral(reorder_point + quantity) - rate.integral(reorder_point)
    return (order_cost * mean + over) / quantity


def solve_rq_exact(
    mean: float,
    sd: float,
    lead_time: float,
    *,
    order_cost: float,
    holding_cost: float,
    backorder_cost: float,
) -> ReorderQuantity:
    """Solve (r, Q) exactly for normal lead-time demand and backorders that cost by the time waited.

    At the optimum g(r) = g(r + Q) = cost, g the convex cost rate at a position [2]_: one equation
    in the cost, increasing in it.

    Parameters
    ----------
    mean, sd : float
        Demand per unit of time: mean > 0, standard deviation >= 0, in units.
    lead_time : float
        Time from an order to its arrival; >= 0.
    order_cost, holding_cost, backorder_cost : float
        Money per order (K), per unit held (h) and backordered (p) over a unit of time; > 0.

    Returns
    -------
    ReorderQuantity
        With the exact cost.

    Raises
    ------
    ValueError
        If a value is out of range.
    """
    _check_rq(mean, sd, lead_time, order_cost, holding_cost, backorder_cost)
    rate = _CostRate(mean * lead_time, sd * math.sqrt(lead_time), holding_cost, backorder_cost)
    best = rate.lowest()
    floor = rate(best)

    def gap(cost: float) -> float:
        low, high = rate.solve(cost, best)
        return cost * (high - low) - rate.integral(high) + rate.integral(low) - order_cost * mean

    span = math.sqrt(2 * order_cost * mean * holding_cost)
    ceiling = floor + span
    while gap(ceiling) < 0:
        ceiling += span
    cost = float(brentq(gap, floor, ceiling, xtol=1e-12, rtol=1e-14))
    low, high = rate.solve(cost, best)
    return ReorderQuantity(low, high - low, cost)


def _loss(z: float) -> float:
    """Return the standard normal loss E(Z - z)+."""
    return float(stats.norm.pdf(z) - z * stats.norm.sf(z))


@dataclass(frozen=True)
class _CostRate:
    """g(y) = h E(y - D)+ + p E(D - y)+ for normal lead-time demand D."""

    mean: float
    sd: float
    holding: float
    backorder: float

    def __call__(self, position: float) -> float:
        short = self.sd * _loss(self._z(position)) if self.sd else max(self.mean - position, 0.0)
        return self.holding * (position - self.mean) + (self.holding + self.backorder) * short

    def lowest(self) -> float:
        """Return the position of the lowest rate."""
        ratio = self.backorder / (self.backorder + self.holding)
        return self.mean + self.sd * float(stats.norm.ppf(ratio))

    def integral(self, position: float) -> float:
        """Return an antiderivative of the rate ([3], equation C.20)."""
        if self.sd:
            z = self._z(position)
            second = (z**2 + 1) * stats.norm.sf(z) - z * stats.norm.pdf(z)
            short = -float(self.sd**2 * second) / 2
        else:
            short = -(max(self.mean - position, 0.0) ** 2) / 2
        held = self.holding * (position - self.mean) ** 2 / 2
        return held + (self.holding + self.backorder) * short

    def solve(self, cost: float, lowest: float) -> tuple[float, float]:
        """Return the two positions at which the rate is `cost`, on either side of `lowest`."""

        def apart(position: float) -> float:
            return self(position) - cost

        # the rate is above its two asymptotes, which are lines of slope -p and h through the mean
        left, right = self.mean - cost / self.backorder, self.mean + cost / self.holding
        return _root(apart, left, lowest), _root(apart, lowest, right)

    def _z(self, position: float) -> float:
        return (position - self.mean) / self.sd


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the root between two points, or the nearer end where rounding hides the sign."""
    at_low, at_high = function(low), function(high)
    if low >= high or at_low * at_high >= 0:
        return low if abs(at_low) <= abs(at_high) else high
    return float(brentq(function, low, high, xtol=1e-12, rtol=1e-14))


def _check_rq(mean: float, sd: float, lead_time: float, *costs: float) -> None:
    tiny = np.finfo(float).tiny
    check_values("mean", mean, at_least=tiny)
    check_values("sd", sd, at_least=0.0)
    check_values("lead_time", lead_time, at_least=0.0)
    for name, cost in zip(("order_cost", "holding_cost", "penalty"), costs, strict=True):
        check_values(name, cost, at_least=tiny)
