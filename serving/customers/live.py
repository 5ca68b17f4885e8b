"""Live profiles: what is known of customers now, for every request.

A person is folded once and kept; a request reads only what came since. Whether what is kept still
holds is read from the database each time, so several processes and machines agree at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features.customer.declare import FeatureSet
from features.customer.fold import Fold
from serving.customers.catalogue import Catalogue
from serving.customers.database import Session, in_parts, mark_places
from serving.customers.person import Person, Stated
from serving.customers.store import CustomerStore, find_roots
from serving.customers.tables import ROW_COLUMNS

HISTORY = "history"
"""Counter that is there when the history of the canonical tables is in the store."""
_EVER = -(2**62)
_COLUMNS = ", ".join(f"e.{name}" for name in ROW_COLUMNS)


@dataclass
class _Kept:
    """A folded person, and what it was folded from."""

    person: Person
    signature: tuple[Any, ...]
    last_seq: int


@dataclass(frozen=True)
class Row:
    """One person in the store, before their events are read.

    Attributes
    ----------
    root : int
    stated : Stated
    nodes : tuple of (node, epoch)
        A person who was joined, split, or whose past was told anew has others than before.
    """

    root: int
    stated: Stated
    nodes: tuple[tuple[int, int], ...]

    @property
    def rewritten_at(self) -> int:
        """Microseconds of when they were joined or split last, or their past was told anew."""
        return max(epoch for _, epoch in self.nodes)


class LiveProfiles:
    """Reads live profiles through a session of its own; to be used by one thread.

    Parameters
    ----------
    store : CustomerStore
        Whose database and rules are used; another thread writes.
    features : FeatureSet
        What is read of a person.
    catalogue : Catalogue
    time_zone : str
        Of whom no better one is known.
    inferred : mapping of customer id to IANA name
        Zones that a training inferred.
    is_source : bool
        Whether the store is all that there is of customers, so that no history lies elsewhere.
    """

    def __init__(
        self,
        store: CustomerStore,
        features: FeatureSet,
        catalogue: Catalogue,
        *,
        time_zone: str,
        inferred: Mapping[str, str] | None = None,
        is_source: bool = False,
    ) -> None:
        self.store, self.fold = store, Fold(features)
        self.catalogue, self.time_zone, self.inferred = catalogue, time_zone, inferred or {}
        self.session: Session = store.database.connect()
        self._has_history = is_source
        self._erased: dict[str, int] = {}
        self._last_erasure = 0
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def close(self) -> None:
        """Close the session."""
        self.session.close()

    def find(self, names: Sequence[str], *, is_strict: bool = False) -> dict[str, Row]:
        """Return the people that identifiers name, by the name asked for; unknown ones left out.

        Parameters
        ----------
        names : sequence of str
        is_strict : bool
            As for `find_roots`.
        """
        roots = find_roots(self.session, names, self.store, is_strict=is_strict)
        rows = self._read_rows(list(set(roots.values())))
        return {name: rows[root] for name, root in roots.items() if root in rows}

    @property
    def numbers(self) -> tuple[str, ...]:
        """The features that are numbers."""
        return self.fold.features.of_shape("number")

    @property
    def has_history(self) -> bool:
        """Whether the store holds what the canonical tables held: `almanac ingest --history`."""
        if not self._has_history:
            self._has_history = bool(
                self.session.rows("SELECT 1 FROM counters WHERE name = ?", (HISTORY,))
            )
        return self._has_history

    def find_hidden(self, customers: Sequence[str], since: int) -> set[str]:
        """Return those customers who were erased after a training that may still know them.

        Parameters
        ----------
        customers : sequence of str
            Customer ids.
        since : int
            Microseconds: the cut-off of the training.
        """
        ((last,),) = self.session.rows("SELECT COALESCE(MAX(erasure), 0) FROM erasures")
        if last != self._last_erasure:
            self._erased, self._last_erasure = read_erased(self.session), last
            self._kept.clear()  # nobody who was erased stays in memory
        if not self._erased:
            return set()
        mark = self.store.marker.mark
        return {one for one in customers if self._erased.get(mark(one), since - 1) >= since}

    def read_news(self, roots: Sequence[int]) -> dict[int, int]:
        """Return the microseconds at which the newest message of each person was received."""
        newest: dict[int, int] = {}
        for part in in_parts(sorted(set(roots))):
            places = mark_places(part)
            newest |= dict(
                self.session.rows(
                    "SELECT n.root, MAX((SELECT MAX(e.received_at) FROM event_rows e "
                    "WHERE e.node = n.node)) FROM nodes n "
                    f"WHERE n.root IN ({places}) GROUP BY n.root",
                    list(part),
                )
            )
        return {root: at for root, at in newest.items() if at is not None}

    def read(self, row: Row, as_of: datetime) -> Person:
        """Return a person folded up to a time.

        Parameters
        ----------
        row : Row
            From `find`.
        as_of : datetime
            With a zone; events from it on are not counted yet.
        """
        signature = (row.stated, row.nodes)
        kept = self._kept.get(row.root)
        if kept is None or kept.signature != signature:
            return self._build(row, as_of)
        rows, last = self._read_events(row, kept.last_seq)
        kept.last_seq = max(last, kept.last_seq)
        if kept.person.add(rows, as_of):
            return self._build(row, as_of)
        self._kept.move_to_end(row.root)
        return kept.person

    def _build(self, row: Row, as_of: datetime) -> Person:
        inferred = self.inferred.get(row.stated.customer_id)
        if inferred is not None and self.find_hidden([row.stated.customer_id], _EVER):
            inferred = None  # what was inferred of who was erased is not theirs any more
        person = Person(self.fold, self.catalogue, self.time_zone, row.stated, inferred)
        rows, last = self._read_events(row, 0)
        person.add(rows, as_of)
        self._kept[row.root] = _Kept(person, (row.stated, row.nodes), last)
        self._kept.move_to_end(row.root)
        while len(self._kept) > self.store.settings.cached_profiles:
            self._kept.popitem(last=False)
        return person

    def _read_rows(self, roots: Sequence[int]) -> dict[int, Row]:
        stated: dict[int, Stated] = {}
        nodes: dict[int, list[tuple[int, int]]] = {}
        for part in in_parts(roots):
            places, values = mark_places(part), list(part)
            for root, customer, is_personal, *rest in self.session.rows(
                "SELECT root, customer_id, is_personal, consent, time_zone, region_id, created_at "
                f"FROM profiles WHERE root IN ({places})",
                values,
            ):
                stated[root] = Stated(customer, bool(is_personal), *rest)
            for root, node, epoch in self.session.rows(
                f"SELECT root, node, epoch FROM nodes WHERE root IN ({places}) ORDER BY node",
                values,
            ):
                nodes.setdefault(root, []).append((node, epoch))
        return {
            root: Row(root, own, tuple(nodes[root]))
            for root, own in stated.items()
            if root in nodes
        }

    def _read_events(self, row: Row, after: int) -> tuple[list[tuple[Any, ...]], int]:
        """Return the shown rows of a person that came after a number, and the last number."""
        places = mark_places(row.nodes)
        found = self.session.rows(
            f"SELECT e.seq, {_COLUMNS} FROM event_rows e WHERE e.node IN ({places}) "
            "AND e.seq > ? AND e.is_hidden = 0 ORDER BY e.seq",
            [*(node for node, _ in row.nodes), after],
        )
        last = found[-1][0] if found else after
        return [event[1:] for event in found], last


def read_erased(session: Session) -> dict[str, int]:
    """Return when each erased customer was erased, in microseconds, by the mark of their id."""
    return dict(session.rows("SELECT customer_mark, MAX(at) FROM erasures GROUP BY 1"))
