"""One stream of everything between us and a customer: events, and what touches led to.

Each touch is a `touch` when it was sent, an `open` when a person opened it and a `click` when a
person clicked, not a machine by any rule of `features.messages.machine_opens`: so the stream holds
at each instant only what had happened by then. A source gives opens and clicks with its touches or
as events, not both. To the columns of `events` the stream adds the category of the product, the
customer's time zone, the slot of the local week, and the slot and channel as one number; `enrich`
adds the same to a single event in Python, for the service.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from features.customer.dialect import Dialect, quote, to_utc
from features.customer.time_zones import build_zone_chain
from features.errors import NotEnoughData
from features.messages.machine_opens import CLICK, OPEN, find_machine_rule, machine_condition
from features.project import Workspace
from features.schema import (
    ALL,
    CHANNELS,
    EVENTS,
    PRODUCTS,
    SLOTS_PER_WEEK,
    TOUCHES,
    Events,
    EventType,
    Kind,
    Products,
    Touches,
)


class Activity(Events):
    """The columns of `events`, and those that the stream adds."""

    CATEGORY_ID = "category_id"
    TIME_ZONE = "time_zone"
    SLOT = "slot"
    CHANNEL_SLOT = "channel_slot"


COLUMNS: dict[str, Kind] = {
    column.name: column.kind
    for column in EVENTS.columns
    if column.name != Events.DEVICE_TIME_ZONE  # read by `time_zones`, as no feature needs it
} | {
    Activity.CATEGORY_ID: Kind.TEXT,
    Activity.TIME_ZONE: Kind.TEXT,
    Activity.SLOT: Kind.INTEGER,
    Activity.CHANNEL_SLOT: Kind.INTEGER,
}
"""The columns of the stream and what each holds."""

FILLED = frozenset({column.name for column in EVENTS.columns if not column.is_nullable}) | {
    Activity.TIME_ZONE,
    Activity.SLOT,
}
"""The columns of the stream that are never empty."""

_NEEDS = {
    Activity.CATEGORY_ID: (Activity.PRODUCT_ID,),
    Activity.TIME_ZONE: (Activity.CUSTOMER_ID,),
    Activity.SLOT: (Activity.CUSTOMER_ID, Activity.OCCURRED_AT),
    Activity.CHANNEL_SLOT: (Activity.CUSTOMER_ID, Activity.OCCURRED_AT, Activity.CHANNEL),
}
_LOCAL = (Activity.TIME_ZONE, Activity.SLOT, Activity.CHANNEL_SLOT)
"""Columns that need the customer's time zone."""
_MOMENTS = {
    EventType.TOUCH: Touches.SENT_AT,
    EventType.OPEN: Touches.OPENED_AT,
    EventType.CLICK: Touches.CLICKED_AT,
}
_MARKS = {EventType.OPEN: OPEN, EventType.CLICK: CLICK}
"""What machines make, by the rules of `features.messages.machine_opens`."""
_SHARED = (
    Activity.CUSTOMER_ID,
    Activity.CHANNEL,
    Activity.PROMOTION_ID,
    Activity.MESSAGE_ID,
)


def build_stream(
    dialect: Dialect,
    workspace: Workspace,
    columns: Collection[str],
    *,
    time_zone: str,
    as_of: datetime | None = None,
) -> str:
    """Write the stream as SQL, reading and joining only what `columns` ask for.

    Parameters
    ----------
    dialect : Dialect
        The engine's own words.
    workspace : Workspace
        Where the canonical tables lie; all but one of `events` and `touches` may be missing.
    columns : collection of str
        The columns wanted, out of `COLUMNS`.
    time_zone : str
        IANA name: the zone of customers of whom no better one is known.
    as_of : datetime, optional
        The cut-off before which time zones are learned from devices and visits, as in
        `features.customer.time_zones`; without it, from what is stated alone. It does not cut
        the stream.

    Returns
    -------
    str
        A query that yields `columns`, one row per event of the stream; times are in UTC.

    Raises
    ------
    NotEnoughData
        If there is neither a table of events nor one of touches.
    """
    stored = {need for name in columns for need in _NEEDS.get(name, (name,))}
    ordered = [column.name for column in EVENTS.columns if column.name in stored]
    joins, zone, category = [], quote(time_zone), dialect.empty(Kind.TEXT)
    if set(columns) & set(_LOCAL):
        chain = build_zone_chain(
            dialect, workspace, as_of, customer="s.customer_id", time_zone=time_zone
        )
        joins, zone = list(chain.joins), chain.time_zone
    if _is_wanted(workspace, PRODUCTS.name, columns, (Activity.CATEGORY_ID,)):
        products = dialect.table(workspace.table(PRODUCTS.name))
        joins.append(f"LEFT JOIN {products} AS p ON p.{Products.PRODUCT_ID} = s.product_id")
        category = f"NULLIF(p.{Products.PARENT_ID}, {quote(ALL)})"
    slot = dialect.local_slot("s.occurred_at", zone)
    added = {
        Activity.CATEGORY_ID: category,
        Activity.TIME_ZONE: zone,
        Activity.SLOT: slot,
        Activity.CHANNEL_SLOT: f"{_number_channel('s.channel')} * {SLOTS_PER_WEEK} + {slot}",
    }
    selected = ", ".join(f"{added.get(name, f's.{name}')} AS {name}" for name in columns)
    rows = "\nUNION ALL\n".join(_build_branches(dialect, workspace, ordered))
    return f"SELECT {selected}\nFROM (\n{rows}\n) AS s" + "".join(f"\n{join}" for join in joins)


