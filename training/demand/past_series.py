"""The past of every series as a rectangle, and that of every node above as sums over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from scipy import sparse

from features.project import Project
from features.region.frequency import period_of
from features.region.panel import Panel
from models.demand.series_history import History

Floats = npt.NDArray[np.float32]
Periods = npt.NDArray[np.int64]

_BLOCK_NODES = 512
_PRICE = ("price_planned", "price_lag_0")


@dataclass(frozen=True)
class Past:
    """What each series sold; all of shape (n_series, n_periods), NaN where not known.

    Attributes
    ----------
    units, price : float32
    promoted, out, listed : bool
    """

    units: Floats
    price: Floats
    promoted: npt.NDArray[np.bool_]
    out: npt.NDArray[np.bool_]
    listed: npt.NDArray[np.bool_]


def read_past(project: Project, panel: Panel, series: pd.DataFrame, window: Periods) -> Past:
    """Return the past and the plan of series over a window.

    Parameters
    ----------
    project : Project
        Whose table `sales` tells what was promoted.
    panel : Panel
    series : DataFrame
        region_id and product_id; those after the panel's own never sold and have no past.
    window : array of int
        Consecutive periods; those after the origin are planned.
    """
    first = panel.series["first_period"].to_numpy()
    row = panel.series["start_row"].to_numpy() - first
    shape = (len(series), len(window))
    units, price = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    promoted, out, listed = (np.zeros(shape, bool) for _ in range(3))
    prices = [column for name in _PRICE if (column := _find(panel, name)) is not None]
    is_ahead = window > panel.origin_period
    for place in range(len(panel.series)):
        there = window >= first[place]
        rows = row[place] + window[there]
        listed[place, there] = True
        out[place, there] = panel.is_out[rows]
        units[place, there] = np.where(is_ahead[there], np.nan, panel.sold[rows])
        if prices:
            price[place, there] = prices[0][rows]
    # The panel's own plan holds means where there is no row: what is not planned is not marked.
    is_planned = "is_promoted_planned" in panel.known_names
    told = window if is_planned else window[~is_ahead]
    _mark_promoted(project, panel, series, told, promoted)
    _mark_promotions(panel, window, promoted, has_flags=bool(promoted.any()))
    return Past(units, price, promoted & listed, out & listed, listed)


def iterate_histories(past: Past, summing: sparse.csr_array) -> Iterator[History]:
    """Yield the history of each node, in order.

    Parameters
    ----------
    past : Past
    summing : csr_array, shape (n_nodes, n_series)
        1 where a series lies below a node.
    """
    # Prices are weighted by what each series sold in all, so that the mix of a day moves nothing.
    weight = np.nan_to_num(past.units).sum(axis=1, dtype=np.float64) + 1e-3
    has_price = np.isfinite(past.price)
    has_units = np.isfinite(past.units)
    for start in range(0, summing.shape[0], _BLOCK_NODES):
        below = summing[start : start + _BLOCK_NODES]
        used = np.unique(below.indices)
        part = below[:, used].astype(np.float32)
        weights = weight[used, None].astype(np.float32)
        known, priced = has_units[used], has_price[used]
        units = part @ np.where(known, past.units[used], np.float32(0))
        counted = part @ known.astype(np.float32)
        priced_by = part @ (priced * weights)
        paid = part @ np.where(priced, past.price[used] * weights, np.float32(0))
        count = np.maximum(part @ past.listed[used].astype(np.float32), 1)
        promoted = (part @ past.promoted[used].astype(np.float32)) / count
        out = (part @ past.out[used].astype(np.float32)) / count
        units = np.where(counted > 0, units, np.nan)
        price = np.where(priced_by > 0, paid / np.where(priced_by > 0, priced_by, 1), np.nan)
        for one in range(len(units)):
            yield History(units[one], price[one], promoted[one], out[one])


def _find(panel: Panel, name: str) -> Floats | None:
    for names, values in ((panel.known_names, panel.known), (panel.history_names, panel.history)):
        if name in names:
            found: Floats = values[:, names.index(name)]
            return found
    return None


def _mark_promoted(
    project: Project,
    panel: Panel,
    series: pd.DataFrame,
    window: Periods,
    promoted: npt.NDArray[np.bool_],
) -> None:
    """Mark what the table of sales says was, or is to be, promoted."""
    keys, sales = ["region_id", "product_id"], project.workspace.table("sales")
    if "is_promoted" not in pq.read_schema(sales).names:
        return
    rows = pd.read_parquet(
        sales,
        columns=[*keys, "date"],
        filters=[("is_promoted", "==", True)],
    )
    days = pd.to_datetime(rows["date"]).to_numpy().astype("datetime64[D]")
    periods = period_of(days, panel.frequency, panel.anchor) if len(days) else np.zeros(0, int)
    place = pd.MultiIndex.from_frame(series[keys]).get_indexer(pd.MultiIndex.from_frame(rows[keys]))
    step = periods - window[0]
    is_there = (place >= 0) & (step >= 0) & (step < len(window))
    promoted[place[is_there], step[is_there]] = True


def _mark_promotions(
    panel: Panel, window: Periods, promoted: npt.NDArray[np.bool_], *, has_flags: bool
) -> None:
    """Mark the periods of the table `promotions`, as far as it was known at the origin.

    Beside flags of the sales, a promotion of everything everywhere says nothing of a series.
    """
    plan = panel.promotions
    if plan is None:
        return
    ends = [
        period_of(days, panel.frequency, panel.anchor) for days in (plan.first_days, plan.last_days)
    ]
    for first, last, members in zip(*ends, plan.members, strict=True):
        if has_flags and len(members) == len(panel.series):
            continue
        start, stop = np.clip([first - window[0], last - window[0] + 1], 0, len(window))
        promoted[members, start:stop] = True
