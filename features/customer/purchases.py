"""When and for how much each customer bought, as of a cut-off, and what they bought after it.

The unit is the *purchase day*: a day of the customer's own calendar with at least one order. Two
orders on one day are one purchase, as in the literature that the models follow. Days are counted
up to the last one known: the local day of the last instant before the cut-off.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pandas as pd

from features.customer.activity import Activity, build_stream
from features.customer.dialect import DuckDB, quote, to_utc
from features.errors import FeatureError, NotEnoughData
from features.project import Workspace
from features.schema import EventType

WINDOWS_DAYS = (7, 28, 91, 364)
"""Windows, counted back from the last day known, in which purchase days are counted."""


class Purchases:
    """The columns of `build_purchases` and `build_purchase_outcomes`."""

    CUSTOMER_ID = "customer_id"
    DAYS = "purchase_days"
    FREQUENCY = "frequency"
    RECENCY = "recency_weeks"
    AGE = "age_weeks"
    ORDERS = "orders"
    SPEND = "spend"
    VALUED_DAYS = "valued_days"
    MEAN_VALUE = "mean_value"
    LAST_VALUE = "last_value"
    VALUED_REPEATS = "valued_repeats"
    MEAN_REPEAT_VALUE = "mean_repeat_value"
    DAYS_SINCE_LAST = "days_since_last"
    LAST_GAP = "last_gap_days"
    MEAN_GAP = "mean_gap_days"
    SD_GAP = "sd_gap_days"
    LAST_WEEKDAY = "last_weekday"
    DAYS_TO_FIRST = "days_to_first"


WINDOW_COLUMNS = tuple(f"{Purchases.DAYS}_{days}d" for days in WINDOWS_DAYS)
_COUNTS = (
    Purchases.DAYS,
    Purchases.FREQUENCY,
    Purchases.ORDERS,
    Purchases.VALUED_DAYS,
    Purchases.VALUED_REPEATS,
    *WINDOW_COLUMNS,
)
_NUMBERS = (
    Purchases.RECENCY,
    Purchases.AGE,
    Purchases.SPEND,
    Purchases.MEAN_VALUE,
    Purchases.LAST_VALUE,
    Purchases.MEAN_REPEAT_VALUE,
    Purchases.DAYS_SINCE_LAST,
    Purchases.LAST_GAP,
    Purchases.MEAN_GAP,
    Purchases.SD_GAP,
    Purchases.LAST_WEEKDAY,
)
COLUMNS = (Purchases.CUSTOMER_ID, *_COUNTS, *_NUMBERS)
"""The columns of `build_purchases`, in order."""


def build_purchases(
    engine: duckdb.DuckDBPyConnection, workspace: Workspace, as_of: datetime, *, time_zone: str
) -> pd.DataFrame:
    """Build what is known of each customer's purchases as of a cut-off.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Where the canonical tables lie; `events` or `touches` must be there.
    as_of : datetime
        The cut-off, in UTC or with a zone; nothing at or after it is read.
    time_zone : str
        IANA name: the zone of customers who state none.

    Returns
    -------
    DataFrame
        One row per customer with any activity before `as_of`, sorted by `customer_id`:

        - `purchase_days` (distinct local days with an order), `frequency` (those after the first),
          `orders`, `purchase_days_7d` and so on for `WINDOWS_DAYS`; int64, 0 for who never bought;
        - `recency_weeks` (from the first to the last purchase day), `age_weeks` (from the first
          to the last day known); `days_since_last`, `last_gap_days`, `mean_gap_days`,
          `sd_gap_days` between purchase days; `last_weekday` (0 = Monday); NaN where there is none;
        - `spend`, and the value of a purchase day, over all days and over those after the first:
          `valued_days`, `mean_value`, `last_value`, `valued_repeats`, `mean_repeat_value`, in the
          unit of `value`. A day of which no value is known, or a negative one (more sent back than
          bought), is not valued.

    Raises
    ------
    NotEnoughData
        If no customer did anything before `as_of`, or there are no events at all.
    """
    purchases: pd.DataFrame = (
        engine.sql(_write_query(workspace, to_utc(as_of), time_zone)).to_arrow_table().to_pandas()
    )
    if purchases.empty:
        raise NotEnoughData(
            f"{workspace.tables}: expected customers with activity before {to_utc(as_of)} UTC, "
            "found none. Choose a later cut-off, or check the time zone of the events."
        )
    return purchases


def build_purchase_outcomes(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    start: datetime,
    n_days: int,
    *,
    time_zone: str,
) -> pd.DataFrame:
    """Build what customers bought in the days after a cut-off.

    Parameters
    ----------
    engine, workspace, time_zone
        As for `build_purchases`.
    start : datetime
        The cut-off, in UTC or with a zone; the window begins with it.
    n_days : int
        Length of the window; >= 1.

    Returns
    -------
    DataFrame
        One row per customer who bought in the window, sorted: `customer_id`, `purchase_days`
        (distinct local days with an order, int64), `spend` (NaN where no value is known) and
        `days_to_first` (int64, 1 to `n_days`: local days from the last one known at `start` to
        the first order). Who has no row did not buy within `n_days`: a censored time.

    Raises
    ------
    FeatureError
        If `n_days` is below 1.
    NotEnoughData
        If there is neither a table of events nor one of touches.
    """
    if n_days < 1:
        raise FeatureError(
            f"purchase outcomes: expected a window of 1 day or more, got {n_days}; make it longer"
        )
    start, dialect = to_utc(start), DuckDB()
    end = start + timedelta(days=n_days)
    known = _local_day(dialect.timestamp(start - timedelta(microseconds=1)))
    orders = _write_orders(
        workspace, time_zone, f"occurred_at >= {dialect.timestamp(start)}", end, known
    )
    relation = engine.sql(
        f"WITH orders AS (\n{orders}\n)\n"
        f"SELECT customer_id, COUNT(DISTINCT day) AS {Purchases.DAYS}, "
        f"SUM(value) AS {Purchases.SPEND}, "
        # an order later on the last day known is one day away, not none
        f"CAST(LEAST(GREATEST(MIN(day - known), 1), {n_days}) AS BIGINT) "
        f"AS {Purchases.DAYS_TO_FIRST}\n"
        "FROM orders GROUP BY customer_id ORDER BY customer_id"
    )
    outcomes: pd.DataFrame = relation.to_arrow_table().to_pandas()
    return outcomes


def _write_query(workspace: Workspace, as_of: datetime, time_zone: str) -> str:
    dialect = DuckDB()
    known = _local_day(dialect.timestamp(as_of - timedelta(microseconds=1)))
    orders = _write_orders(workspace, time_zone, "TRUE", as_of, known)
    seen = build_stream(
        dialect, workspace, (Activity.CUSTOMER_ID, Activity.OCCURRED_AT), time_zone=time_zone
    )
    counts = ", ".join(f"COALESCE(b.{name}, 0) AS {name}" for name in _COUNTS)
    numbers = ", ".join(f"CAST(b.{name} AS DOUBLE) AS {name}" for name in _NUMBERS)
    return (
        f"WITH orders AS (\n{orders}\n),\n"
        "days AS (\n"
        "SELECT customer_id, day, MAX(known) AS known, COUNT(*) AS n, SUM(value) AS spent\n"
        "FROM orders GROUP BY customer_id, day\n),\n"
        "steps AS (\n"
        "SELECT *, day - LAG(day) OVER steps AS gap, ROW_NUMBER() OVER steps AS place,\n"
        "CASE WHEN spent >= 0 THEN spent END AS value\n"
        "FROM days WINDOW steps AS (PARTITION BY customer_id ORDER BY day)\n),\n"
        f"bought AS (\n{_write_summary()}\n),\n"
        f"seen AS (\nSELECT DISTINCT customer_id FROM (\n{seen}\n) AS activity\n"
        f"WHERE occurred_at < {dialect.timestamp(as_of)}\n)\n"
        f"SELECT seen.customer_id, {counts}, {numbers}\n"
        "FROM seen LEFT JOIN bought AS b ON b.customer_id = seen.customer_id\n"
        "ORDER BY seen.customer_id"
    )


def _write_orders(
    workspace: Workspace, time_zone: str, condition: str, end: datetime, known: str
) -> str:
    """Write a query for each order's customer, local day, value, and the last local day known."""
    dialect = DuckDB()
    columns = (
        Activity.CUSTOMER_ID,
        Activity.OCCURRED_AT,
        Activity.TYPE,
        Activity.VALUE,
        Activity.TIME_ZONE,
    )
    stream = build_stream(dialect, workspace, columns, time_zone=time_zone)
    return (
        f"SELECT customer_id, value, {_local_day('occurred_at')} AS day, {known} AS known\n"
        f"FROM (\n{stream}\n) AS activity\n"
        f"WHERE type = {quote(EventType.ORDER)} AND {condition} "
        f"AND occurred_at < {dialect.timestamp(end)}"
    )


