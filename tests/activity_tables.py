"""Canonical tables for tests, written from plain rows."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.project import Workspace
from features.schema import TABLES, Kind

TYPES = {
    Kind.TEXT: pa.string(),
    Kind.ZONE: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.DATE: pa.date32(),
}


def write_tables(root: Path, **tables: Iterable[Mapping[str, Any]]) -> Workspace:
    """Write each table's rows with all its canonical columns; columns not given are empty."""
    workspace = Workspace(root)
    workspace.tables.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        columns = TABLES[name].columns
        schema = pa.schema([(column.name, TYPES[column.kind]) for column in columns])
        filled = [{column.name: row.get(column.name) for column in columns} for row in rows]
        pq.write_table(pa.Table.from_pylist(filled, schema=schema), workspace.table(name))
    return workspace
