"""Applying messages to the database: a list of them, in one transaction, each once and for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from features.identity.identifiers import USER_ID, Identifier
from features.segment.messages import EventRow, Message, Rejected
from serving.customers.database import Session, in_parts
from serving.customers.dead_letters import write_dead_letter
from serving.customers.erase import erase_person, find_erased
from serving.customers.marks import Marker
from serving.customers.orders import (
    COMPLETE,
    Change,
    find_known_orders,
    settle_order,
    write_changes,
)
from serving.customers.people import People, set_counter
from serving.customers.profile_rows import write_profiles
from serving.customers.settings import CustomersSettings
from serving.customers.tables import ROW_COLUMNS

ACCEPTED, DUPLICATE, REJECTED = "accepted", "duplicate", "rejected"
EVENTS = "events"
CONFLICT = Rejected(
    "conflicting-message",
    "a message with this messageId was taken before and says something else; give every message "
    "an id of its own",
    "/messageId",
)
ERASED = Rejected(
    "erased",
    "this is from before the person was erased, and they stay erased; remove them from the sender",
)
TWO_USERS = Rejected(
    "two-user-ids",
    "the alias would put two user ids into one profile; one person has one user id",
    "/previousId",
)
_INSERT = (
    "INSERT INTO event_rows (seq, node, hash, is_hidden, received_at, "
    f"{', '.join(ROW_COLUMNS)}) VALUES ({', '.join('?' * (5 + len(ROW_COLUMNS)))})"
)
_TRAIT = (
    "INSERT INTO traits VALUES (?, ?, ?, ?) ON CONFLICT (node, name) DO UPDATE SET "
    "value = excluded.value, at = excluded.at WHERE excluded.at > traits.at "
    "OR (excluded.at = traits.at AND excluded.value > traits.value)"
)
_CONSENT = (
    "INSERT INTO consents VALUES (?, ?, ?) ON CONFLICT (node) DO UPDATE SET "
    "preferences = excluded.preferences, at = excluded.at WHERE excluded.at > consents.at "
    "OR (excluded.at = consents.at AND excluded.preferences > consents.preferences)"
)


class Received(NamedTuple):
    """One message as it came, and what it was read as."""

    content: bytes
    message: Message | Rejected
    received_at: int
    source: str
    hashes: Sequence[int] | None = None
    """Of its rows, from `hash_rows`, where another process worked them out."""


class Outcome(NamedTuple):
    """What became of one message."""

    status: str
    rejected: Rejected | None = None


@dataclass
class _Pending:
    """What one transaction will write, gathered so that it is written in few statements."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    traits: list[tuple[int, str, str, int]] = field(default_factory=list)
    consents: list[tuple[int, str, int]] = field(default_factory=list)
    hashes: dict[int, EventRow] = field(default_factory=dict)


