"""Orders that are told more than once: completed, updated, refunded, cancelled, in any order.

What each message said stays in `order_changes`; what the rows of an order show follows from all of
it, so that the order in which messages arrive makes no difference:

- the latest completion shows, at the time of the first one;
- the refunds of the order are taken off its value, down to 0; a refund without an amount is of
  everything;
- an order whose last word is a cancellation shows nothing;
- items that came by themselves, as history has them, give way to those of a later completion.

An order is somebody's: two people may have orders of one number, and neither touches the other's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from features.schema import EventType
from serving.customers.counters import bump_epochs
from serving.customers.database import Session, in_parts, mark_places

COMPLETE, REFUND, CANCEL = "complete", "refund", "cancel"


class Change(NamedTuple):
    """One message about an order, as `order_changes` holds it."""

    message_id: str
    order_id: str
    node: int
    kind: str
    at: int
    amount: float | None


class _Row(NamedTuple):
    seq: int
    node: int
    event_id: str
    type: str
    is_hidden: int
    occurred_at: int
    value: float | None


def find_orders(session: Session, nodes: Collection[int], order_ids: Collection[str]) -> list[str]:
    """Return those of some orders that more than one message about them is of the same person.

    Parameters
    ----------
    session : Session
    nodes : collection of int
        Of one person.
    order_ids : collection of str
    """
    found: list[str] = []
    within = mark_places(nodes)
    for part in in_parts(sorted(order_ids)):
        places = mark_places(part)
        found += [
            row[0]
            for row in session.rows(
                f"SELECT order_id FROM order_changes WHERE order_id IN ({places}) "
                f"AND node IN ({within}) GROUP BY order_id HAVING COUNT(*) > 1",
                [*part, *nodes],
            )
        ]
    return found


def list_orders(session: Session, nodes: Collection[int]) -> list[str]:
    """Return every order of a person."""
    within = mark_places(nodes)
    found = session.rows(
        f"SELECT DISTINCT order_id FROM order_changes WHERE node IN ({within})", list(nodes)
    )
    return sorted(row[0] for row in found)


def write_changes(session: Session, changes: Sequence[Change]) -> None:
    """Write what messages said about orders."""
    session.run_many(
        "INSERT INTO order_changes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (message_id) DO NOTHING",
        changes,
    )


def settle_order(session: Session, order_id: str, nodes: Collection[int]) -> set[int]:
    """Make the rows of an order show what all messages of a person about it say together.

    Parameters
    ----------
    session : Session
    order_id : str
    nodes : collection of int
        Of the person.

    Returns
    -------
    set of int
        Nodes of which a row changed.
    """
    within = mark_places(nodes)
    changes = [
        Change(*row)
        for row in session.rows(
            "SELECT message_id, order_id, node, kind, at, amount FROM order_changes "
            f"WHERE order_id = ? AND node IN ({within})",
            (order_id, *nodes),
        )
    ]
    completions = {c.message_id: c for c in changes if c.kind == COMPLETE}
    if not completions:
        return set()
    last = max((c for c in changes if c.kind != REFUND), key=lambda c: (c.at, c.message_id))
    shown = last.message_id if last.kind == COMPLETE else None
    first_at = min(c.at for c in completions.values())
    value = _find_value(completions.get(shown or ""), changes)
    rows = [(row, _find_base(row, completions)) for row in _read_rows(session, order_id, nodes)]
    has_items = any(row.type == EventType.ITEM and base == shown for row, base in rows)
    touched = set()
    for row, base in rows:
        wanted = (row.is_hidden, row.occurred_at, row.value)
        if base is not None:
            is_worth = row.type == EventType.ORDER and base == shown
            wanted = (int(base != shown), first_at, value if is_worth else row.value)
        elif row.type == EventType.ITEM:
            wanted = (int(shown is None or has_items), row.occurred_at, row.value)
        if wanted != (row.is_hidden, row.occurred_at, row.value):
            session.run(
                "UPDATE event_rows SET is_hidden = ?, occurred_at = ?, value = ? WHERE seq = ?",
                (*wanted, row.seq),
            )
            touched.add(row.node)
    return touched


def _find_base(row: _Row, completions: Collection[str]) -> str | None:
    """Return the completion that a row came with; None for one that came by itself."""
    if row.event_id in completions:
        return row.event_id
    base = row.event_id.rsplit(":", 1)[0]
    return base if base in completions else None


def _find_value(shown: Change | None, changes: Sequence[Change]) -> float | None:
    if shown is None or shown.amount is None:
        return None
    refunds = [c.amount for c in changes if c.kind == REFUND]
    if not refunds:
        return shown.amount
    if any(amount is None for amount in refunds):
        return 0.0
    return max(shown.amount - sum(amount for amount in refunds if amount is not None), 0.0)


def _read_rows(session: Session, order_id: str, nodes: Collection[int]) -> list[_Row]:
    within = mark_places(nodes)
    found = session.rows(
        "SELECT seq, node, event_id, type, is_hidden, occurred_at, value FROM event_rows "
        f"WHERE order_id = ? AND node IN ({within}) AND type IN ('order', 'item', 'redemption')",
        (order_id, *nodes),
    )
    return [_Row(*row) for row in found]


def settle_orders(
    session: Session, order_ids: Iterable[str], nodes: Collection[int], at: int
) -> None:
    """Settle orders of a person, and tell every reader whose rows changed."""
    touched: set[int] = set()
    for order_id in order_ids:
        touched |= settle_order(session, order_id, nodes)
    bump_epochs(session, touched, at)
