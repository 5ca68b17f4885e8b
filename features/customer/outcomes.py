"""What customers did in a window after a cut-off: the labels of send-time models."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pandas as pd

from features.customer.activity import Activity, build_stream
from features.customer.customers import IS_ACTIVE
from features.customer.dialect import DuckDB, to_utc
from features.customer.query import write_tests
from features.customer.statistics import Condition
from features.errors import FeatureError
from features.project import Workspace


def build_slot_outcomes(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    start: datetime,
    end: datetime,
    *,
    time_zone: str,
    active: Condition = IS_ACTIVE,
) -> pd.DataFrame:
    """Count the weeks in which each customer was active in each slot, at all and by channel.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Where the canonical tables lie.
    start, end : datetime
        The window, in UTC or with a zone: from `start` on and before `end`, whole weeks apart.
    time_zone : str
        IANA name: the zone of customers who state none.
    active : Condition
        Which events count as activity; the one of the features that learn from it.

    Returns
    -------
    DataFrame
        `customer_id` (str), `channel` (str; empty for the slots in any channel), `slot` (int64,
        hour of the customer's local week, 0 = Monday 00:00) and `weeks_active` (int64: in how many
        of the window's weeks, each 7 days from `start` on, there was activity in that slot, and
        channel; >= 1), sorted by the first three, any channel first. What has no row was never
        active. Activity of no known channel counts for any channel alone.

    Raises
    ------
    FeatureError
        If the window is not one or more whole weeks.
    NotEnoughData
        If there is neither a table of events nor one of touches.
    """
    dialect, start, end = DuckDB(), to_utc(start), to_utc(end)
    if end <= start or (end - start) % timedelta(weeks=1):
        raise FeatureError(
            f"slot outcomes: expected a window of whole weeks, got {start} to {end} UTC. "
            "A part of a week would count like a whole one: move one of its ends."
        )
    wanted = (Activity.CUSTOMER_ID, Activity.OCCURRED_AT, Activity.SLOT, Activity.CHANNEL)
    columns = sorted({*wanted, *active.columns})
    # local hours by the zone that was known at the cut-off, as in the features that it is told by
    stream = build_stream(dialect, workspace, columns, time_zone=time_zone, as_of=start)
    week = f"FLOOR({dialect.days_between(dialect.timestamp(start), 'occurred_at')} / 7)"
    tests = [
        *write_tests(active),
        f"occurred_at >= {dialect.timestamp(start)}",
        f"occurred_at < {dialect.timestamp(end)}",
    ]
    relation = engine.sql(
        "SELECT customer_id, channel, CAST(slot AS BIGINT) AS slot,"
        f" COUNT(DISTINCT {week}) AS weeks_active\n"
        f"FROM (\n{stream}\n) AS activity\nWHERE {' AND '.join(tests)}\n"
        "GROUP BY GROUPING SETS ((customer_id, slot), (customer_id, channel, slot))\n"
        "HAVING GROUPING(channel) = 1 OR channel IS NOT NULL\n"
        "ORDER BY customer_id, channel NULLS FIRST, slot"
    )
    outcomes: pd.DataFrame = relation.to_arrow_table().to_pandas()
    return outcomes
