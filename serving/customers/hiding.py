"""Leaving out of batch files and campaigns who was erased, or has not agreed to be known."""

from __future__ import annotations

from features.identity.identifiers import USER_ID
from features.project import Project
from serving.customers.database import Session
from serving.customers.live import read_erased
from serving.customers.person import to_microseconds_of
from serving.customers.settings import is_store_used
from serving.customers.store import CustomerStore
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
    erased, refused = read_erased(store.session), _read_refused(store.session)
    store.close()
    profiles, mark = predictor.profiles, store.marker.mark
    gone = refused.intersection(profiles.rows)
    if erased:
        since = to_microseconds_of(profiles.as_of)
        gone |= {one for one in profiles.rows if erased.get(mark(one), since - 1) >= since}
    if gone:
        predictor.profiles = profiles.without(gone)


def _read_refused(session: Session) -> set[str]:
    """Return the user ids of those who have not agreed."""
    found = session.rows(
        "SELECT i.value FROM profiles p JOIN nodes n ON n.root = p.root "
        "JOIN identifiers i ON i.node = n.node "
        f"WHERE p.is_personal = 0 AND i.kind = '{USER_ID}'"
    )
    return {row[0] for row in found}
