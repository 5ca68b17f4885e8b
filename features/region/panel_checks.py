"""Whether the dates of `sales` are what the project file says they are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import duckdb

from features.errors import NotEnoughData, ProjectError, UnknownName
from features.region.frequency import Frequency
from features.region.panel_sql import PLAN_COLUMNS

MIXED_WEEKS = 13
"""A region or a product is weekly among daily ones if each of its series has so many rows, all
seven days apart."""


def check_known_ahead(known_ahead: Collection[str], regressors: Collection[str] = ()) -> None:
    """Raise UnknownName if a column cannot be planned."""
    possible = (*PLAN_COLUMNS, *regressors)
    for name in known_ahead:
        if name not in possible:
            raise UnknownName("known-ahead column", name, possible)


def check_dates(
    engine: duckdb.DuckDBPyConnection, sales: str, frequency: Frequency, origin: date | None
) -> tuple[int, date]:
    """Return the weekday that weeks are dated on and the origin, or say what is wrong with them.

    Parameters
    ----------
    engine : DuckDBPyConnection
    sales : str
        Parquet file of the table `sales`.
    frequency : Frequency
        What the dates should be.
    origin : date, optional
        By default the last date with units.

    Raises
    ------
    NotEnoughData
        If no row has units, or the origin lies outside those that have.
    ProjectError
        If the dates are not of this frequency.
    """
    row = engine.execute(
        """SELECT min(date) FILTER (units IS NOT NULL), max(date) FILTER (units IS NOT NULL),
                  count(DISTINCT isodow(date)), any_value(isodow(date)) FROM read_parquet(?)""",
        [sales],
    ).fetchone()
    first, last, weekdays, weekday = row or (None, None, 0, 1)
    if first is None or last is None:
        raise NotEnoughData("sales: no row has units; there is nothing to learn from.")
    if frequency.name == "week" and weekdays > 1:
        raise ProjectError(
            f"[demand] frequency = 'week': expected every date on the same weekday, got dates on "
            f"{weekdays} weekdays. For daily sales set frequency = 'day'; a plan has the weekday "
            "of the sales."
        )
    if frequency.name == "day":
        _check_days(engine, sales)
    if frequency.name in ("month", "quarter"):
        _check_single_rows(engine, sales, frequency.name)
    chosen: date = last if origin is None else origin
    if not first <= chosen <= last:
        raise NotEnoughData(
            f"origin {chosen}: expected a date within the sales, {first} to {last}. "
            "Choose an earlier origin or add the missing sales."
        )
    return int(weekday) - 1, chosen


def _check_days(engine: duckdb.DuckDBPyConnection, sales: str) -> None:
    """Raise if all of the dates, or those of a region or a product, are not daily."""
    count, span, weekdays, is_monthly = engine.execute(
        """SELECT count(DISTINCT date), date_diff('day', min(date), max(date)),
                  count(DISTINCT isodow(date)), bool_and(day(date) = 1)
                    OR bool_and(date = last_day(date))
           FROM read_parquet(?) WHERE units IS NOT NULL""",
        [sales],
    ).fetchall()[0]
    if weekdays == 1 and count >= 5 and span >= 28:
        raise ProjectError(
            "[demand] frequency = 'day': every date in sales is on the same weekday. "
            "For weekly sales set frequency = 'week', for monthly 'month', for quarterly 'quarter'."
        )
    if is_monthly and count >= 4:
        raise ProjectError(
            "[demand] frequency = 'day': every date in sales is the first or the last of a month. "
            "For monthly sales set frequency = 'month', for quarterly 'quarter'."
        )
    mixed = engine.execute(_WEEKLY, [sales, MIXED_WEEKS]).fetchone()
    if mixed is not None and weekdays > 1:
        raise ProjectError(
            f"[demand] frequency = 'day': got daily and weekly sales: {mixed[0]} '{mixed[1]}' has "
            "rows exactly seven days apart and no others. Keep them in projects of their own, or "
            "make all of it weekly in a query; if it sells on that weekday only, give it rows of "
            "0 units on other days."
        )


_WEEKLY = """
    WITH steps AS (
      SELECT region_id, product_id, min(isodow(date)) = max(isodow(date)) AND count(*) >= $2
        AND date_diff('day', min(date), max(date)) = 7 * (count(*) - 1) AS is_weekly
      FROM read_parquet($1) WHERE units IS NOT NULL GROUP BY ALL)
    SELECT 'region' AS kind, region_id::VARCHAR AS id FROM steps
    GROUP BY region_id HAVING bool_and(is_weekly)
    UNION ALL
    SELECT 'product', product_id::VARCHAR FROM steps
    GROUP BY product_id HAVING bool_and(is_weekly) ORDER BY ALL DESC LIMIT 1
    """


def _check_single_rows(engine: duckdb.DuckDBPyConnection, sales: str, name: str) -> None:
    row = engine.execute(
        f"""SELECT region_id, product_id, date_trunc('{name}', date)::DATE, count(*)
           FROM read_parquet(?) GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1""",
        [sales],
    ).fetchone()
    if row is not None:
        raise ProjectError(
            f"[demand] frequency = '{name}': expected one row per {name}, got {row[3]} for region "
            f"'{row[0]}', product '{row[1]}' in the {name} of {row[2]}. "
            "For sales counted more often set frequency = 'day', 'week' or 'month'."
        )
    months = engine.execute(
        "SELECT DISTINCT month(date) FROM read_parquet(?) WHERE units IS NOT NULL", [sales]
    ).fetchall()
    if name == "month" and len(months) > 1 and len({row[0] % 3 for row in months}) == 1:
        raise ProjectError(
            "[demand] frequency = 'month': every date in sales is whole quarters from the others. "
            "For quarterly sales set frequency = 'quarter'."
        )
