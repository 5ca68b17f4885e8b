"""The store of live customers: the one way that anything gets into it, and what is read of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from features.errors import AlmanacError
from features.identity.identifiers import KINDS, Identifier
from features.project import Project
from serving.customers.applying import Applier, Outcome, Received
from serving.customers.database import Database, NotUnique, Session
from serving.customers.erase import Erased, erase_person
from serving.customers.marks import Marker, load_marker
from serving.customers.people import People, find_owners
from serving.customers.profile_rows import write_profiles
from serving.customers.settings import CustomersSettings, open_database, read_settings
from serving.customers.tables import TABLES, define_views

_VIEWS = "views"
_VIEWS_VERSION = 1
"""Raised when a view is defined otherwise."""


class UnknownCustomer(AlmanacError):
    """Nobody has this identifier; the message does not repeat it."""


class CustomerStore:
    """Live customers in a database, through one session; to be used by one thread at a time.

    Parameters
    ----------
    database : Database
    settings : CustomersSettings
    marker : Marker
    models : callable, optional
        Returns the published models that learned from customers, as 'promotion 7'.
    """

    def __init__(
        self,
        database: Database,
        settings: CustomersSettings,
        marker: Marker,
        models: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.database, self.settings, self.marker, self.models = database, settings, marker, models
        self.rules = settings.identity.rules()
        self.people = People(self.rules)
        self.session = database.connect()
        self._applier = Applier(settings, self.people, marker, models)
        _create(database, self.session)

    @classmethod
    def open(cls, project: Project, models: Callable[[], Sequence[str]] = tuple) -> CustomerStore:
        """Open the store of a project, making it where there is none."""
        settings = read_settings(project)
        return cls(open_database(project), settings, load_marker(project.workspace.root), models)

    def close(self) -> None:
        """Close the session."""
        self.session.close()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Return the one writing transaction; after an error nothing of it is left."""
        try:
            with self.database.write(self.session):
                yield self.session
        except BaseException:
            self.people.forget()
            raise

    def apply(
        self,
        items: Sequence[Received],
        *,
        assume_new: bool = False,
        also: Callable[[Session, list[Outcome]], None] | None = None,
    ) -> list[Outcome]:
        """Apply messages in their order, and return when that is durable.

        Parameters
        ----------
        items : sequence of Received
        assume_new : bool
            Whether to try first as if none was taken before, which is faster.
        also : callable, optional
            Does more in the same transaction, given what became of them.

        Returns
        -------
        list of Outcome
            What became of each.

        Raises
        ------
        StoreUnavailable
            If the database refuses; then none was applied.
        """
        if assume_new:
            try:
                return self._apply(items, also, assume_new=True)
            except NotUnique:
                pass  # one was taken before: look which
        return self._apply(items, also, assume_new=False)

    def _apply(
        self,
        items: Sequence[Received],
        also: Callable[[Session, list[Outcome]], None] | None,
        *,
        assume_new: bool,
    ) -> list[Outcome]:
        with self.write() as session:
            outcomes = self._applier.apply(session, items, assume_new=assume_new)
            if also is not None:
                also(session, outcomes)
        return outcomes

    def erase(self, root: int, at: int) -> Erased:
        """Forget a person for ever.

        Parameters
        ----------
        root : int
            From `find`.
        at : int
            Microseconds; what happened before is refused from now on.
        """
        with self.write() as session:
            erased = erase_person(session, root, at, self.marker, models=self.models())
        self.people.forget()
        return erased

    def split(self, edge: int, at: int, cause: str) -> tuple[int, ...]:
        """Take a merge back; see `People.split`."""
        with self.write() as session:
            self.people.begin(session)
            roots = self.people.split(session, edge, at, cause)
            write_profiles(session, self.people.changed, self.settings.consent)
        return roots

    def join(self, root: int, other: int, at: int, cause: str) -> None:
        """Join two people because a steward says so; see `People.join_roots`."""
        with self.write() as session:
            self.people.begin(session)
            self.people.join_roots(session, root, other, at, cause)
            write_profiles(session, self.people.changed, self.settings.consent)

    def find(self, name: str) -> int:
        """Return the root of the person that an identifier names; see `find_root`."""
        return find_root(self.session, name, self)


def find_root(session: Session, name: str, store: CustomerStore) -> int:
    """Return the root of the person that an identifier names.

    Parameters
    ----------
    session : Session
    name : str
        `kind:value`, such as `email:ann@example.com`, or the bare value of any kind, of which the
        weightiest counts; or a customer id of the canonical tables.
    store : CustomerStore

    Raises
    ------
    UnknownCustomer
        If nobody has it.
    """
    found = find_roots(session, [name], store)
    if name not in found:
        raise UnknownCustomer(
            "nobody is known by this identifier; name it as kind:value, such as "
            "email:ann@example.com, or by its value alone"
        )
    return found[name]


def find_roots(session: Session, names: Sequence[str], store: CustomerStore) -> dict[str, int]:
    """Return the roots of those people that are known, by the name that was asked for."""
    wanted: dict[Identifier, list[str]] = {}
    for name in names:
        for identifier in _read_name(name, store):
            wanted.setdefault(identifier, []).append(name)
    best: dict[str, tuple[int, int]] = {}
    for kind, value, _, root in find_owners(session, wanted):
        rank = store.rules.rank(kind)
        for name in wanted[Identifier(kind, value)]:
            if name not in best or rank < best[name][0]:
                best[name] = (rank, root)
    found = {name: root for name, (_, root) in best.items()}
    return found | _find_pseudonyms(session, [name for name in names if name not in found])


def _find_pseudonyms(session: Session, names: Sequence[str]) -> dict[str, int]:
    named = [name for name in names if name.startswith("person-")]
    found = {}
    for name in named:
        rows = session.rows("SELECT root FROM profiles WHERE customer_id = ?", (name,))
        if rows:
            found[name] = rows[0][0]
    return found


def _read_name(name: str, store: CustomerStore) -> Iterator[Identifier]:
    kind, colon, value = name.partition(":")
    if colon and kind in KINDS:
        cleaned = store.rules.clean(kind, value)
        if cleaned is not None:
            yield Identifier(kind, cleaned)
    for kind in KINDS:
        cleaned = store.rules.clean(kind, name)
        if cleaned is not None:
            yield Identifier(kind, cleaned)


def _create(database: Database, session: Session) -> None:
    """Make the tables and views that are not there."""
    database.create(session, TABLES)
    found = dict(session.rows("SELECT name, value FROM counters"))
    if found.get(_VIEWS) != _VIEWS_VERSION:
        note = (
            f"INSERT INTO counters VALUES ('{_VIEWS}', {_VIEWS_VERSION}) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        database.create(session, (*define_views(database), note))
