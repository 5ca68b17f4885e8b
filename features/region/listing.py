"""Which series still live: delisted products, closed regions, and those that sell no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.project import Workspace
from features.region.frequency import Frequency, count_periods, period_of
from features.region.hierarchy import Hierarchy, build_hierarchy
from features.schema import Products, Regions

if TYPE_CHECKING:
    from features.region.panel import Panel

SILENT_DAYS = 182
"""Days without a sale below which no series counts as dead."""
SILENT_GAPS = 10
"""And how many times its mean gap between sales a series must have been silent."""
OPEN = int(np.iinfo(np.int32).max)
"""`end_period` of a series without an end."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tree:
    """A canonical table of regions or products, and its tree."""

    table: pd.DataFrame
    tree: Hierarchy


def read_tree(workspace: Workspace, name: str) -> Tree:
    """Read `regions` or `products`."""
    table = pd.read_parquet(workspace.table(name))
    return Tree(table, build_hierarchy(table, name, f"{name.removesuffix('s')}_id"))


def add_ends(
    series: pd.DataFrame,
    regions: Tree,
    products: Tree,
    frequency: Frequency,
    anchor: int,
) -> pd.DataFrame:
    """Add the last period in which each series is listed, and why it ends.

    Parameters
    ----------
    series : DataFrame
        region_id, product_id.
    regions, products : Tree
        With `closed_at` and `delisted_at` or without; the date of a node holds for all below it.

    Returns
    -------
    DataFrame
        `series` with `end_period` (`OPEN` for none) and `end_reason`.
    """
    closed = _first_dates(regions, Regions.REGION_ID, Regions.CLOSED_AT)
    delisted = _first_dates(products, Products.PRODUCT_ID, Products.DELISTED_AT)
    closes = _dates_of(series["region_id"], closed)
    delists = _dates_of(series["product_id"], delisted)
    first = np.fmin(closes, delists)
    ends = ~np.isnat(first)
    period = np.full(len(series), OPEN, dtype=np.int64)
    period[ends] = period_of(first[ends] - 1, frequency, anchor)
    words = np.where(first == delists, "delisted since ", "closed since ")
    reason = np.where(ends, np.char.add(words, first.astype(str)), "")
    return series.assign(end_period=period, end_reason=pd.Series(reason, dtype="str"))


def explain_ended(panel: Panel, origin: int) -> pd.Series:
    """Say of each series that has ended by an origin why nothing is forecast for it.

    Delisted, closed, or silent: without a sale for `panel.dead_after_days`, ten times its mean gap
    between sales, and as long as it ever paused, whichever is longest. Periods without stock do
    not count as silent.

    Returns
    -------
    Series of str
        Reason, by position in `panel.series`; the living are not in it.
    """
    ended = (panel.series["end_period"].to_numpy() <= origin).nonzero()[0]
    reasons = dict(zip(ended, panel.series["end_reason"].iloc[ended], strict=True))
    for position in _find_candidates(panel, origin):
        last = _find_end(panel, position, origin) if position not in reasons else None
        if last is not None:
            day = panel.date_of(np.array([last]))[0]
            reasons[position] = f"no sale since {np.datetime_as_string(day, unit='D')}"
    order = sorted(reasons)
    words: list[str] = [reasons[place] for place in order]
    return pd.Series(words, index=order, dtype="str")


def _dates_of(ids: pd.Series, dates: pd.Series) -> npt.NDArray[np.datetime64]:
    found = pd.to_datetime(dates.reindex(ids)).to_numpy()
    return np.asarray(found.astype("datetime64[D]"))


def _first_dates(nodes: Tree, id_column: str, name: str) -> pd.Series:
    """Return the earliest end date of each node or of one above it."""
    table, tree = nodes.table, nodes.tree
    if name not in table or table[name].isna().all():
        return pd.Series([], dtype="datetime64[s]", index=pd.Index([], dtype="str"))
    own = pd.Series(pd.to_datetime(table[name]).to_numpy(), index=table[id_column].astype(str))
    dates: pd.Series = tree.paths.apply(lambda level: level.map(own)).min(axis=1)
    return dates


def _find_candidates(panel: Panel, origin: int) -> Rows:
    """Return the series listed at the origin whose last units are long ago."""
    if panel.dead_after_days <= 0:
        return np.zeros(0, np.int64)
    listed = np.flatnonzero(panel.series["first_period"].to_numpy() <= origin)
    row = (panel.series["start_row"] - panel.series["first_period"]).to_numpy()[listed] + origin
    silent = panel.history[row, panel.history_names.index("periods_since_units")]
    return np.asarray(listed[silent >= count_periods(panel.frequency, panel.dead_after_days)])


def _find_end(panel: Panel, position: int, origin: int) -> int | None:
    """Return the period of the last sale of a series that is dead at the origin, else None."""
    start, first = panel.series[["start_row", "first_period"]].iloc[position]
    rows = slice(start, start + origin - first + 1)
    sold, is_out = panel.sold[rows] > 0, panel.is_out[rows]
    # Counted in periods with stock: none of the others is a period without a wish to buy.
    clock = np.cumsum(~is_out | sold)
    sales = np.flatnonzero(sold)
    gaps = np.diff(clock[sales])
    silence = clock[-1] - clock[sales[-1]]
    patience: list[float] = [count_periods(panel.frequency, panel.dead_after_days)]
    if len(gaps):
        patience += [SILENT_GAPS * float(gaps.mean()), int(gaps.max())]
    return int(first + sales[-1]) if silence >= max(patience) else None
