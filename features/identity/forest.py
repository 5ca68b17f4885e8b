"""Nodes, the edges that join them, and the groups that they make."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Edge:
    """Why two nodes are one person.

    Attributes
    ----------
    number : int
        Edges are numbered in the order in which they were made.
    stays, joins : int
        The nodes; the group of `stays` keeps its number.
    cause : str
        The message that joined them, or the reason that a steward gave.
    """

    number: int
    stays: int
    joins: int
    cause: str


class Forest:
    """Groups of nodes that edges connect, never in a circle.

    The numbers of groups always are what its edges make of single nodes, taken in their order; so
    taking the last edge away is as if it had never been.

    Examples
    --------
    >>> forest = Forest()
    >>> one, two = forest.create(), forest.create()
    >>> edge = forest.join(two, one, "m3")
    >>> forest.group(one), forest.nodes
    (2, {2: (1, 2)})
    >>> forest.remove(edge)
    >>> forest.nodes
    {1: (1,), 2: (2,)}
    """

    def __init__(self) -> None:
        self.edges: dict[int, Edge] = {}
        self.nodes: dict[int, tuple[int, ...]] = {}
        self._group: dict[int, int] = {}
        self._edges_of: dict[int, set[int]] = {}
        self._last_node = self._last_edge = 0

    def group(self, node: int) -> int:
        """Return the number of a node's group."""
        return self._group[node]

    def create(self) -> int:
        """Return a new node, a group of its own."""
        self._last_node += 1
        self._edges_of[self._last_node] = set()
        self._isolate((self._last_node,))
        return self._last_node

    def join(self, stays: int, joins: int, cause: str) -> Edge:
        """Make one group of the groups of two nodes, which must be two."""
        self._last_edge += 1
        edge = self.edges[self._last_edge] = Edge(self._last_edge, stays, joins, cause)
        self._edges_of[stays].add(edge.number)
        self._edges_of[joins].add(edge.number)
        self._unite(edge)
        return edge

    def remove(self, edge: Edge) -> None:
        """Take an edge away, and make both sides anew of the edges that are left."""
        del self.edges[edge.number]
        self._edges_of[edge.stays].discard(edge.number)
        self._edges_of[edge.joins].discard(edge.number)
        nodes = self.nodes.pop(self._group[edge.stays])
        self._isolate(nodes)
        for number in sorted({n for node in nodes for n in self._edges_of[node]}):
            self._unite(self.edges[number])

    def erase(self, group: int) -> None:
        """Take a whole group away."""
        for node in self.nodes.pop(group):
            for number in self._edges_of.pop(node):
                self.edges.pop(number, None)
            del self._group[node]

    def path(self, start: int, end: int) -> list[Edge]:
        """Return the edges between two nodes; none if they are one, or in two groups."""
        paths: dict[int, list[Edge]] = {start: []}
        waiting = deque([start])
        while waiting:
            node = waiting.popleft()
            for edge in (self.edges[number] for number in self._edges_of[node]):
                other = edge.joins if edge.stays == node else edge.stays
                if other not in paths:
                    paths[other] = [*paths[node], edge]
                    waiting.append(other)
        return paths.get(end, [])

    def _isolate(self, nodes: Iterable[int]) -> None:
        for node in nodes:
            self._group[node], self.nodes[node] = node, (node,)

    def _unite(self, edge: Edge) -> None:
        keeps, goes = self._group[edge.stays], self._group[edge.joins]
        self.nodes[keeps] = tuple(sorted(self.nodes[keeps] + self.nodes.pop(goes)))
        self._group.update(dict.fromkeys(self.nodes[keeps], keeps))
