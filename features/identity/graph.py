"""Who is who, in memory: nodes that own identifiers and messages, and edges that join them.

An identifier and a message belong to one node for good. People are what edges join: a split takes
one edge away, and everything is back where it was. This is the readable reference of what a durable
store keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from features.errors import InvalidRequest
from features.identity.forest import Edge, Forest
from features.identity.identifiers import Identifier, IdentityRules
from features.identity.resolution import Resolution, is_within, resolve
from features.identity.trail import (
    ATTACHED,
    CREATED,
    DEMOTED,
    ERASED,
    MERGED,
    SPLIT,
    Entry,
    forget,
)


class IdentityGraph:
    """Nodes, the edges between them, and the trail of what happened.

    A group is one person: the nodes that edges connect. Its number is that of a node, and survives
    a merge on the side that stays.

    Parameters
    ----------
    rules : IdentityRules

    Attributes
    ----------
    trail : list of Entry
        What happened, in order.
    apart : set of pairs of nodes
        Whose people a steward set apart.

    Examples
    --------
    >>> graph = IdentityGraph(IdentityRules())
    >>> device, mail = Identifier("device_id", "d"), Identifier("email", "a@b.org")
    >>> graph.add("m1", [device]), graph.add("m2", [mail]), graph.add("m3", [mail, device])
    (1, 2, 2)
    >>> graph.group(device), graph.split(device, mail, "two people"), graph.group(device)
    (2, Edge(number=1, stays=2, joins=1, cause='m3'), 1)
    """

    def __init__(self, rules: IdentityRules) -> None:
        self.rules = rules
        self.trail: list[Entry] = []
        self.apart: set[frozenset[int]] = set()
        self._forest = Forest()
        self._owner: dict[Identifier, int] = {}
        self._node_of_message: dict[str, int] = {}
        self._identifiers: dict[int, list[Identifier]] = {}
        self._messages: dict[int, list[str]] = {}

    def add(self, message_id: str, identifiers: Iterable[Identifier]) -> int:
        """Attribute a message, and return the node that it belongs to.

        Parameters
        ----------
        message_id : str
            One that was added before changes nothing.
        identifiers : iterable of Identifier
            Cleaned, in any order; at least one.

        Raises
        ------
        InvalidRequest
            If there is no identifier.
        """
        if message_id in self._node_of_message:
            return self._node_of_message[message_id]
        ordered = sorted(dict.fromkeys(identifiers), key=lambda i: self.rules.rank(i.kind))
        found = self._resolve(ordered)
        known = [i for i in found.kept if i in self._owner]
        node = self._owner[known[0]] if known else self._create(message_id)
        for group in found.groups[1:]:
            self._join(self._first(known, found.groups[0]), self._first(known, group), message_id)
        self._attach(node, message_id, [i for i in found.kept if i not in self._owner])
        if found.demoted:
            self.trail.append(Entry(DEMOTED, (node,), message_id, found.demoted))
        return node

    def alias(self, message_id: str, previous: Identifier, identifier: Identifier) -> int:
        """Add a message that says that two identifiers are one person's; limits hold for it too."""
        return self.add(message_id, (previous, identifier))

    def merge(self, a: Identifier, b: Identifier, reason: str) -> Edge | None:
        """Join two people because a steward says so, even where they were set apart.

        Returns
        -------
        Edge or None
            None where they are one already.

        Raises
        ------
        InvalidRequest
            If nobody has one of the identifiers, or the person they make would break a limit.
        """
        stays, joins = self._node(a), self._node(b)
        if self.group_of(stays) == self.group_of(joins):
            return None
        both = (*self.identifiers(self.group_of(stays)), *self.identifiers(self.group_of(joins)))
        if not is_within(both, self.rules):
            kinds = ", ".join(sorted({i.kind for i in both}))
            raise InvalidRequest(
                f"{a.kind} and {b.kind} cannot become one person: expected identifiers within the "
                f"limits, got {len(both)} of {kinds}. Split what does not belong, then merge."
            )
        pair = {self.group_of(stays), self.group_of(joins)}
        self.apart = {p for p in self.apart if {self.group_of(node) for node in p} != pair}
        return self._join(stays, joins, reason)

    def split(self, a: Identifier, b: Identifier, reason: str) -> Edge:
        """Take away the edge that made two nodes one person, and set its two sides apart.

        Parameters
        ----------
        a, b : Identifier
            Of different nodes of one person; the edge is the latest one between them.
        reason : str

        Raises
        ------
        InvalidRequest
            If nobody has one of the identifiers, or no merge ever joined the two.
        """
        path = self._forest.path(self._node(a), self._node(b))
        if not path:
            raise InvalidRequest(
                f"{a.kind} and {b.kind} cannot be split: expected two that a merge joined, got two "
                "that one message brought or two people. Erase the person, or leave it."
            )
        edge = max(path, key=lambda edge: edge.number)
        self._forest.remove(edge)
        self.apart.add(frozenset((edge.stays, edge.joins)))
        self.trail.append(Entry(SPLIT, (edge.stays, edge.joins), reason))
        return edge

    def erase(self, group: int, reason: str) -> tuple[str, ...]:
        """Forget a person: nodes, identifiers, edges, and what the trail says of them.

        Returns
        -------
        tuple of str
            The messages that have to be erased with them.

        Raises
        ------
        InvalidRequest
            If there is no such group.
        """
        nodes, identifiers = set(self.nodes(group)), self.identifiers(group)
        messages = self.messages(group)
        self._forest.erase(group)
        for node in nodes:
            del self._identifiers[node], self._messages[node]
        for identifier in identifiers:
            del self._owner[identifier]
        for message in messages:
            del self._node_of_message[message]
        self.apart = {pair for pair in self.apart if not pair & nodes}
        self.trail = forget(self.trail, nodes, set(identifiers), set(messages))
        self.trail.append(Entry(ERASED, tuple(sorted(nodes)), reason))
        return messages

    def group(self, identifier: Identifier) -> int:
        """Return the number of the person who has an identifier; InvalidRequest if nobody has."""
        return self.group_of(self._node(identifier))

    def group_of(self, node: int) -> int:
        """Return the number of the person whom a node is part of."""
        return self._forest.group(node)

    def groups(self) -> tuple[int, ...]:
        """Return the numbers of all people."""
        return tuple(self._forest.nodes)

    def nodes(self, group: int) -> tuple[int, ...]:
        """Return the nodes of a person, the oldest first; InvalidRequest if there is none."""
        if group not in self._forest.nodes:
            raise InvalidRequest(
                f"group {group} is nobody: expected the number of a person, got one that was "
                "never given, was merged or erased. Ask for the group of an identifier."
            )
        return self._forest.nodes[group]

    def identifiers(self, group: int) -> tuple[Identifier, ...]:
        """Return everything that a person has."""
        return tuple(i for node in self.nodes(group) for i in self._identifiers[node])

    def messages(self, group: int) -> tuple[str, ...]:
        """Return the messages of a person."""
        return tuple(m for node in self.nodes(group) for m in self._messages[node])

    def _resolve(self, ordered: Sequence[Identifier]) -> Resolution:
        owners = {i: self.group_of(self._owner[i]) for i in ordered if i in self._owner}
        members = {group: self.identifiers(group) for group in set(owners.values())}
        apart = {frozenset(self.group_of(node) for node in pair) for pair in self.apart}
        return resolve(ordered, owners, members, self.rules, apart=apart)

    def _first(self, known: Sequence[Identifier], group: int) -> int:
        """Return the node of a group that the weightiest identifier matched."""
        return next(n for n in map(self._owner.__getitem__, known) if self.group_of(n) == group)

    def _node(self, identifier: Identifier) -> int:
        if identifier not in self._owner:
            raise InvalidRequest(
                f"nobody has this {identifier.kind}: expected one that a message brought and that "
                "was not demoted or erased. Check its spelling."
            )
        return self._owner[identifier]

    def _create(self, cause: str) -> int:
        node = self._forest.create()
        self._identifiers[node], self._messages[node] = [], []
        self.trail.append(Entry(CREATED, (node,), cause))
        return node

    def _attach(self, node: int, message_id: str, new: Sequence[Identifier]) -> None:
        self._node_of_message[message_id] = node
        self._messages[node].append(message_id)
        self._identifiers[node] += new
        self._owner.update(dict.fromkeys(new, node))
        if new:
            self.trail.append(Entry(ATTACHED, (node,), message_id, tuple(new)))

    def _join(self, stays: int, joins: int, cause: str) -> Edge:
        self.trail.append(Entry(MERGED, (stays, joins), cause))
        return self._forest.join(stays, joins, cause)
