"""Messages from files: JSON lines, also compressed, through the same door as the service's.

Another process reads and checks while this one stores. How far a file was taken is noted in the
transaction that takes it, so an ingest that was stopped goes on where it ended.
"""

from __future__ import annotations

import gc
import gzip
import hashlib
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import IO

import msgspec

from features.errors import SourceError
from features.progress import Progress
from features.segment.envelope import Envelope
from features.segment.messages import Message, Rejected
from features.segment.reader import MessageReader
from serving.customers.applying import Outcome, Received, without_collection
from serving.customers.database import Session
from serving.customers.message_keys import Keys, make_keys
from serving.customers.settings import CustomersSettings
from serving.customers.store import CustomerStore

CHUNK_BYTES = 8 * 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_AHEAD = 3
"""Chunks that are read ahead of what is stored."""
_FILE = Envelope(is_received_now=False)


class _Read(msgspec.Struct, array_like=True, gc=False):
    """A chunk as the reading process returns it: each line's message, or why it is none."""

    messages: list[Message | None]
    keys: list[Keys | None]
    rejected: dict[int, Rejected]


_DECODER = msgspec.msgpack.Decoder(_Read)


@dataclass(frozen=True)
class FileSummary:
    """What became of the lines of a file.

    Attributes
    ----------
    path : Path
    skipped : int
        Lines that were taken by an earlier ingest.
    statuses : Counter
        Lines by 'accepted', 'duplicate' and 'rejected'.
    reasons : Counter
        Rejected lines by reason.
    """

    path: Path
    skipped: int
    statuses: Counter[str]
    reasons: Counter[str]

    def describe(self) -> str:
        """Return it as one sentence."""
        counts = self.statuses
        text = (
            f"{self.path.name}: {counts['accepted']:,} accepted, {counts['duplicate']:,} known "
            f"before, {counts['rejected']:,} rejected"
        )
        if self.reasons:
            text += " (" + ", ".join(f"{n:,} {why}" for why, n in self.reasons.most_common()) + ")"
        return text + (f"; {self.skipped:,} lines were taken before" if self.skipped else "")


@dataclass(frozen=True)
class _Chunk:
    lines: list[bytes]
    end: int
    """Lines of the file up to the end of the chunk."""


def ingest_file(
    store: CustomerStore, path: Path, received_at: int, progress: Progress
) -> FileSummary:
    """Take in the messages of a file, and return when all of them are durable.

    Parameters
    ----------
    store : CustomerStore
    path : Path
        JSON lines: a message a line; compressed with gzip if its name ends in .gz.
    received_at : int
        Microseconds; of messages that do not tell their time.
    progress : Progress

    Raises
    ------
    SourceError
        If the file cannot be read; what was read before is taken.
    """
    digest, size = _identify(path)
    done = store.session.rows("SELECT position FROM files WHERE digest = ?", (digest,))
    skipped = done[0][0] if done else 0
    statuses: Counter[str] = Counter()
    reasons: Counter[str] = Counter()

    def note(session: Session, outcomes: list[Outcome], *, position: int) -> None:
        counts = Counter(outcome.status for outcome in outcomes)
        session.run(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET "
            "size = excluded.size, position = excluded.position, at = excluded.at, "
            "accepted = files.accepted + excluded.accepted, "
            "duplicates = files.duplicates + excluded.duplicates, "
            "rejected = files.rejected + excluded.rejected",
            (digest, path.name, size, position, *_in_order(counts), received_at),
        )

    is_new = True
    chunks = _read_ahead(path, skipped, store.settings, received_at)
    total = None if path.suffix == ".gz" else -(-size // CHUNK_BYTES)
    with without_collection():
        for chunk, read in progress.track(chunks, path.name, total=total):
            items = _as_received(chunk, read, received_at, path.name)
            outcomes = store.apply(items, assume_new=is_new, also=partial(note, position=chunk.end))
            counts = Counter(outcome.status for outcome in outcomes)
            is_new = counts["duplicate"] == 0
            statuses += counts
            reasons.update(o.rejected.reason for o in outcomes if o.rejected is not None)
    return FileSummary(path, skipped, statuses, reasons)


def _in_order(counts: Counter[str]) -> tuple[int, int, int]:
    return counts["accepted"], counts["duplicate"], counts["rejected"]


def _identify(path: Path) -> tuple[str, int]:
    """Return what a file is known by: its name and its first line, so that it may grow; its size.

    The first line holds a message's id, which no other file begins with.
    """
    try:
        with _open(path) as file:
            first = file.readline(_LONGEST_LINE)
        return hashlib.sha256(path.name.encode() + b"\0" + first).hexdigest(), path.stat().st_size
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path}: cannot be read: {_explain(error)}") from None


