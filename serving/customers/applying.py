"""Applying messages to the database: a list of them, in one transaction, each once and for ever."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from features.identity.identifiers import USER_ID, Identifier
from features.segment.messages import Message, Rejected
from serving.customers.counters import set_counter
from serving.customers.database import Session, in_parts, mark_places
from serving.customers.dead_letters import write_dead_letter
from serving.customers.erase import erase_person, find_erased, forget_names
from serving.customers.marks import Marker
from serving.customers.message_keys import FROM_TABLES, Keys, is_same, list_rows, make_keys
from serving.customers.orders import (
    COMPLETE,
    Change,
    find_orders,
    list_orders,
    settle_orders,
    write_changes,
)
from serving.customers.people import People, find_nodes
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
    "INSERT INTO event_rows (seq, node, hash, digest, is_hidden, received_at, "
    f"{', '.join(ROW_COLUMNS)}) VALUES ({', '.join('?' * (6 + len(ROW_COLUMNS)))})"
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
    around: bytes | None = None
    """What its batch states around it, to be kept with it if it is rejected."""
    keys: Keys | None = None
    """From `make_keys`, where another process worked them out."""


class Outcome(NamedTuple):
    """What became of one message."""

    status: str
    rejected: Rejected | None = None


_NO_KEYS = Keys([], FROM_TABLES)


@contextmanager
def without_collection() -> Iterator[None]:
    """Do not search for cycles within: a million short-lived messages and rows make none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass
