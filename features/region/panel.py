"""The panel of region × product × period: a complete grid with everything known as of each row.

One panel serves every origin up to its own: the past columns of a row read that row and earlier
ones only, so a design for an earlier origin (`features.region.design`) uses the same arrays and
merely looks at fewer of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from features.project import Workspace
from features.region.calendars import Place, build_calendar, find_places
from features.region.frequency import Frequency, date_of
from features.region.hierarchy import Hierarchy
from features.region.listing import SILENT_DAYS, add_ends, explain_ended, read_tree
from features.region.panel_notes import describe_ends, describe_plan, find_never_sold, find_unseen
from features.region.panel_rows import Grid, fetch_rows, fetch_series, make_grid
from features.region.plan import Plan
from features.region.pools import Pools, fetch_pools
from features.region.promotions import PromotionPlan, load_promotions

Floats = npt.NDArray[np.float32]


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
        place (positions in `pools` and `calendar`), end_period and end_reason: the last period
        before the product is delisted or the region closes.
    units : float64, shape (n_rows,)
        NaN where empty, out of stock or after the origin.
    is_out : bool, shape (n_rows,)
        Where stock was out, up to the origin.
    sold : float32, shape (n_rows,)
        `units`, and on stock-outs what was sold all the same: the least that demand can have been.
    history : float32, shape (n_rows, n_features)
        Past features as of each row.
    known : float32, shape (n_rows, n_plan)
        What a plan may hold for the row's own period.
    plan : Plan or None
        Since when each row's plan was known, if `sales` tells it.
    promotions : PromotionPlan or None
        Of the table `promotions`, if there is one.
    pools : Pools
    calendar : float32, shape (n_places, n_periods, n_features)
    history_names, known_names, calendar_names : tuple of str
    regions, products : Hierarchy
    skipped : DataFrame
        Series without a forecast: region_id, product_id, reason. Those that once sold keep their
        rows, for training and pools.
    unseen : DataFrame
        Pairs that are planned and never sold up to the origin: region_id, product_id and
        first_period, the first planned one. They have no rows.
    dead_after_days : int
        Days without a sale below which no series counts as dead.
    notes : tuple of str
        What stands in for a plan that ends before the horizon, and the like.
    """

    frequency: Frequency
    anchor: int
    first_period: int
    origin_period: int
    last_period: int
    series: pd.DataFrame
    units: npt.NDArray[np.float64]
    is_out: npt.NDArray[np.bool_]
    sold: Floats
    history: Floats
    known: Floats
    plan: Plan | None
    promotions: PromotionPlan | None
    pools: Pools
    calendar: Floats
    history_names: tuple[str, ...]
    known_names: tuple[str, ...]
    calendar_names: tuple[str, ...]
    regions: Hierarchy
    products: Hierarchy
    skipped: pd.DataFrame
    unseen: pd.DataFrame
    dead_after_days: int
    notes: tuple[str, ...]

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
    time_zone: str = "UTC",
    dead_after_days: int = SILENT_DAYS,
) -> Panel:
    """Build the panel as of an origin.

    Nothing after the origin can change it, but for the calendar, holidays, and the promotions and
    the columns declared known ahead, as far as they were known by then (`known_since`). A series
    starts at its first sale; a period without a row is a period without a sale where the frequency
    says so; empty units, a stock-out and a zero sold from an empty shelf are missing, not zero.
    Where a known-ahead column has no value, price keeps its last one and any other its mean over
    the series' recent rows, before the origin and after it alike; `notes` says so where the plan
    ends before the horizon. A regressor that all products of a region share holds for their
    periods without a row too.

    Parameters
    ----------
    engine : DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Holding `sales`, `regions` and `products`, and `promotions` if there are any.
    origin : date, optional
        The last date that may be known; by default the last date with units.
    horizon_days : int
        Days of plan and calendar after the origin.
    frequency : Frequency
        Of the data; monthly and quarterly data is dated on the first day.
    known_ahead : collection of str
        Of price, base_price, is_promoted, display, mailer and the regressors: planned, so known
        after the origin. Regressors that are not named are read up to the origin only.
    country, subdivision : str
        Whose holidays count for a region that states none.
    time_zone : str
        IANA zone in which promotions start and end.
    dead_after_days : int
        See `features.region.listing`; 0 forecasts the silent too.

    Returns
    -------
    Panel

    Raises
    ------
    NotEnoughData
        If the origin lies outside the data, or nothing was sold up to it.
    ProjectError
        If the dates are not of this frequency.
    UnknownName
        If a known-ahead column cannot be planned, or a promotion names a node that is none.
    """
    grid = make_grid(
        engine,
        str(workspace.table("sales")),
        origin=origin,
        horizon_days=horizon_days,
        frequency=frequency,
        known_ahead=known_ahead,
    )
    series = fetch_series(engine)
    if series.empty:
        raise NotEnoughData(
            f"sales: nothing was sold up to {grid.origin}: expected at least one row with units "
            "> 0. Check the units column and the origin."
        )
    regions, products = read_tree(workspace, "regions"), read_tree(workspace, "products")
    series = add_ends(series, regions, products, frequency, grid.anchor)
    first = int(series["first_period"].min())
    dates = date_of(np.arange(first, grid.last_period + 1), frequency, grid.anchor)
    series, calendar = _lay_calendars(
        series, regions.table, dates, frequency, Place(country, subdivision)
    )
    rows = fetch_rows(engine, grid, series["start_row"].to_numpy())
    panel = Panel(
        frequency=frequency,
        anchor=grid.anchor,
        first_period=first,
        origin_period=grid.origin_period,
        last_period=grid.last_period,
        series=series,
        units=rows.units,
        is_out=rows.is_out,
        sold=rows.sold,
        history=rows.history,
        known=rows.known,
        plan=rows.plan,
        promotions=_find_promotions(
            workspace, series, regions.tree, products.tree, grid, time_zone
        ),
        pools=fetch_pools(engine, frequency, series, first, grid.last_period),
        calendar=np.stack([days.to_numpy(np.float32) for days in calendar]),
        history_names=rows.history_names,
        known_names=rows.known_names,
        calendar_names=tuple(calendar[0].columns),
        regions=regions.tree,
        products=products.tree,
        skipped=find_never_sold(engine),
        unseen=find_unseen(engine),
        dead_after_days=dead_after_days,
        notes=(*describe_plan(engine, grid, rows.known_names), *describe_ends(series, grid)),
    )
    return _with_ended(panel)


