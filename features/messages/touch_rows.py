"""One row per message as of its send: where it fell in the week, fatigue, and what followed."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pandas as pd

from features.customer.activity import Activity, build_stream
from features.customer.dialect import DuckDB, quote, to_utc
from features.errors import FeatureError, NotEnoughData
from features.messages.machine_opens import (
    CLICK,
    OPEN,
    machine_condition,
    machine_rule_sql,
)
from features.project import Workspace
from features.schema import PROMOTIONS, TOUCHES, EventType, Promotions, Touches

LABEL_DAYS = 7
"""How long opens, clicks and orders are waited for: 93 % of all opens come within a week."""
FATIGUE_DAYS = (1, 7, 30)
FATIGUE = (*(f"touches_{days}d" for days in FATIGUE_DAYS), "hours_since_touch")
"""Messages to the customer before the send on any channel; hours since the last, NaN = none."""
CHANNEL_FATIGUE = "channel_touches_7d"
"""Messages on the same channel in the seven days before the send."""


def build_touch_rows(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    start: datetime,
    end: datetime,
    *,
    time_zone: str,
    window_hours: float,
    known_until: datetime | None = None,
) -> pd.DataFrame:
    """Build one row per touch sent in a window, with labels.

    Nothing sent, opened, clicked or ordered at or after `known_until` is read. What happened
    before its message was sent cannot be its answer: such opens, clicks and orders are ignored
    and the row is kept as unanswered (`features.messages.touch_checks` counts them).

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Where `touches` lies; `customers`, `regions` and `promotions` may be missing.
    start, end : datetime
        Touches sent from `start` on and before `end`, in UTC or with a zone.
    time_zone : str
        IANA name: the zone of customers of whom no better one is known.
    window_hours : float
        Within how many hours of the send a click or an order counts as its answer; > 0.
    known_until : datetime, optional
        End of what is known; `end` by default.

    Returns
    -------
    DataFrame
        Sorted by `sent_at, message_id`: `message_id, customer_id, channel, promotion_id, sent_at,
        slot` (hour of the customer's local week, in the zone known at `start`), `minute` (of that
        hour that were over), `arm, propensity` (NaN = not logged), `discount` (NaN = none known),
        the columns of `FATIGUE` and `channel_touches_7d` (strictly before the send), `is_engaged`
        (a person clicked or ordered within the window), `hours_to_open` (of the first sign of a
        reader: an open, else a click; a weak label), `hours_to_click`, `hours_to_order` (NaN = did
        not, within `LABEL_DAYS`), `observed_hours` (how long the answer was waited for, at most
        168), `is_mature` (all of `LABEL_DAYS`), `is_machine_open, is_machine_click` and
        `machine_rule` (empty = no machine).

    Raises
    ------
    FeatureError
        If the window is empty, or `window_hours` is not in (0, 168].
    NotEnoughData
        If there is no table of touches.
    """
    start, end = to_utc(start), to_utc(end)
    known = to_utc(known_until) if known_until else end
    _check_window(start, end, window_hours)
    query = _write_query(
        workspace, start, end, known, time_zone=time_zone, window_hours=window_hours
    )
    table: pd.DataFrame = engine.sql(query).to_arrow_table().to_pandas()
    return table


def touch_slots(workspace: Workspace, as_of: datetime, *, time_zone: str) -> str:
    """Write a query of `message_id, slot, minute`: when each send was in the customer's week.

    `slot` is the local hour of the week, `minute` the minutes of it that were over, in the zone
    that was known of the customer before `as_of`: the one that their activity is told in.

    Raises
    ------
    NotEnoughData
        If there is no table of touches.
    """
    check_touches_exist(workspace)
    columns = (
        *(Activity.EVENT_ID, Activity.MESSAGE_ID, Activity.TYPE, Activity.SLOT),
        *(Activity.OCCURRED_AT, Activity.TIME_ZONE),
    )
    local = f"timezone({Activity.TIME_ZONE}, timezone('UTC', {Activity.OCCURRED_AT}))"
    minute = f"CAST(epoch_us({local}) % 3600000000 AS DOUBLE) / 60000000"
    stream = build_stream(DuckDB(), workspace, columns, time_zone=time_zone, as_of=as_of)
    return (
        f"SELECT message_id, slot, {minute} AS minute FROM (\n{stream}\n) AS stream WHERE type = "
        f"{quote(EventType.TOUCH)} AND event_id = {quote(EventType.TOUCH + ':')} || message_id"
    )


def check_touches_exist(workspace: Workspace) -> None:
    """Raise NotEnoughData if there is no table of touches."""
    if not workspace.table(TOUCHES.name).exists():
        raise NotEnoughData(
            f"{workspace.tables}: responses need a table of touches, found none; describe "
            "[tables.touches] in the project file and build the tables again"
        )


def answers(known: datetime) -> str:
    """Write a query of all touches sent before `known`, with what people answered until then.

    Columns of `touches`, and `opened, clicked, ordered`: hours from the send, NULL where it did
    not happen after the send, within `LABEL_DAYS` and before `known`, or was a machine's;
    `is_machine_open, is_machine_click, machine_rule`. It reads from a relation called `touches`.
    """
    literal = DuckDB().timestamp(known)
    open_rule, click_rule = machine_rule_sql(OPEN), machine_rule_sql(CLICK)
    seen = {
        moment: f"CASE WHEN {moment} < {literal} THEN {moment} END"
        for moment in (Touches.OPENED_AT, Touches.CLICKED_AT, Touches.ORDERED_AT)
    }
    replaced = ", ".join(f"{sql} AS {moment}" for moment, sql in seen.items())
    return f"""SELECT *,
    {_hours(Touches.OPENED_AT, "NOT is_machine_opened")} AS opened,
    {_hours(Touches.CLICKED_AT, "NOT is_machine_click")} AS clicked,
    {_hours(Touches.ORDERED_AT, "TRUE")} AS ordered
