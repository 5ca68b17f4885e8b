"""The record of each version: when it was trained, its evidence, and what the gates said of it.

It lies among what is published, so that who serves a kind can also tell of the version that waits
to be judged, or that was refused.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from models.records import FORMAT, find_record
from training.evidence import Evidence
from training.gates import Verdict

Outcome = Literal["waiting", "passed", "forced", "refused"]


def record_training(
    published: Path,
    kind: str,
    version: str,
    *,
    registered: str,
    evidence: Evidence,
    now: datetime,
) -> None:
    """Note that a version was trained and waits for its gates.

    Parameters
    ----------
    published : Path
        `Workspace.published`.
    kind, version : str
    registered : str
        Name of the model in the registry.
    evidence : mapping
        What a recipe tells.
    now : datetime
        With a zone.
    """
    _write(
        find_record(published, kind, version),
        {
            "format": FORMAT,
            "version": version,
            "registered": registered,
            "trained_at": now.isoformat(timespec="seconds"),
            "outcome": "waiting",
            "evidence": dict(evidence),
        },
    )


def record_verdict(
    published: Path,
    kind: str,
    version: str,
    *,
    verdict: Verdict,
    outcome: Outcome,
    because: str | None,
    evidence: Evidence,
    now: datetime,
) -> None:
    """Note what the gates said of a version; of one without a record, begin one.

    Parameters
    ----------
    published : Path
    kind, version : str
    verdict : Verdict
    outcome : str
    because : str or None
        Why a gate was overruled.
    evidence : mapping
        What a recipe tells; taken where there is none yet.
    now : datetime
    """
    path = find_record(published, kind, version)
    before = _read(path) or {"format": FORMAT, "version": version, "evidence": dict(evidence)}
    gates = [
        {name: _plain(value) for name, value in asdict(check).items()} for check in verdict.checks
    ]
    told = {
        "outcome": outcome,
        "forced_because": because,
        "judged_at": now.isoformat(timespec="seconds"),
        "gates": gates,
    }
    _write(path, before | told)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, record: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False, sort_keys=True)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
