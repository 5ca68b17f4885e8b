"""The rows of the grid as arrays: units, past features, and the plan."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.frequency import Frequency, count_periods, moment_of, period_of
from features.region.panel_checks import check_dates, check_known_ahead
from features.region.panel_features import declare_history
from features.region.panel_sql import (
    Facts,
    create_facts,
    create_grid,
    find_drivers,
    select_known,
    select_panel,
)
from features.region.plan import Plan, build_plan, read_known_from
from features.region.regressors import create_regional, find_regressors

Floats = npt.NDArray[np.float32]

BLOCK_ROWS = 2_000_000
"""Rows that are a frame at a time, between the engine and the arrays."""


@dataclass(frozen=True)
class Grid:
    """The tables `facts`, `series` and `grid` of an engine, and what they were made for.

    Attributes
    ----------
    frequency, anchor : Frequency, int
    origin : date
    origin_period, last_period : int
    known_ahead, regressors : tuple of str
    has_plan_dates : bool
        Whether `sales` tells since when its plan is known.
    """

    frequency: Frequency
    anchor: int
    origin: date
    origin_period: int
    last_period: int
    known_ahead: tuple[str, ...]
    regressors: tuple[str, ...]
    has_plan_dates: bool


@dataclass(frozen=True)
class GridRows:
    """Arrays of the grid, as `Panel` holds them."""

    units: npt.NDArray[np.float64]
    is_out: npt.NDArray[np.bool_]
    sold: Floats
    history: Floats
    known: Floats
    plan: Plan | None
    history_names: tuple[str, ...]
    known_names: tuple[str, ...]


def make_grid(
    engine: duckdb.DuckDBPyConnection,
    sales: str,
    *,
    origin: date | None,
    horizon_days: int,
    frequency: Frequency,
    known_ahead: Collection[str],
) -> Grid:
    """Check the dates and the planned columns, and make the tables of the grid."""
    regressors = find_regressors(engine, sales)
    check_known_ahead(known_ahead, regressors)
    anchor, origin = check_dates(engine, sales, frequency, origin)
    period = int(period_of(np.array([origin], "datetime64[D]"), frequency, anchor)[0])
    last = period + count_periods(frequency, horizon_days)
    moment: date = moment_of(period, frequency, anchor).astype("datetime64[D]").astype(date)
    ahead = tuple(known_ahead)
    has_plan_dates = create_facts(
        engine, Facts(sales, frequency, anchor, origin, moment, ahead, regressors)
    )
    # A neighbour's row may have been known later than the row that would borrow from it.
    regional = () if has_plan_dates else create_regional(engine, regressors)
    create_grid(engine, frequency, period, last, regressors, regional)
    return Grid(frequency, anchor, origin, period, last, ahead, regressors, has_plan_dates)


def fetch_rows(
    engine: duckdb.DuckDBPyConnection, grid: Grid, starts: npt.NDArray[np.int64]
) -> GridRows:
    """Read the rows of `grid`, some series at a time; `starts` is the first row of each series."""
    drivers = find_drivers(engine, grid.regressors)
    features = declare_history(grid.frequency, drivers, grid.regressors)
    planned = select_known(drivers, grid.known_ahead, grid.regressors)
    query = select_panel(features, planned, grid.frequency, has_plan_dates=grid.has_plan_dates)
    history_names = tuple(feature.name for feature in features)
    known_names = tuple(f"{name}_planned" for name in planned)
    is_dated = grid.has_plan_dates and bool(planned)
    given_names = [f"{name}_given" for name in planned] if is_dated else []
    count = engine.execute("SELECT count(*) FROM grid").fetchall()[0][0]
    units, is_out, sold = np.empty(count), np.empty(count, np.bool_), np.empty(count, np.float32)
    history, known, given = (
        np.empty((count, len(names)), np.float32)
        for names in (history_names, known_names, given_names)
    )
    since = np.empty(count if is_dated else 0, np.int32)
    for first, last, place in _iterate_blocks(starts, count):
        rows = engine.execute(query, [first, last]).df()
        units[place], is_out[place] = rows["units"], rows["is_out"]
        sold[place] = np.where(is_out[place], rows["sold"], units[place])
        for table, names in ((history, history_names), (known, known_names), (given, given_names)):
            for column, name in enumerate(names):
                table[place, column] = rows[name]
        if is_dated:
            since[place] = read_known_from(rows["known_since"], grid.frequency, grid.anchor)
    plan = build_plan(given, since, tuple(planned), starts) if is_dated else None
    return GridRows(units, is_out, sold, history, known, plan, history_names, known_names)


def _iterate_blocks(starts: npt.NDArray[np.int64], n_rows: int) -> Iterator[tuple[int, int, slice]]:
    """Yield the first and the last series of each block of about `BLOCK_ROWS`, and its rows."""
    ends = np.append(starts[1:], n_rows)
    first = 0
    while first < len(starts):
        after = int(np.searchsorted(ends, starts[first] + BLOCK_ROWS, side="right"))
        last = max(after - 1, first)
        yield first, last, slice(int(starts[first]), int(ends[last]))
        first = last + 1


def fetch_series(engine: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Read the series with the position of each region and product."""
    series: pd.DataFrame = engine.execute(
        "SELECT region_id, product_id, first_period, start_row FROM series ORDER BY series"
    ).df()
    for position, column in (("region", "region_id"), ("product", "product_id")):
        order = {name: place for place, name in enumerate(sorted(series[column].unique()))}
        series[position] = series[column].map(order).astype(np.int64)
    return series
