"""What is known of published versions, read from the files that training left beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from features.errors import AlmanacError
from models.artifact import CHALLENGER_POINTER, POINTER, Pointer, read_pointer
from models.records import EVIDENCE_FILE, MAX_BYTES, RECORDS, find_record
from serving.model_contract import Evidence, Gate, ModelKind, ModelVersion

HISTORY_FILE = "history.jsonl"
N_RECENT = 8
"""Records that are read to find the newest version: there may be hundreds of them."""
_GATES = TypeAdapter(list[Gate])
_OUTCOMES = ("waiting", "passed", "forced", "refused")


@dataclass(frozen=True)
class Answering:
    """Which versions this service answers with."""

    champion: str | None
    challenger: str | None


def describe_kind(
    published: Path, kind: str, answering: Answering, mlflow_url: str | None
) -> ModelKind:
    """Return champion and challenger of a kind.

    Parameters
    ----------
    published : Path
        `Workspace.published`.
    kind : str
        'demand' or 'promotion'.
    answering : Answering
    mlflow_url : str or None
        Where MLflow is reached.
    """
    folder = _Folder(published, kind, mlflow_url)
    champion = answering.champion
    tried = answering.challenger or folder.point_at(CHALLENGER_POINTER)
    challenger = tried if tried != champion else None
    challenger = challenger or folder.find_newer(champion)
    return ModelKind(
        kind=kind,  # type: ignore[arg-type]
        champion=folder.describe(champion, is_answering=True) if champion else None,
        challenger=(
            folder.describe(challenger, is_answering=challenger == answering.challenger)
            if challenger
            else None
        ),
    )


class _Folder:
    """The published folder of one kind."""

    def __init__(self, published: Path, kind: str, mlflow_url: str | None) -> None:
        self.published, self.kind, self.mlflow_url = published, kind, mlflow_url

    def point_at(self, name: str) -> str | None:
        """Return the version that a pointer names."""
        pointer = self._read_pointer(name)
        return None if pointer is None else pointer.version

    def find_newer(self, champion: str | None) -> str | None:
        """Return the last version that was trained, if that was after the champion."""
        found = {}
        for path in self._list_records():
            at = _read_time(_read_json(path).get("trained_at"))
            if at is not None:
                found[path.stem] = at
        last = max(found, key=lambda version: found[version], default=None)
        if last is None or last == champion:
            return None
        own = self._find_trained_at(champion)
        return last if own is None or found[last] > own else None

    def _list_records(self) -> list[Path]:
        """Return the files of the versions that were trained or judged last."""
        folder = self.published / self.kind / RECORDS
        try:
            with os.scandir(folder) as entries:
                times = {e.path: e.stat().st_mtime for e in entries if e.name.endswith(".json")}
        except OSError:
            return []
        return [Path(path) for path in sorted(times, key=lambda path: -times[path])[:N_RECENT]]

    def _find_trained_at(self, version: str | None) -> datetime | None:
        if version is None:
            return None
        record = _read_json(find_record(self.published, self.kind, version))
        return _read_time(record.get("trained_at"))

    def describe(self, version: str, *, is_answering: bool) -> ModelVersion:
        """Return all that is known of a version; what is damaged counts as not known."""
        record = _read_json(find_record(self.published, self.kind, version))
        outcome = record.get("outcome")
        because = record.get("forced_because")
        return ModelVersion(
            version=version,
            is_answering=is_answering,
            trained_at=_read_time(record.get("trained_at")),
            published_at=self._find_published_at(version),
            outcome=outcome if outcome in _OUTCOMES else None,
            judged_at=_read_time(record.get("judged_at")),
            forced_because=because if isinstance(because, str) else None,
            gates=_read_gates(record.get("gates", [])),
            evidence=self._find_evidence(version, record),
            registry_url=self._link(version, record.get("registered")),
        )

    def _find_evidence(self, version: str, record: Mapping[str, Any]) -> Evidence | None:
        for content in (self._read_own(version), record.get("evidence")):
            if content:
                try:
                    return Evidence.model_validate(content, strict=False)
                except ValidationError:
                    continue
        return None

    def _read_own(self, version: str) -> Mapping[str, Any]:
        """Return the evidence among the files of a version that is published."""
        for name in (POINTER, CHALLENGER_POINTER):
            pointer = self._read_pointer(name)
            if pointer is not None and pointer.version == version:
                return _read_json(self.published / self.kind / pointer.directory / EVIDENCE_FILE)
        return {}

    def _read_pointer(self, name: str) -> Pointer | None:
        try:
            return read_pointer(self.published, self.kind, name)
        except AlmanacError:
            return None

    def _find_published_at(self, version: str) -> datetime | None:
        """Return when a version was last pointed at."""
        last = None
        for entry in _read_lines(self.published / self.kind / HISTORY_FILE):
            if entry.get("version") == version:
                last = _read_time(entry.get("at")) or last
        return last

    def _link(self, version: str, registered: object) -> str | None:
        if not self.mlflow_url or not isinstance(registered, str):
            return None
        return f"{self.mlflow_url.rstrip('/')}/#/models/{registered}/versions/{version}"


def _read_json(path: Path) -> Mapping[str, Any]:
    """Return an object of a file; empty where there is none that can be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return {}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _read_time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _read_gates(content: object) -> list[Gate]:
    try:
        return _GATES.validate_python(content, strict=False)
    except ValidationError:
        return []
