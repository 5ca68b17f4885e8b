"""Everything that is kept of a person, row by row: what they may ask for."""

from __future__ import annotations

from typing import Any

import msgspec

from features.identity.identifiers import Identifier
from serving.customers.database import mark_places
from serving.customers.dead_letters import find_marked
from serving.customers.live import LiveProfiles, Row
from serving.customers.person import aware, to_datetime
from serving.customers.tables import ROW_COLUMNS

_ORDERS = ("message_id", "order_id", "kind", "at", "amount")
_CONSENTS = ("preferences", "at")
_AUDIT = ("at", "action", "kind", "value", "cause")
_TIMES = ("at", "occurred_at", "received_at")


def export_rows(live: LiveProfiles, row: Row) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a person: events, orders as they were told, consents, audit, rejects.

    Parameters
    ----------
    live : LiveProfiles
    row : Row
    """
    nodes = [node for node, _ in row.nodes]
    within = f"node IN ({mark_places(nodes)})"

    def read(table: str, columns: tuple[str, ...], order: str) -> list[dict[str, Any]]:
        found = live.session.rows(
            f"SELECT {', '.join(columns)} FROM {table} WHERE {within} ORDER BY {order}", nodes
        )
        return [_name(columns, values) for values in found]

    return {
        "events": read("event_rows", (*ROW_COLUMNS, "received_at"), "seq"),
        "order_changes": read("order_changes", _ORDERS, "at"),
        "consents": read("consents", _CONSENTS, "at"),
        "audit": read("audit", _AUDIT, "entry"),
        "dead_letters": _read_dead_letters(live, row),
    }


def _read_dead_letters(live: LiveProfiles, row: Row) -> list[dict[str, Any]]:
    members = live.session.rows(
        "SELECT kind, value FROM identifiers i JOIN nodes n ON n.node = i.node WHERE n.root = ?",
        (row.root,),
    )
    marks = live.store.marker.mark_identifiers(Identifier(*member) for member in members)
    letters = []
    for letter in find_marked(live.session, list(marks)):
        found = live.session.rows(
            "SELECT received_at, reason, body FROM dead_letters WHERE letter = ?", (letter,)
        )
        letters += [_name(("received_at", "reason", "body"), values) for values in found]
    return letters


def _name(columns: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    named = dict(zip(columns, values, strict=True))
    for name in _TIMES:
        if name in named:
            named[name] = aware(to_datetime(named[name]))
    for name in ("preferences", "body"):
        if named.get(name) is not None:
            named[name] = msgspec.json.decode(named[name])
    return named