def hash_id(text: str) -> int:
    """Return 64 bits of an id's BLAKE2b, as a signed integer: what makes it unique for ever.

    Two ids that shared it would be told apart by their text, and the second one refused.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class Applier:
    """Applies messages within a writing transaction.

    Parameters
    ----------
    settings : CustomersSettings
    people : People
    marker : Marker
    models : callable
        Returns the published models that learned from customers, for the record of erasures.
    """

    def __init__(
        self, settings: CustomersSettings, people: People, marker: Marker, models: Any = tuple
    ) -> None:
        self.settings, self.people, self.marker, self.models = settings, people, marker, models

    def apply(
        self, session: Session, items: Sequence[Received], *, assume_new: bool = False
    ) -> list[Outcome]:
        """Apply messages in their order; the caller commits.

        Parameters
        ----------
        session : Session
        items : sequence of Received
        assume_new : bool
            Whether not to look whether a message was taken before: the database refuses all of
            them if one was.
        """
        counters = self.people.begin(session)
        self._seq = self._first = counters.get(EVENTS, 0)
        self._has_tombstones = bool(session.rows("SELECT 1 FROM tombstones LIMIT 1"))
        keyed = [
            _key_rows(item.message, item.hashes) if isinstance(item.message, Message) else []
            for item in items
        ]
        keys = [] if assume_new else [key for rows in keyed for key, _ in rows]
        self._seen = _find_seen(session, keys)
        self.people.look_up(session, (i for item in items for i in _list_identifiers(item)))
        self._pending = _Pending()
        outcomes = [
            self._take(session, item, item.message, rows)
            if isinstance(item.message, Message)
            else self._reject(session, item, item.message)
            for item, rows in zip(items, keyed, strict=True)
        ]
        self._flush(session)
        write_profiles(session, self.people.changed, self.settings.consent)
        if self._seq != self._first:
            set_counter(session, EVENTS, self._seq)
        return outcomes

    def _take(
        self,
        session: Session,
        item: Received,
        message: Message,
        keyed: Sequence[tuple[int, EventRow]],
    ) -> Outcome:
        before = self._find_before(keyed)
        if before is not None:
            if _is_same(before, keyed[0][1]):
                return Outcome(DUPLICATE)
            return self._reject(session, item, CONFLICT)
        if message.type == "delete":
            return self._erase(session, message, item)
        identifiers = message.identifiers
        if self._has_tombstones:
            identifiers = self._leave_out_erased(session, message)
            if not identifiers:
                return Outcome(REJECTED, replace(ERASED, message_id=message.message_id))
        if message.previous is not None:
            if self._has_two_users(session, message):
                return self._reject(session, item, TWO_USERS)
            identifiers = tuple(dict.fromkeys((*identifiers, message.previous)))
        self._store(session, message, identifiers, item.received_at, keyed)
        return Outcome(ACCEPTED)

    def _find_before(self, keyed: Sequence[tuple[int, EventRow]]) -> EventRow | None:
        """Return a row that has the id of one of these already."""
        for key, _ in keyed:
            before = self._pending.hashes.get(key) or self._seen.get(key)
            if before is not None:
                return before
        return None

    def _store(
        self,
        session: Session,
        message: Message,
        identifiers: tuple[Any, ...],
        received_at: int,
        keyed: Sequence[tuple[int, EventRow]],
    ) -> None:
        place = self.people.place(session, identifiers, message.occurred_at, message.message_id)
        node, pending = place.node, self._pending
        is_hidden = int(not message.rows)
        for key, row in keyed:
            self._seq += 1
            pending.hashes[key] = row
            pending.rows.append((self._seq, node, key, is_hidden, received_at, *row))
        if message.order is not None:
            is_complete = message.order.kind == COMPLETE
            amount = keyed[0][1].value if is_complete else message.order.amount
            change = (message.order.order_id, node, message.order.kind, message.occurred_at, amount)
            pending.changes.append(Change(message.message_id, *change))
        if message.traits:
            pending.traits.extend(
                (node, name, msgspec.json.encode(value).decode(), message.occurred_at)
                for name, value in message.traits.items()
            )
            self.people.changed.add(place.root)
        if message.consent is not None:
            text = msgspec.json.encode(message.consent, order="sorted").decode()
            pending.consents.append((node, text, message.occurred_at))

    def _reject(self, session: Session, item: Received, rejected: Rejected) -> Outcome:
        """Keep a rejected message as a dead letter."""
        if isinstance(item.message, Message):
            rejected = replace(rejected, message_id=item.message.message_id)
        write_dead_letter(
            session,
            item.content,
            rejected,
            received_at=item.received_at,
            source=item.source,
            marker=self.marker,
            rules=self.people.rules,
        )
        return Outcome(REJECTED, rejected)

    def _leave_out_erased(self, session: Session, message: Message) -> tuple[Any, ...]:
        """Return the identifiers that a message may still be attributed by.

        Those erased after the message happened are left out; where that is the weightiest, nothing
        is left: it is of who was erased.
        """
        unknown = [i for i in message.identifiers if not self.people.owns((i,))]
        erased = find_erased(session, self.marker, unknown) if unknown else {}
        gone = {
            identifier
            for identifier, at in erased.items()
            if message.occurred_at <= at or not message.has_own_time
        }
        if message.identifiers[0] in gone:
            return ()
        return tuple(i for i in message.identifiers if i not in gone)

    def _has_two_users(self, session: Session, message: Message) -> bool:
        """Say whether an alias would make one person of two users."""
        if message.previous is None:
            return False
        as_user = Identifier(USER_ID, message.previous.value)
        self.people.look_up(session, (message.previous, as_user))
        return self.people.owns((as_user,)) and as_user not in message.identifiers

    def _erase(self, session: Session, message: Message, item: Received) -> Outcome:
        self._flush(session)
        place = None
        if self.people.owns(message.identifiers):
            known = tuple(i for i in message.identifiers if self.people.owns((i,)))
            place = self.people.place(session, known[:1], message.occurred_at, message.message_id)
        if place is None:
            return Outcome(ACCEPTED)
        at = max(message.occurred_at, item.received_at)
        erase_person(session, place.root, at, self.marker, models=self.models())
        self.people.changed.discard(place.root)
        self.people.forget_placed()
        self.people.begin_again(session)
        self._has_tombstones = True
        return Outcome(ACCEPTED)

    def _flush(self, session: Session) -> None:
        """Write what is pending, and let orders show what is known of them now."""
        self.people.flush(session)
        pending, self._pending = self._pending, _Pending()
        if pending.rows:
            session.run_many(_INSERT, pending.rows)
        if pending.traits:
            session.run_many(_TRAIT, pending.traits)
        if pending.consents:
            session.run_many(_CONSENT, pending.consents)
            self.people.changed.update(self.people.root_of(node) for node, *_ in pending.consents)
        if pending.changes:
            self._settle(session, pending.changes)
        self._seen.update(pending.hashes)

    def _settle(self, session: Session, changes: Sequence[Change]) -> None:
        """Settle the orders that were told of before, or more than once, or not completed."""
        counts: dict[str, int] = {}
        for change in changes:
            counts[change.order_id] = counts.get(change.order_id, 0) + 1
        again = find_known_orders(session, list(counts))
        again |= {order for order, n in counts.items() if n > 1}
        write_changes(session, changes)
        touched: set[int] = set()
        for order_id in sorted(again):
            touched |= settle_order(session, order_id)
        for node in touched:
            session.run("UPDATE nodes SET epoch = epoch + 1 WHERE node = ?", (node,))


def _list_identifiers(item: Received) -> tuple[Identifier, ...]:
    return item.message.identifiers if isinstance(item.message, Message) else ()


def hash_rows(message: Message) -> list[int]:
    """Return the hashes of the ids of a message's rows."""
    return [hash_id(row.event_id) for row in _list_rows(message)]


