"""A file of one process that lines are added to: in the kernel when `append` returns.

What the kernel has survives the end of the process, kill -9 too; a background thread brings it to
the disk every second, so that a power loss costs at most what came since. Each file belongs to one
hour and one process, which holds a lock on it while it may add to it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path

from features.errors import AlmanacError
from features.served.places import list_spool

MAX_FILE_BYTES = 64 * 1024 * 1024
SYNC_SECONDS = 1.0


class SpoolFull(AlmanacError):
    """Nothing can be added: the limit is reached, or the disk takes nothing."""


class Spool:
    """Adds lines to a file of its own.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    max_bytes : int
        Of all files of the folder together, whoever writes them.
    max_file_bytes : int
        After this many another file is begun.
    sync_seconds : float
        How often what was added is brought to the disk; 0 for never by itself.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        *,
        max_file_bytes: int = MAX_FILE_BYTES,
        sync_seconds: float = SYNC_SECONDS,
    ) -> None:
        self.folder, self.max_bytes, self.max_file_bytes = folder, max_bytes, max_file_bytes
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._syncing = threading.Lock()
        self._descriptor: int | None = None
        self._hour, self._size, self.is_dirty = "", 0, False
        self._retired: list[int] = []
        self._others = 0
        self._measure()
        self._thread: threading.Thread | None = None
        if sync_seconds:
            self._thread = threading.Thread(
                target=self._sync_often, args=(sync_seconds,), name="spool", daemon=True
            )
            self._thread.start()

    def append(self, lines: bytes, now: datetime, *, is_durable: bool = False) -> None:
        """Add whole lines, all of them or none.

        Parameters
        ----------
        lines : bytes
            Each ends with a newline.
        now : datetime
            With a zone; decides the hour that the file is of.
        is_durable : bool
            Whether to return only when they are on the disk.

        Raises
        ------
        SpoolFull
            If they were not added.
        """
        with self._lock:
            if self._others + self._size + len(lines) > self.max_bytes:
                raise SpoolFull(
                    f"the spool holds its limit of {self.max_bytes} bytes; run almanac decisions "
                    "compact, or raise [decisions] max_spool_bytes"
                )
            try:
                self._write(lines, now)
            except OSError as error:
                raise SpoolFull(f"the spool takes nothing: {error.strerror}") from None
        if is_durable:
            self.sync()

    def sync(self) -> None:
        """Bring what was added to the disk, and let go of files that are done.

        Raises
        ------
        SpoolFull
            If the disk refuses.
        """
        with self._syncing:
            with self._lock:
                retired, self._retired = self._retired, []
                current = self._descriptor if self.is_dirty else None
                self.is_dirty = False
            try:
                # not under the lock: requests are not to wait for the disk
                for descriptor in [*retired, *([] if current is None else [current])]:
                    os.fsync(descriptor)
            except OSError as error:
                with self._lock:
                    self.is_dirty, self._retired = True, [*retired, *self._retired]
                raise SpoolFull(f"the disk refuses what was logged: {error.strerror}") from None
            for descriptor in retired:
                os.close(descriptor)

    def close(self) -> None:
        """Bring all to the disk and let go of the file; nothing is added after."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._retire()
        self.sync()

    def _write(self, lines: bytes, now: datetime) -> None:
        hour = now.astimezone(UTC).strftime("%Y-%m-%d-%H")
        # A slow answer may end after the hour did: it goes into the file that is open.
        is_over = hour > self._hour or self._size >= self.max_file_bytes
        if self._descriptor is None or is_over:
            self._retire()
            self._descriptor, self._hour = self._open(hour), hour
            self._size = 0
        written = os.write(self._descriptor, lines)
        if written != len(lines):
            os.ftruncate(self._descriptor, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written
        self.is_dirty = True

    def _open(self, hour: str) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = self.folder / f"{hour}-{uuid.uuid4().hex}.jsonl"
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
            descriptor = os.open(path, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                self._sync_folder()
                return descriptor
            os.close(descriptor)  # taken for closed, and removed, before it was locked

    def _sync_folder(self) -> None:
        """Bring the names of files to the disk, too: else a power loss loses whole files."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _retire(self) -> None:
        if self._descriptor is not None:
            self._retired.append(self._descriptor)
            self._others += self._size
        self._descriptor, self._size = None, 0

    def _sync_often(self, seconds: float) -> None:
        while not self._ended.wait(seconds):
            with self._lock:
                # an hour without requests ends, too
                if self._hour and datetime.now(UTC).strftime("%Y-%m-%d-%H") > self._hour:
                    self._retire()
            try:
                self.sync()
                self._measure()
            except (SpoolFull, OSError):
                continue  # the next answer meets the same disk, and says so

    def _measure(self) -> None:
        total = 0
        for path in list_spool(self.folder):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue  # compacted meanwhile
        with self._lock:
            self._others = max(total - self._size, 0)
