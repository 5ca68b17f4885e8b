"""Leaving out of batch files and campaigns who was erased, or has not agreed to be known."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from features.identity.identifiers import USER_ID
from features.project import Project
from serving.customers.database import Session
from serving.customers.live import read_erased
from serving.customers.person import to_microseconds_of
from serving.customers.settings import is_store_used
from serving.customers.store import CustomerStore
from serving.profiles import Profiles
from serving.send_times import SendTimePredictor


def hide_customers(predictor: SendTimePredictor, project: Project) -> None:
    """Make nobody of those customers of a predictor who were erased since, or have not agreed.

    Parameters
    ----------
    predictor : SendTimePredictor
        Its profiles are replaced.
    project : Project

    Raises
    ------
    StoreUnavailable
        If customers are kept and the store does not tell: nobody would know who agreed, and who
        was erased.
    """
    if not is_store_used(project):
        return
    store = CustomerStore.open(project)
    gone = list_hidden(store, store.session, predictor.profiles)
    store.close()
    if gone:
        predictor.profiles = predictor.profiles.without(gone)


def list_hidden(store: CustomerStore, session: Session, profiles: Profiles) -> set[str]:
    """Return who of some profiles was erased since they were made, or has not agreed.

    Parameters
    ----------
    store : CustomerStore
    session : Session
        Of its database, and of the calling thread.
    profiles : Profiles
    """
    refused = _read_refused(session).intersection(profiles.rows)
    return refused | list_erased(store, session, profiles.rows, profiles.as_of)


def list_erased(
    store: CustomerStore, session: Session, customers: Iterable[str], since: datetime
) -> set[str]:
    """Return who of some customers was erased at a moment or later."""
    erased, first, mark = read_erased(session), to_microseconds_of(since), store.marker.mark
    if not erased:
        return set()
    return {one for one in customers if erased.get(mark(one), first - 1) >= first}


def _read_refused(session: Session) -> set[str]:
    """Return the user ids of those who have not agreed."""
    found = session.rows(
        "SELECT i.value FROM profiles p JOIN nodes n ON n.root = p.root "
        "JOIN identifiers i ON i.node = n.node "
        f"WHERE p.is_personal = 0 AND i.kind = '{USER_ID}'"
    )
    return {row[0] for row in found}