def _explain(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _read_ahead(
    path: Path, skipped: int, settings: CustomersSettings, received_at: int
) -> Iterator[tuple[_Chunk, _Read]]:
    """Yield chunks with what another process made of them, in their order."""
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=_prepare, initargs=(settings,)
    ) as pool:
        waiting: deque[tuple[_Chunk, Future[bytes]]] = deque()
        broken: SourceError | None = None
        try:
            for chunk in _read_chunks(path, skipped):
                waiting.append((chunk, pool.submit(_read_lines, chunk.lines, received_at)))
                if len(waiting) >= _AHEAD:
                    first, done = waiting.popleft()
                    yield first, _DECODER.decode(done.result())
        except SourceError as error:
            broken = error  # what was read before it is taken all the same
        for first, done in waiting:
            yield first, _DECODER.decode(done.result())
        if broken is not None:
            raise broken


def _read_chunks(path: Path, skipped: int) -> Iterator[_Chunk]:
    """Yield the lines of a file after those that were taken, in chunks; empty ones left out."""
    number, size, lines = skipped, 0, list[bytes]()
    try:
        with _open(path) as file:
            for line in islice(_read_whole_lines(file), skipped, None):
                number += 1
                if line.strip():
                    lines.append(line)
                    size += len(line)
                if size >= CHUNK_BYTES:
                    yield _Chunk(lines, number)
                    size, lines = 0, []
    except (OSError, EOFError, zlib.error) as error:
        if lines:
            yield _Chunk(lines, number)
        raise SourceError(
            f"{path}, after line {number:,}: cannot be read on: {_explain(error)}. What was read "
            "is taken; mend the file and ingest it again, and it goes on from there"
        ) from None
    if lines:
        yield _Chunk(lines, number)


def _read_whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines up to one that somebody is still writing: it is taken next time."""
    for line in file:
        if not line.endswith(b"\n") and not _is_whole(line):
            return
        yield line


def _is_whole(line: bytes) -> bool:
    """Say whether a line without an end is a whole document all the same."""
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _as_received(chunk: _Chunk, read: _Read, received_at: int, source: str) -> list[Received]:
    told = zip(chunk.lines, read.messages, read.keys, strict=True)
    return [
        Received(line, message, received_at, source, None, keys)
        if message is not None
        else Received(line, read.rejected[place], received_at, source)
        for place, (line, message, keys) in enumerate(told)
    ]


_reader: MessageReader | None = None


def _prepare(settings: CustomersSettings) -> None:
    global _reader
    _reader = settings.make_reader()
    gc.disable()


def _read_lines(lines: list[bytes], received_at: int) -> bytes:
    """Read lines in the other process; what is returned is cheap to send."""
    if _reader is None:
        raise SourceError("the reading process was not prepared")
    messages: list[Message | None] = []
    keys: list[Keys | None] = []
    rejected: dict[int, Rejected] = {}
    for place, line in enumerate(lines):
        found = _reader.read(line, received_at, _FILE)
        if isinstance(found, Rejected):
            rejected[place] = found
            messages.append(None)
            keys.append(None)
        else:
            messages.append(found)
            keys.append(make_keys(found))
    return msgspec.msgpack.encode(_Read(messages, keys, rejected))
