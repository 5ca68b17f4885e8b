"""Columns that the user added to `sales`: school holidays, weather, whatever moves demand."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from features.schema import SALES


def find_regressors(engine: duckdb.DuckDBPyConnection, sales: str) -> tuple[str, ...]:
    """Return the numeric columns of `sales` that are none of the schema's: the user's own."""
    schema = {column.name for column in SALES.columns}
    rows = engine.execute("DESCRIBE SELECT * FROM read_parquet(?)", [sales]).fetchall()
    numeric = ("DOUBLE", "FLOAT", "BIGINT", "INTEGER", "BOOLEAN")
    return tuple(row[0] for row in rows if row[0] not in schema and row[1] in numeric)


def create_regional(
    engine: duckdb.DuckDBPyConnection, regressors: Sequence[str]
) -> tuple[str, ...]:
    """Make the table `regional` of the regressors that all products of a region share.

    Returns
    -------
    tuple of str
        Those of them that never differ within a region and period: school holidays, weather.
    """
    if not regressors:
        return ()
    same = ", ".join(
        f"coalesce(bool_and(low_{i} = high_{i}), false)" for i, _ in enumerate(regressors)
    )
    ends = ", ".join(
        f"min({quote(name)}) AS low_{i}, max({quote(name)}) AS high_{i}"
        for i, name in enumerate(regressors)
    )
    by_region = f"SELECT region_id, period, {ends} FROM facts GROUP BY ALL"
    shared = engine.execute(f"SELECT {same} FROM ({by_region})").fetchall()[0]
    found = {i: name for i, name in enumerate(regressors) if shared[i]}
    if found:
        values = ", ".join(f"low_{i} AS {quote(name)}" for i, name in found.items())
        engine.execute(
            f"CREATE OR REPLACE TEMP TABLE regional AS "
            f"SELECT region_id, period, {values} FROM ({by_region})"
        )
    return tuple(found.values())


def quote(name: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
