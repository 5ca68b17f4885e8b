"""Policies judged by simulation, with lost sales, in money, on the same demand and lead times."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from models.stock.inputs import (
    ROUNDING,
    Floats,
    Whole,
    check_paths,
    check_values,
    read_per_item,
    round_up_to_packs,
    split_items,
)
from models.stock.lead_times import read_lead_times
from models.stock.protection import check_review
from models.stock.scores import Costs, PolicyScore


def simulate_policy(
    demand: npt.NDArray[np.floating],
    reorder_point: npt.ArrayLike,
    order_up_to: npt.ArrayLike,
    *,
    lead_times: npt.ArrayLike,
    costs: Costs,
    review_periods: int = 1,
    on_hand: npt.ArrayLike | None = None,
    pack_size: npt.ArrayLike = 1.0,
    minimum_order: npt.ArrayLike = 0.0,
    warm_up: int = 0,
) -> PolicyScore:
    """Run an (R, s, S) policy over demand; what is not on the shelf is lost.

    In each period: stock is reviewed and ordered, deliveries arrive (an order of lead time 0
    does at once), demand takes what there is, what is left is charged. Deliveries may overtake.

    Parameters
    ----------
    demand : array of shape (n_items, n_periods, n_paths)
        Units per period: sample paths, or actual sales with one path.
    reorder_point, order_up_to : array of shape (n_items,) or (n_items, n_reviews)
        s and S in units, the same at all reviews or set anew at each: periods 0, R, 2R, ...
    lead_times : number, array of shape (n_items,) or (n_items, n_reviews, n_paths)
        Whole periods from an order to its arrival, by the review it is placed at.
    costs : Costs
        Money.
    review_periods : int
        Periods between two reviews (R).
    on_hand : number or array of shape (n_items,), optional
        Units at the start; default: S of the first review.
    pack_size, minimum_order : number or array of shape (n_items,)
        Units per pack, and least units of an order.
    warm_up : int
        First periods that are run, but not scored.

    Returns
    -------
    PolicyScore
        Over the periods scored. Stock left at the end is charged nothing more.

    Raises
    ------
    ValueError
        If an input is NaN, out of range or of another shape.
    """
    check_paths(demand, "demand")
    check_review(review_periods)
    n_items, n_periods, n_paths = demand.shape
    if not 0 <= warm_up < n_periods:
        raise ValueError(
            f"warm_up: expected 0 to {n_periods - 1} periods, got {warm_up}; shorten it"
        )
    n_reviews = -(-n_periods // int(review_periods))
    low, high = (
        _read_levels(name, level, (n_items, n_reviews))
        for name, level in (("reorder_point", reorder_point), ("order_up_to", order_up_to))
    )
    leads = read_lead_times(lead_times, (n_items, n_reviews, n_paths))
    start = high[:, 0] if on_hand is None else on_hand
    start = read_per_item("on_hand", start, n_items, at_least=0.0)
    pack = read_per_item("pack_size", pack_size, n_items, at_least=np.finfo(float).tiny)
    least = read_per_item("minimum_order", minimum_order, n_items, at_least=0.0)
    parts = []
    for rows in split_items(demand.shape):
        shelf = _Shelf(start[rows], leads[rows], pack[rows], least[rows], n_periods)
        asked = demand[rows].astype(np.float64)
        parts.append(_run(shelf, asked, low[rows], high[rows], int(review_periods), warm_up))
    return _score(np.concatenate(parts, axis=1), n_periods - warm_up, costs)


def compare_policies(
    demand: npt.NDArray[np.floating],
    levels: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    lead_times: npt.ArrayLike,
    costs: Costs,
    review_periods: int = 1,
    on_hand: npt.ArrayLike | None = None,
    pack_size: npt.ArrayLike = 1.0,
    minimum_order: npt.ArrayLike = 0.0,
    warm_up: int = 0,
) -> dict[str, PolicyScore]:
    """Run several policies over the same demand, lead times and first stock.

    Parameters
    ----------
    demand, lead_times, costs, review_periods, pack_size, minimum_order, warm_up
        As in `simulate_policy`.
    levels : mapping of str to (reorder_point, order_up_to)
        By the policy's name.
    on_hand : number or array of shape (n_items,), optional
        Default: each policy starts with its own S.

    Returns
    -------
    dict of str to PolicyScore
        In the order of `levels`.
    """
    return {
        name: simulate_policy(
            demand,
            reorder_point,
            order_up_to,
            lead_times=lead_times,
            costs=costs,
            review_periods=review_periods,
            on_hand=on_hand,
            pack_size=pack_size,
            minimum_order=minimum_order,
            warm_up=warm_up,
        )
        for name, (reorder_point, order_up_to) in levels.items()
    }


class _Shelf:
    """The stock of some items on all paths, and what is on its way to it."""

    def __init__(
        self, start: Floats, leads: Whole, pack: Floats, least: Floats, n_periods: int
    ) -> None:
        shape = (len(start), leads.shape[2])
        self.on_hand = np.repeat(start[:, None], shape[1], axis=1)
        self._on_order = np.zeros(shape)
        self._due = np.zeros((len(start), n_periods, shape[1]))
        self._leads, self._pack, self._least = leads, pack[:, None], least[:, None]

    def receive(self, period: int) -> npt.NDArray[np.bool_]:
        """Put what arrives on the shelf; return where something did."""
        arrived = self._due[:, period]
        self.on_hand += arrived
        self._on_order -= arrived
        return np.asarray(arrived > 0)

    def order(self, period: int, review: int, low: Floats, high: Floats) -> Floats:
        """Order up to `high` where the position is at or below `low`; return the units."""
        position = self.on_hand + self._on_order
        needed = np.where(position <= low[:, None] + ROUNDING, high[:, None] - position, 0.0)
        units = round_up_to_packs(needed, self._pack, self._least)
        self._on_order += units
        at = period + self._leads[:, review]
        row, path = np.nonzero((units > 0) & (at < self._due.shape[1]))
        self._due[row, at[row, path], path] += units[row, path]
        return units

    def sell(self, asked: Floats) -> Floats:
        """Sell what there is; return the units lost."""
        lost = np.maximum(asked - self.on_hand, 0.0)
        self.on_hand = np.maximum(self.on_hand - asked, 0.0)
        return lost


def _run(
    shelf: _Shelf, asked: Floats, low: Floats, high: Floats, review_periods: int, warm_up: int
) -> Floats:
    """Return demand, lost units, units held, orders, cycles and short ones by item; path means."""
    tally = np.zeros((6, len(asked)))
    nothing, is_short = np.zeros(shelf.on_hand.shape), np.zeros(shelf.on_hand.shape, dtype=bool)
    for period in range(asked.shape[1]):
        ordered = nothing
        review, rest = divmod(period, review_periods)
        if rest == 0:
            ordered = shelf.order(period, review, low[:, review], high[:, review])
        arrived = shelf.receive(period)
        lost = shelf.sell(asked[:, period])
        if period < warm_up:
            continue
        if period > warm_up:
            tally[4:] += arrived.mean(axis=1), (arrived & is_short).mean(axis=1)
            is_short &= ~arrived
        is_short |= lost > ROUNDING
        seen = (asked[:, period], lost, shelf.on_hand, ordered > 0)
        tally[:4] += [values.mean(axis=1) for values in seen]
    tally[4:] += np.ones(len(asked)), is_short.mean(axis=1)
    return tally


def _score(tally: Floats, n_periods: int, costs: Costs) -> PolicyScore:
    asked, lost, held, orders, cycles, short = tally
    n_items = len(asked)
    margin = read_per_item("lost_margin", costs.lost_margin, n_items, at_least=0.0)
    holding = read_per_item("holding_cost", costs.holding_cost, n_items, at_least=0.0)
    fixed = read_per_item("order_cost", costs.order_cost, n_items, at_least=0.0)
    return PolicyScore(
        demand_units=asked,
        lost_units=lost,
        mean_on_hand=held / n_periods,
        orders=orders,
        cycles=cycles,
        short_cycles=short,
        holding_cost=held * holding,
        lost_margin=lost * margin,
        order_cost=orders * fixed,
    )


def _read_levels(name: str, levels: npt.ArrayLike, shape: tuple[int, int]) -> Floats:
    array = np.asarray(levels, dtype=np.float64)
    if array.shape not in (shape[:1], shape):
        raise ValueError(
            f"{name}: expected shape {shape[:1]} or {shape}, items by reviews, got {array.shape}; "
            "give one level per item, or one per item and review"
        )
    check_values(name, array)
    return np.broadcast_to(array if array.ndim == 2 else array[:, None], shape)
