"""A changed plan, written into the rows that the tree members read.

Price, depth and the usual price hang together as they do in the data: the list price is what the
planned price is before its discount, and depth is 1 - price / list price. Setting one moves the
others, unless both price and depth are set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from features.errors import InvalidRequest
from models.demand.tree_rows import TreeBlock

Rows = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

PRICE, INDEX, DEPTH = "price_planned", "price_index", "depth_planned"
FLAG, DISPLAY, MAILER = "is_promoted_planned", "display_planned", "mailer_planned"
TABLE_ON, TABLE_DEPTH = "promotion_is_on", "promotion_depth"
PROMOTED = {FLAG, TABLE_ON, DEPTH}
"""Columns that a promotion shows in."""
_NO_PROMOTION = {
    TABLE_ON: 0.0, TABLE_DEPTH: 0.0, "promotion_days_since_start": np.nan,
    "promotion_days_to_end": np.nan, "promotion_is_on_until_7d": 0.0,
    "promotion_depth_until_7d": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """What a scenario sets; None leaves the plan as it is.

    Attributes
    ----------
    price : float or None
        Per unit, > 0; the planned price is set to it.
    is_promoted : bool or None
        On without a depth and without a discount in the plan has the series' usual depth.
    depth : float or None
        Discount off the list price, 0 to below 1.
    display, mailer : float or None
        As in `sales`, >= 0.
    first_date, last_date : date or None
        From when until when, inclusive; the whole horizon by default.
    """

    price: float | None = None
    is_promoted: bool | None = None
    depth: float | None = None
    display: float | None = None
    mailer: float | None = None
    first_date: date | None = None
    last_date: date | None = None

    def check(self) -> None:
        """Refuse what no plan can be.

        Raises
        ------
        InvalidRequest
            Naming the field.
        """
        if self.price is not None and not 0 < self.price < float("inf"):
            raise InvalidRequest(f"price: expected more than 0, got {self.price}")
        if self.depth is not None and not 0 <= self.depth < 1:
            raise InvalidRequest(f"depth: expected 0 to below 1, as 0.2 for 20 %, got {self.depth}")
        for name, value in (("display", self.display), ("mailer", self.mailer)):
            if value is not None and not 0 <= value < float("inf"):
                raise InvalidRequest(f"{name}: expected 0 or more, got {value}")
        if self.depth and self.is_promoted is False:
            raise InvalidRequest("depth: a depth with the promotion off; leave one of them out")
        if self.first_date and self.last_date and self.last_date < self.first_date:
            raise InvalidRequest("to: expected a date not before 'from'")


def find_steps(change: Change, dates: npt.NDArray[np.datetime64]) -> Mask:
    """Return which periods of the horizon a scenario holds for.

    Raises
    ------
    InvalidRequest
        If none lies between its dates.
    """
    days = dates.astype("datetime64[D]")
    found = np.ones(len(days), bool)
    if change.first_date is not None:
        found &= days >= np.datetime64(change.first_date)
    if change.last_date is not None:
        found &= days <= np.datetime64(change.last_date)
    if not found.any():
        raise InvalidRequest(
            f"from: expected dates within the forecast, {days[0]} to {days[-1]}, and a period "
            "between them"
        )
    return found


def find_unplanned(change: Change, features: Sequence[str]) -> tuple[str, ...]:
    """Say of each thing that a scenario sets why the trees cannot react to it, where they cannot.

    Parameters
    ----------
    change : Change
    features : sequence of str
        Of the tree members.
    """
    found = []
    for name, value, columns in (
        ("price", change.price, (PRICE,)),
        ("display", change.display, (DISPLAY,)),
        ("mailer", change.mailer, (MAILER,)),
    ):
        if value is not None and not set(columns) & set(features):
            found.append(f"{name} is not planned: list it in [demand] known_ahead")
    if change.is_promoted is not None and not PROMOTED & set(features):
        found.append(
            "promotions are not planned: give a table of promotions, or list is_promoted in "
            "[demand] known_ahead"
        )
    if change.depth is not None and not {DEPTH, TABLE_DEPTH, PRICE} & set(features):
        found.append(
            "depth is not planned: list price and base_price in [demand] known_ahead, or give a "
            "table of promotions with discounts"
        )
    return tuple(found)


def change_rows(
    block: TreeBlock,
    change: Change,
    steps: Mask,
    dates: npt.NDArray[np.datetime64],
    usual_depth: npt.NDArray[np.float64],
) -> Rows:
    """Return the rows of a block with the plan changed.

    Parameters
    ----------
    block : TreeBlock
    change : Change
    steps : array of bool, shape (n_steps,)
        From `find_steps`.
    dates : array of datetime64, shape (n_steps,)
    usual_depth : array of shape (n_series,)
        Depth of a promotion without one; NaN where not known.

    Returns
    -------
    float32 array, the shape of `block.rows`
    """
    inside = np.flatnonzero(steps[block.steps])
    rows = block.rows.copy()
    if not len(inside):
        return rows
    plan = _Plan(rows, block.features, inside)
    _change_price(plan, change, usual_depth)
    if change.is_promoted is not None:
        plan.write(FLAG, float(change.is_promoted))
    _change_table(plan, change, dates[steps], dates[block.steps][inside], usual_depth)
    for name, value in ((DISPLAY, change.display), (MAILER, change.mailer)):
        if value is not None:
            plan.write(name, value)
    return rows


@dataclass(frozen=True)
class _Plan:
    """The changed steps of a block's rows, column by column."""

    rows: Rows
    features: tuple[str, ...]
    inside: npt.NDArray[np.int64]

    def read(self, name: str) -> Rows | None:
        """Return a column, shape (n_series, n_changed); None if the trees do not have it."""
        if name not in self.features:
            return None
        return self.rows[:, self.inside, self.features.index(name)]

    def write(self, name: str, values: Rows | float) -> None:
        """Set a column, if the trees have it."""
        if name in self.features:
            self.rows[:, self.inside, self.features.index(name)] = values


