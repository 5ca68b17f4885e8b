"""Forgetting a person: everything of theirs in the database, and a mark against replays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from features.identity.identifiers import USER_ID, Identifier
from serving.customers.counters import bump_structure, count_up
from serving.customers.database import Session, in_parts, mark_places
from serving.customers.dead_letters import find_marked, remove_dead_letters
from serving.customers.marks import Marker
from serving.customers.people import find_nodes
from serving.customers.profile_rows import PSEUDONYM

_BY_NODE = (
    ("events", "event_rows"),
    ("order_changes", "order_changes"),
    ("traits", "traits"),
    ("consents", "consents"),
    ("identifiers", "identifiers"),
    ("nodes", "nodes"),
)
_BY_PAIR = (("edges", "edges"), ("audit", "audit"), ("proposals", "proposals"))


@dataclass(frozen=True)
class Erased:
    """What was removed of a person.

    Attributes
    ----------
    customer_id : str
        As the canonical tables knew them.
    counts : dict of str to int
        Rows removed, by kind.
    models : tuple of str
        Published models that learned from them, as 'promotion 7'.
    """

    customer_id: str
    counts: dict[str, int] = field(default_factory=dict)
    models: tuple[str, ...] = ()


def erase_person(
    session: Session, root: int, at: int, marker: Marker, *, models: Sequence[str] = ()
) -> Erased:
    """Remove everything of a person, and leave the marks that recognise a replay.

    Parameters
    ----------
    session : Session
        Within the writing transaction; what is pending of people must have been flushed.
    root : int
    at : int
        Microseconds; messages from before are refused from now on.
    marker : Marker
    models : sequence of str
        Published models that learned from them.
    """
    nodes = find_nodes(session, root)
    identifiers = _read_identifiers(session, nodes)
    found = session.rows("SELECT customer_id FROM profiles WHERE root = ?", (root,))
    customer_id = found[0][0] if found else f"{PSEUDONYM}{root}"
    write_tombstones(session, identifiers, at, marker)
    letters = find_marked(session, list(marker.mark_identifiers(identifiers)))
    remove_dead_letters(session, letters)
    counts = {"dead_letters": len(letters), **_delete(session, nodes, identifiers)}
    session.run("DELETE FROM profiles WHERE root = ?", (root,))
    # a training may have known them by any of these: before they agreed, or before a merge
    names = {customer_id, *(i.value for i in identifiers if i.kind == USER_ID)}
    names |= {f"{PSEUDONYM}{node}" for node in nodes}
    write_erasures(session, sorted(names), at, marker, counts=counts, models=models)
    bump_structure(session)
    return Erased(customer_id, counts, tuple(models))


def write_tombstones(
    session: Session, identifiers: Sequence[Identifier], at: int, marker: Marker
) -> None:
    """Leave the marks by which a replay is recognised: what is from before `at` is refused.

    With it go the kept answers that name message ids: whose these are is not known.
    """
    session.run("DELETE FROM kept_answers WHERE has_ids = 1")
    session.run_many(
        "INSERT INTO tombstones VALUES (?, ?) ON CONFLICT (mark) DO UPDATE SET "
        "erased_at = excluded.erased_at WHERE excluded.erased_at > tombstones.erased_at",
        [(mark, at) for mark in marker.mark_identifiers(identifiers)],
    )


def write_erasures(
    session: Session,
    names: Sequence[str],
    at: int,
    marker: Marker,
    *,
    counts: Mapping[str, int],
    models: Sequence[str],
) -> None:
    """Note under which customer ids somebody may still stand in models and files."""
    for name in names:
        session.run(
            "INSERT INTO erasures (erasure, at, customer_mark, counts, models, customer_id, "
            "files_at) VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (
                count_up(session, "erasures"),
                at,
                marker.mark(name),
                msgspec.json.encode(dict(counts)).decode(),
                msgspec.json.encode(list(models)).decode(),
                name,
            ),
        )


def forget_names(
    session: Session,
    identifiers: Sequence[Identifier],
    at: int,
    marker: Marker,
    *,
    models: Sequence[str],
) -> None:
    """See to it that whoever these name is nobody, though the store does not know them (any more).

    A training may know them from tables, and late messages from before must not bring them back.
    """
    write_tombstones(session, identifiers, at, marker)
    names = [i.value for i in identifiers if i.kind == USER_ID]
    write_erasures(session, names, at, marker, counts={}, models=models)


def find_erased(
    session: Session, marker: Marker, identifiers: Sequence[Identifier]
) -> dict[Identifier, int]:
    """Return when those of some identifiers were erased that were."""
    by_mark = marker.mark_identifiers(identifiers)
    found: dict[Identifier, int] = {}
    for part in in_parts(list(by_mark)):
        places = mark_places(part)
        for mark, erased_at in session.rows(
            f"SELECT mark, erased_at FROM tombstones WHERE mark IN ({places})", list(part)
        ):
            found[by_mark[mark]] = erased_at
    return found


def list_unfinished(session: Session) -> list[tuple[int, str]]:
    """Return the erasures whose person may still stand in files: number and customer id."""
    found = session.rows(
        "SELECT erasure, customer_id FROM erasures WHERE files_at IS NULL ORDER BY erasure"
    )
    return [(int(erasure), str(customer)) for erasure, customer in found]


def finish_erasures(
    session: Session, erasures: Sequence[int], at: int, models: Sequence[str]
) -> None:
    """Note that the files are clean, and forget the last id that was kept for it."""
    for erasure in erasures:
        session.run(
            "UPDATE erasures SET files_at = ?, customer_id = NULL, models = ? WHERE erasure = ?",
            (at, msgspec.json.encode(list(models)).decode(), erasure),
        )


def _read_identifiers(session: Session, nodes: Sequence[int]) -> list[Identifier]:
    found: list[Identifier] = []
    for part in in_parts(nodes):
        places = mark_places(part)
        found.extend(
            Identifier(*row)
            for row in session.rows(
                f"SELECT kind, value FROM identifiers WHERE node IN ({places})", list(part)
            )
        )
    return found


def _delete(
    session: Session, nodes: Sequence[int], identifiers: Sequence[Identifier]
) -> dict[str, int]:
    counts: dict[str, int] = dict.fromkeys([name for name, _ in (*_BY_NODE, *_BY_PAIR)], 0)
    for part in in_parts(nodes, 2):
        places, values = mark_places(part), list(part)
        for name, table in _BY_PAIR:
            counts[name] += session.run(
                f"DELETE FROM {table} WHERE node IN ({places}) OR other IN ({places})",
                [*values, *values],
            )
        for name, table in _BY_NODE:
            counts[name] += session.run(f"DELETE FROM {table} WHERE node IN ({places})", values)
    for identifier in identifiers:
        counts["audit"] += session.run(
            "DELETE FROM audit WHERE kind = ? AND value = ?", tuple(identifier)
        )
    return counts
