"""Closed spool files become Parquet, each line once, whenever and wherever this is cut short.

The name of a Parquet file is that of the lines' spool file and their day, and its rows are those
lines: done again, it is the same file. The spool file goes when all of them are on the disk, so a
crash in between makes the next run write the same once more, and remove it then.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from features.served.places import (
    OUTCOME_KEY,
    Served,
    ServedOutcomes,
    ServedPlaces,
    hold_closed,
    list_spool,
)
from features.served.schemas import DECISION_SCHEMA, OUTCOME_SCHEMA
from serving.decisions.lines import DecisionRow, OutcomeLine

_PART_ROWS = 10_000
Step = Callable[[str], None]


@dataclass(frozen=True)
class Compacted:
    """What one run did.

    Attributes
    ----------
    files : int
        Spool files that became Parquet.
    decisions, outcomes : int
        Rows written; an outcome that was told twice within a file is one.
    torn : int
        Lines that could not be read, such as the last one of a process that was killed; skipped.
    """

    files: int = 0
    decisions: int = 0
    outcomes: int = 0
    torn: int = 0

    def __add__(self, other: Compacted) -> Compacted:
        """Return what two runs did together."""
        return Compacted(
            self.files + other.files,
            self.decisions + other.decisions,
            self.outcomes + other.outcomes,
            self.torn + other.torn,
        )


def compact(places: ServedPlaces, on_step: Step = lambda _: None) -> Compacted:
    """Turn every closed spool file of a workspace into Parquet.

    Parameters
    ----------
    places : ServedPlaces
    on_step : callable
        Told the name of each step when it is done: "written", "removed".
    """
    if not places.folder.is_dir():
        return Compacted()
    done = Compacted()
    with places.alone():
        for path in list_spool(places.decision_spool):
            done += _compact_file(path, places.decisions, DecisionRow, on_step)
        for path in list_spool(places.outcome_spool):
            done += _compact_file(path, places.outcomes, OutcomeLine, on_step)
    return done


def _compact_file(
    path: Path, target: Path, kind: type[DecisionRow] | type[OutcomeLine], on_step: Step
) -> Compacted:
    with hold_closed(path) as is_closed:
        if not is_closed:
            return Compacted()
        with _Parts(path.name, target, kind is DecisionRow) as parts:
            for rows in read_lines(path, kind):
                parts.add(rows)
        on_step("written")
        path.unlink()
        _sync_folder(path.parent)
        on_step("removed")
    return parts.done


def read_lines(
    path: Path, kind: type[DecisionRow] | type[OutcomeLine]
) -> Iterator[list[dict[str, Any] | None]]:
    """Yield the rows of a spool file in parts that fit in memory; None for a line that is torn."""
    decoder = msgspec.json.Decoder(kind)
    part: list[dict[str, Any] | None] = []
    with path.open("rb") as file:
        for line in file:
            try:
                row = msgspec.to_builtins(decoder.decode(line), builtin_types=(datetime,))
            except (msgspec.DecodeError, UnicodeDecodeError):
                row = None
            part.append(row)
            if len(part) >= _PART_ROWS:
                yield part
                part = []
    yield part


class _Parts:
    """The Parquet files that one spool file becomes: one a day, there when all are complete."""

    def __init__(self, source: str, target: Path, is_decisions: bool) -> None:
        name = hashlib.sha256(source.encode()).hexdigest()[:16]
        self.name, self.target, self.is_decisions = f"part-{name}.parquet", target, is_decisions
        self.done = Compacted(files=1)
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._seen: set[tuple[Any, ...]] = set()

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()
        if kind is not None:
            return
        for day in self._writers:
            partial, final = self._paths(day)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(final)
            _sync_folder(final.parent)

    def add(self, rows: Sequence[dict[str, Any] | None]) -> None:
        """Write rows, each to the file of its day."""
        by_day: dict[str, list[dict[str, Any]]] = {}
        when = Served.DECIDED_AT if self.is_decisions else ServedOutcomes.RECEIVED_AT
        whole = [row for row in rows if row is not None]
        fresh = whole if self.is_decisions else [row for row in whole if self._is_new(row)]
        for row in fresh:
            by_day.setdefault(f"{row[when].astimezone(UTC):%Y-%m-%d}", []).append(row)
        for day, own in by_day.items():
            writer = self._writers.get(day) or self._open(day)
            writer.write_table(pa.Table.from_pylist(own, schema=writer.schema))
        n, torn = len(fresh), len(rows) - len(whole)
        kinds = (n, 0) if self.is_decisions else (0, n)
        self.done += Compacted(0, *kinds, torn)

    def _is_new(self, row: dict[str, Any]) -> bool:
        key = tuple(row[name] for name in OUTCOME_KEY)
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def _open(self, day: str) -> pq.ParquetWriter:
        partial, _ = self._paths(day)
        partial.parent.mkdir(parents=True, exist_ok=True)
        schema = DECISION_SCHEMA if self.is_decisions else OUTCOME_SCHEMA
        self._writers[day] = pq.ParquetWriter(partial, schema, compression="zstd")
        return self._writers[day]

    def _paths(self, day: str) -> tuple[Path, Path]:
        final = self.target / f"date={day}" / self.name
        return final.with_name(f".{final.name}.{os.getpid()}.partial"), final


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
