"""Who a message is of: the identity graph, kept in the database.

Every message is attributed, for ever, to a *node*; people are nodes that share a *root*. Joining
two people writes an edge between the nodes whose identifiers met in one message and gives both one
root: nothing of their history moves, so that a split, which takes the edge away, puts everything
back. The rules are those of `features.identity.resolution`.

To be used within the one writing transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from features.errors import InvalidRequest
from features.identity.identifiers import Identifier, IdentityRules
from features.identity.resolution import resolve
from serving.customers.counters import (
    EDGES,
    IDENTIFIERS,
    NODES,
    STRUCTURE,
    bump_epochs,
    count_up,
    set_counter,
    write_audit,
)
from serving.customers.database import Session, in_parts, mark_places

_MOST_KNOWN = 1_000_000
"""Entries of a cache; it is emptied when it holds more."""


class Place(NamedTuple):
    """Where a message belongs."""

    node: int
    root: int


class People:
    """The identity graph of one writer.

    Parameters
    ----------
    rules : IdentityRules
    """

    def __init__(self, rules: IdentityRules) -> None:
        self.rules = rules
        self.now = 0
        """Microseconds of the transaction: when what it rewrites was rewritten."""
        self.changed: set[int] = set()
        """Roots whose profile has to be written anew."""
        self.regrouped: set[int] = set()
        """Roots of people who were joined or split: their orders may be told by both sides."""
        self._owner: dict[Identifier, int] = {}
        self._root: dict[int, int] = {}
        self._placed: dict[tuple[Identifier, ...], int] = {}
        self._structure = -1
        self._new_nodes: list[tuple[int, int, int, int]] = []
        self._new_identifiers: list[tuple[str, str, int, int]] = []
        self._absent: set[Identifier] = set()
        self._members: dict[int, list[Identifier]] = {}
        """Every identifier of some people, by root."""
        self._attached = -1

    def begin(self, session: Session, now: int) -> dict[str, int]:
        """Start a transaction: forget what another process has changed since.

        Parameters
        ----------
        session : Session
        now : int
            Microseconds.

        Returns
        -------
        dict of str to int
            Every counter.
        """
        found = dict(session.rows("SELECT name, value FROM counters"))
        if found.get(STRUCTURE, 0) != self._structure or len(self._placed) > _MOST_KNOWN:
            self.forget()
        if found.get(IDENTIFIERS, 0) != self._attached:
            self._members = {}
        self._attached = found.get(IDENTIFIERS, 0)
        self._structure = found.get(STRUCTURE, 0)
        self._next_node = found.get(NODES, 0) + 1
        self._absent, self.now = set(), now
        self.changed, self.regrouped = set(), set()
        return found

    def begin_again(self, session: Session) -> None:
        """Go on after this transaction itself erased somebody."""
        self._structure = dict(session.rows("SELECT name, value FROM counters"))[STRUCTURE]

    def forget(self) -> None:
        """Drop everything that is only remembered, as after a transaction that failed."""
        self.forget_placed()
        self._new_nodes, self._new_identifiers = [], []
        self._structure = self._attached = -1

    def look_up(self, session: Session, identifiers: Iterable[Identifier]) -> None:
        """Read who has some identifiers, many at a time."""
        wanted = [
            i for i in dict.fromkeys(identifiers) if i not in self._owner and i not in self._absent
        ]
        for kind, value, node, root in find_owners(session, wanted):
            self._owner[Identifier(kind, value)] = node
            self._root[node] = root
        self._absent.update(i for i in wanted if i not in self._owner)

    def owns(self, identifiers: Sequence[Identifier]) -> bool:
        """Say whether somebody has one of the identifiers, which were looked up."""
        return any(i in self._owner for i in identifiers)

    def place(
        self, session: Session, identifiers: tuple[Identifier, ...], at: int, cause: str
    ) -> Place:
        """Return where a message belongs, making, widening or joining people as it needs.

        Parameters
        ----------
        session : Session
        identifiers : tuple of Identifier
            Of the message, those that weigh most first; never empty.
        at : int
            Microseconds.
        cause : str
            Id of the message.
        """
        node = self._placed.get(identifiers)
        if node is not None:
            return Place(node, self._root[node])
        self.look_up(session, identifiers)
        owners = {i: self._root[self._owner[i]] for i in identifiers if i in self._owner}
        if not owners:
            place = self._create(session, identifiers, at, cause)
        else:
            place = self._join(session, identifiers, owners, at, cause)
        self._placed[identifiers] = place.node
        return place

    def root_of(self, node: int) -> int:
        """Return the root of a node that was placed in this transaction."""
        return self._root[node]

    def flush(self, session: Session) -> None:
        """Write the nodes and identifiers that are new."""
        if self._new_nodes:
            session.run_many("INSERT INTO nodes VALUES (?, ?, ?, ?)", self._new_nodes)
            set_counter(session, NODES, self._next_node - 1)
        if self._new_identifiers:
            session.run_many("INSERT INTO identifiers VALUES (?, ?, ?, ?)", self._new_identifiers)
            set_counter(session, IDENTIFIERS, self._attached)
        self._new_nodes, self._new_identifiers = [], []

    def find_members(self, session: Session, root: int) -> list[Identifier]:
        """Return every identifier of a person."""
        if root not in self._members:
            self.flush(session)
            found = session.rows(
                "SELECT kind, value FROM identifiers i JOIN nodes n ON n.node = i.node "
                "WHERE root = ?",
                (root,),
            )
            self._members[root] = [Identifier(*row) for row in found]
        return self._members[root]

    def split(self, session: Session, edge: int, at: int, cause: str) -> tuple[int, ...]:
        """Take a join back: its two sides are people of their own again, and stay so.

        Returns
        -------
        tuple of int
            The roots of the people that there are now.

        Raises
        ------
        InvalidRequest
            If there is no such join, or it was taken back already.
        """
        found = session.rows("SELECT node, other, is_apart FROM edges WHERE edge = ?", (edge,))
        if not found or found[0][2]:
            raise InvalidRequest(
                f"merge {edge}: there is no such merge that still holds; "
                "`almanac identity show` lists them"
            )
        node, other, _ = found[0]
        ((root,),) = session.rows("SELECT root FROM nodes WHERE node = ?", (node,))
        session.run("UPDATE edges SET is_apart = 1 WHERE edge = ?", (edge,))
        write_audit(session, at, "split", node, other, None, cause)
        return self._regroup(session, root)

    def _regroup(self, session: Session, root: int) -> tuple[int, ...]:
        """Give the nodes of what was one person the roots that the edges left over make."""
        nodes = find_nodes(session, root)
        links: dict[int, set[int]] = {node: set() for node in nodes}
        for part in in_parts(nodes):
            for node, other in session.rows(
                f"SELECT node, other FROM edges WHERE is_apart = 0 AND node IN "
                f"({mark_places(part)})",
                list(part),
            ):
                links[node].add(other)
                links.setdefault(other, set()).add(node)
        roots = []
        for component in _find_components(links):
            own = min(component)
            roots.append(own)
            self._set_root(session, component, own)
        session.run("DELETE FROM profiles WHERE root = ?", (root,))
        for own in roots:
            self._rewrite(session, own)
        self.forget_placed()
        return tuple(sorted(roots))

    def forget_placed(self) -> None:
        """Forget who has which identifiers, after people were split or erased."""
        self._owner, self._root, self._placed, self._absent = {}, {}, {}, set()
        self._members = {}

    def _create(
        self, session: Session, identifiers: tuple[Identifier, ...], at: int, cause: str
    ) -> Place:
        resolution = resolve(identifiers, {}, {}, self.rules)
        node = self._next_node
        self._next_node += 1
        self._new_nodes.append((node, node, 0, at))
        self._root[node] = node
        self._members[node] = []
        self.changed.add(node)
        self._attach(resolution.kept, node, at)
        self._note_demoted(session, resolution.demoted, node, at, cause)
        return Place(node, node)

    def _join(
        self,
        session: Session,
        identifiers: tuple[Identifier, ...],
        owners: dict[Identifier, int],
        at: int,
        cause: str,
    ) -> Place:
        roots = set(owners.values())
        if len(roots) == 1 and len(owners) == len(identifiers):
            node = self._owner[identifiers[0]]
            return Place(node, self._root[node])
        members = {root: self.find_members(session, root) for root in roots}
        apart = self._find_apart(session, roots) if len(roots) > 1 else ()
        found = resolve(identifiers, owners, members, self.rules, apart=apart)
        if not found.groups:
            place = self._create(session, found.kept, at, cause)
            self._note_demoted(session, found.demoted, place.node, at, cause)
            return place
        owned = [i for i in found.kept if i in owners]
        node = self._owner[owned[0]]
        self._note_demoted(session, found.demoted, node, at, cause)
        self._attach([i for i in found.kept if i not in owners], node, at)
        root = found.groups[0]
        if len(found.groups) > 1:
            self._merge(session, node, owned, found.groups, at, cause)
        self.changed.add(root)
        return Place(node, root)

    def _merge(
        self,
        session: Session,
        node: int,
        owned: Sequence[Identifier],
        groups: Sequence[int],
        at: int,
        cause: str,
    ) -> None:
        """Give people one root, and write by which nodes they met."""
        self.flush(session)  # who is new in this transaction has to be there to be moved
        root, met = groups[0], {self._root[node]}
        for identifier in owned:
            other = self._owner[identifier]
            if self._root[other] in met:
                continue
            met.add(self._root[other])
            self.link(session, node, other, at, cause)
        for group in groups[1:]:
            self._move(session, group, root)
        self._rewrite(session, root)

    def _move(self, session: Session, group: int, root: int) -> None:
        """Give all nodes of a person another root."""
        self._set_root(session, find_nodes(session, group), root)
        session.run("DELETE FROM profiles WHERE root = ?", (group,))
        self.changed.discard(group)
        for both in (group, root):
            self._members.pop(both, None)

    def _rewrite(self, session: Session, root: int) -> None:
        """Note that a person is another than before, for every reader and process."""
        bump_epochs(session, find_nodes(session, root), self.now)
        self.regrouped.add(root)
        self.changed.add(root)
        self._bump(session)

    def link(self, session: Session, node: int, other: int, at: int, cause: str) -> None:
        """Write an edge between two nodes, with the message or the steward that caused it."""
        number = count_up(session, EDGES)
        session.run(
            "INSERT INTO edges (edge, node, other, at, cause) VALUES (?, ?, ?, ?, ?)",
            (number, node, other, at, cause),
        )
        write_audit(session, at, "merged", node, other, None, cause)

    def join_nodes(self, session: Session, node: int, other: int, at: int, cause: str) -> None:
        """Join the people of two nodes because a steward says so.

        Raises
        ------
        InvalidRequest
            If they are one already, are no more, or together would break a limit, such as one
            `user_id` a person.
        """
        found = session.rows(
            "SELECT node, root FROM nodes WHERE node IN (?, ?) ORDER BY node = ?",
            (node, other, other),
        )
        roots = [row[1] for row in found]
        if len(roots) < 2 or roots[0] == roots[1]:
            raise InvalidRequest("these two are one person already, or one of them is no more")
        together = [i for root in roots for i in self.find_members(session, root)]
        for kind in {i.kind for i in together}:
            n, most = sum(i.kind == kind for i in together), self.rules.limit(kind)
            if n > most:
                raise InvalidRequest(
                    f"these two cannot be one person: together they have {n} {kind}s, and one "
                    f"person has at most {most}"
                )
        self.link(session, node, other, at, cause)
        self._move(session, roots[1], roots[0])
        self._rewrite(session, roots[0])
        self.forget_placed()

    def _attach(self, identifiers: Iterable[Identifier], node: int, at: int) -> None:
        for identifier in identifiers:
            self._absent.discard(identifier)
            self._owner[identifier] = node
            self._new_identifiers.append((*identifier, node, at))
            self._attached += 1
            if self._root[node] in self._members:
                self._members[self._root[node]].append(identifier)

    def _set_root(self, session: Session, nodes: Collection[int], root: int) -> None:
        for node in nodes:
            session.run("UPDATE nodes SET root = ? WHERE node = ?", (root, node))
            self._root[node] = root

    def _find_apart(self, session: Session, roots: Collection[int]) -> set[frozenset[int]]:
        """Return the pairs of people that were split, and so are not joined by themselves."""
        places = mark_places(roots)
        found = session.rows(
            "SELECT a.root, b.root FROM edges e JOIN nodes a ON a.node = e.node "
            "JOIN nodes b ON b.node = e.other WHERE e.is_apart = 1 "
            f"AND a.root IN ({places}) AND b.root IN ({places})",
            [*roots, *roots],
        )
        return {frozenset(pair) for pair in found if len(set(pair)) == 2}

    def _note_demoted(
        self,
        session: Session,
        demoted: Sequence[Identifier],
        node: int,
        at: int,
        cause: str,
    ) -> None:
        for identifier in demoted:
            write_audit(session, at, "demoted", node, None, identifier, cause)

    def _bump(self, session: Session) -> None:
        self._structure += 1
        set_counter(session, STRUCTURE, self._structure)


def find_nodes(session: Session, root: int) -> list[int]:
    """Return the nodes of a person."""
    found = session.rows("SELECT node FROM nodes WHERE root = ? ORDER BY node", (root,))
    return [row[0] for row in found]


def find_owners(
    session: Session, identifiers: Iterable[Identifier]
) -> list[tuple[str, str, int, int]]:
    """Return kind, value, node and root of those identifiers that somebody has."""
    by_kind: dict[str, list[str]] = {}
    for kind, value in identifiers:
        by_kind.setdefault(kind, []).append(value)
    found: list[tuple[str, str, int, int]] = []
    for kind, values in by_kind.items():
        for part in in_parts(values):
            places = mark_places(part)
            found += session.rows(
                "SELECT kind, value, i.node, root FROM identifiers i JOIN nodes n "
                f"ON n.node = i.node WHERE kind = ? AND value IN ({places})",
                [kind, *part],
            )
    return found


def _find_components(links: dict[int, set[int]]) -> list[set[int]]:
    left, components = set(links), []
    while left:
        reached, edge = set(), {left.pop()}
        while edge:
            reached |= edge
            edge = {other for node in edge for other in links[node]} - reached
        left -= reached
        components.append(reached)
    return components
