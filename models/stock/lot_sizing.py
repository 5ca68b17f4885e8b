"""Dynamic lot sizing: when to order, and how much, for known demand.

References
----------
.. [1] Wagner & Whitin (1958), "Dynamic version of the economic lot size model", Management
   Science 5(1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.stock.inputs import Floats, read_per_item


@dataclass(frozen=True)
class LotSizes:
    """A plan of orders.

    Attributes
    ----------
    orders : array of shape (n_periods,)
        Units to order for the start of each period.
    cost : float
        Ordering and holding cost of the whole plan, in money.
    """

    orders: Floats
    cost: float


def solve_lot_sizes(
    demand: npt.ArrayLike, *, order_cost: npt.ArrayLike, holding_cost: npt.ArrayLike
) -> LotSizes:
    """Plan the orders of lowest cost for known demand, without shortages (Wagner-Whitin).

    Parameters
    ----------
    demand : array of shape (n_periods,)
        Units needed in each period; >= 0.
    order_cost : number or array of shape (n_periods,)
        Money per order placed in a period (K); >= 0.
    holding_cost : number or array of shape (n_periods,)
        Money per unit left at the end of a period (h); >= 0.

    Returns
    -------
    LotSizes
        Among plans of equal cost, the one that orders latest.

    Raises
    ------
    ValueError
        If demand has not one dimension, or a value is negative or NaN.

    Examples
    --------
    >>> solve_lot_sizes([90, 120, 80, 70], order_cost=500, holding_cost=2).orders.tolist()
    [210.0, 0.0, 150.0, 0.0]
    """
    needed = np.asarray(demand, dtype=np.float64)
    if needed.ndim != 1:
        raise ValueError(f"demand: expected shape (n_periods,), got {needed.shape}; plan one item")
    n_periods = len(needed)
    needed = read_per_item("demand", needed, n_periods, at_least=0.0)
    fixed = read_per_item("order_cost", order_cost, n_periods, at_least=0.0)
    holding = read_per_item("holding_cost", holding_cost, n_periods, at_least=0.0)
    # carrying a unit from one period to another costs the difference of two of these
    carried = np.concatenate([[0.0], np.cumsum(holding)])
    best = np.zeros(n_periods + 1)
    until = np.zeros(n_periods, dtype=np.int64)
    for start in range(n_periods - 1, -1, -1):
        lot = needed[start:]
        carry = np.cumsum(lot * (carried[start:-1] - carried[start]))
        setup = np.where(np.cumsum(lot) > 0, fixed[start], 0.0)
        costs = setup + carry + best[start + 1 :]
        shortest = int(np.argmin(costs))
        best[start], until[start] = costs[shortest], start + shortest + 1
    return LotSizes(_read_orders(needed, until), float(best[0]))


def _read_orders(needed: Floats, until: npt.NDArray[np.int64]) -> Floats:
    orders = np.zeros(len(needed))
    start = 0
    while start < len(needed):
        orders[start] = needed[start : until[start]].sum()
        start = int(until[start])
    return orders
