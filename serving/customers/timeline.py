"""What happened with one customer, the newest first, read a page at a time.

Each source is read from its end by an index and no further than a page needs, however much there
is of a person; a cursor holds the place of the last entry, so that what arrives meanwhile moves
nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from features.schema import EventType
from serving.cursors import BadCursor, seal, unseal
from serving.customers.database import Session, in_parts, mark_places
from serving.customers.live import LiveProfiles, Row
from serving.customers.message_keys import hash_bytes
from serving.customers.person import aware, to_datetime
from serving.customers.timeline_contract import TimelineQuery
from serving.customers.view import NO_CONSENT

_PLACE = struct.Struct(">qBq")
_KEY = "timeline cursor"
_EVENT, _CHANGE, _CONSENT, _AUDIT = 3, 2, 1, 0
"""Sources; of the same moment the higher one is newer."""
_COLUMNS = (
    "channel", "type", "region_id", "product_id", "order_id", "promotion_id", "message_id",
    "quantity", "value", "currency",
)  # fmt: skip
_KINDS = {
    EventType.ORDER: "order",
    EventType.TOUCH: "message_sent",
    EventType.OPEN: "message_opened",
    EventType.CLICK: "message_clicked",
}
_CHANGES = {"refund": "refund", "cancel": "cancellation"}
_ACTIONS = {"merged": "merge", "split": "split", "demoted": "identifier_dropped"}


class Place(NamedTuple):
    """Where an entry stands; a greater place is newer."""

    at: int
    source: int
    number: int


class _Found(NamedTuple):
    place: Place
    content: dict[str, Any]


_END = Place(2**63 - 1, 255, 2**63 - 1)


def tell_timeline(live: LiveProfiles, row: Row, name: str, asked: TimelineQuery) -> dict[str, Any]:
    """Return what `timeline_contract.CustomerTimeline` holds.

    Of who has not agreed only is told what they said of themselves, not what they did.

    Parameters
    ----------
    live : LiveProfiles
    row : Row
    name : str
        As they were asked for; a cursor holds for the same name.
    asked : TimelineQuery

    Raises
    ------
    BadCursor
        If it was made for somebody else, or for another channel.
    """
    spelling, key = f"timeline {asked.channel} {name}", live.store.marker.mark(_KEY)
    before = _END if asked.cursor is None else _read_place(asked.cursor, spelling, key)
    reader = _Reader(live.session, [node for node, _ in row.nodes], before, asked.limit + 1)
    found: list[_Found] = []
    if row.stated.is_personal:
        found += [*reader.events(asked.channel), *reader.changes(asked.channel)]
    if asked.channel is None:
        found += [*reader.consents(), *reader.audit()]
    found.sort(key=lambda one: one.place, reverse=True)
    page = found[: asked.limit]
    _add_lines(live.session, reader.nodes, page)
    is_last = len(found) <= asked.limit
    return {
        "customer_id": row.stated.customer_id,
        "entries": [one.content for one in page],
        "next_cursor": None if is_last else seal(_PLACE.pack(*page[-1].place), spelling, key),
        "notes": [] if row.stated.is_personal else [NO_CONSENT],
    }


class _Reader:
    """Reads the newest entries before a place, of each source and node no more than are needed."""

    def __init__(self, session: Session, nodes: Sequence[int], before: Place, n: int) -> None:
        self.session, self.nodes, self.before, self.n = session, nodes, before, n

    def events(self, channel: str | None) -> list[_Found]:
        within = "" if channel is None else "AND channel = ?"
        values = [] if channel is None else [channel]
        select = (
            f"SELECT occurred_at, seq, {', '.join(_COLUMNS)} FROM event_rows WHERE node = ? "
            f"AND is_hidden = 0 AND type <> '{EventType.ITEM}' {within} "
            "AND occurred_at <= ? AND (occurred_at < ? OR seq < ?) "
            "ORDER BY occurred_at DESC, seq DESC LIMIT ?"
        )
        most, number = self._bound(_EVENT)
        rows = self._each_node(select, [*values, most, most, number, self.n])
        return [
            _tell_event(at, seq, dict(zip(_COLUMNS, columns, strict=True)))
            for at, seq, *columns in rows
        ]

    def changes(self, channel: str | None) -> list[_Found]:
        """Read what was sent back or called off; a channel is that of the order."""
        select = (
            "SELECT at, order_id, kind, amount, message_id FROM order_changes WHERE node = ? "
            "AND kind <> 'complete' AND at <= ?"
        )
        rows = self._each_node(select, [self.before.at])
        if channel is not None:
            rows = self._within_channel(rows, channel)
        return self._keep(
            _CHANGE,
            (
                # A message has no number; that of its id keeps its place for ever.
                (at, hash_bytes(message_id.encode()), _tell_change(order_id, kind, amount))
                for at, order_id, kind, amount, message_id in rows
            ),
        )

    def consents(self) -> list[_Found]:
        rows = self._each_node("SELECT at, node, preferences FROM consents WHERE node = ?", [])
        return self._keep(
            _CONSENT,
            (
                (at, node, {"kind": "consent", "preferences": msgspec.json.decode(stated)})
                for at, node, stated in rows
            ),
        )

    def audit(self) -> list[_Found]:
        rows = set()
        for column in ("node", "other"):
            select = f"SELECT at, entry, action, cause FROM audit WHERE {column} = ?"
            rows.update(self._each_node(select, []))
        return self._keep(
            _AUDIT,
            (
                (at, entry, {"kind": _ACTIONS[action], "cause": cause})
                for at, entry, action, cause in rows
                if action in _ACTIONS
            ),
        )

    def _each_node(self, select: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Ask for one node after the other: each is then read from the end of an index."""
        return [row for node in self.nodes for row in self.session.rows(select, [node, *values])]

    def _bound(self, source: int) -> tuple[int, int]:
        """Return the moment up to which a source is read, and the number before which at it."""
        at, of, number = self.before
        if of == source:
            return at, number
        return at, _END.number if of > source else -1

    def _keep(self, source: int, rows: Iterable[tuple[int, int, dict[str, Any]]]) -> list[_Found]:
        found = [_make(Place(at, source, number), content) for at, number, content in rows]
        older = [one for one in found if one.place < self.before]
        return sorted(older, key=lambda one: one.place, reverse=True)[: self.n]

    def _within_channel(self, rows: list[tuple[Any, ...]], channel: str) -> list[tuple[Any, ...]]:
        orders: set[str] = set()
        for part in in_parts(sorted({row[1] for row in rows})):
            found = self.session.rows(
                "SELECT order_id, node FROM event_rows WHERE "
                f"order_id IN ({mark_places(part)}) AND channel = ? "
                f"AND type = '{EventType.ORDER}'",
                [*part, channel],
            )
            orders.update(order for order, node in found if node in self.nodes)
        return [row for row in rows if row[1] in orders]


