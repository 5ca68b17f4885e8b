"""Where the decision log lies below a workspace, and what its columns are called.

```
served/spool/DATE-HOUR-WORKER.jsonl           lines of decisions; one writer each
served/spool/outcomes/DATE-HOUR-WORKER.jsonl  lines of outcomes
served/decisions/date=DATE/part-HASH.parquet  decisions of closed spool files
served/outcomes/date=DATE/part-HASH.parquet   outcomes
```

A writer holds a lock on its spool file, so a file whose lock is free is closed: its writer went on
to another one, or is dead.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDER = "served"
LOCK_FILE = ".lock"


class Served:
    """Columns of the log of decisions; a row a customer answered."""

    DECISION_ID = "decision_id"
    REQUEST_ID = "request_id"
    DECIDED_AT = "decided_at"
    CUSTOMER = "customer"
    KIND = "kind"
    ROLE = "role"
    MODEL_VERSION = "model_version"
    POLICY = "policy"
    PROFILE_HASH = "profile_hash"
    EVIDENCE = "evidence"
    CANDIDATES = "candidates"
    CHOSEN = "chosen"
    PROPENSITY = "propensity"
    IS_EXPLORED = "is_explored"
    IS_FALLBACK = "is_fallback"
    DEGRADED = "degraded"
    N_PERMITTED = "n_permitted"


class ServedOutcomes:
    """Columns of what came of decisions; a row an outcome."""

    DECISION_ID = "decision_id"
    OUTCOME = "outcome"
    OCCURRED_AT = "occurred_at"
    VALUE = "value"
    CURRENCY = "currency"
    RECEIVED_AT = "received_at"


OUTCOME_KEY = (ServedOutcomes.DECISION_ID, ServedOutcomes.OUTCOME, ServedOutcomes.OCCURRED_AT)
"""The same three are the same outcome, however often it is told."""
CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
SENT, OPENED, CLICKED, ORDERED = "sent", "opened", "clicked", "ordered"
UNSUBSCRIBED = "unsubscribed"
OUTCOMES = (SENT, OPENED, CLICKED, ORDERED, UNSUBSCRIBED)


@dataclass(frozen=True)
class ServedPlaces:
    """The folders of the decision log of one workspace."""

    root: Path
    """The workspace."""

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.root / FOLDER

    @property
    def decision_spool(self) -> Path:
        """Lines of decisions, as they were made."""
        return self.folder / "spool"

    @property
    def outcome_spool(self) -> Path:
        """Lines of outcomes, as they were told."""
        return self.folder / "spool" / "outcomes"

    @property
    def decisions(self) -> Path:
        """Parquet files of decisions, a folder a day."""
        return self.folder / "decisions"

    @property
    def outcomes(self) -> Path:
        """Parquet files of outcomes, a folder a day."""
        return self.folder / "outcomes"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody else moves or rewrites closed files, and keep others waiting."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def list_spool(folder: Path) -> list[Path]:
    """Return the spool files of a folder, the oldest first."""
    return sorted(folder.glob("*.jsonl"))


@contextmanager
def hold_closed(path: Path) -> Iterator[bool]:
    """Say whether a spool file is closed; nobody takes it up while this lasts."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _take_lock(descriptor)
    finally:
        os.close(descriptor)


def _take_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
