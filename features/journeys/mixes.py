"""Through which channels customers order in a baseline window, and what they order after it."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pandas as pd

from features.customer.dialect import DuckDB, quote, to_utc
from features.errors import FeatureError
from features.journeys.funnels import check_events
from features.project import Workspace
from features.schema import CUSTOMERS, EVENTS, EventType

SEVERAL = "several"
"""The mix of who orders in more than one channel; others are called 'web only' and so on."""
HISTORY = (
    "earlier_orders", "earlier_spend", "earlier_events",
    "baseline_orders", "baseline_spend", "baseline_events",
)  # fmt: skip
AGES = ("recency_days", "tenure_days")


def build_mixes(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    start: datetime,
    *,
    baseline_days: int,
    outcome_days: int,
    fewest_orders: int = 2,
) -> pd.DataFrame:
    """Build each customer's mix of channels, what was known before, and what came after.

    The mix is that of the orders in the baseline window; outcomes are counted after it, so that
    no order counts on both sides. Who made one order cannot have used two channels: customers
    with fewer than `fewest_orders` in the baseline are left out.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
    workspace : Workspace
        Whose tables of events, and of customers if there is one, are read.
    start : datetime
        The first moment of the baseline, in UTC or with a zone.
    baseline_days, outcome_days : int
        The outcome window begins where the baseline ends; both >= 1.
    fewest_orders : int

    Returns
    -------
    DataFrame
        One row per customer, sorted: `customer_id`, `mix` ('web only', …, 'several'), `region_id`
        ('unknown' where there is none); `earlier_orders, earlier_spend, earlier_events` before the
        baseline (events: of any type), `baseline_orders, baseline_spend, baseline_events`;
        `recency_days` and `tenure_days` at its end, since the
        last and the first order ever; `orders` and `spend` of the outcome window, 0 for none.

    Raises
    ------
    FeatureError
        If a window is below 1 day.
    NotEnoughData
        If there is no table of events.
    """
    if min(baseline_days, outcome_days) < 1:
        raise FeatureError(
            "mixes of channels: expected windows of 1 day or more, "
            f"got {baseline_days} and {outcome_days}; make them longer"
        )
    check_events(workspace)
    query = _write_query(workspace, to_utc(start), baseline_days, outcome_days, fewest_orders)
    mixes: pd.DataFrame = engine.sql(query).to_arrow_table().to_pandas()
    return mixes


def _write_query(
    workspace: Workspace, start: datetime, baseline_days: int, outcome_days: int, fewest: int
) -> str:
    dialect = DuckDB()
    middle = start + timedelta(days=baseline_days)
    first, second, last = (
        dialect.timestamp(moment)
        for moment in (start, middle, middle + timedelta(days=outcome_days))
    )
    is_order = f"type = {quote(EventType.ORDER)}"
    windows = {
        "earlier": f"moment < {first}",
        "baseline": f"moment >= {first} AND moment < {second}",
        "known": f"{is_order} AND moment < {second}",
        "after": f"{is_order} AND moment >= {second}",
    }
    region, join = "o.region_id", ""
    if workspace.table(CUSTOMERS.name).exists():
        customers = dialect.table(workspace.table(CUSTOMERS.name))
        join = f" LEFT JOIN {customers} AS c ON c.customer_id = o.customer_id"
        region = "COALESCE(c.region_id, o.region_id)"
    return (
        "WITH acts AS (\n"
        "SELECT customer_id, event_id, occurred_at AS moment, type, channel, region_id, "
        f"CAST(value AS DOUBLE) AS value\nFROM {dialect.table(workspace.table(EVENTS.name))}\n"
        f"WHERE occurred_at < {last}\n),\n"
        f"summed AS (\nSELECT customer_id, {_write_sums(dialect, windows, is_order, second)}\n"
        "FROM acts GROUP BY customer_id\n)\n"
        f"SELECT o.customer_id, CASE WHEN channels > 1 THEN {quote(SEVERAL)} "
        f"ELSE channel || ' only' END AS mix, COALESCE({region}, 'unknown') AS region_id, "
        f"{', '.join((*HISTORY, *AGES))}, orders, spend\n"
        f"FROM summed AS o{join}\nWHERE baseline_orders >= {fewest} AND channels >= 1\n"
        "ORDER BY o.customer_id"
    )


def _write_sums(dialect: DuckDB, windows: dict[str, str], is_order: str, second: str) -> str:
    """Write the aggregates of one customer."""
    sums = []
    for name in ("earlier", "baseline"):
        bought = f"FILTER (WHERE {is_order} AND {windows[name]})"
        sums += [
            f"COUNT(*) {bought} AS {name}_orders",
            f"COALESCE(SUM(value) {bought}, 0.0) AS {name}_spend",
            f"COUNT(*) FILTER (WHERE {windows[name]}) AS {name}_events",
        ]
    known, after = f"FILTER (WHERE {windows['known']})", f"FILTER (WHERE {windows['after']})"
    within = f"FILTER (WHERE {is_order} AND {windows['baseline']})"
    return ", ".join(
        (
            *sums,
            f"COUNT(*) {after} AS orders",
            f"COALESCE(SUM(value) {after}, 0.0) AS spend",
            f"{dialect.days_between(f'MAX(moment) {known}', second)} AS recency_days",
            f"{dialect.days_between(f'MIN(moment) {known}', second)} AS tenure_days",
            f"COUNT(DISTINCT channel) {within} AS channels",
            f"MIN(channel) {within} AS channel",
            f"MAX_BY(region_id, ROW(moment, event_id)) {known} AS region_id",
        )
    )