def touch_events(touch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events of the stream that one row of `touches` stands for, one to three."""
    events = []
    for kind, moment in _MOMENTS.items():
        marks = _MARKS.get(kind)
        is_machine = marks is not None and find_machine_rule(touch, marks) is not None
        if touch.get(moment) is not None and not is_machine:
            shared = {name: touch.get(name) for name in _SHARED}
            own = {
                Activity.EVENT_ID: f"{kind}:{touch[Touches.MESSAGE_ID]}",
                Activity.OCCURRED_AT: touch[moment],
                Activity.TYPE: kind,
            }
            stored = (name for name in COLUMNS if name not in _NEEDS)
            events.append(dict.fromkeys(stored) | shared | own)
    return events


def enrich(
    event: Mapping[str, Any], *, time_zone: str, category_id: str | None = None
) -> dict[str, Any]:
    """Add to one event what the stream adds to all.

    Parameters
    ----------
    event : mapping
        Columns of `events`; `occurred_at` in UTC, or with a zone of its own.
    time_zone : str
        IANA name: the customer's zone, or the project's where the customer states none.
    category_id : str, optional
        The parent of the event's product, if it is known and not the root.

    Returns
    -------
    dict
        A new event with all columns of the stream; those not given are None.
    """
    occurred_at = to_utc(event[Activity.OCCURRED_AT])
    slot, channel = local_slot(occurred_at, time_zone), event.get(Activity.CHANNEL)
    return dict.fromkeys(COLUMNS) | {
        **event,
        Activity.OCCURRED_AT: occurred_at,
        Activity.CATEGORY_ID: category_id,
        Activity.TIME_ZONE: time_zone,
        Activity.SLOT: slot,
        Activity.CHANNEL_SLOT: channel_slot(channel, slot) if channel in CHANNELS else None,
    }


def local_slot(occurred_at: datetime, time_zone: str) -> int:
    """Return the hour of the local week, 0 = Monday 00:00, at a time in UTC.

    Examples
    --------
    >>> local_slot(datetime(2024, 3, 10, 7, 30), "America/New_York")  # Sunday, just after the jump
    147
    """
    local = occurred_at.replace(tzinfo=UTC).astimezone(ZoneInfo(time_zone))
    return 24 * local.weekday() + local.hour


def channel_slot(channel: str, slot: int) -> int:
    """Return one number for a channel and an hour of the week: place in `CHANNELS` * 168 + slot.

    Examples
    --------
    >>> channel_slot("web", 5), channel_slot("app", 5)
    (5, 173)
    """
    return CHANNELS.index(channel) * SLOTS_PER_WEEK + slot


def _number_channel(channel: str) -> str:
    cases = (f"WHEN {quote(name)} THEN {place}" for place, name in enumerate(CHANNELS))
    return f"CASE {channel} {' '.join(cases)} END"


def _is_wanted(
    workspace: Workspace, table: str, columns: Collection[str], serves: Collection[str]
) -> bool:
    return bool(set(columns) & set(serves)) and workspace.table(table).exists()


def _build_branches(dialect: Dialect, workspace: Workspace, columns: list[str]) -> list[str]:
    branches = []
    if workspace.table(EVENTS.name).exists():
        events = dialect.table(workspace.table(EVENTS.name))
        branches.append(f"SELECT {', '.join(columns)} FROM {events}")
    if workspace.table(TOUCHES.name).exists():
        touches = dialect.table(workspace.table(TOUCHES.name))
        branches += [_read_touches(dialect, touches, kind, columns) for kind in _MOMENTS]
    if not branches:
        raise NotEnoughData(
            f"{workspace.tables}: customer features need a table of events or of touches, found "
            "neither. Describe [tables.events] in the project file and build the tables again."
        )
    return branches


def _read_touches(dialect: Dialect, touches: str, kind: str, columns: list[str]) -> str:
    values = {name: name for name in _SHARED} | {
        Activity.EVENT_ID: f"{quote(kind + ':')} || {Touches.MESSAGE_ID}",
        Activity.OCCURRED_AT: _MOMENTS[kind],
        Activity.TYPE: quote(kind),
    }
    selected = [f"{values.get(name, dialect.empty(COLUMNS[name]))} AS {name}" for name in columns]
    is_human = f" AND NOT {machine_condition(_MARKS[kind])}" if kind in _MARKS else ""
    return (
        f"SELECT {', '.join(selected)} FROM {touches} WHERE {_MOMENTS[kind]} IS NOT NULL{is_human}"
    )
