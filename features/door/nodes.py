"""Trees of regions and products: their parents checked, and the nodes that nobody gave a row.

A parent may be named without a row of its own if no parent has one: then every parent becomes a
node below the root, with the level that the user's column of parents is called (`state`), or
"group" where it is called `parent` or `parent_id`. Where some parents do have rows, a parent
without one is taken for a misspelling and refused.
"""

from __future__ import annotations

import difflib

from features.door.staging import POSITION, Staged
from features.engine import Engine
from features.errors import TableError, UnknownReference
from features.schema import ALL, PRODUCTS, TABLES, Kind, Table

TREES = ("regions", "products")


def add_parents_sql(engine: Engine, staged: Staged, typed: str) -> str:
    """Return `typed` with the parents that have no row of their own.

    Raises
    ------
    UnknownReference
        If some parents have rows and one does not.
    TableError
        If a node is its own ancestor.
    """
    key = staged.table.key[0]
    rows = engine.execute(
        f"SELECT {key}, coalesce(parent_id, '{ALL}'), {POSITION} FROM ({typed}) ORDER BY {POSITION}"
    ).fetchall()
    parents = {node: parent for node, parent, _ in rows}
    positions = {node: position for node, _, position in rows}
    orphans = {
        parent: node for node, parent in parents.items() if parent not in parents and parent != ALL
    }
    has_rows = any(parent in parents for parent in parents.values())
    if orphans and has_rows:
        raise _unknown_parent(staged, orphans, parents, positions)
    _check_acyclic(staged, parents, positions)
    rooted = f"SELECT * REPLACE (coalesce(parent_id, '{ALL}') AS parent_id) FROM ({typed})"
    if not orphans:
        return rooted
    theirs = staged.names.get("parent_id", "parent_id")
    level = "group" if theirs in ("parent", "parent_id") else theirs
    return (
        f"{rooted} UNION ALL BY NAME SELECT DISTINCT parent_id AS {key}, '{ALL}' AS parent_id, "
        f"'{level.replace(chr(39), chr(39) * 2)}' AS level, 0 AS {POSITION} "
        f"FROM ({typed}) WHERE parent_id IS NOT NULL AND parent_id <> '{ALL}'"
    )


def derived_sql(name: str, references: list[tuple[str, str]], time_zone: str) -> str:
    """Return the query that makes a table of every id that other tables point to.

    Parameters
    ----------
    name : str
        'regions', 'products' or 'customers'.
    references : list of (table expression, column)
        Where the ids are.
    time_zone : str
        The project's, which a customer has for want of a better one.
    """
    table = TABLES[name]
    key = table.key[0]
    known = {"parent_id": f"'{ALL}'", "level": f"'{_level_of(table)}'"}
    if name == "customers":
        known = {"time_zone": f"'{time_zone}'", "time_zone_source": "'project'"}
    ids = " UNION ".join(
        f"SELECT {column} AS {key} FROM {sql} WHERE {column} IS NOT NULL"
        for sql, column in references
    )
    types = {Kind.NUMBER: "DOUBLE", Kind.TIMESTAMP: "TIMESTAMP", Kind.DATE: "DATE"}
    values = [
        column.name if column.name == key
        else f"CAST({known.get(column.name, 'NULL')} AS {types.get(column.kind, 'VARCHAR')}) "
        f"AS {column.name}"
        for column in table.columns
    ]  # fmt: skip
    return f"SELECT {', '.join(values)}, 0 AS {POSITION} FROM (SELECT DISTINCT * FROM ({ids}))"


def _level_of(table: Table) -> str:
    return "product" if table is PRODUCTS else "region"


def _unknown_parent(
    staged: Staged, orphans: dict[str, str], parents: dict[str, str], positions: dict[str, int]
) -> UnknownReference:
    parent, node = min(orphans.items(), key=lambda pair: positions[pair[1]])
    near = difflib.get_close_matches(parent, list(parents), n=1, cutoff=0.0)[0]
    label, row = staged.place(positions[node])
    return UnknownReference(
        staged.table.name, label, staged.names.get("parent_id", "parent_id"), row=row,
        expected="a parent that has a row of its own, as other parents here do",
        got=f"'{parent}'", fix=f"Give it a row or correct it; nearest: '{near}'.",
    )  # fmt: skip


def _check_acyclic(staged: Staged, parents: dict[str, str], positions: dict[str, int]) -> None:
    safe = {ALL}
    for start in parents:
        path: dict[str, None] = {}
        node = start
        while node not in safe and node in parents:
            if node in path:
                label, row = staged.place(positions[node])
                loop = " > ".join([*list(path)[list(path).index(node) :], node])
                raise TableError(
                    staged.table.name, label, staged.names.get("parent_id", "parent_id"), row=row,
                    expected="a tree", got=f"a cycle: {loop}",
                    fix="Correct a parent, or leave it empty for the top.",
                )  # fmt: skip
            path[node] = None
            node = parents[node]
        safe.update(path)
