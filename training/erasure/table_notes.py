"""The note beside a canonical table, kept true when rows are taken out of the table.

A later build then still finds the table made from the same sources, and does not read the sources
again, where the customer may still stand.
"""

from __future__ import annotations

import json
from pathlib import Path

from features.door.table_files import fingerprint_table
from features.engine import open_engine
from features.project import Project
from features.schema import TABLES
from training.erasure.staging import Staging


def is_canonical(project: Project, path: Path) -> bool:
    """Tell whether a file is a canonical table of the project."""
    workspace = project.workspace
    return path.parent == workspace.tables and path.suffix == ".parquet" and path.stem in TABLES


def refresh_note(project: Project, path: Path, smaller: Path, staging: Staging) -> None:
    """Make the note of the table at `path` hold for `smaller`, which is about to take its place.

    A note that does not hold for the table as it is stays as it is. The note remembers the table
    that it was of, so that it is known again where this stops before `smaller` is in its place.

    Parameters
    ----------
    project : Project
    path : Path
        A canonical table.
    smaller : Path
        The finished file without the rows of some customers; it keeps its time when renamed.
    staging : Staging
    """
    beside = path.with_suffix(".json")
    try:
        note = json.loads(beside.read_text(encoding="utf-8"))
        is_true = _stamp_of(path) in (note["table"], note.get("replaces"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if not is_true:
        return
    with open_engine(project.settings.threads, project.settings.memory_limit) as engine:
        rows, fingerprint = fingerprint_table(engine, TABLES[path.stem], smaller)
    changed = {
        "table": _stamp_of(smaller), "replaces": _stamp_of(path),
        "rows": rows, "fingerprint": fingerprint,
    }  # fmt: skip
    staging.write_text(beside, json.dumps({**note, **changed}, indent=2, sort_keys=True))


def _stamp_of(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
