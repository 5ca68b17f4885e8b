"""Everything a planner asks of an item: its levels, what to order now, what is at risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.stock.inputs import Floats, read_per_item
from models.stock.lots import find_economic_lots
from models.stock.outlook import StockOutlook, project_stock
from models.stock.policy import (
    StockLevels,
    find_position,
    set_levels_by_cost,
    set_levels_by_service,
    suggest_orders,
)
from models.stock.protection import IntervalDemand, sum_interval_demand


@dataclass(frozen=True)
class StockAdvice:
    """The advice for each item.

    Attributes
    ----------
    levels : StockLevels
        Reorder points, order-up-to levels, safety stocks.
    position : array of shape (n_items,)
        On hand, less reserved, plus all that is on order; units.
    order : array of shape (n_items,)
        Units to order now.
    outlook : StockOutlook
        What happens if nothing more is ordered.
    """

    levels: StockLevels
    position: Floats
    order: Floats
    outlook: StockOutlook


def advise_stock(
    paths: npt.NDArray[np.floating],
    lead_times: npt.ArrayLike,
    *,
    on_hand: npt.ArrayLike,
    reserved: npt.ArrayLike = 0.0,
    arrivals: npt.ArrayLike | None = None,
    later_arrivals: npt.ArrayLike = 0.0,
    review_periods: int = 1,
    service_level: npt.ArrayLike | None = None,
    lost_margin: npt.ArrayLike | None = None,
    holding_cost: npt.ArrayLike | None = None,
    order_cost: npt.ArrayLike = 0.0,
    pack_size: npt.ArrayLike = 1.0,
    minimum_order: npt.ArrayLike = 0.0,
    is_extended: bool = False,
) -> StockAdvice:
    """Advise on the stock of every item, from sample paths of its demand.

    Parameters
    ----------
    paths : array of shape (n_items, n_periods, n_paths)
        Demand in units per period, period 0 the next one; an item is a product at a location.
    lead_times : number, array of shape (n_items,) or (n_items, n_paths)
        Whole periods from an order to its arrival: `models.stock.lead_times` samples them.
    on_hand, reserved : number or array of shape (n_items,)
        Units at the start of period 0, and those of them that are promised to others.
    arrivals : array of shape (n_items, n_periods), optional
        Units on order, by the period at whose start they arrive.
    later_arrivals : number or array of shape (n_items,)
        Units on order that arrive after the last period, or nobody knows when.
    review_periods : int
        Periods between two reviews.
    service_level : number or array of shape (n_items,), optional
        Probability of no stock-out before the next order can arrive. Either this or:
    lost_margin : number or array of shape (n_items,), optional
        Money per unit of demand lost; needs `holding_cost`.
    holding_cost : number or array of shape (n_items,), optional
        Money per unit held over one period.
    order_cost : number or array of shape (n_items,)
        Money per order, whatever its size; above 0 it makes lots, and needs `holding_cost`.
    pack_size, minimum_order : number or array of shape (n_items,)
        Units per pack, and least units of an order.
    is_extended : bool
        Carry paths on at their own mean where lead time and review reach beyond them.

    Returns
    -------
    StockAdvice
        Arrays over the items in the order given.

    Raises
    ------
    ValueError
        If an input is NaN, out of range or of another shape, or neither or both of service level
        and costs are given.
    """
    demand = sum_interval_demand(
        paths, lead_times, review_periods=review_periods, is_extended=is_extended
    )
    levels = _set_levels(
        demand, int(review_periods), service_level, lost_margin, holding_cost, order_cost
    )
    outlook = project_stock(paths, on_hand, reserved=reserved, arrivals=arrivals)
    incoming = read_per_item("later_arrivals", later_arrivals, len(paths), at_least=0.0)
    if arrivals is not None:
        incoming += np.asarray(arrivals, dtype=np.float64).sum(axis=1)
    position = find_position(on_hand, reserved, incoming, len(paths))
    order = suggest_orders(levels, position, pack_size=pack_size, minimum_order=minimum_order)
    return StockAdvice(levels, position, order, outlook)


def _set_levels(
    demand: IntervalDemand,
    review_periods: int,
    service_level: npt.ArrayLike | None,
    lost_margin: npt.ArrayLike | None,
    holding_cost: npt.ArrayLike | None,
    order_cost: npt.ArrayLike,
) -> StockLevels:
    if (service_level is None) == (lost_margin is None):
        got = "neither" if service_level is None else "both"
        raise ValueError(
            f"service_level: expected it or lost_margin, got {got}; costs set their own level"
        )
    if holding_cost is None and (lost_margin is not None or np.any(np.asarray(order_cost))):
        raise ValueError("holding_cost: expected with lost_margin or order_cost; give it")
    holding = 0.0 if holding_cost is None else holding_cost
    if lost_margin is not None:
        return set_levels_by_cost(
            demand,
            review_periods=review_periods,
            lost_margin=lost_margin,
            holding_cost=holding,
            order_cost=order_cost,
        )
    lots = find_economic_lots(demand, review_periods, order_cost=order_cost, holding_cost=holding)
    return set_levels_by_service(
        demand, service_level if service_level is not None else 0, lots=lots
    )
