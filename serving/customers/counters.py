"""Numbers that every process shares: counters, epochs of nodes, and the audit trail."""

from __future__ import annotations

from collections.abc import Collection

from features.identity.identifiers import Identifier
from serving.customers.database import Session, in_parts, mark_places

STRUCTURE, NODES, EDGES, IDENTIFIERS = "structure", "nodes", "edges", "identifiers"
"""Counters: of changes to who is whom, of nodes, of merges, and of identifiers that were attached;
no number is given twice."""


def set_counter(session: Session, name: str, value: int) -> None:
    """Write a counter."""
    session.run(
        "INSERT INTO counters VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def count_up(session: Session, name: str) -> int:
    """Raise a counter by one and return it."""
    counters: dict[str, int] = dict(session.rows("SELECT name, value FROM counters"))
    value = counters.get(name, 0) + 1
    set_counter(session, name, value)
    return value


def bump_epochs(session: Session, nodes: Collection[int], at: int) -> None:
    """Tell every reader that the past of some nodes is another since a time in microseconds."""
    for part in in_parts(sorted(nodes)):
        places = mark_places(part)
        session.run(
            "UPDATE nodes SET epoch = CASE WHEN epoch < ? THEN ? ELSE epoch + 1 END "
            f"WHERE node IN ({places})",
            [at, at, *part],
        )


def bump_structure(session: Session) -> None:
    """Tell every process that what it remembers of people no longer holds."""
    count_up(session, STRUCTURE)


def write_audit(
    session: Session,
    at: int,
    action: str,
    node: int | None,
    other: int | None,
    identifier: Identifier | None,
    cause: str,
) -> None:
    """Write what was done to somebody's identity, and why."""
    kind, value = identifier or (None, None)
    session.run(
        "INSERT INTO audit (entry, at, action, node, other, kind, value, cause) "
        "SELECT COALESCE(MAX(entry), 0) + 1, ?, ?, ?, ?, ?, ?, ? FROM audit",
        (at, action, node, other, kind, value, cause),
    )