def _with_ended(panel: Panel) -> Panel:
    """Add the series that ended to those without a forecast."""
    ended = explain_ended(panel, panel.origin_period)
    keys = panel.series.loc[ended.index, ["region_id", "product_id"]]
    skipped = pd.concat([panel.skipped, keys.assign(reason=ended)], ignore_index=True)
    order = ["region_id", "product_id"]
    return replace(panel, skipped=skipped.sort_values(order, ignore_index=True))


def _find_promotions(
    workspace: Workspace,
    series: pd.DataFrame,
    regions: Hierarchy,
    products: Hierarchy,
    grid: Grid,
    time_zone: str,
) -> PromotionPlan | None:
    path = workspace.table("promotions")
    if not path.exists():
        return None
    return load_promotions(
        path,
        series,
        regions,
        products,
        frequency=grid.frequency,
        anchor=grid.anchor,
        origin_period=grid.origin_period,
        time_zone=time_zone,
    )


def _lay_calendars(
    series: pd.DataFrame,
    regions: pd.DataFrame,
    dates: npt.NDArray[np.datetime64],
    frequency: Frequency,
    fallback: Place,
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Return the series with the position of their place's calendar, and the calendars."""
    ids = series["region_id"].drop_duplicates().tolist()
    places = find_places(regions, ids, fallback)
    distinct = sorted(set(places))
    by_region = {region: distinct.index(place) for region, place in zip(ids, places, strict=True)}
    series = series.assign(place=series["region_id"].map(by_region).astype(np.int64))
    return series, [build_calendar(dates, frequency, place) for place in distinct]
