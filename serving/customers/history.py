"""Bringing what the canonical tables hold of customers into the store, once, before going live.

Every row becomes a message of the platform it could have come from, and takes the same way as all
others: so the live profiles are those of the datasets, and running it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow.parquet as pq
from msgspec.structs import replace

from features.customer.dialect import to_utc
from features.errors import InvalidRequest, NotEnoughData
from features.identity.identifiers import USER_ID, Identifier, IdentityRules
from features.progress import Progress
from features.project import Project
from features.schema import (
    CHANNELS,
    CUSTOMERS,
    EVENTS,
    TOUCHES,
    Customers,
    Events,
    EventType,
    Touches,
)
from features.segment.messages import EventRow, Message, OrderChange
from serving.customers.applying import Received, without_collection
from serving.customers.counters import set_counter
from serving.customers.live import HISTORY
from serving.customers.message_keys import make_keys
from serving.customers.person import to_microseconds_of
from serving.customers.settings import is_source
from serving.customers.store import CustomerStore
from serving.customers.tables import ROW_COLUMNS
from serving.profiles import read_consent

CHUNK_ROWS = 20_000
SOURCE = "history"
_MOMENTS = {
    EventType.TOUCH: Touches.SENT_AT,
    EventType.OPEN: Touches.OPENED_AT,
    EventType.CLICK: Touches.CLICKED_AT,
}


def ingest_history(store: CustomerStore, project: Project, progress: Progress) -> dict[str, int]:
    """Take the canonical `customers`, `events` and `touches` of a project into the store.

    Parameters
    ----------
    store : CustomerStore
    project : Project
        Its canonical tables must have been built.
    progress : Progress

    Returns
    -------
    dict of str to int
        Rows taken by table; a row that was taken before counts as none.

    Raises
    ------
    NotEnoughData
        If the project has neither events nor touches.
    InvalidRequest
        If its tables are read from the store.
    """
    if is_source(project):
        raise InvalidRequest(
            f"{project.path}: the events of this project are read from the store itself, so it "
            "holds its history already; there is nothing to take in"
        )
    workspace = project.workspace
    given = [name for name in (EVENTS.name, TOUCHES.name, CUSTOMERS.name)
             if workspace.table(name).exists()]  # fmt: skip
    if not {EVENTS.name, TOUCHES.name} & set(given):
        raise NotEnoughData(
            f"{workspace.tables}: there is no history to take in, neither events nor touches; "
            "run `almanac check` first"
        )
    taken = {}
    for name in given:
        chunks = _read_chunks(project, name, store.rules)
        taken[name] = sum(
            _apply(store, chunk) for chunk in progress.track(chunks, name, total=None)
        )
    with store.write() as session:
        set_counter(session, HISTORY, 1)
    return taken


def _apply(store: CustomerStore, messages: Sequence[Message]) -> int:
    with without_collection():
        items = [
            Received(b"", m, m.occurred_at, SOURCE, keys=replace(make_keys(m), digest=0))
            for m in messages
        ]
        outcomes = store.apply(items, assume_new=True)
    return sum(outcome.status == "accepted" for outcome in outcomes)


def _read_chunks(project: Project, name: str, rules: IdentityRules) -> Iterator[list[Message]]:
    """Yield the messages of a table; rows of ids that are nobody's own, such as 'guest', are left.

    Each id is cleaned as that of a message is, so that it is found and erased by the same name.
    """
    make = {CUSTOMERS.name: _tell_customer, EVENTS.name: _tell_event, TOUCHES.name: _tell_touch}
    file = pq.ParquetFile(project.workspace.table(name))
    for batch in file.iter_batches(CHUNK_ROWS):
        messages: list[Message] = []
        for row in batch.to_pylist():
            who = rules.clean(USER_ID, str(row[Customers.CUSTOMER_ID]))
            if who is not None:
                messages.extend(make[name](row, Identifier(USER_ID, who)))
        yield messages


def _tell_customer(row: dict[str, Any], who: Identifier) -> Iterator[Message]:
    """Return an identify with what the table states; a zone that was filled in is not stated."""
    traits = {Customers.REGION_ID: row[Customers.REGION_ID]}
    if row[Customers.TIME_ZONE_SOURCE] != "project":
        traits[Customers.TIME_ZONE] = row[Customers.TIME_ZONE]
    created = row[Customers.CREATED_AT] or datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as all
    consent = _read_consent(row[Customers.CONSENT])
    yield Message(
        f"customer:{row[Customers.CUSTOMER_ID]}",
        "identify",
        to_microseconds_of(created),
        True,
        (who,),
        traits={name: value for name, value in traits.items() if value is not None},
        consent=consent,
    )


def _tell_event(row: dict[str, Any], who: Identifier) -> Iterator[Message]:
    at = to_microseconds_of(to_utc(row[Events.OCCURRED_AT]))
    told = EventRow._make((row[Events.EVENT_ID], at, *(row.get(name) for name in ROW_COLUMNS[2:])))
    order = row[Events.ORDER_ID]
    change = None
    if row[Events.TYPE] == EventType.ORDER and order is not None:
        change = OrderChange(order, "complete")
    yield Message(told.event_id, "track", at, True, (who,), rows=(told,), order=change)


def _tell_touch(row: dict[str, Any], who: Identifier) -> Iterator[Message]:
    """Return a message for the send, the open and the click of one touch."""
    for kind, moment in _MOMENTS.items():
        if row[moment] is None:
            continue
        at = to_microseconds_of(to_utc(row[moment]))
        event_id = f"{kind}:{row[Touches.MESSAGE_ID]}"
        told = EventRow(
            event_id, at, row[Touches.CHANNEL], kind, promotion_id=row[Touches.PROMOTION_ID],
            message_id=row[Touches.MESSAGE_ID],
        )  # fmt: skip
        yield Message(event_id, "track", at, True, (who,), rows=(told,))


def _read_consent(stated: str | None) -> dict[str, bool] | None:
    """Return the preferences that a stated consent stands for; None where nothing is stated."""
    if stated is None or not str(stated).strip():
        return None
    allowed = read_consent(str(stated)) or frozenset()
    channels = {channel: channel in allowed for channel in CHANNELS}
    return {**channels, "personalization": bool(allowed)}
