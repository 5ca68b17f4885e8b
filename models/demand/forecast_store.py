"""Large tables of forecasts on disk: records in a file beside the Parquet, read block by block.

A worker holds what is kept per series and reads the rows of an answer with one `pread` per block,
so its memory does not grow with the table, and all workers share the system's page cache. A map
into memory would count every page near one that was read as the worker's.

Nothing damaged is ever answered. The Parquet is checked against the manifest when the records are
made of it. The records' blocks have digests, the digests and the series have theirs in `stamp.json`
and are checked whole at each start; a block is checked each time it is read, and all of them once
in the background. After one bad block the whole table is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from features.errors import ArtifactError
from models.artifact import LargeFile
from models.demand.forecast_records import DATE, KEY, read_layout, record_type
from models.demand.forecast_series import (
    Integers,
    Series,
    SeriesBuilder,
    open_forecasts,
    read_records,
)

FOLDER = "forecasts.rows"
ROWS, BLOCKS, SERIES, STAMP = "rows.bin", "blocks.bin", "series.arrow", "stamp.json"
FORMAT = 1
BLOCK_ROWS, DIGEST_BYTES = 128, 16
_SWEEP_BLOCKS, _SWEEP_PAUSE = 2, 0.01


class StoredRecords:
    """Rows in a file.

    Parameters
    ----------
    path : Path
    row : numpy dtype
        Of one record.
    n_rows : int
    digests : bytes
        Of each block of `BLOCK_ROWS` rows, one after the other.

    Raises
    ------
    ArtifactError
        If the file is not there or not as long as its rows; from `take` and `check`, if a block
        is not what was written.
    """

    def __init__(self, path: Path, row: np.dtype, n_rows: int, digests: bytes) -> None:
        self._path, self._row, self._n_rows, self._digests = path, row, n_rows, digests
        self._is_damaged = False
        try:
            self._file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise ArtifactError(f"{path}: {error.strerror}; promote again") from None
        weakref.finalize(self, os.close, self._file)
        size, expected = os.fstat(self._file).st_size, n_rows * row.itemsize
        if size != expected:
            raise self._damage(f"expected {expected} bytes, got {size}")

    def __len__(self) -> int:
        return self._n_rows

    def take(self, rows: Integers) -> np.ndarray:
        """Return some rows, in the order asked for."""
        blocks, place = np.unique(rows // BLOCK_ROWS, return_inverse=True)
        held = np.concatenate([self._read(block) for block in blocks.tolist()])
        # Only the table's last block is shorter than others, and it is the last here as well.
        found: np.ndarray = held[place * BLOCK_ROWS + rows % BLOCK_ROWS]
        return found

    def check(self) -> None:
        """Check every block, with pauses: it runs beside what is answered."""
        for block in range(-(-self._n_rows // BLOCK_ROWS)):
            self._read(block)
            if block % _SWEEP_BLOCKS == 0:
                time.sleep(_SWEEP_PAUSE)

    def _read(self, block: int) -> np.ndarray:
        size = BLOCK_ROWS * self._row.itemsize
        content = os.pread(self._file, size, block * size)
        digest = self._digests[block * DIGEST_BYTES : (block + 1) * DIGEST_BYTES]
        if self._is_damaged or _digest(content) != digest:
            raise self._damage("a block is not what was published")
        return np.frombuffer(content, dtype=self._row)

    def _damage(self, what: str) -> ArtifactError:
        self._is_damaged = True
        return ArtifactError(f"{self._path}: damaged: {what}; promote again")


def open_stored(parquet: LargeFile) -> Series:
    """Open the records of a large `forecasts.parquet`; make them first where there are none.

    Raises
    ------
    ArtifactError
        If the Parquet, or anything made of it, is damaged.
    """
    folder = parquet.path.with_name(FOLDER)
    with _one_at_a_time(parquet.path):
        if not (folder / STAMP).exists():
            store_records(parquet)
    series = _open(folder, parquet.digest)
    threading.Thread(target=_sweep, args=(series.records,), daemon=True).start()
    return series


def store_records(parquet: LargeFile) -> Path:
    """Write the records of `forecasts.parquet` to a folder beside it, whole or not at all.

    Raises
    ------
    ArtifactError
        If the Parquet is damaged, or there is no room for the records.
    """
    parquet.check()
    folder = parquet.path.with_name(FOLDER)
    partial = folder.with_name(f".{FOLDER}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        _write(parquet, partial)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        raise ArtifactError(
            f"{folder}: cannot be written: {error.strerror}; so many forecasts are answered from "
            "there: make room, then promote again"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write(parquet: LargeFile, folder: Path) -> None:
    file = open_forecasts(parquet.path)
    layout = read_layout(file)
    row = record_type(len(layout.quantiles), layout.number)
    builder, digests = SeriesBuilder(layout), bytearray()
    size, rest = BLOCK_ROWS * row.itemsize, b""
    with (folder / ROWS).open("wb") as rows:
        for keys, records in read_records(file, layout):
            builder.add(keys, records[DATE])
            content = records.tobytes()
            rows.write(content)
            content = rest + content
            whole = len(content) // size * size
            for at in range(0, whole, size):
                digests += _digest(content[at : at + size])
            rest = content[whole:]
        if rest:
            digests += _digest(rest)
        rows.flush()
        os.fsync(rows.fileno())
    stored = StoredRecords(folder / ROWS, row, builder.n_rows, bytes(digests))
    series = builder.finish(stored)
    (folder / BLOCKS).write_bytes(digests)
    _write_series(series, folder / SERIES)
    about = {
        "format": FORMAT,
        "parquet": parquet.digest,
        "rows": len(series),
        "number": layout.number.str,
        "quantiles": series.quantiles,
        "names": series.names,
        "files": {name: _file_digest(folder / name) for name in (BLOCKS, SERIES)},
    }
    (folder / STAMP).write_text(json.dumps(about), encoding="utf-8")


def _write_series(series: Series, path: Path) -> None:
    columns = {"start": series.starts[:-1], "first": series.first, "last": series.last}
    for name in KEY:
        columns |= {f"key_{name}": series.keys[name], f"order_{name}": series.orders[name]}
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def _open(folder: Path, parquet_digest: str) -> Series:
    try:
        about: dict[str, Any] = json.loads((folder / STAMP).read_bytes())
        if (about["format"], about["parquet"]) != (FORMAT, parquet_digest):
            raise ArtifactError(f"{folder}: not made of this forecasts.parquet; promote again")
        for name, digest in about["files"].items():
            if _file_digest(folder / name) != digest:
                raise ArtifactError(f"{folder / name}: damaged; promote again")
        row = record_type(len(about["quantiles"]), np.dtype(about["number"]))
        digests = (folder / BLOCKS).read_bytes()
        records = StoredRecords(folder / ROWS, row, about["rows"], digests)
        # Mapped, so that workers share it.
        table = pa.ipc.open_file(pa.memory_map(str(folder / SERIES))).read_all()
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise ArtifactError(f"{folder}: damaged: {error}; promote again") from None
    column = {name: table.column(name).to_numpy() for name in table.column_names}
    return Series(
        names=about["names"],
        quantiles=tuple(about["quantiles"]),
        starts=np.append(column["start"], len(records)),
        first=column["first"],
        last=column["last"],
        keys={name: column[f"key_{name}"] for name in KEY},
        orders={name: column[f"order_{name}"] for name in KEY},
        records=records,
    )


@contextmanager
def _one_at_a_time(parquet: Path) -> Iterator[None]:
    """Let one process make the records while others wait; a folder for reading only is no fault."""
    try:
        lock = parquet.with_name(f".{FOLDER}.lock").open("wb")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sweep(records: StoredRecords) -> None:
    try:
        records.check()
    except ArtifactError:
        # The records remember, and every answer from them is refused with this reason.
        return


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