def _tell_event(at: int, number: int, columns: dict[str, Any]) -> _Found:
    kind = _KINDS.get(columns["type"], "event")
    if kind != "event":
        del columns["type"]
    if kind.startswith("message_") and columns["message_id"] is None:
        kind, columns = "event", {**columns, "type": kind.removeprefix("message_")}
    return _make(Place(at, _EVENT, number), {"kind": kind, **columns})


def _tell_change(order_id: str, kind: str, amount: float | None) -> dict[str, Any]:
    return {"kind": _CHANGES[kind], "order_id": order_id, "value": amount}


def _make(place: Place, content: dict[str, Any]) -> _Found:
    told = {name: value for name, value in content.items() if value is not None}
    return _Found(place, {"at": aware(to_datetime(place.at)), **told})


def _add_lines(session: Session, nodes: Sequence[int], page: Sequence[_Found]) -> None:
    """Add what was bought to the orders of a page."""
    orders = {one.content["order_id"]: one.content for one in page if _is_order(one.content)}
    own = set(nodes)
    for part in in_parts(sorted(orders)):
        for order_id, node, *line in session.rows(
            "SELECT order_id, node, product_id, quantity, value FROM event_rows "
            f"WHERE order_id IN ({mark_places(part)}) AND type = '{EventType.ITEM}' "
            "AND is_hidden = 0 ORDER BY seq",
            list(part),
        ):
            if node in own:
                named = dict(zip(("product_id", "quantity", "value"), line, strict=True))
                orders[order_id].setdefault("lines", []).append(named)


def _is_order(content: dict[str, Any]) -> bool:
    return content["kind"] == "order" and "order_id" in content


def _read_place(cursor: str, spelling: str, key: str) -> Place:
    packed = unseal(cursor, _PLACE.size, spelling, key)
    if packed is None:
        raise BadCursor("does not belong to this customer and channel; start without a cursor")
    return Place(*_PLACE.unpack(packed))
