"""Whether the dates of `sales` are what the project file says they are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import duckdb

from features.errors import NotEnoughData, ProjectError, UnknownName
from features.region.frequency import Frequency
from features.region.panel_sql import PLAN_COLUMNS


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
        """SELECT min(date), max(date), count(DISTINCT date), count(DISTINCT isodow(date)),
                  any_value(isodow(date)) FROM read_parquet(?) WHERE units IS NOT NULL""",
        [sales],
    ).fetchone()
    first, last, count, weekdays, weekday = row or (None, None, 0, 0, 1)
    if first is None or last is None:
        raise NotEnoughData("sales: no row has units; there is nothing to learn from.")
    if frequency.name == "week" and weekdays > 1:
        raise ProjectError(
            f"[demand] frequency = 'week': expected every date on the same weekday, got dates on "
            f"{weekdays} weekdays. For daily sales set frequency = 'day'."
        )
    if frequency.name == "day" and weekdays == 1 and count >= 5 and (last - first).days >= 28:
        raise ProjectError(
            "[demand] frequency = 'day': every date in sales is on the same weekday. "
            "For weekly sales set frequency = 'week', for monthly 'month', for quarterly 'quarter'."
        )
    if frequency.name in ("month", "quarter"):
        _check_single_rows(engine, sales, frequency.name)
    chosen: date = last if origin is None else origin
    if not first <= chosen <= last:
        raise NotEnoughData(
            f"origin {chosen}: expected a date within the sales, {first} to {last}. "
            "Choose an earlier origin or add the missing sales."
        )
    return int(weekday) - 1, chosen


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
