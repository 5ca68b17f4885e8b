"""The file of keys: changed as a whole, by one at a time, and read again when it was."""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import msgspec

from features.errors import AlmanacError, UnknownName
from serving.access.keys import Key
from serving.logs import FIELDS, LOGGER

CHECK_SECONDS = 0.5
"""How often a worker looks whether the file has changed; a revoked key is out within a second."""

log = logging.getLogger(LOGGER)
Result = TypeVar("Result")


class KeysDamaged(AlmanacError):
    """The file of keys cannot be read; without it nobody is known, so nobody is let in."""


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    keys: list[Key]
    format: int = 1


def read_keys(path: Path) -> dict[str, Key]:
    """Return the keys of a file, by id; none where there is no file.

    Raises
    ------
    KeysDamaged
        If it is there and is not what `almanac keys` writes.
    """
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_Content)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not what was written"
        raise KeysDamaged(
            f"{path}: the keys cannot be read: {why}. Put the file back from a copy, or remove it "
            "and make new keys with `almanac keys create`"
        ) from None
    return {key.key_id: key for key in content.keys}


def add_key(path: Path, key: Key) -> None:
    """Add a key to a file, which is made if need be."""

    def add(keys: dict[str, Key]) -> None:
        keys[key.key_id] = key

    _change(path, add)


def change_key(path: Path, key_id: str, change: Callable[[Key], tuple[Key, Result]]) -> Result:
    """Change one key of a file; return what `change` returns beside it.

    Raises
    ------
    UnknownName
        If there is no such key.
    """

    def apply(keys: dict[str, Key]) -> Result:
        if key_id not in keys:
            raise UnknownName("key", key_id, keys)
        keys[key_id], result = change(keys[key_id])
        return result

    return _change(path, apply)


def _change(path: Path, change: Callable[[dict[str, Key]], Result]) -> Result:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path.with_name(f"{path.name}.lock")):
        keys = read_keys(path)
        result = change(keys)
        _replace(path, msgspec.json.format(msgspec.json.encode(_Content(list(keys.values())))))
    return result


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that two who write at once wait for; the system frees that of a dead process."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, content: bytes) -> None:
    """Write a file such that readers see the old one or the new one, even after a power cut."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class KeyFile:
    """The keys of a file, as they are now.

    Parameters
    ----------
    path : Path
    seconds : callable
        A clock that never jumps.

    Raises
    ------
    KeysDamaged
        If the file cannot be read. Later, the keys of the last file that could be are kept.
    """

    def __init__(self, path: Path, seconds: Callable[[], float] = time.monotonic) -> None:
        self.path, self._seconds = path, seconds
        self._state = self._look()
        self._keys = read_keys(path)
        self._checked_at = seconds()

    @property
    def keys(self) -> Mapping[str, Key]:
        """Every key by its id: those that live, and those that do no more."""
        if self._seconds() - self._checked_at >= CHECK_SECONDS:
            self._check()
        return MappingProxyType(self._keys)

    def _check(self) -> None:
        self._checked_at = self._seconds()
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            keys = read_keys(self.path)
        except KeysDamaged as error:
            self._keep(str(error))
            return
        if self._keys and state is None:
            # Without any key everything would be open.
            self._keep("the file is gone")
            return
        self._keys = keys
        log.info("keys", extra={FIELDS: {"state": "loaded", "keys": len(keys)}})

    def _keep(self, reason: str) -> None:
        log.error("keys", extra={FIELDS: {"state": "last good keys kept", "reason": reason}})

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
