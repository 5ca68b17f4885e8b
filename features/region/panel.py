"""The panel of region × product × period: a complete grid with everything known as of each row.

One panel serves every origin up to its own: the past columns of a row read that row and earlier
ones only, so a design for an earlier origin (`features.region.design`) uses the same arrays and
merely looks at fewer of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from features.project import Workspace
from features.region.calendars import Place, build_calendar, find_places
from features.region.frequency import Frequency, count_periods, date_of, period_of
from features.region.hierarchy import Hierarchy, build_hierarchy
from features.region.panel_checks import check_dates, check_known_ahead
from features.region.panel_features import declare_history, declare_pool
from features.region.panel_sql import (
    create_facts,
    create_grid,
    find_drivers,
    select_known,
    select_panel,
    select_pool,
)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pools:
    """Mean units per listed series of each region, each product and of all, as of each period.

    Attributes
    ----------
    region, product, whole : arrays of shape (n_regions | n_products | 1, n_periods, n_features)
    names : tuple of str
    """

    region: Floats
    product: Floats
    whole: Floats
    names: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """Arrays over the grid; rows run by series, then by period, without gaps.

    Attributes
    ----------
    frequency, anchor : Frequency, int
        And the weekday that weeks are dated on.
    first_period, origin_period, last_period : int
        First period of the grid, the origin, and the end of the plan.
    series : DataFrame
        One row per series: region_id, product_id, first_period, start_row, region, product and
        place (positions in `pools` and `calendar`).
    units : float64, shape (n_rows,)
        NaN where empty, out of stock or after the origin.
    history : float32, shape (n_rows, n_features)
        Past features as of each row.
    known : float32, shape (n_rows, n_plan)
        What a plan may hold for the row's own period.
    pools : Pools
    calendar : float32, shape (n_places, n_periods, n_features)
    history_names, known_names, calendar_names : tuple of str
    regions, products : Hierarchy
    skipped : DataFrame
        Series without a forecast: region_id, product_id, reason.
    """

    frequency: Frequency
    anchor: int
    first_period: int
    origin_period: int
    last_period: int
    series: pd.DataFrame
    units: npt.NDArray[np.float64]
    history: Floats
    known: Floats
    pools: Pools
    calendar: Floats
    history_names: tuple[str, ...]
    known_names: tuple[str, ...]
    calendar_names: tuple[str, ...]
    regions: Hierarchy
    products: Hierarchy
    skipped: pd.DataFrame

    def date_of(self, periods: npt.NDArray[np.int64]) -> npt.NDArray[np.datetime64]:
        """Return the dates of numbered periods."""
        return date_of(periods, self.frequency, self.anchor)


def build_panel(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    *,
    origin: date | None,
    horizon_days: int,
    frequency: Frequency,
    known_ahead: Collection[str] = (),
    country: str = "",
    subdivision: str = "",
) -> Panel:
    """Build the panel as of an origin.

    Nothing after the origin can change it, but for the calendar, holidays and the columns
    declared known ahead. A series starts at its first sale; a period without a row is a period
    without a sale where the frequency says so; empty units, a stock-out and a zero sold from an
    empty shelf are missing, not zero. Where a known-ahead column has no value, price keeps its
    last one and a promotion column its mean over the series' recent rows, before the origin and
    after it alike.

    Parameters
    ----------
    engine : DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Holding `sales`, `regions` and `products`.
    origin : date, optional
        The last date that may be known; by default the last date with units.
    horizon_days : int
        Days of plan and calendar after the origin.
    frequency : Frequency
        Of the data; monthly data is dated on the first of the month.
    known_ahead : collection of str
        Of price, base_price, is_promoted, display, mailer: planned, so known after the origin.
    country, subdivision : str
        Whose holidays count for a region that states none.

    Returns
    -------
    Panel

    Raises
    ------
    NotEnoughData
        If the origin lies outside the data, or nothing was sold up to it.
    ProjectError
        If the dates are not of this frequency, or a known-ahead column is not one.
    """
    check_known_ahead(known_ahead)
    sales = str(workspace.table("sales"))
    anchor, origin = check_dates(engine, sales, frequency, origin)
    origin_period = int(period_of(np.array([origin], "datetime64[D]"), frequency, anchor)[0])
    last = origin_period + count_periods(frequency, horizon_days)
    create_facts(engine, sales, frequency, anchor, origin, frozenset(known_ahead))
    skipped = create_grid(engine, frequency, origin_period, last)
    series, regions, products = _describe_series(engine, workspace)
    if series.empty:
        raise NotEnoughData(
            f"sales: nothing was sold up to {origin}: expected at least one row with units > 0. "
            "Check the units column and the origin."
        )
    drivers = find_drivers(engine)
    first = int(series["first_period"].min())
    periods = np.arange(first, last + 1)
    places = find_places(
        pd.read_parquet(workspace.table("regions")),
        series["region_id"].drop_duplicates().tolist(),
        Place(country, subdivision),
    )
    distinct = sorted(set(places))
    by_region = {
        region: distinct.index(place)
        for region, place in zip(series["region_id"].drop_duplicates(), places, strict=True)
    }
    series = series.assign(place=series["region_id"].map(by_region).astype(np.int64))
    dates = date_of(periods, frequency, anchor)
    calendars = [build_calendar(dates, frequency, place) for place in distinct]
    units, history, known = _fetch_rows(engine, frequency, drivers, known_ahead)
    return Panel(
        frequency=frequency,
        anchor=anchor,
        first_period=first,
        origin_period=origin_period,
        last_period=last,
        series=series,
        units=units,
        history=history.to_numpy(np.float32),
        known=known.to_numpy(np.float32),
        pools=_fetch_pools(engine, frequency, series, first, last),
        calendar=np.stack([calendar.to_numpy(np.float32) for calendar in calendars]),
        history_names=tuple(history.columns),
        known_names=tuple(known.columns),
        calendar_names=tuple(calendars[0].columns),
        regions=regions,
        products=products,
        skipped=skipped,
    )


def _describe_series(
    engine: duckdb.DuckDBPyConnection, workspace: Workspace
) -> tuple[pd.DataFrame, Hierarchy, Hierarchy]:
    """Return the series with the position of each region and product, and the two trees."""
    series = engine.execute(
        "SELECT region_id, product_id, first_period, start_row FROM series ORDER BY series"
    ).df()
    for position, column in (("region", "region_id"), ("product", "product_id")):
        order = {name: place for place, name in enumerate(sorted(series[column].unique()))}
        series[position] = series[column].map(order).astype(np.int64)
    regions = pd.read_parquet(workspace.table("regions"))
    products = pd.read_parquet(workspace.table("products"))
    return (
        series,
        build_hierarchy(regions, "regions", "region_id"),
        build_hierarchy(products, "products", "product_id"),
    )


def _fetch_rows(
    engine: duckdb.DuckDBPyConnection,
    frequency: Frequency,
    drivers: tuple[str, ...],
    known_ahead: Collection[str],
) -> tuple[npt.NDArray[np.float64], pd.DataFrame, pd.DataFrame]:
    features = declare_history(frequency, drivers)
    planned = select_known(drivers, known_ahead)
    rows = engine.execute(select_panel(features, planned, frequency)).df()
    history = rows[[feature.name for feature in features]]
    return rows["units"].to_numpy(np.float64), history, rows[list(planned)]


def _fetch_pools(
    engine: duckdb.DuckDBPyConnection,
    frequency: Frequency,
    series: pd.DataFrame,
    first: int,
    last: int,
) -> Pools:
    features = declare_pool(frequency)
    names = [feature.name for feature in features]

    def fetch(column: str, ids: list[str]) -> Floats:
        rows = engine.execute(select_pool(features, column)).df()
        table = np.full((len(ids), last - first + 1, len(names)), np.nan, dtype=np.float32)
        where = rows["pool"].map({name: place for place, name in enumerate(ids)})
        table[where.to_numpy(), rows["period"].to_numpy() - first] = rows[names]
        return table

    return Pools(
        fetch("region_id", sorted(series["region_id"].unique())),
        fetch("product_id", sorted(series["product_id"].unique())),
        fetch("'all'", ["all"]),
        tuple(names),
    )
