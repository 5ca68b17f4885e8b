"""What each customer was sent in each hour of the week, and how much of it was answered."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pandas as pd

from features.customer.dialect import DuckDB, to_utc
from features.errors import FeatureError
from features.messages.touch_rows import LABEL_DAYS, answers, touch_slots
from features.project import Workspace
from features.schema import TOUCHES


def build_message_histories(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    as_of: datetime,
    *,
    time_zone: str,
    window_hours: float,
    half_life_days: float,
) -> pd.DataFrame:
    """Count messages and answers per customer, channel and slot, as of a cut-off.

    Only messages whose answer had `LABEL_DAYS` to come are counted: one sent an hour ago is not
    yet a failure.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Where the canonical tables lie.
    as_of : datetime
        The cut-off, in UTC or with a zone; nothing at or after it is read.
    time_zone : str
        IANA name: the zone of customers of whom no better one is known.
    window_hours : float
        Within how many hours of the send a person's click or an order counts as an answer.
    half_life_days : float
        After how many days a message weighs half; > 0.

    Returns
    -------
    DataFrame
        `customer_id, channel, slot`, `sent` and `answered` (decayed to the cut-off), `n_sent` and
        `n_answered` (plain counts, what evidence is told in), sorted by the first three.

    Raises
    ------
    FeatureError
        If the half-life is not above 0.
    NotEnoughData
        If there is no table of touches.
    """
    if not half_life_days > 0:
        raise FeatureError(
            f"message histories: expected a half-life above 0 days, got {half_life_days:g}"
        )
    dialect, now = DuckDB(), to_utc(as_of)
    slots = touch_slots(workspace, now, time_zone=time_zone)
    mature = dialect.timestamp(now - timedelta(days=LABEL_DAYS))
    age = dialect.days_between("a.sent_at", dialect.timestamp(now))
    weight = f"pow(2.0, -({age}) / {half_life_days!r})"
    engaged = f"least(a.clicked, a.ordered) < {window_hours!r}"
    # sums are in order, so that several threads add up to the same last bit
    relation = engine.sql(
        f"""WITH touches AS (SELECT * FROM {dialect.table(workspace.table(TOUCHES.name))}),
slots AS (
{slots}
),
answers AS (
{answers(now)}
),
weighed AS (
SELECT a.customer_id, a.channel, CAST(s.slot AS BIGINT) AS slot, {weight} AS weight,
    COALESCE({engaged}, FALSE) AS is_engaged
FROM answers AS a JOIN slots AS s USING (message_id) WHERE a.sent_at <= {mature}
)
SELECT customer_id, channel, slot, SUM(weight ORDER BY weight) AS sent,
    COALESCE(SUM(weight ORDER BY weight) FILTER (WHERE is_engaged), 0.0) AS answered,
    CAST(COUNT(*) AS DOUBLE) AS n_sent,
    CAST(COUNT(*) FILTER (WHERE is_engaged) AS DOUBLE) AS n_answered
FROM weighed GROUP BY customer_id, channel, slot ORDER BY customer_id, channel, slot"""
    )
    table: pd.DataFrame = relation.to_arrow_table().to_pandas()
    return table
