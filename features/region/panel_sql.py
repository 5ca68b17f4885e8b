"""The queries behind the panel: facts as known at the origin, the complete grid, its windows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from features.region.frequency import Frequency
from features.region.panel_features import HistoryFeature, select_history
from features.region.regressors import quote

PLAN_COLUMNS = ("price", "base_price", "is_promoted", "display", "mailer")
"""Columns of `sales` that `known_ahead` may name, beside regressors."""

_OPTIONAL = {
    "revenue": "DOUBLE",
    "returned_units": "DOUBLE",
    "price": "DOUBLE",
    "base_price": "DOUBLE",
    "is_promoted": "BOOLEAN",
    "display": "DOUBLE",
    "mailer": "DOUBLE",
    "on_hand": "DOUBLE",
    "is_stock_out": "BOOLEAN",
    "known_since": "DATE",
}
_PERIOD = {
    "day": "date_diff('day', DATE '1970-01-01', date)",
    "week": "date_diff('day', DATE '1970-01-05' + {anchor}::INTEGER, date) // 7",
    "month": "date_diff('month', DATE '1970-01-01', date)",
    "quarter": "date_diff('quarter', DATE '1970-01-01', date)",
}


@dataclass(frozen=True)
class Facts:
    """What `create_facts` reads.

    Attributes
    ----------
    sales : str
        Parquet file of the table `sales`.
    frequency, anchor : Frequency, int
    origin : date
        The last date whose sales are read.
    moment : date
        The last day on which a plan may have been made to be read.
    known_ahead, regressors : tuple of str
        Columns that are planned, and the columns that the user added.
    """

    sales: str
    frequency: Frequency
    anchor: int
    origin: date
    moment: date
    known_ahead: tuple[str, ...]
    regressors: tuple[str, ...]


def create_facts(engine: duckdb.DuckDBPyConnection, read: Facts) -> bool:
    """Make the table `facts`: the rows of sales with everything unknown at the origin removed.

    Depth is 1 − price ÷ base price. An empty price is revenue ÷ units where both are there and
    nothing was returned. Returns whether the source says since when its plan is known.
    """
    described = engine.execute("DESCRIBE SELECT * FROM read_parquet(?)", [read.sales]).fetchall()
    present = {row[0] for row in described}
    columns = {
        name: name if name in present else f"NULL::{kind}" for name, kind in _OPTIONAL.items()
    }
    drivers = (*PLAN_COLUMNS, *read.regressors)
    own = "".join(f", {quote(name)}::DOUBLE AS {quote(name)}" for name in read.regressors)
    masked = ", ".join(
        f"CASE WHEN {'is_seen' if name in read.known_ahead else 'is_past'} "
        f"THEN {quote(name)} END AS {quote(name)}"
        for name in drivers
    )
    engine.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE facts AS
        WITH rows AS (
          SELECT region_id::VARCHAR AS region_id, product_id::VARCHAR AS product_id,
            {_PERIOD[read.frequency.name].format(anchor=read.anchor)} AS period,
            date <= $origin::DATE AS is_past, {columns["known_since"]}::DATE AS known_since,
            is_past OR coalesce(known_since <= $moment::DATE, true) AS is_seen,
            units::DOUBLE AS units, coalesce({columns["is_stock_out"]}, false)
              OR (coalesce({columns["on_hand"]}, 1) <= 0 AND units = 0) AS is_out,
            coalesce({columns["price"]}, CASE WHEN coalesce({columns["returned_units"]}, 0) = 0
              THEN {columns["revenue"]} / nullif(units, 0) END)::DOUBLE AS price,
            {columns["base_price"]}::DOUBLE AS base_price,
            {columns["is_promoted"]}::DOUBLE AS is_promoted,
            {columns["display"]}::DOUBLE AS display, {columns["mailer"]}::DOUBLE AS mailer{own}
          FROM read_parquet($sales)),
        masked AS (
          SELECT region_id, product_id, period, true AS has_row, is_past, known_since,
            NOT is_past AND is_seen AND (units IS NULL OR known_since IS NOT NULL) AS is_plan,
            CASE WHEN is_past AND NOT is_out THEN units END AS units, is_past AND is_out AS is_out,
            CASE WHEN is_past AND is_out THEN coalesce(units, 0) END AS sold, {masked}
          FROM rows)
        SELECT *, CASE WHEN price >= base_price THEN 0 ELSE 1 - price / nullif(base_price, 0) END
          AS depth FROM masked
        """,
        {"sales": read.sales, "origin": read.origin, "moment": read.moment},
    )
    if "known_since" not in present:
        return False
    # Of the whole file, so that every origin reads a plan by the same rule.
    query = "SELECT count(known_since) FROM read_parquet(?)"
    return bool(engine.execute(query, [read.sales]).fetchall()[0][0])


