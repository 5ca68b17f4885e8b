"""The queries behind the panel: facts as known at the origin, the complete grid, its windows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import duckdb
import pandas as pd

from features.region.frequency import Frequency
from features.region.panel_features import HistoryFeature, select_history

PLAN_COLUMNS = ("price", "base_price", "is_promoted", "display", "mailer")
"""Columns of `sales` that `known_ahead` may name."""

_OPTIONAL = {
    "revenue": "DOUBLE",
    "price": "DOUBLE",
    "base_price": "DOUBLE",
    "is_promoted": "BOOLEAN",
    "display": "DOUBLE",
    "mailer": "DOUBLE",
    "on_hand": "DOUBLE",
    "is_stock_out": "BOOLEAN",
}
_PERIOD = {
    "day": "date_diff('day', DATE '1970-01-01', date)",
    "week": "date_diff('day', DATE '1970-01-05' + {anchor}::INTEGER, date) // 7",
    "month": "date_diff('month', DATE '1970-01-01', date)",
    "quarter": "date_diff('quarter', DATE '1970-01-01', date)",
}


def create_facts(
    engine: duckdb.DuckDBPyConnection,
    sales: str,
    frequency: Frequency,
    anchor: int,
    origin: date,
    known_ahead: Collection[str],
) -> None:
    """Make the table `facts`: the rows of sales with everything unknown at the origin removed.

    Depth is 1 − price ÷ base price. An empty price is revenue ÷ units where both are there.
    """
    present = {
        row[0]
        for row in engine.execute("DESCRIBE SELECT * FROM read_parquet(?)", [sales]).fetchall()
    }
    columns = {
        name: name if name in present else f"NULL::{kind}" for name, kind in _OPTIONAL.items()
    }
    period = _PERIOD[frequency.name].format(anchor=anchor)
    known = {
        name: name if name in known_ahead else f"CASE WHEN is_past THEN {name} END"
        for name in PLAN_COLUMNS
    }
    engine.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE facts AS
        WITH rows AS (
          SELECT region_id::VARCHAR AS region_id, product_id::VARCHAR AS product_id,
            {period} AS period, date <= $origin::DATE AS is_past,
            units::DOUBLE AS units, coalesce({columns["is_stock_out"]}, false)
              OR (coalesce({columns["on_hand"]}, 1) <= 0 AND units = 0) AS is_out,
            coalesce({columns["price"]}, {columns["revenue"]} / nullif(units, 0))::DOUBLE AS price,
            {columns["base_price"]}::DOUBLE AS base_price,
            {columns["is_promoted"]}::DOUBLE AS is_promoted,
            {columns["display"]}::DOUBLE AS display, {columns["mailer"]}::DOUBLE AS mailer
          FROM read_parquet($sales)),
        masked AS (
          SELECT region_id, product_id, period, true AS has_row,
            CASE WHEN is_past AND NOT is_out THEN units END AS units,
            {known["price"]} AS price, {known["base_price"]} AS base_price,
            {known["is_promoted"]} AS is_promoted, {known["display"]} AS display,
            {known["mailer"]} AS mailer
          FROM rows)
        SELECT *, CASE WHEN price >= base_price THEN 0 ELSE 1 - price / nullif(base_price, 0) END
          AS depth FROM masked
        """,
        {"sales": sales, "origin": origin},
    )


def create_grid(
    engine: duckdb.DuckDBPyConnection, frequency: Frequency, origin_period: int, last_period: int
) -> pd.DataFrame:
    """Make the tables `series` and `grid` from `facts`.

    Returns
    -------
    DataFrame
        The series that never sold, so have no grid: region_id, product_id, reason.
    """
    engine.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE series AS
        WITH listed AS (
          SELECT region_id, product_id, min(period) AS first_period
          FROM facts WHERE units > 0 GROUP BY ALL)
        SELECT *, row_number() OVER by_id - 1 AS series,
          coalesce(sum({last_period} + 1 - first_period) OVER (
            by_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::BIGINT AS start_row
        FROM listed WINDOW by_id AS (ORDER BY region_id, product_id)
        """
    )
    gap = "0" if frequency.is_gap_zero else "NULL"
    engine.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE grid AS
        WITH complete AS (
          SELECT series, region_id, product_id,
            unnest(range(first_period, {last_period} + 1)) AS period FROM series)
        SELECT complete.series, complete.region_id, complete.product_id, complete.period,
          CASE WHEN has_row IS NULL AND complete.period <= {origin_period} THEN {gap}
            ELSE units END AS units,
          price, base_price, is_promoted, display, mailer, depth
        FROM complete LEFT JOIN facts USING (region_id, product_id, period)
        """
    )
    skipped: pd.DataFrame = engine.execute(
        """
        SELECT DISTINCT region_id, product_id, 'no sale up to the origin' AS reason
        FROM facts ANTI JOIN series USING (region_id, product_id) ORDER BY ALL
        """
    ).df()
    return skipped


def find_drivers(engine: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return which plan columns, and depth, hold any value at all in `facts`."""
    names = (*PLAN_COLUMNS, "depth")
    counts = engine.execute(
        f"SELECT {', '.join(f'count({name})' for name in names)} FROM facts"
    ).fetchone()
    return tuple(name for name, count in zip(names, counts or (), strict=True) if count)


def select_known(drivers: Collection[str], known_ahead: Collection[str]) -> dict[str, str]:
    """Return the expressions of the columns that describe a row's own period, by name."""
    planned = {name for name in drivers if name in known_ahead}
    if {"price", "base_price"} <= set(known_ahead) and "depth" in drivers:
        planned.add("depth")
    return {
        f"{name}_planned": (
            "last_value(price IGNORE NULLS) OVER past"
            if name == "price"
            else f"coalesce({name}, avg({name}) OVER recent, 0)"
        )
        for name in ("price", "depth", "is_promoted", "display", "mailer")
        if name in planned
    }


def select_panel(
    features: Sequence[HistoryFeature], planned: Mapping[str, str], frequency: Frequency
) -> str:
    """Write the query for units, past features and planned columns, in the order of the grid."""
    columns = [f"({sql})::FLOAT AS {name}" for name, sql in planned.items()]
    return f"""
        SELECT units, {", ".join([*columns, ""])} {select_history(features)}
        FROM (SELECT * REPLACE (
            last_value(price IGNORE NULLS) OVER (PARTITION BY series ORDER BY period) AS price)
          FROM grid)
        WINDOW past AS (PARTITION BY series ORDER BY period),
          recent AS (PARTITION BY series ORDER BY period
            ROWS BETWEEN {frequency.windows[1]} PRECEDING AND 1 PRECEDING)
        ORDER BY series, period
        """


def select_pool(features: Sequence[HistoryFeature], column: str) -> str:
    """Write the query for the mean units per listed series, pooled by `column` of the grid."""
    return f"""
        WITH pooled AS (
          SELECT {column} AS pool, period, avg(units) AS units FROM grid GROUP BY ALL)
        SELECT pool, period, {select_history(features)} FROM pooled
        WINDOW past AS (PARTITION BY pool ORDER BY period)
        """
