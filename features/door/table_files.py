"""One Parquet file per canonical table, and beside it a note of what it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.door.completion import content_sql
from features.door.csv_files import quote_text
from features.engine import Engine
from features.schema import Events, Table, Touches

_ORDER = {"events": Events.OCCURRED_AT, "touches": Touches.SENT_AT}


@dataclass(frozen=True)
class TableSummary:
    """What one canonical table holds.

    Attributes
    ----------
    name : str
        Canonical table name.
    rows : int
        Number of rows.
    fingerprint : str
        16 hexadecimal digits of its content: equal for equal rows, in any order.
    path : Path
        Its Parquet file.
    is_reused : bool
        Whether it was there already, made from the same sources by the same settings.
    notes : tuple of str
        What was done with rows that needed it.
    """

    name: str
    rows: int
    fingerprint: str
    path: Path
    is_reused: bool
    notes: tuple[str, ...] = ()


def write_table(engine: Engine, table: Table, rows: str, target: Path) -> None:
    """Write the query `rows` as `table`: its columns in order, sorted by time or key."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    order = ", ".join([*([_ORDER[table.name]] if table.name in _ORDER else []), *table.key])
    engine.execute(
        f"COPY (SELECT {columns} FROM ({rows}) ORDER BY {order}) "
        f"TO {quote_text(str(target))} (FORMAT parquet, COMPRESSION zstd)"
    )


def fingerprint_table(engine: Engine, table: Table, path: Path) -> tuple[int, str]:
    """Return the number of rows and 16 hexadecimal digits of their content, in any order."""
    columns = [column.name for column in table.columns]
    # A sum of digests does not depend on the order of rows, and counts equal rows twice.
    count, total = engine.execute(
        f"SELECT count(*), sum(md5_number_lower({content_sql(columns)})) "
        f"FROM read_parquet({quote_text(str(path))})"
    ).fetchall()[0]
    text = json.dumps([table.name, columns, count, str(total)])
    return count, hashlib.sha256(text.encode()).hexdigest()[:16]


def _stamp_of(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def find_reusable(name: str, path: Path, inputs: dict[str, Any]) -> TableSummary | None:
    """Return the table at `path` if it is whole and was made from `inputs`; else None.

    Parameters
    ----------
    name : str
        Canonical table name.
    path : Path
        Where it would be.
    inputs : dict
        Everything the table follows from, JSON-able; None under "files" means it cannot be known.
    """
    try:
        beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        is_same = beside["inputs"] == inputs and beside["table"] == _stamp_of(path)
        summary = TableSummary(
            name,
            beside["rows"],
            beside["fingerprint"],
            path,
            is_reused=True,
            notes=tuple(beside["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return summary if is_same and inputs["files"] is not None else None


def publish_table(
    name: str,
    partial: Path,
    path: Path,
    inputs: dict[str, Any],
    rows: int,
    fingerprint: str,
    notes: Sequence[str] = (),
) -> TableSummary:
    """Put a finished file in its place by one rename, and the note beside it.

    Parameters
    ----------
    name : str
        Canonical table name.
    partial, path : Path
        The finished file, and where it goes; on one file system.
    inputs : dict
        As `find_reusable` will compare them.
    rows, fingerprint : int, str
        As `fingerprint_table` found them.
    notes : sequence of str
        Kept for the summary.
    """
    beside = path.with_suffix(".json")
    content = {
        "inputs": inputs, "table": _stamp_of(partial), "rows": rows, "fingerprint": fingerprint,
        "notes": list(notes),
    }  # fmt: skip
    note = partial.with_suffix(".json")
    note.write_text(json.dumps(content, indent=2, sort_keys=True), encoding="utf-8")
    # First the old note goes: should this stop half-way, the table is read again, never misjudged.
    beside.unlink(missing_ok=True)
    partial.replace(path)
    note.replace(beside)
    return TableSummary(name, rows, fingerprint, path, is_reused=False, notes=tuple(notes))
