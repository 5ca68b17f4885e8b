"""Erasing people from the decision log: their decisions, and what came of them.

Rows of the log name nobody, so they are found by the pseudonym that the workspace's key makes of a
customer id; outcomes are found by the decisions that they are of. Outcomes go first: cut short in
between, the decisions are still there to find them by.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import SourceError
from features.served.places import Served, ServedOutcomes, ServedPlaces, hold_closed, list_spool
from features.served.pseudonyms import Pseudonyms, load_key
from training.erasure.rows import refuse_unreadable
from training.erasure.staging import Staging

Cleaned = list[tuple[Path, int]]


def erase_from_served(
    root: Path, customers: Collection[str], staging: Staging
) -> tuple[Cleaned, list[Path]]:
    """Remove the decisions of some customers from a workspace, and the outcomes of those.

    Parameters
    ----------
    root : Path
        The workspace.
    customers : collection of str
        Customer ids.
    staging : Staging

    Returns
    -------
    cleaned : list of (Path, int)
        Files that changed, and the rows removed from each.
    unread : list of Path
        Files that hold a row of theirs and are being written, and those that cannot be read.
    """
    places = ServedPlaces(root)
    if not places.folder.is_dir():
        return [], []
    names = Pseudonyms(load_key(root)).name(customers)
    with places.alone():
        work = _Work(staging)
        decisions = sorted(places.decisions.rglob("*.parquet"))
        spooled = list_spool(places.decision_spool)
        ids = set[str]()
        for path in (*decisions, *spooled):
            ids |= work.find_decisions(path, names)
        outcomes = (*sorted(places.outcomes.rglob("*.parquet")), *list_spool(places.outcome_spool))
        for path in outcomes:
            work.clean(path, ServedOutcomes.DECISION_ID, ids)
        for path in (*decisions, *spooled):
            work.clean(path, Served.CUSTOMER, names)
    return work.cleaned, list(dict.fromkeys(work.unread))


class _Work:
    """What is done so far of one erasure."""

    def __init__(self, staging: Staging) -> None:
        self.staging = staging
        self.cleaned: Cleaned = []
        self.unread: list[Path] = []

    def find_decisions(self, path: Path, names: Collection[str]) -> set[str]:
        """Return the ids of the decisions in a file that are of some pseudonyms."""
        try:
            if path.suffix != ".parquet":
                rows = (_read(line) for line in path.read_bytes().splitlines())
                return {
                    str(row.get(Served.DECISION_ID))
                    for row in rows
                    if row.get(Served.CUSTOMER) in names
                }
            with refuse_unreadable(path), pq.ParquetFile(path) as file:
                table = file.read(columns=[Served.DECISION_ID, Served.CUSTOMER])
            is_theirs = pc.is_in(table[Served.CUSTOMER], value_set=_to_array(names))
            return set(table.filter(is_theirs)[Served.DECISION_ID].to_pylist())
        except SourceError:
            self.unread.append(path)
            return set()

    def clean(self, path: Path, column: str, values: Collection[str]) -> None:
        """Rewrite a file without the rows that hold one of some values."""
        write = _write_parquet if path.suffix == ".parquet" else _write_lines
        if not values or path in self.unread:
            return
        try:
            removed = write(path, column, values, self.staging.make_path)
        except SourceError:
            self.unread.append(path)
            return
        if removed:
            self.cleaned.append((path, removed))


def _write_parquet(
    path: Path, column: str, values: Collection[str], make_path: Callable[[], Path]
) -> int:
    with refuse_unreadable(path), pq.ParquetFile(path) as file:
        table = file.read()
    kept = table.filter(pc.invert(pc.is_in(table[column], value_set=_to_array(values))))
    removed = len(table) - len(kept)
    if removed:
        smaller = make_path()
        pq.write_table(kept, smaller, compression="zstd")
        smaller.replace(path)
    return int(removed)


def _write_lines(
    path: Path, column: str, values: Collection[str], make_path: Callable[[], Path]
) -> int:
    with hold_closed(path) as is_closed:
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if _read(line).get(column) not in values]
        removed = len(lines) - len(kept)
        if removed and not is_closed:
            raise SourceError(f"{path}: a service adds to it; erase again when its hour is over")
        if removed:
            smaller = make_path()
            smaller.write_bytes(b"".join(kept))
            smaller.replace(path)
    return removed


def _read(line: bytes) -> dict[str, Any]:
    """Return a line as a row; empty where it is torn, as then nobody reads it."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _to_array(values: Collection[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())