def create_grid(
    engine: duckdb.DuckDBPyConnection,
    frequency: Frequency,
    origin_period: int,
    last_period: int,
    regressors: Collection[str] = (),
    regional: Collection[str] = (),
) -> None:
    """Make the tables `series` and `grid` from `facts`.

    `regional` names the regressors whose empty cells take the region's value of that period.
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
    own = "".join(
        f", {_own_or_regional(name, name in regional)} AS {quote(name)}" for name in regressors
    )
    shared = "LEFT JOIN regional USING (region_id, period)" if regional else ""
    engine.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE grid AS
        WITH complete AS (
          SELECT series, region_id, product_id,
            unnest(range(first_period, {last_period} + 1)) AS period FROM series)
        SELECT complete.series, complete.region_id, complete.product_id, complete.period,
          CASE WHEN has_row IS NULL AND complete.period <= {origin_period} THEN {gap}
            ELSE units END AS units, coalesce(is_out, false) AS is_out, sold, known_since,
          price, base_price, is_promoted, display, mailer, depth{own}
        FROM complete LEFT JOIN facts USING (region_id, product_id, period) {shared}
        """
    )


def find_drivers(
    engine: duckdb.DuckDBPyConnection, regressors: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return which plan columns, depth and regressors hold any value at all in `facts`."""
    names = (*PLAN_COLUMNS, "depth", *regressors)
    counts = engine.execute(
        f"SELECT {', '.join(f'count({quote(name)})' for name in names)} FROM facts"
    ).fetchone()
    return tuple(name for name, count in zip(names, counts or (), strict=True) if count)


def select_known(
    drivers: Collection[str], known_ahead: Collection[str], regressors: Sequence[str] = ()
) -> dict[str, str]:
    """Return the expressions of the columns that describe a row's own period, by column."""
    planned = {name for name in drivers if name in known_ahead}
    if {"price", "base_price"} <= set(known_ahead) and "depth" in drivers:
        planned.add("depth")
    known = {
        name: "last_value(price IGNORE NULLS) OVER past"
        if name == "price"
        else f"coalesce({name}, avg({name}) OVER recent, 0)"
        for name in ("price", "depth", "is_promoted", "display", "mailer")
        if name in planned
    }
    return known | {
        name: f"coalesce({quote(name)}, avg({quote(name)}) OVER recent)"
        for name in regressors
        if name in planned
    }


def select_panel(
    features: Sequence[HistoryFeature],
    planned: Mapping[str, str],
    frequency: Frequency,
    *,
    has_plan_dates: bool = False,
) -> str:
    """Write the query for units, past features and planned columns, in the order of the grid.

    It asks for the first and the last of the series that are wanted.
    """
    columns = [f"({sql})::FLOAT AS {quote(f'{name}_planned')}" for name, sql in planned.items()]
    if has_plan_dates:
        raw = {name: "price_given" if name == "price" else quote(name) for name in planned}
        columns += [f"{sql}::FLOAT AS {quote(f'{name}_given')}" for name, sql in raw.items()]
        columns.append("known_since")
    return f"""
        SELECT units, is_out, sold, {", ".join([*columns, ""])} {select_history(features)}
        FROM (SELECT * REPLACE (
            last_value(price IGNORE NULLS) OVER (PARTITION BY series ORDER BY period) AS price),
            price AS price_given
          FROM grid WHERE series BETWEEN ? AND ?)
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


def _own_or_regional(name: str, is_regional: bool) -> str:
    column = quote(name)
    return f"coalesce(facts.{column}, regional.{column})" if is_regional else f"facts.{column}"
