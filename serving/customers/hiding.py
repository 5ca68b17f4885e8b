"""Leaving out of batch files and campaigns who was erased, or has not agreed to be known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
    gone = read_hiding(store.session).find(predictor.profiles, store.marker.mark)
    store.close()
    if gone:
        predictor.profiles = predictor.profiles.without(gone)


@dataclass(frozen=True)
class Hiding:
    """Who must not be known, as the store tells it.

    Attributes
    ----------
    erased : dict of str to int
        When each was erased, in microseconds, by the mark of their id.
    refused : set of str
        Ids of those who have not agreed.
    """

    erased: dict[str, int]
    refused: set[str]

    def find(self, profiles: Profiles, mark: Callable[[str], str]) -> set[str]:
        """Return who of some profiles was erased since they were made, or has not agreed."""
        refused = self.refused.intersection(profiles.rows)
        return refused | self.find_erased(profiles.rows, profiles.as_of, mark)

    def find_erased(
        self, customers: Iterable[str], since: datetime, mark: Callable[[str], str]
    ) -> set[str]:
        """Return who of some customers was erased at a moment or later."""
        if not self.erased:
            return set()
        get, first = self.erased.get, to_microseconds_of(since)
        return {one for one in customers if get(mark(one), first - 1) >= first}


def read_hiding(session: Session) -> Hiding:
    """Read who must not be known."""
    return Hiding(read_erased(session), _read_refused(session))


def _read_refused(session: Session) -> set[str]:
    """Return the user ids of those who have not agreed."""
    found = session.rows(
        "SELECT i.value FROM profiles p JOIN nodes n ON n.root = p.root "
        "JOIN identifiers i ON i.node = n.node "
        f"WHERE p.is_personal = 0 AND i.kind = '{USER_ID}'"
    )
    return {row[0] for row in found}