def _change_price(plan: _Plan, change: Change, usual_depth: npt.NDArray[np.float64]) -> None:
    price, depth = plan.read(PRICE), plan.read(DEPTH)
    index = plan.read(INDEX)
    target = _find_depth(plan, change, usual_depth)
    if price is None:
        if target is not None and depth is not None:
            plan.write(DEPTH, target)
        return
    usual = price / index if index is not None else np.full_like(price, np.nan)
    listed = price / (1 - depth) if depth is not None else np.where(usual > 0, usual, price)
    changed = price
    if change.price is not None:
        changed = np.full_like(price, change.price)
    elif target is not None:
        moves = np.isfinite(target) if depth is None else np.isfinite(target) & (target != depth)
        changed = np.where(moves, listed * (1 - target), price).astype(np.float32)
    if target is None or change.depth is None:
        off = np.clip(1 - changed / listed, 0.0, 1.0).astype(np.float32)
        same = (changed == price) | ~np.isfinite(off)
        plan.write(DEPTH, off if depth is None else np.where(same, depth, off))
    else:
        plan.write(DEPTH, target)
    plan.write(PRICE, changed)
    if index is not None:
        moved = np.divide(changed, usual, dtype=np.float32)
        plan.write(INDEX, np.where(changed == price, index, moved))


def _find_depth(plan: _Plan, change: Change, usual_depth: npt.NDArray[np.float64]) -> Rows | None:
    """Return the depth that a scenario sets, shape (n_series, n_changed); None if it sets none."""
    shape = (len(plan.rows), len(plan.inside))
    if change.depth is not None:
        return np.full(shape, change.depth, np.float32)
    if change.is_promoted is False:
        return np.zeros(shape, np.float32)
    if change.is_promoted and change.price is None:
        planned = plan.read(DEPTH)
        usual = np.broadcast_to(usual_depth[:, None], shape).astype(np.float32)
        if planned is None:
            return None if plan.read(PRICE) is None or plan.read(FLAG) is None else usual
        return np.where((planned > 0) | ~np.isfinite(usual), planned, usual)
    return None


def _change_table(
    plan: _Plan,
    change: Change,
    held: npt.NDArray[np.datetime64],
    dates: npt.NDArray[np.datetime64],
    usual_depth: npt.NDArray[np.float64],
) -> None:
    """Change the columns of the table of promotions: as if one ran from the first date held."""
    is_on, planned = plan.read(TABLE_ON), plan.read(TABLE_DEPTH)
    if is_on is None or planned is None:
        return
    if change.is_promoted is False:
        for name, value in _NO_PROMOTION.items():
            plan.write(name, value)
        return
    usual = np.nan_to_num(usual_depth)[:, None].astype(np.float32)
    depth = np.where(planned > 0, planned, usual)
    if change.depth is not None:
        depth = np.full_like(planned, change.depth)
    if change.is_promoted:
        _start_promotion(plan, is_on <= 0, held, dates)
        is_on = np.ones_like(is_on)
    elif change.depth is None:
        return
    plan.write(TABLE_DEPTH, np.where(is_on > 0, depth, planned))
    plan.write("promotion_depth_until_7d", np.where(is_on > 0, depth, planned))


def _start_promotion(
    plan: _Plan,
    is_new: Mask,
    held: npt.NDArray[np.datetime64],
    dates: npt.NDArray[np.datetime64],
) -> None:
    """Let a promotion run over the dates held, where none ran."""
    since = (dates - held[0]).astype("timedelta64[D]").astype(np.float32)
    to_end = (held[-1] - dates).astype("timedelta64[D]").astype(np.float32)
    for name, days in (
        ("promotion_days_since_start", since),
        ("promotion_days_to_end", to_end),
        ("promotion_days_to_next", np.full_like(since, np.nan)),
    ):
        own = plan.read(name)
        if own is not None:
            plan.write(name, np.where(is_new, days, own))
    plan.write(TABLE_ON, 1.0)
    plan.write("promotion_is_on_until_7d", 1.0)