class _Pending:
    """What one transaction will write, gathered so that it is written in few statements."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    traits: list[tuple[int, str, str, int]] = field(default_factory=list)
    consents: list[tuple[int, str, int]] = field(default_factory=list)
    seen: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Id and digest of each row, by hash."""


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
        self,
        settings: CustomersSettings,
        people: People,
        marker: Marker,
        models: Callable[[], Sequence[str]] = tuple,
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
        now = max((item.received_at for item in items), default=0)
        counters = self.people.begin(session, now)
        self._seq = self._first = counters.get(EVENTS, 0)
        keys = [_find_keys(item) for item in items]
        self._seen = (
            {} if assume_new else _find_seen(session, [k for one in keys for k in one.hashes])
        )
        identifiers = dict.fromkeys(i for item in items for i in _list_identifiers(item))
        self.people.look_up(session, identifiers)
        self._erased_at = self._find_erased(session, list(identifiers))
        self._pending = _Pending()
        outcomes = [
            self._take(session, item, item.message, own)
            if isinstance(item.message, Message)
            else self._reject(session, item, item.message)
            for item, own in zip(items, keys, strict=True)
        ]
        self._flush(session)
        self.finish(session)
        if self._seq != self._first:
            set_counter(session, EVENTS, self._seq)
        return outcomes

    def finish(self, session: Session) -> None:
        """Settle and write what follows from people being others than before.

        All orders of who was joined or split are settled: both sides may have told of one.
        """
        for root in self.people.regrouped:
            nodes = find_nodes(session, root)
            settle_orders(session, list_orders(session, nodes), nodes, self.people.now)
        write_profiles(session, self.people.changed, self.settings.consent)

    def _take(self, session: Session, item: Received, message: Message, keys: Keys) -> Outcome:
        before = self._find_before(keys)
        if before is not None:
            if is_same(before, message, keys):
                return Outcome(DUPLICATE)
            return self._reject(session, item, CONFLICT)
        if message.type == "delete":
            return self._erase(session, message, item, keys)
        identifiers = message.identifiers
        if self._erased_at:
            identifiers = self._leave_out_erased(message)
            if not identifiers:
                return Outcome(REJECTED, replace(ERASED, message_id=message.message_id))
        if message.previous is not None:
            if self._has_two_users(session, message):
                return self._reject(session, item, TWO_USERS)
            identifiers = tuple(dict.fromkeys((*identifiers, message.previous)))
        self._store(session, message, identifiers, item.received_at, keys)
        return Outcome(ACCEPTED)

    def _find_before(self, keys: Keys) -> tuple[str, int] | None:
        """Return id and digest of a row that has the id of one of these already."""
        for key in keys.hashes:
            before = self._pending.seen.get(key) or self._seen.get(key)
            if before is not None:
                return before
        return None

    def _store(
        self,
        session: Session,
        message: Message,
        identifiers: tuple[Identifier, ...],
        received_at: int,
        keys: Keys,
    ) -> None:
        place = self.people.place(session, identifiers, message.occurred_at, message.message_id)
        node, pending = place.node, self._pending
        is_hidden, digest = int(not message.rows), keys.digest
        for key, row in zip(keys.hashes, list_rows(message), strict=True):
            self._seq += 1
            pending.seen[key] = (row.event_id, digest)
            pending.rows.append((self._seq, node, key, digest, is_hidden, received_at, *row))
        if message.order is not None:
            is_complete = message.order.kind == COMPLETE
            amount = message.rows[0].value if is_complete else message.order.amount
            change = (message.order.order_id, node, message.order.kind, message.occurred_at, amount)
            pending.changes.append(Change(message.message_id, *change))
        # what a clock that is ahead says must not outweigh what is said later
        said_at = min(message.occurred_at, received_at)
        if message.traits:
            pending.traits.extend(
                (node, name, msgspec.json.encode(value).decode(), said_at)
                for name, value in message.traits.items()
            )
            self.people.changed.add(place.root)
        if message.consent is not None:
            text = msgspec.json.encode(message.consent, order="sorted").decode()
            pending.consents.append((node, text, said_at))

    def _reject(self, session: Session, item: Received, rejected: Rejected) -> Outcome:
        """Keep a rejected message as a dead letter."""
        if isinstance(item.message, Message):
            rejected = replace(rejected, message_id=item.message.message_id)
        write_dead_letter(
            session,
            item.content,
            rejected,
            around=item.around,
            received_at=item.received_at,
            source=item.source,
            marker=self.marker,
            rules=self.people.rules,
        )
        return Outcome(REJECTED, rejected)

    def _find_erased(
        self, session: Session, identifiers: Sequence[Identifier]
    ) -> dict[Identifier, int]:
        """Return when those of some identifiers were erased that were, whoever has them now."""
        if not session.rows("SELECT 1 FROM tombstones LIMIT 1"):
            return {}
        return find_erased(session, self.marker, identifiers)

    def _leave_out_erased(self, message: Message) -> tuple[Identifier, ...]:
        """Return the identifiers that a message may still be attributed by.

        Those erased after the message happened are left out; where that is the weightiest, or what
        an alias was called before, nothing is left: it is of who was erased.
        """
        gone = {
            identifier
            for identifier in _list_of(message)
            if identifier in self._erased_at
            and (message.occurred_at <= self._erased_at[identifier] or not message.has_own_time)
        }
        if message.identifiers[0] in gone or message.previous in gone:
            return ()
        return tuple(i for i in message.identifiers if i not in gone)

    def _has_two_users(self, session: Session, message: Message) -> bool:
        """Say whether an alias would make one person of two users."""
        if message.previous is None:
            return False
        as_user = Identifier(USER_ID, message.previous.value)
        self.people.look_up(session, (message.previous, as_user))
        return self.people.owns((as_user,)) and as_user not in message.identifiers

    def _erase(self, session: Session, message: Message, item: Received, keys: Keys) -> Outcome:
        """Forget who a message names, once; who is not known is not taken in later, either."""
        if session.rows("SELECT 1 FROM deletions WHERE hash = ?", (keys.hashes[0],)):
            return Outcome(DUPLICATE)
        self._flush(session)
        self.people.look_up(session, message.identifiers)
        at = min(message.occurred_at, item.received_at)
        known = tuple(i for i in message.identifiers if self.people.owns((i,)))
        if known:
            place = self.people.place(session, known[:1], at, message.message_id)
            erase_person(session, place.root, at, self.marker, models=self.models())
            self.people.changed.discard(place.root)
            self.people.forget_placed()
            self.people.begin_again(session)
        forget_names(session, message.identifiers, at, self.marker, models=self.models())
        session.run("INSERT INTO deletions VALUES (?, ?)", (keys.hashes[0], at))
        self._erased_at |= dict.fromkeys(message.identifiers, at)
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
        self._seen.update(pending.seen)

    def _settle(self, session: Session, changes: Sequence[Change]) -> None:
        """Settle the orders that a person's messages told of before, or more than once."""
        write_changes(session, changes)
        orders: dict[int, set[str]] = {}
        for change in changes:
            orders.setdefault(self.people.root_of(change.node), set()).add(change.order_id)
        for root, order_ids in orders.items():
            nodes = find_nodes(session, root)
            again = find_orders(session, nodes, order_ids)
            settle_orders(session, again, nodes, self.people.now)


def _find_keys(item: Received) -> Keys:
    if not isinstance(item.message, Message):
        return _NO_KEYS
    return make_keys(item.message) if item.keys is None else item.keys


def _list_identifiers(item: Received) -> tuple[Identifier, ...]:
    return _list_of(item.message) if isinstance(item.message, Message) else ()


def _list_of(message: Message) -> tuple[Identifier, ...]:
    if message.previous is None:
        return message.identifiers
    return (*message.identifiers, message.previous)


def _find_seen(session: Session, keys: Sequence[int]) -> dict[int, tuple[str, int]]:
    """Return id and digest of the rows that are there already, by hash."""
    seen: dict[int, tuple[str, int]] = {}
    for part in in_parts(keys):
        places = mark_places(part)
        for key, event_id, digest in session.rows(
            f"SELECT hash, event_id, digest FROM event_rows WHERE hash IN ({places})", list(part)
        ):
            seen[key] = (event_id, digest)
    return seen
