"""The audit log: who was let in and kept out, and what was done with keys; never to whom.

One JSON object a line, only ever appended to. It names keys by their id and addresses by their
template: no secret and no customer is in it.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from serving.logs import FIELDS, LOGGER

REFUSED = "refused"
BURST, PER_MINUTE = 120, 30
"""Refusals that a worker writes down: so many at once, so many a minute in the long run. The next
line says how many were left out, so that a flood cannot fill the disk."""

log = logging.getLogger(LOGGER)


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line."""

    time: datetime
    action: str
    key_id: str | None = None
    route: str | None = None
    status: int | None = None
    request_id: str | None = None
    left_out: int = 0
    """Refusals before this one that were not written down."""


class AuditLog:
    """Appends to the log; several processes may.

    Parameters
    ----------
    path : Path
    seconds : callable
        A clock that never jumps.
    """

    def __init__(self, path: Path, seconds: Callable[[], float] = time.monotonic) -> None:
        self.path, self._seconds = path, seconds
        self._room, self._filled_at, self._left_out = float(BURST), seconds(), 0

    def write(self, entry: Entry) -> None:
        """Append one line; where that is not possible the service's own log says so.

        Refusals are bounded; everything else is written.
        """
        if entry.action == REFUSED and not self._has_room():
            self._left_out += 1
            return
        if entry.action == REFUSED:
            entry = msgspec.structs.replace(entry, left_out=self._left_out)
            self._left_out = 0
        try:
            self._append(msgspec.json.encode(entry) + b"\n")
        except OSError as error:
            log.error("audit", extra={FIELDS: {"state": "not written", "reason": error.strerror}})

    def read_last(self, n: int) -> list[Entry]:
        """Return the last `n` lines, oldest first; a line cut off by a crash is passed over."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            return list(deque(_read(file), maxlen=n))

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        handle = os.open(self.path, flags, 0o600)
        try:
            os.write(handle, line)  # one call: lines of several workers never mix
        finally:
            os.close(handle)

    def _has_room(self) -> bool:
        now = self._seconds()
        gained = (now - self._filled_at) * PER_MINUTE / 60.0
        self._room, self._filled_at = min(float(BURST), self._room + gained), now
        if self._room < 1.0:
            return False
        self._room -= 1.0
        return True


def _read(lines: Iterator[bytes]) -> Iterator[Entry]:
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Entry)
        except msgspec.DecodeError:
            continue
