"""Geographies and assortments as trees: who lies below whom, and sums at every crossed level.

A crossed level is written 'region_level/product_level'; the root of both trees has the id and
the level name 'all', so the grand total is 'all/all'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from features.errors import DuplicateKey, TableError
from features.schema import ALL

PARENT, LEVEL = "parent_id", "level"


@dataclass(frozen=True)
class Hierarchy:
    """A tree of regions or of products.

    Attributes
    ----------
    levels : tuple of str
        Level names, deepest first, ending in 'all'.
    paths : DataFrame, index node id, one column per level
        The node's ancestor at each level, itself included; missing where its branch has no node
        of that level (a ragged tree).
    level_of : dict of str to str
        Each node's own level; {'all': 'all'} included.
    """

    levels: tuple[str, ...]
    paths: pd.DataFrame
    level_of: dict[str, str]


def check_tree(parents: Mapping[str, str], table: str, id_column: str) -> None:
    """Raise if a chain of parents does not end in the root.

    Parameters
    ----------
    parents : mapping of node id to parent id
        The root 'all' is nobody's key.
    table, id_column : str
        For the message.

    Raises
    ------
    TableError
        Naming the nodes of a cycle, or a parent that is no node.
    """
    settled = {ALL}
    for start in parents:
        chain: list[str] = []
        node = start
        while node not in settled:
            if node in chain:
                cycle = " -> ".join([*chain[chain.index(node) :], node])
                raise TableError(
                    table,
                    table,
                    PARENT,
                    expected="parents that end in the root",
                    got=f"a cycle: {cycle}",
                    fix=f"Give one of these a {PARENT} outside the circle, or leave it empty.",
                )
            if node not in parents:
                raise TableError(
                    table,
                    table,
                    PARENT,
                    expected=f"a {id_column} of this table",
                    got=f"'{node}', the parent of '{chain[-1]}'",
                    fix=f"Add a row for '{node}' or correct the {PARENT}.",
                )
            chain.append(node)
            node = parents[node]
        settled.update(chain)


def build_hierarchy(nodes: pd.DataFrame, table: str, id_column: str) -> Hierarchy:
    """Read a canonical `regions` or `products` table as a tree.

    Parameters
    ----------
    nodes : DataFrame
        Columns `id_column`, parent_id (empty or 'all' = below the root) and level.
    table, id_column : str
        'regions' and 'region_id', or 'products' and 'product_id'.

    Returns
    -------
    Hierarchy

    Raises
    ------
    DuplicateKey
        If a node has two rows, so maybe two parents.
    TableError
        On a cycle, a parent that is no node, or a node of the same level as one above it.
    """
    ids = nodes[id_column].astype(str)
    repeated = ids[ids.duplicated()]
    if len(repeated):
        node = repeated.iloc[0]
        given = nodes.loc[ids == node, PARENT].astype(str).unique()
        raise DuplicateKey(
            table,
            table,
            id_column,
            expected="one row, so one parent, per node",
            got=f"'{node}' {int((ids == node).sum())} times, below {', '.join(sorted(given))}",
            fix="Keep one row; a second tree needs ids of its own.",
        )
    parents = dict(zip(ids, nodes[PARENT].fillna(ALL).astype(str), strict=True))
    own = dict(zip(ids, nodes[LEVEL].astype(str), strict=True))
    check_tree(parents, table, id_column)
    paths = {node: _path(node, parents, own, table) for node in sorted(parents)}
    levels = _order_levels(paths)
    frame = pd.DataFrame(
        {level: [path.get(level) for path in paths.values()] for level in levels},
        index=pd.Index(list(paths), name=id_column, dtype="str"),
        dtype="str",
    )
    return Hierarchy(levels, frame, {**own, ALL: ALL})


def aggregate_levels(
    frame: pd.DataFrame,
    regions: Hierarchy,
    products: Hierarchy,
    *,
    values: Sequence[str],
    by: Sequence[str] = ("date",),
) -> pd.DataFrame:
    """Sum bottom rows to every crossed level of the two trees.

    Parameters
    ----------
    frame : DataFrame
        Bottom rows: region_id, product_id, `by` and `values`.
    regions, products : Hierarchy
        Must hold every id of `frame`.
    values : sequence of str
        Columns to sum; an empty value counts as nothing, and a sum of nothing is empty.
    by : sequence of str
        Columns that are kept apart, such as date and origin.

    Returns
    -------
    DataFrame
        Columns level, region_level, product_level, region_id, product_id, *by, *values; sorted
        by level, ids and `by`. The sum over a level equals the sum of `frame`, unless the tree
        is ragged and some series have no node of that level.
    """
    by, values = list(by), list(values)
    parts = []
    for region_level in regions.levels:
        upper = frame.assign(region_id=_ancestors(frame["region_id"], regions, region_level))
        for product_level in products.levels:
            rows = upper.assign(product_id=_ancestors(frame["product_id"], products, product_level))
            keys = ["region_id", "product_id", *by]
            total = rows.groupby(keys, sort=True, observed=True)[values].sum(min_count=1)
            part = total.reset_index()
            part.insert(0, "level", f"{region_level}/{product_level}")
            part.insert(1, "region_level", region_level)
            part.insert(2, "product_level", product_level)
            parts.append(part)
    order = ["level", "region_id", "product_id", *by]
    return pd.concat(parts, ignore_index=True).sort_values(order, ignore_index=True)


def _ancestors(ids: pd.Series, tree: Hierarchy, level: str) -> pd.Series:
    """Map ids to their ancestors through one lookup per distinct id."""
    codes, known = pd.factorize(ids)
    return pd.Series(tree.paths[level].reindex(known).to_numpy()[codes], index=ids.index)


def _path(
    node: str, parents: Mapping[str, str], own: Mapping[str, str], table: str
) -> dict[str, str]:
    """Return the node and its ancestors by level, deepest first."""
    path: dict[str, str] = {}
    while node != ALL:
        level = own[node]
        if level in path or level == ALL:
            raise TableError(
                table,
                table,
                LEVEL,
                expected="one level name per step of the tree, none of them 'all'",
                got=f"'{path.get(level, node)}' and '{node}' above it both of level '{level}'",
                fix="Name the levels in the table: store, city, state…",
            )
        path[level] = node
        node = parents[node]
    path[ALL] = ALL
    return path


def _order_levels(paths: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Order level names deepest first, by their greatest height above the root."""
    depth: dict[str, int] = {ALL: 0}
    for path in paths.values():
        for distance, level in enumerate(reversed(list(path))):
            depth[level] = max(depth.get(level, 0), distance)
    return tuple(sorted(depth, key=lambda name: (-depth[name], name)))
