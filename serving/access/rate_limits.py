"""How much a caller may ask a minute, over all workers of the service: GCRA in a shared file.

The generic cell rate algorithm keeps one number of a caller: the theoretical arrival time of their
next request. A full minute's quota may come at once; after that, one request every
60 / quota seconds.

References
----------
.. [1] ITU-T Recommendation I.371 (2004), "Traffic control and congestion control in B-ISDN",
       Annex A: the generic cell rate algorithm, virtual scheduling.
.. [2] IETF draft-ietf-httpapi-ratelimit-headers-10: RateLimit and RateLimit-Policy.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WINDOW_SECONDS = 60
_WINDOW = WINDOW_SECONDS * 1_000_000_000
_SLOT = struct.Struct("=QQ")
"""A caller, hashed, and the theoretical arrival time in nanoseconds."""
N_SLOTS, N_TRIED = 16_384, 32
"""A slot whose time has come is as good as empty, so the file never grows and needs no cleaning."""
_MASK = N_SLOTS - 1
_SIZE = N_SLOTS * _SLOT.size


@dataclass(frozen=True)
class Quota:
    """What is left to a caller.

    Attributes
    ----------
    is_allowed : bool
        Whether this request is within the limit.
    limit : int
        Requests a minute.
    remaining : int
        Requests that may come at once now.
    reset_seconds : int
        Until all of `limit` may come at once again.
    retry_seconds : int
        Until the next request may come; 0 where it may come now.
    """

    is_allowed: bool
    limit: int
    remaining: int
    reset_seconds: int
    retry_seconds: int

    def headers(self) -> dict[str, str]:
        """Return the headers that tell a caller of it."""
        return {
            "RateLimit-Policy": f'"key";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"key";r={self.remaining};t={self.reset_seconds}',
        }


class RateLimits:
    """The limits of one service.

    Parameters
    ----------
    path : Path
        A file that all of its workers share.
    nanoseconds : callable
        A clock that all processes share and that never jumps: CLOCK_MONOTONIC.

    Raises
    ------
    OSError
        If the file cannot be made.
    """

    def __init__(self, path: Path, nanoseconds: Callable[[], int] = time.monotonic_ns) -> None:
        self._nanoseconds = nanoseconds
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _fill(self._handle)
            self._slots = mmap.mmap(self._handle, _SIZE)
        except OSError:
            os.close(self._handle)
            raise
        # flock is the open file's, which threads of one process share
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let the file go."""
        self._slots.close()
        os.close(self._handle)

    def take(self, caller: str, limit: int) -> Quota:
        """Count one request of a caller who may send `limit` a minute, if it is within that."""
        number = int.from_bytes(hashlib.blake2b(caller.encode(), digest_size=8).digest()) or 1
        with self._lock:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            try:
                now = self._nanoseconds()
                place, arrival = self._find(number, now)
                quota, arrival = count_request(arrival, now, limit)
                if quota.is_allowed:
                    _SLOT.pack_into(self._slots, place, number, arrival)
            finally:
                fcntl.flock(self._handle, fcntl.LOCK_UN)
        return quota

    def _find(self, number: int, now: int) -> tuple[int, int]:
        """Return the place of a caller and their arrival time; else the place of who is done."""
        best, earliest = 0, -1
        for step in range(N_TRIED):
            place = ((number + step) & _MASK) * _SLOT.size
            owner, arrival = _SLOT.unpack_from(self._slots, place)
            # When the machine restarts its clock begins anew, and what was kept lies far ahead.
            arrival = 0 if arrival > now + 2 * _WINDOW else arrival
            if owner == number:
                return place, arrival
            if earliest < 0 or arrival < earliest:
                best, earliest = place, arrival
        return best, 0


def count_request(arrival: int, now: int, limit: int) -> tuple[Quota, int]:
    """Apply the algorithm to one request.

    Parameters
    ----------
    arrival : int
        Theoretical arrival time of the caller's next request; nanoseconds.
    now : int
        On the same clock.
    limit : int
        Requests a minute; >= 1.

    Returns
    -------
    Quota
    int
        The new theoretical arrival time; as it was where the request is not allowed.

    Examples
    --------
    >>> quota, arrival = count_request(0, 1_000, 2)
    >>> quota.remaining, arrival - 1_000
    (1, 30000000000)
    """
    interval = _WINDOW // limit
    tolerance = interval * limit
    following = max(arrival, now) + interval
    is_allowed = following - now <= tolerance
    arrival = following if is_allowed else arrival
    ahead = max(arrival - now, 0)
    wait = 0 if is_allowed else following - now - tolerance
    quota = Quota(
        is_allowed,
        limit,
        max(tolerance - ahead, 0) // interval,
        _to_seconds(ahead),
        _to_seconds(wait),
    )
    return quota, arrival


def _fill(handle: int) -> None:
    """Give the file all of its blocks: a mapped one that a full disk has no room for kills."""
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        size = os.fstat(handle).st_size
        if size < _SIZE:
            os.pwrite(handle, bytes(_SIZE - size), size)
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)


def _to_seconds(nanoseconds: int) -> int:
    return -(-nanoseconds // 1_000_000_000)
