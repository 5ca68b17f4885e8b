"""Reorder points, order-up-to levels and today's orders, from sample paths of demand.

References
----------
.. [1] Silver, Pyke & Thomas (2017), "Inventory and Production Management in Supply Chains", 4th
   ed., chapter 6.
.. [2] Hadley & Whitin (1963), "Analysis of Inventory Systems", section 4-3 (lost sales).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.stock.inputs import (
    ROUNDING,
    Floats,
    read_per_item,
    round_up_to_packs,
)
from models.stock.lots import find_economic_lots, find_lot_levels
from models.stock.newsvendor import find_critical_ratio, find_sample_quantile
from models.stock.protection import IntervalDemand, check_review


@dataclass(frozen=True)
class StockLevels:
    """The (R, s, S) policy of each item; arrays of shape (n_items,), in units.

    Attributes
    ----------
    reorder_point : array
        s: order at a review when the inventory position is at or below it.
    order_up_to : array
        S: what an order fills the position up to; S = s where ordering costs nothing extra.
    safety_stock : array
        s less the mean demand that it bridges: lead time and review, or with lots lead time and
        undershoot; negative where it pays to run short.
    lead_time_demand : array
        Mean demand over the lead time.
    protection_demand : array
        Mean demand over lead time and review.
    service_level : array
        Probability that s bridges that demand; by costs, the critical ratio.
    beyond_share : array
        Share of paths that had to be carried on beyond the forecast at their own mean.
    """

    reorder_point: Floats
    order_up_to: Floats
    safety_stock: Floats
    lead_time_demand: Floats
    protection_demand: Floats
    service_level: Floats
    beyond_share: Floats


def set_levels_by_service(
    demand: IntervalDemand, service_level: npt.ArrayLike, *, lots: npt.ArrayLike = 0.0
) -> StockLevels:
    """Set levels that cover a share of the outcomes of demand.

    Parameters
    ----------
    demand : IntervalDemand
        From `sum_interval_demand`.
    service_level : number or array of shape (n_items,)
        Probability of no stock-out before the next order can arrive; above 0, below 1.
    lots : number or array of shape (n_items,)
        Units that an order should have, from `find_economic_lots`; >= 0. Lots above the mean demand
        between two reviews make S larger than s, see `models.stock.lots`.

    Returns
    -------
    StockLevels
        With S = s where there are no lots.

    Raises
    ------
    ValueError
        If a service level is not between 0 and 1, or a lot is below 0.
    """
    n_items = len(demand.protection)
    level = read_per_item("service_level", service_level, n_items, at_least=0.0)
    if not ((level > 0) & (level < 1)).all():
        raise ValueError("service_level: expected above 0 and below 1; 0.95 means 95 %")
    return _build_levels(demand, level, read_per_item("lots", lots, n_items, at_least=0.0))


def set_levels_by_cost(
    demand: IntervalDemand,
    *,
    review_periods: int,
    lost_margin: npt.ArrayLike,
    holding_cost: npt.ArrayLike,
    order_cost: npt.ArrayLike = 0.0,
) -> StockLevels:
    """Set (R, s, S) levels by the critical ratio of lost margin and holding cost.

    A unit too many is held for one order cycle: the ratio is p / (p + h cycle) [2]_, which is the
    textbook's p / (p + h) for a review every period. With a cost per order, the cycle lasts as long
    as the economic lot does. Where the lead time is longer than the review interval and unmet
    demand is lost, the ratio holds too much: `models.stock.tuning` finds the level that pays.

    Parameters
    ----------
    demand : IntervalDemand
        From `sum_interval_demand`.
    review_periods : int
        The one that `demand` was summed with.
    lost_margin : number or array of shape (n_items,)
        Money lost per unit of demand not met (p); >= 0.
    holding_cost : number or array of shape (n_items,)
        Money per unit held over one period (h); >= 0.
    order_cost : number or array of shape (n_items,)
        Money per order, whatever its size (K); >= 0.

    Returns
    -------
    StockLevels
        In units.

    Raises
    ------
    ValueError
        If a cost is negative or NaN, p + h is not above 0, or an order cost comes with h = 0.
    """
    n_items = len(demand.protection)
    check_review(review_periods)
    margin = read_per_item("lost_margin", lost_margin, n_items, at_least=0.0)
    holding = read_per_item("holding_cost", holding_cost, n_items, at_least=0.0)
    lots = find_economic_lots(demand, review_periods, order_cost=order_cost, holding_cost=holding)
    rate = demand.review.mean(axis=1) / review_periods
    is_lot = lots > rate * review_periods
    cycle = np.where(is_lot, lots / np.where(is_lot, rate, 1.0), review_periods)
    return _build_levels(demand, find_critical_ratio(margin, holding * cycle), lots)


def find_position(
    on_hand: npt.ArrayLike, reserved: npt.ArrayLike, incoming: npt.ArrayLike, n_items: int
) -> Floats:
    """Return the inventory position: on hand, less reserved, plus all that is on order.

    Parameters
    ----------
    on_hand, reserved, incoming : number or array of shape (n_items,)
        Units; reserved and incoming >= 0. `on_hand` may be negative where a system books so.
    n_items : int
        Number of items.

    Returns
    -------
    array of shape (n_items,)
        Units; negative where more is reserved than there is.
    """
    available = read_per_item("on_hand", on_hand, n_items)
    held_back = read_per_item("reserved", reserved, n_items, at_least=0.0)
    return available - held_back + read_per_item("incoming", incoming, n_items, at_least=0.0)


def suggest_orders(
    levels: StockLevels,
    position: npt.ArrayLike,
    *,
    pack_size: npt.ArrayLike = 1.0,
    minimum_order: npt.ArrayLike = 0.0,
) -> Floats:
    """Return what to order at this review.

    Parameters
    ----------
    levels : StockLevels
        Of n_items items.
    position : number or array of shape (n_items,)
        Inventory position in units, from `find_position`.
    pack_size : number or array of shape (n_items,)
        Units per pack; > 0.
    minimum_order : number or array of shape (n_items,)
        Least units of an order; >= 0.

    Returns
    -------
    array of shape (n_items,)
        Units, whole packs, at least the minimum; zero where the position is above s.

    Raises
    ------
    ValueError
        If a value is NaN or out of range.
    """
    n_items = len(levels.order_up_to)
    at = read_per_item("position", position, n_items)
    pack = read_per_item("pack_size", pack_size, n_items, at_least=np.finfo(float).tiny)
    least = read_per_item("minimum_order", minimum_order, n_items, at_least=0.0)
    needed = np.where(at <= levels.reorder_point + ROUNDING, levels.order_up_to - at, 0.0)
    return round_up_to_packs(needed, pack, least)


def _build_levels(demand: IntervalDemand, ratio: Floats, lots: Floats) -> StockLevels:
    bridged = demand.protection.mean(axis=1)
    point = find_sample_quantile(demand.protection, ratio)
    top, protection = point.copy(), bridged.copy()
    rows = np.flatnonzero(lots > demand.review.mean(axis=1))
    if len(rows):
        levels = find_lot_levels(demand, rows, ratio[rows], lots[rows])
        point[rows], top[rows], bridged[rows] = levels.T
    # a ratio of zero, of goods that earn nothing, covers nothing at all
    point, top = (np.where(ratio > 0, level, 0.0) for level in (point, top))
    return StockLevels(
        reorder_point=point,
        order_up_to=top,
        safety_stock=point - bridged,
        lead_time_demand=demand.lead_time_mean,
        protection_demand=protection,
        service_level=ratio,
        beyond_share=demand.beyond_share,
    )
