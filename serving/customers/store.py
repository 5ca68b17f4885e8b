"""The store of live customers: the one way that anything gets into it, and what is read of it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from features.errors import AlmanacError, ProjectError
from features.identity.identifiers import EMAIL, KINDS, USER_ID, Identifier
from features.project import Project
from features.served.pseudonyms import KEY_FILE, KEY_VARIABLE
from serving.customers.applying import Applier, Outcome, Received
from serving.customers.counters import bump_structure
from serving.customers.database import Database, NotUnique, Session, SQLite, in_parts, mark_places
from serving.customers.erase import Erased, erase_person, forget_names
from serving.customers.marks import Marker, load_marker
from serving.customers.people import People, find_owners
from serving.customers.settings import CustomersSettings, open_database, read_settings
from serving.customers.tables import TABLES, define_views

_KEY_FACT = "erasure key"
_PSEUDONYM = re.compile(r"person-([0-9]{1,18})")
_NOBODY = (
    "nobody is known by this identifier; name it as kind:value, such as email:ann@example.com, or "
    "by its value alone"
)
_VIEWS = "views"
_VIEWS_VERSION = 2
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
        _check_key(database, self.session, marker)

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

    def erase(self, name: str, at: int, *, is_published: bool = False) -> Erased:
        """Forget a person for ever.

        Parameters
        ----------
        name : str
            As for `find`; a bare value must be a customer id or an e-mail address, as a number
            could be another one's loyalty card.
        at : int
            Microseconds; what happened before is refused from now on.
        is_published : bool
            Whether a published model knows a customer of this id, though the store may not.

        Raises
        ------
        UnknownCustomer
            If nobody has it, and no published model either.
        """
        with self.write() as session:
            self.people.begin(session, at)
            roots = find_roots(session, [name], self, is_strict=True)
            if name in roots:
                erased = erase_person(session, roots[name], at, self.marker, models=self.models())
            elif is_published:
                erased = Erased(name, {}, tuple(self.models()))
            else:
                raise UnknownCustomer(_NOBODY)
            if is_published:
                cleaned = self.rules.clean(USER_ID, name)
                named = [] if cleaned is None else [Identifier(USER_ID, cleaned)]
                forget_names(session, named, at, self.marker, models=self.models())
                bump_structure(session)
        self.people.forget()
        if isinstance(self.database, SQLite):
            # as far as nobody reads it now; what is left is overwritten by `almanac purge`
            self.database.fold_log()
        return erased

    def split(self, edge: int, at: int, cause: str) -> tuple[int, ...]:
        """Take a merge back; see `People.split`."""
        with self.write() as session:
            self.people.begin(session, at)
            roots = self.people.split(session, edge, at, cause)
            self._applier.finish(session)
        return roots

    def join_within(self, session: Session, node: int, other: int, at: int, cause: str) -> None:
        """Join two people, as `People.join_nodes`, within a transaction that was begun."""
        self.people.join_nodes(session, node, other, at, cause)
        self._applier.finish(session)

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
        raise UnknownCustomer(_NOBODY)
    return found[name]


def find_roots(
    session: Session, names: Sequence[str], store: CustomerStore, *, is_strict: bool = False
) -> dict[str, int]:
    """Return the roots of those people that are known, by the name that was asked for.

    Parameters
    ----------
    session : Session
    names : sequence of str
    store : CustomerStore
    is_strict : bool
        Whether a bare value is a customer id or an e-mail address, not a number of any kind.
    """
    wanted: dict[Identifier, list[str]] = {}
    for name in names:
        for identifier in _read_name(name, store, is_strict=is_strict):
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
    """Return the roots of people by a pseudonym that they ever had: that of any of their nodes."""
    nodes = {int(m[1]): name for name in names if (m := _PSEUDONYM.fullmatch(name))}
    found: dict[str, int] = {}
    for part in in_parts(sorted(nodes)):
        places = mark_places(part)
        for node, root in session.rows(
            f"SELECT node, root FROM nodes WHERE node IN ({places})", list(part)
        ):
            found[nodes[node]] = root
    return found


def _read_name(name: str, store: CustomerStore, *, is_strict: bool) -> Iterator[Identifier]:
    kind, colon, value = name.partition(":")
    if colon and kind in KINDS:
        cleaned = store.rules.clean(kind, value)
        if cleaned is not None:
            yield Identifier(kind, cleaned)
    strict = (USER_ID, EMAIL) if "@" in name else (USER_ID,)
    for kind in strict if is_strict else KINDS:
        cleaned = store.rules.clean(kind, name)
        if cleaned is not None:
            yield Identifier(kind, cleaned)


def _check_key(database: Database, session: Session, marker: Marker) -> None:
    """Refuse to go on with another key than the marks were made with.

    Raises
    ------
    ProjectError
        If it is another one.
    """
    own = marker.mark(_KEY_FACT)
    found = dict(session.rows("SELECT name, value FROM facts"))
    if _KEY_FACT not in found:
        note = "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
        with database.write(session):
            session.run(note, (_KEY_FACT, own))
        found = dict(session.rows("SELECT name, value FROM facts"))
    if not hmac.compare_digest(found[_KEY_FACT], own):
        raise ProjectError(
            f"the erasure key is not the one that this store's marks were made with, so it would "
            f"not know who was erased; give every machine the same key in {KEY_VARIABLE}, or the "
            f"file {KEY_FILE} of the workspace that made the store"
        )


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
