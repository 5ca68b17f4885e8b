"""What is wrong with touches, what is done about it, and whether they can teach an hour at all.

Nothing here stops a run: a sender's clock that is off, or a list of strangers, must not keep a
retailer from knowing the rest. Every kind of bad touch has one documented behaviour, is counted,
and is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pandas as pd

from features.customer.dialect import DuckDB, to_utc
from features.messages.touch_rows import answers, check_touches_exist, touch_slots
from features.project import Workspace
from features.schema import CUSTOMERS, TOUCHES, Customers

CHECKS: dict[str, tuple[str, str]] = {
    "sent_in_future": ("sent_at >= {now}", "were sent after the cut-off: not read"),
    "opened_before_sent": (
        "opened_at < sent_at",
        "were opened before they were sent: the open is ignored, the touch kept",
    ),
    "clicked_before_sent": (
        "clicked_at < sent_at",
        "were clicked before they were sent: the click is ignored, the touch kept as unanswered",
    ),
    "ordered_before_sent": (
        "ordered_at < sent_at",
        "have an order before they were sent: the order is ignored, the touch kept",
    ),
    "clicked_without_open": (
        "clicked_at IS NOT NULL AND opened_at IS NULL",
        "were clicked without an open: the click counts, and as an open too (pictures were off)",
    ),
    "unknown_customer": (
        "{stranger}",
        "are to customers that the table of customers does not hold: kept, in the project's zone",
    ),
}
"""Condition over `touches`, and what is done; by name. They may overlap."""


@dataclass(frozen=True)
class TouchChecks:
    """What was found in touches.

    Attributes
    ----------
    counts : DataFrame
        `check, touches, sentence`, one row per entry of `CHECKS`.
    channels : DataFrame
        `channel, touches, answered, first_sent_at, last_sent_at, effective_hours, has_hours,
        reason`: per channel, of touches before the cut-off, whether its hours can be learned, and
        in words why not.
    notes : tuple of str
        A sentence for each kind of bad touch that there is, and for each channel without hours.
    """

    counts: pd.DataFrame
    channels: pd.DataFrame
    notes: tuple[str, ...]


def check_touches(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    as_of: datetime,
    *,
    time_zone: str,
    min_touches: int = 1000,
    min_answered: int = 50,
    min_effective_hours: float = 2.0,
) -> TouchChecks:
    """Count bad touches, and say of each channel whether the effect of the hour can be learned.

    The effective number of hours is 1 / Σ share² over the 24 local hours of the day that its
    touches were sent at: 1 where all went out at one hour, 24 where they were spread evenly.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Where the canonical tables lie.
    as_of : datetime
        The cut-off, in UTC or with a zone.
    time_zone : str
        IANA name: the zone of customers of whom no better one is known.
    min_touches, min_answered : int
        Fewer touches, or fewer answered ones (a person clicked or ordered), teach no hour.
    min_effective_hours : float
        Fewer hours teach no hour.

    Raises
    ------
    NotEnoughData
        If there is no table of touches.
    """
    check_touches_exist(workspace)
    now = to_utc(as_of)
    counts = _count(engine, workspace, now)
    channels = _read_channels(engine, workspace, now, time_zone)
    reasons = [
        _find_reason(touches, answered, hours, min_touches, min_answered, min_effective_hours)
        for touches, answered, hours in zip(
            channels["touches"], channels["answered"], channels["effective_hours"], strict=True
        )
    ]
    channels = channels.assign(has_hours=[not reason for reason in reasons], reason=reasons)
    found = counts[counts["touches"] > 0]
    notes = [
        f"{n:,} touches {said}" for n, said in zip(found["touches"], found["sentence"], strict=True)
    ]
    notes += [
        f"{channel}: the effect of the hour cannot be learned, {reason}; its hours rest on "
        "receptivity alone"
        for channel, reason in zip(channels["channel"], reasons, strict=True)
        if reason
    ]
    return TouchChecks(counts, channels, tuple(notes))


def _count(engine: duckdb.DuckDBPyConnection, workspace: Workspace, now: datetime) -> pd.DataFrame:
    dialect = DuckDB()
    stranger = "FALSE"
    if workspace.table(CUSTOMERS.name).exists():
        customers = dialect.table(workspace.table(CUSTOMERS.name))
        stranger = f"customer_id NOT IN (SELECT {Customers.CUSTOMER_ID} FROM {customers})"
    words = {"now": dialect.timestamp(now), "stranger": stranger}
    columns = ", ".join(
        f"COUNT(*) FILTER (WHERE {condition.format(**words)})" for condition, _ in CHECKS.values()
    )
    touches = dialect.table(workspace.table(TOUCHES.name))
    row = engine.execute(f"SELECT {columns} FROM {touches}").fetchall()[0]
    return pd.DataFrame(
        {
            "check": list(CHECKS),
            "touches": list(row),
            "sentence": [sentence for _, sentence in CHECKS.values()],
        }
    )


def _read_channels(
    engine: duckdb.DuckDBPyConnection, workspace: Workspace, now: datetime, time_zone: str
) -> pd.DataFrame:
    touches = DuckDB().table(workspace.table(TOUCHES.name))
    relation = engine.sql(
        f"""WITH touches AS (SELECT * FROM {touches}),
slots AS (
{touch_slots(workspace, now, time_zone=time_zone)}
),
answers AS (
{answers(now)}
),
hours AS (
SELECT a.channel, s.slot % 24 AS hour, COUNT(*) AS n,
    COUNT(*) FILTER (WHERE a.clicked IS NOT NULL OR a.ordered IS NOT NULL) AS answered,
    MIN(a.sent_at) AS first_sent_at, MAX(a.sent_at) AS last_sent_at
FROM answers AS a JOIN slots AS s USING (message_id) GROUP BY ALL
)
SELECT channel, CAST(SUM(n) AS BIGINT) AS touches, CAST(SUM(answered) AS BIGINT) AS answered,
    MIN(first_sent_at) AS first_sent_at, MAX(last_sent_at) AS last_sent_at,
    CAST(SUM(n) * SUM(n) AS DOUBLE) / CAST(SUM(n * n) AS DOUBLE) AS effective_hours
FROM hours GROUP BY channel ORDER BY channel"""
    )
    table: pd.DataFrame = relation.to_arrow_table().to_pandas()
    return table


def _find_reason(
    touches: int,
    answered: int,
    hours: float,
    min_touches: int,
    min_answered: int,
    min_effective_hours: float,
) -> str:
    """Say why a channel's hours cannot be learned; empty where they can."""
    if hours < min_effective_hours:
        return (
            f"as its {touches:,} touches went out at {hours:.1f} effective hours of the day "
            f"(at least {min_effective_hours:g} are needed): spread a part of them at random"
        )
    if touches < min_touches:
        return f"as there are {touches:,} touches (at least {min_touches:,} are needed)"
    if answered < min_answered:
        return f"as {answered:,} touches were answered (at least {min_answered:,} are needed)"
    return ""