def _list_rows(message: Message) -> tuple[EventRow, ...]:
    """Return the rows of a message; one without gets a row that is hidden, to keep its id."""
    if message.rows:
        return message.rows
    return (EventRow(message.message_id, message.occurred_at, None, message.type),)


def _key_rows(message: Message, hashes: Sequence[int] | None) -> list[tuple[int, EventRow]]:
    """Return the rows of a message by the hash of their id; the first has the message's own."""
    known = hash_rows(message) if hashes is None else hashes
    return list(zip(known, _list_rows(message), strict=True))


def _is_same(before: EventRow, now: EventRow) -> bool:
    """Say whether two messages of one id say the same; their times differ with the sender's clock.

    What an order is worth, and when, may have been settled since.
    """
    if before.event_id != now.event_id:
        return False
    unsettled: dict[str, Any] = {"occurred_at": 0}
    if now.order_id is not None:
        unsettled["value"] = None
    return before._replace(**unsettled) == now._replace(**unsettled)


def _find_seen(session: Session, keys: Sequence[int]) -> dict[int, EventRow]:
    """Return the rows that are there already, by hash."""
    seen: dict[int, EventRow] = {}
    for part in in_parts(keys):
        places = ", ".join("?" * len(part))
        for key, *row in session.rows(
            f"SELECT hash, {', '.join(ROW_COLUMNS)} FROM event_rows WHERE hash IN ({places})",
            list(part),
        ):
            seen[key] = EventRow(*row)
    return seen
