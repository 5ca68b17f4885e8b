"""What customers did in a window after a cut-off: the labels of send-time models."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pandas as pd

from features.customer.activity import Activity, build_stream
from features.customer.customers import ACTIVE
from features.customer.dialect import DuckDB, quote, to_utc
from features.errors import FeatureError
from features.project import Workspace


def build_slot_outcomes(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    start: datetime,
    end: datetime,
    *,
    time_zone: str,
) -> pd.DataFrame:
    """Count the weeks in which each customer was active in each slot.

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

    Returns
    -------
    DataFrame
        `customer_id` (str), `slot` (int64, hour of the customer's local week, 0 = Monday 00:00)
        and `weeks_active` (int64: in how many of the window's weeks, each 7 days from `start`
        on, there was an order, open or click in that slot; >= 1), sorted by the first two. A pair
        without a row was never active.

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
    columns = (Activity.CUSTOMER_ID, Activity.OCCURRED_AT, Activity.TYPE, Activity.SLOT)
    stream = build_stream(dialect, workspace, columns, time_zone=time_zone)
    week = f"FLOOR({dialect.days_between(dialect.timestamp(start), 'occurred_at')} / 7)"
    types = ", ".join(quote(kind) for kind in ACTIVE)
    relation = engine.sql(
        "SELECT customer_id, CAST(slot AS BIGINT) AS slot, COUNT(*) AS weeks_active\n"
        f"FROM (\nSELECT DISTINCT customer_id, slot, {week} AS week\n"
        f"FROM (\n{stream}\n) AS activity\n"
        f"WHERE type IN ({types}) AND occurred_at >= {dialect.timestamp(start)} "
        f"AND occurred_at < {dialect.timestamp(end)}\n) AS weeks\n"
        "GROUP BY customer_id, slot ORDER BY customer_id, slot"
    )
    outcomes: pd.DataFrame = relation.to_arrow_table().to_pandas()
    return outcomes
