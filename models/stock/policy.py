"""Reorder points, order-up-to levels and today's orders, from sample paths of demand.

References
----------
.. [1] Silver, Pyke & Thomas (2017), "Inventory and Production Management in Supply Chains", 4th
   ed., chapter 6.
.. [2] Hadley & Whitin (1963), "Analysis of Inventory Systems", section 4-3 (lost sales).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.stock.inputs import (
    ROUNDING,
    Floats,
    Whole,
    read_per_item,
    round_up_to_packs,
)
from models.stock.newsvendor import find_critical_ratio, find_sample_quantile
from models.stock.protection import IntervalDemand, check_review

UNDERSHOOT_STEPS = (np.arange(8) + 0.5) / 8
"""Where in the demand between two reviews the position may fall through s."""


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


def set_levels_by_service(demand: IntervalDemand, service_level: npt.ArrayLike) -> StockLevels:
    """Set base-stock levels that cover a share of the outcomes of demand.

    Parameters
    ----------
    demand : IntervalDemand
        From `sum_interval_demand`.
    service_level : number or array of shape (n_items,)
        Probability of no stock-out before the next order can arrive; above 0, below 1.

    Returns
    -------
    StockLevels
        With S = s.

    Raises
    ------
    ValueError
        If a service level is not between 0 and 1.
    """
    level = read_per_item("service_level", service_level, len(demand.protection), at_least=0.0)
    if not ((level > 0) & (level < 1)).all():
        raise ValueError("service_level: expected above 0 and below 1; 0.95 means 95 %")
    return _build_levels(demand, level)


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
    textbook's p / (p + h) for a review every period.

    With a cost per order, the cycle lasts as long as the economic order quantity Q does. A review
    then finds the position below s by an undershoot U, the residual life of the demand between
    reviews: s covers lead time demand + U, and S = s + Q less the mean of U [1]_.

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
    fixed = read_per_item("order_cost", order_cost, n_items, at_least=0.0)
    if ((fixed > 0) & (holding == 0)).any():
        raise ValueError(
            "holding_cost: expected > 0 where orders cost, got 0; lots would be endless"
        )
    rate = demand.review.mean(axis=1) / review_periods
    quantity = np.sqrt(2 * fixed * rate / np.where(holding > 0, holding, 1.0))
    is_lot = quantity > rate * review_periods
    cycle = np.where(is_lot, quantity / np.where(is_lot, rate, 1.0), review_periods)
    levels = _build_levels(demand, find_critical_ratio(margin, holding * cycle))
    return _add_lots(levels, demand, np.flatnonzero(is_lot), quantity) if is_lot.any() else levels


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


def _build_levels(demand: IntervalDemand, ratio: Floats) -> StockLevels:
    # a ratio of zero, of goods that earn nothing, covers nothing at all
    point = np.where(ratio > 0, find_sample_quantile(demand.protection, ratio), 0.0)
    protection = demand.protection.mean(axis=1)
    return StockLevels(
        reorder_point=point,
        order_up_to=point,
        safety_stock=point - protection,
        lead_time_demand=demand.lead_time_mean,
        protection_demand=protection,
        service_level=ratio,
        beyond_share=demand.beyond_share,
    )


def _add_lots(
    levels: StockLevels, demand: IntervalDemand, rows: Whole, quantity: Floats
) -> StockLevels:
    """Return the levels with those of some items replaced by the ones for lots."""
    point, top, safety = (
        values.copy() for values in (levels.reorder_point, levels.order_up_to, levels.safety_stock)
    )
    for item in rows.tolist():
        review, lead = demand.review[item], demand.protection[item] - demand.review[item]
        # residual life: a path is met in proportion to its demand, anywhere within it
        weight = review / review.sum()
        reach = lead + UNDERSHOOT_STEPS[:, None] * review
        share = float(levels.service_level[item])
        point[item] = _find_weighted_quantile(reach, weight, share) if share > 0 else 0.0
        undershoot = float(weight @ review) / 2
        top[item] = point[item] + max(quantity[item] - undershoot, 0.0)
        safety[item] = point[item] - undershoot - float(weight @ lead)
    return replace(levels, reorder_point=point, order_up_to=top, safety_stock=safety)


def _find_weighted_quantile(values: Floats, weight: Floats, share: float) -> float:
    """Return the smallest value that covers a share; weights by column, which sum to 1."""
    order = np.argsort(values, axis=None, kind="stable")
    covered = np.cumsum(np.tile(weight / len(values), len(values))[order])
    at = min(int(np.searchsorted(covered, share - ROUNDING)), values.size - 1)
    return float(values.ravel()[order[at]])
