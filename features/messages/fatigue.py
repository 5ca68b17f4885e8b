"""How many messages customers had lately, as of a cut-off: what the next one would be sent into."""

from __future__ import annotations

from datetime import datetime

import duckdb
import pandas as pd

from features.customer.dialect import DuckDB, to_utc
from features.messages.touch_rows import (
    CHANNEL_FATIGUE,
    FATIGUE,
    FATIGUE_DAYS,
    check_touches_exist,
)
from features.project import Workspace
from features.schema import TOUCHES


def build_fatigue(
    engine: duckdb.DuckDBPyConnection, workspace: Workspace, as_of: datetime
) -> pd.DataFrame:
    """Count each customer's messages before a cut-off, as `build_touch_rows` does before a send.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Where `touches` lies.
    as_of : datetime
        The cut-off, in UTC or with a zone; nothing at or after it is read.

    Returns
    -------
    DataFrame
        `customer_id, channel`, the columns of `FATIGUE` (over all channels, the same in each row
        of a customer) and `channel_touches_7d`; one row per customer and channel ever used, sorted
        by both. Who is not there had no message.

    Raises
    ------
    NotEnoughData
        If there is no table of touches.
    """
    check_touches_exist(workspace)
    dialect = DuckDB()
    now = dialect.timestamp(to_utc(as_of))
    touches = dialect.table(workspace.table(TOUCHES.name))
    recent = ", ".join(
        f"COUNT(*) FILTER (WHERE sent_at >= {now} - INTERVAL {days} DAY) AS touches_{days}d"
        for days in FATIGUE_DAYS
    )
    everyone = ", ".join(
        f"CAST(SUM(touches_{days}d) OVER who AS DOUBLE) AS touches_{days}d" for days in FATIGUE_DAYS
    )
    relation = engine.sql(
        f"SELECT customer_id, channel, {everyone},\n"
        f"CAST(epoch_us({now}) - epoch_us(MAX(last) OVER who) AS DOUBLE) / 3600000000 "
        f"AS {FATIGUE[-1]},\nCAST(touches_7d AS DOUBLE) AS {CHANNEL_FATIGUE}\n"
        f"FROM (SELECT customer_id, channel, {recent}, MAX(sent_at) AS last FROM {touches} "
        f"WHERE sent_at < {now} GROUP BY customer_id, channel) AS counted\n"
        "WINDOW who AS (PARTITION BY customer_id) ORDER BY customer_id, channel"
    )
    table: pd.DataFrame = relation.to_arrow_table().to_pandas()
    return table
