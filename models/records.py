"""What is told of a model beside its files: how it was judged, so that who serves it can show that.

Training writes it, serving reads it; neither knows the other.
"""

from __future__ import annotations

from pathlib import Path

FORMAT = 1
EVIDENCE_FILE = "evidence.json"
"""Among a model's files: what its backtest measured, and no clock: equal models, equal bytes."""
RECORDS = "records"
"""Folder of a published kind: one file a version, with times and verdicts."""
MAX_BYTES = 2**20
"""Evidence is some kilobytes; what is larger was not written by training."""


def find_record(published: Path, kind: str, version: str) -> Path:
    """Return where the record of a version lies.

    Examples
    --------
    >>> find_record(Path("published"), "demand", "3").as_posix()
    'published/demand/records/3.json'
    """
    return published / kind / RECORDS / f"{version}.json"
