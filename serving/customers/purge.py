"""What has to go: events past their retention, old dead letters, and the files of the erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from serving.customers.counters import bump_epochs, bump_structure
from serving.customers.database import Session, SQLite
from serving.customers.dead_letters import remove_dead_letters
from serving.customers.erase import finish_erasures, list_unfinished
from serving.customers.person import to_microseconds_of
from serving.customers.store import CustomerStore

DAY = 86_400_000_000


@dataclass(frozen=True)
class Purged:
    """How much went.

    Attributes
    ----------
    events : int
    dead_letters : int
    is_folded : bool
        Whether the write-ahead log is empty, so that nothing erased is left in it; False while a
        service reads it.
    """

    events: int
    dead_letters: int
    is_folded: bool


def purge_store(store: CustomerStore, now: datetime) -> Purged:
    """Remove what is older than the settings allow, and overwrite what was erased.

    Parameters
    ----------
    store : CustomerStore
    now : datetime
        With a zone.
    """
    settings, at = store.settings, to_microseconds_of(now)
    events = 0
    with store.write() as session:
        if settings.retention_days is not None:
            events = _remove_events(session, at - settings.retention_days * DAY, at)
        limit = at - settings.dead_letter_days * DAY
        old = session.rows("SELECT letter FROM dead_letters WHERE received_at < ?", (limit,))
        remove_dead_letters(session, [row[0] for row in old])
    store.people.forget()
    is_folded = not isinstance(store.database, SQLite) or store.database.fold_log()
    return Purged(events, len(old), is_folded)


def list_erased(store: CustomerStore) -> dict[int, str]:
    """Return the customer ids that may still stand in files, by the number of their erasure."""
    return dict(list_unfinished(store.session))


def finish_purge(
    store: CustomerStore, erasures: Sequence[int], now: datetime, models: Sequence[str]
) -> None:
    """Note that the files are clean of some people; then even their ids are forgotten."""
    with store.write() as session:
        finish_erasures(session, erasures, to_microseconds_of(now), models)


def _remove_events(session: Session, before: int, at: int) -> int:
    """Remove events, and tell every reader that the past of their people is another."""
    nodes = [
        row[0]
        for row in session.rows(
            "SELECT DISTINCT node FROM event_rows WHERE occurred_at < ?", (before,)
        )
    ]
    removed = session.run("DELETE FROM event_rows WHERE occurred_at < ?", (before,))
    session.run(
        "DELETE FROM order_changes WHERE at < ? AND order_id NOT IN "
        "(SELECT order_id FROM order_changes WHERE at >= ?)",
        (before, before),
    )
    bump_epochs(session, nodes, at)
    if removed:
        bump_structure(session)
    return removed
