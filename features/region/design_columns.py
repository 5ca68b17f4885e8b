"""The columns of a design: what is known of a row's past, of its pools, and of its own period."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from features.region.frequency import Bucket
from features.region.panel import Panel

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


def describe_rows(
    panel: Panel, series: Rows, periods: Rows, bucket: Bucket, moment: Rows
) -> dict[str, Floats]:
    """Return the numeric columns of a design.

    Parameters
    ----------
    panel : Panel
    series, periods : int64, shape (n_rows,)
        Target rows, by series, then period.
    bucket : Bucket
        Past columns are read `bucket.last` periods before the target.
    moment : int64, shape (n_rows,)
        The period in which the plan is looked at.
    """
    seen = periods - bucket.last
    slot_seen = periods - _whole(bucket.last, panel.frequency.slot)
    columns = _past_columns(panel, series, seen, slot_seen)
    columns |= _season_columns(panel, series, periods, bucket)
    columns |= _pool_columns(panel, series, seen, slot_seen)
    columns |= build_plan_columns(panel, series, periods, moment)
    return columns | _known_columns(panel, series, periods, columns)


def build_plan_columns(
    panel: Panel, series: Rows, periods: Rows, moment: Rows
) -> dict[str, Floats]:
    """Read what was planned for rows, as it was known at a moment.

    Where `sales` says since when its plan is known, a value that is missing or was not known yet
    is replaced: price by the newest one that was, any other column by its recent mean then.

    Parameters
    ----------
    panel : Panel
    series, periods : int64, shape (n_rows,)
        Rows, by series, then period.
    moment : int64, shape (n_rows,)
        The period from which each row is looked at.

    Returns
    -------
    dict of str to float32 array
        `panel.known_names`, then those of `panel.promotions`.
    """
    rows = row_of(panel, series, periods)
    if panel.plan is None:
        columns = {name: panel.known[rows, at] for at, name in enumerate(panel.known_names)}
    else:
        columns = {
            name: _read_planned(panel, name, series, periods, moment) for name in panel.known_names
        }
    if panel.promotions is not None:
        columns |= panel.promotions.read(series, periods, moment)
    return columns


def row_of(panel: Panel, series: Rows, periods: Rows) -> Rows:
    """Return the grid row of each pair; it may lie before the series' first one."""
    origin_row = (panel.series["start_row"] - panel.series["first_period"]).to_numpy()
    return origin_row[series] + periods


def read_rows(
    panel: Panel, values: npt.NDArray[np.floating], series: Rows, periods: Rows
) -> Floats:
    """Read rows of a grid array, NaN where the series was not listed yet."""
    listed = periods >= panel.series["first_period"].to_numpy()[series]
    found = values[np.where(listed, row_of(panel, series, periods), 0)].astype(
        np.float32, copy=False
    )
    found[~listed] = np.nan
    return found


def _read_planned(panel: Panel, name: str, series: Rows, periods: Rows, moment: Rows) -> Floats:
    plan = panel.plan
    if plan is None:
        raise ValueError("the panel has no dated plan; read `panel.known`")
    rows = row_of(panel, series, periods)
    given = plan.given[:, panel.known_names.index(name)]
    if name == "price_planned":
        starts = panel.series["start_row"].to_numpy()[series]
        found = plan.find_price_rows(rows, periods, moment, starts)
        return np.where(found >= 0, given[np.maximum(found, 0)], np.float32(np.nan))
    own = np.where(plan.is_hidden(rows, periods, moment), np.float32(np.nan), given[rows])
    usual = f"{name.removesuffix('_planned')}_mean_{panel.frequency.windows[1]}"
    level = panel.history[:, panel.history_names.index(usual)]
    recent = read_rows(panel, level, series, moment)
    return np.where(np.isfinite(own), own, recent)


def _whole(steps: int, length: int) -> int:
    """Round `steps` up to a multiple of `length`."""
    return math.ceil(steps / length) * length


def _past_columns(panel: Panel, series: Rows, seen: Rows, slot_seen: Rows) -> dict[str, Floats]:
    """Read the past columns, the seasonal means at a shift that keeps the place in the season."""
    past = read_rows(panel, panel.history, series, seen)
    columns = {name: past[:, place] for place, name in enumerate(panel.history_names)}
    if (slot_seen != seen).any():
        aligned = read_rows(panel, panel.history, series, slot_seen)
        for place, name in enumerate(panel.history_names):
            if "_slot_mean_" in name:
                columns[name] = aligned[:, place]
    return columns


def _season_columns(panel: Panel, series: Rows, periods: Rows, bucket: Bucket) -> dict[str, Floats]:
    """Read the value a season before and the level a year before the target, where known."""
    frequency = panel.frequency
    columns: dict[str, Floats] = {}
    if frequency.season > frequency.slot:
        shift = _whole(bucket.last, frequency.season)
        columns["units_last_season"] = read_rows(panel, panel.units, series, periods - shift)
    middle = frequency.year - frequency.year_window // 2
    if middle >= bucket.last:
        name = f"units_mean_{frequency.windows[0]}"
        level = panel.history[:, panel.history_names.index(name)]
        columns["units_last_year"] = read_rows(panel, level, series, periods - middle)
    return columns


def _pool_columns(panel: Panel, series: Rows, seen: Rows, slot_seen: Rows) -> dict[str, Floats]:
    """Read the pools at the same age; they are there before the series itself was listed."""
    pools = panel.pools
    slot, short, middle = range(3)
    columns: dict[str, Floats] = {}
    for label, table, position in (
        ("region", pools.region, panel.series["region"].to_numpy()[series]),
        ("product", pools.product, panel.series["product"].to_numpy()[series]),
        ("whole", pools.whole, np.zeros(len(series), np.int64)),
    ):
        past = _read_pool(panel, table, position, seen)
        level = np.maximum(past[:, middle], 1e-6)
        columns[f"{label}_mean"] = past[:, middle]
        columns[f"{label}_trend"] = np.divide(past[:, short], level, dtype=np.float32)
        aligned = _read_pool(panel, table, position, slot_seen)
        columns[f"{label}_slot_ratio"] = np.divide(aligned[:, slot], level, dtype=np.float32)
    return columns


def _read_pool(panel: Panel, table: Floats, position: Rows, periods: Rows) -> Floats:
    place = periods - panel.first_period
    found = table[position, np.maximum(place, 0)]
    found[place < 0] = np.nan
    return found


def _known_columns(
    panel: Panel, series: Rows, periods: Rows, past: dict[str, Floats]
) -> dict[str, Floats]:
    """Read the calendar and the age of the series, and price against its trailing median."""
    columns: dict[str, Floats] = {}
    median = past.get(f"price_median_{panel.frequency.price_window}")
    if median is not None:
        price = past.get("price_planned", past["price_lag_0"])
        usual = np.where(median > 0, median, np.float32(np.nan))
        columns["price_index"] = np.divide(price, usual, dtype=np.float32)
    place = panel.series["place"].to_numpy()[series]
    calendar = panel.calendar[place, periods - panel.first_period]
    columns |= {name: calendar[:, place] for place, name in enumerate(panel.calendar_names)}
    first = panel.series["first_period"].to_numpy()[series]
    columns["periods_since_listing"] = (periods - first).astype(np.float32)
    return columns