FROM (
SELECT *, {machine_condition(OPEN)} AS is_machine_opened,
    {machine_condition(CLICK)} AS is_machine_click,
    COALESCE({click_rule}, {open_rule}, '') AS machine_rule
FROM (SELECT * REPLACE ({replaced}) FROM touches WHERE {Touches.SENT_AT} < {literal}) AS seen
) AS marked"""


def _hours(moment: str, condition: str) -> str:
    hours = f"CAST(epoch_us({moment}) - epoch_us({Touches.SENT_AT}) AS DOUBLE) / 3600000000"
    return (
        f"CASE WHEN {condition} AND {hours} >= 0 AND {hours} < {24 * LABEL_DAYS} THEN {hours} END"
    )


def _write_query(
    workspace: Workspace,
    start: datetime,
    end: datetime,
    known: datetime,
    *,
    time_zone: str,
    window_hours: float,
) -> str:
    dialect = DuckDB()
    first, last, until = (dialect.timestamp(moment) for moment in (start, end, known))
    slots = touch_slots(workspace, start, time_zone=time_zone)
    observed = f"CAST(epoch_us({until}) - epoch_us(a.sent_at) AS DOUBLE) / 3600000000"
    nan = "CAST('NaN' AS DOUBLE)"
    engaged = f"COALESCE(least(a.clicked, a.ordered) < {window_hours!r}, FALSE)"
    return f"""WITH touches AS (SELECT * FROM {dialect.table(workspace.table(TOUCHES.name))}),
slots AS (
{slots}
),
answers AS (
{answers(known)}
),
fatigue AS (
{fatigue_query(known, first)}
)
SELECT a.message_id, a.customer_id, a.channel, a.promotion_id, a.sent_at,
    CAST(s.slot AS BIGINT) AS slot, s.minute, a.arm, COALESCE(a.propensity, {nan}) AS propensity,
    COALESCE({_discount(workspace, "a.promotion_id")}, {nan}) AS discount,
    {", ".join(f"COALESCE(CAST(f.{name} AS DOUBLE), {nan}) AS {name}" for name in FATIGUE)},
    CAST(f.{CHANNEL_FATIGUE} AS DOUBLE) AS {CHANNEL_FATIGUE},
    {engaged} AS is_engaged,
    COALESCE(least(a.opened, a.clicked), {nan}) AS hours_to_open,
    COALESCE(a.clicked, {nan}) AS hours_to_click,
    COALESCE(a.ordered, {nan}) AS hours_to_order,
    least({observed}, {24.0 * LABEL_DAYS!r}) AS observed_hours,
    {observed} >= {24.0 * LABEL_DAYS!r} AS is_mature,
    a.is_machine_opened AS is_machine_open, a.is_machine_click, a.machine_rule
FROM answers AS a JOIN fatigue AS f USING (message_id) JOIN slots AS s USING (message_id)
WHERE a.sent_at >= {first} AND a.sent_at < {last}
ORDER BY a.sent_at, a.message_id"""


def fatigue_query(known: datetime, first: str) -> str:
    """Write a query of `message_id`, `FATIGUE` and `channel_touches_7d` of every touch.

    Only what was sent strictly before a touch counts. It reads from a relation called `touches`;
    `first` is a literal: what was sent over 30 days before it can count for none that is read,
    except as the last message.
    """
    before = "AND INTERVAL 1 MICROSECOND PRECEDING"
    everyone = "PARTITION BY customer_id ORDER BY sent_at RANGE BETWEEN"
    channel = "PARTITION BY customer_id, channel ORDER BY sent_at RANGE BETWEEN"
    counts = ", ".join(
        f"COUNT(*) OVER ({everyone} INTERVAL {days} DAY PRECEDING {before}) AS touches_{days}d"
        for days in FATIGUE_DAYS
    )
    last = f"MAX(sent_at) OVER ({everyone} UNBOUNDED PRECEDING {before})"
    return f"""SELECT message_id, {counts},
    CAST(epoch_us(sent_at) - epoch_us({last}) AS DOUBLE) / 3600000000 AS hours_since_touch,
    COUNT(*) OVER ({channel} INTERVAL 7 DAY PRECEDING {before}) AS {CHANNEL_FATIGUE}
FROM touches WHERE sent_at < {DuckDB().timestamp(known)}
QUALIFY sent_at >= {first}"""


def _discount(workspace: Workspace, promotion_id: str) -> str:
    if not workspace.table(PROMOTIONS.name).exists():
        return "NULL"
    promotions = DuckDB().table(workspace.table(PROMOTIONS.name))
    return (
        f"(SELECT max(p.{Promotions.DISCOUNT}) FROM {promotions} AS p "
        f"WHERE p.{Promotions.PROMOTION_ID} = {promotion_id})"
    )


def _check_window(start: datetime, end: datetime, window_hours: float) -> None:
    if end <= start:
        raise FeatureError(f"touch rows: expected start before end, got {start} to {end} UTC")
    if not 0 < window_hours <= timedelta(days=LABEL_DAYS) / timedelta(hours=1):
        raise FeatureError(
            f"touch rows: expected window_hours above 0 and up to {24 * LABEL_DAYS}, got "
            f"{window_hours:g}: answers are waited for {LABEL_DAYS} days"
        )