def _write_summary() -> str:
    """Write the aggregates of one customer's purchase days."""
    windows = ", ".join(
        f"COUNT(*) FILTER (WHERE day > known - {days}) AS {name}"
        for days, name in zip(WINDOWS_DAYS, WINDOW_COLUMNS, strict=True)
    )
    return (
        f"SELECT customer_id, COUNT(*) AS {Purchases.DAYS}, "
        f"COUNT(*) - 1 AS {Purchases.FREQUENCY}, CAST(SUM(n) AS BIGINT) AS {Purchases.ORDERS}, "
        f"COUNT(value) AS {Purchases.VALUED_DAYS}, "
        f"COUNT(value) FILTER (WHERE place > 1) AS {Purchases.VALUED_REPEATS}, {windows},\n"
        f"(MAX(day) - MIN(day)) / 7.0 AS {Purchases.RECENCY}, "
        f"(MAX(known) - MIN(day)) / 7.0 AS {Purchases.AGE}, SUM(spent) AS {Purchases.SPEND}, "
        f"AVG(value) AS {Purchases.MEAN_VALUE}, ARG_MAX(value, day) AS {Purchases.LAST_VALUE}, "
        f"AVG(value) FILTER (WHERE place > 1) AS {Purchases.MEAN_REPEAT_VALUE},\n"
        f"MAX(known) - MAX(day) AS {Purchases.DAYS_SINCE_LAST}, "
        f"ARG_MAX(gap, day) AS {Purchases.LAST_GAP}, AVG(gap) AS {Purchases.MEAN_GAP}, "
        f"STDDEV_SAMP(gap) AS {Purchases.SD_GAP}, "
        f"ISODOW(MAX(day)) - 1 AS {Purchases.LAST_WEEKDAY}\n"
        "FROM steps GROUP BY customer_id"
    )


def _local_day(timestamp: str) -> str:
    return f"CAST(timezone(time_zone, timezone('UTC', {timestamp})) AS DATE)"
