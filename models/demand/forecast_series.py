"""The published forecasts as records, sorted, and where each series starts and ends.

A *series* is one (level, region, product): consecutive rows, one per date. What holds for a series
is kept once per series, the strings exist once, and a row costs its numbers and four codes. Records
are in memory for small tables, and for large ones in a file (`models.demand.forecast_store`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import ArtifactError
from models.demand.forecast_records import (
    DATE,
    KEY,
    TEXT_COLUMNS,
    Layout,
    iterate_records,
    read_layout,
)

FORECASTS_FILE = "forecasts.parquet"
Integers = npt.NDArray[np.integer]


class Records(Protocol):
    """Rows, wherever they lie."""

    def __len__(self) -> int: ...

    def take(self, rows: Integers) -> np.ndarray:
        """Return some rows, in the order asked for."""
        ...


class HeldRecords:
    """Rows in memory."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, rows: Integers) -> np.ndarray:
        """Return some rows, in the order asked for."""
        return self._rows[rows]


@dataclass(frozen=True)
class Series:
    """Forecasts, series by series.

    Attributes
    ----------
    names : dict of str to list of str
        Of each text column, in the order of their codes, which is that of the alphabet.
    quantiles : tuple of float
        Probabilities of the records' `quantiles`, ascending.
    starts : array of int64, shape (n_series + 1,)
        First row of each series; the last entry is `n_rows`.
    first, last : array of int32, shape (n_series,)
        First and last date of each series, in days since 1970.
    keys : dict of str to array of int32, shape (n_series,)
        Code of level, region and product of each series.
    orders : dict of str to array of int32, shape (n_series,)
        The series by their code in `keys`, then ascending.
    records : Records
        One per row.
    """

    names: dict[str, list[str]]
    quantiles: tuple[float, ...]
    starts: npt.NDArray[np.int64]
    first: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]
    keys: dict[str, npt.NDArray[np.int32]]
    orders: dict[str, npt.NDArray[np.int32]]
    records: Records

    def __len__(self) -> int:
        return len(self.records)

    def code(self, column: str, name: str) -> int | None:
        """Return the code of `name`; None if no row has it."""
        names = self.names[column]
        at = bisect_left(names, name)
        return at if at < len(names) and names[at] == name else None

    def members(self) -> dict[str, list[npt.NDArray[np.int32]]]:
        """Return, by key column and code, the series that have it, ascending."""
        found = {}
        for column in KEY:
            counts = np.bincount(self.keys[column], minlength=len(self.names[column]))
            bounds = np.concatenate([[0], np.cumsum(counts)])
            order = self.orders[column]
            found[column] = [order[low:high] for low, high in pairwise(bounds.tolist())]
        return found


class SeriesBuilder:
    """Finds the series in records that come in pieces, in order."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.n_rows = layout, 0
        self._starts: list[np.ndarray] = []
        self._keys: list[np.ndarray] = []
        self._first: list[np.ndarray] = []
        self._last: list[np.ndarray] = []
        self._before: tuple[np.ndarray, int] | None = None

    def add(self, keys: np.ndarray, dates: np.ndarray) -> None:
        """Add rows: their keys, shape (3, n_rows), and dates, in days since 1970.

        Raises
        ------
        ArtifactError
            If a date does not come after the one before it in the same series.
        """
        is_start = np.ones(len(dates), dtype=bool)
        is_start[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
        is_later = np.ones(len(dates), dtype=bool)
        is_later[1:] = dates[1:] > dates[:-1]
        if self._before is not None:
            is_start[0] = (keys[:, 0] != self._before[0]).any()
            is_later[0] = dates[0] > self._before[1]
        if not np.all(is_later | is_start):
            raise _not_sorted()
        at = np.flatnonzero(is_start)
        before = self._before[1] if self._before else 0
        ends = np.concatenate([[before], dates])[at]
        self._starts.append(at + self.n_rows)
        self._keys.append(keys[:, at])
        self._first.append(dates[at])
        self._last.append(ends)
        self._before = (keys[:, -1].copy(), int(dates[-1]))
        self.n_rows += len(dates)

    def finish(self, records: Records) -> Series:
        """Return the series of all rows that were added.

        Raises
        ------
        ArtifactError
            If a series comes twice.
        """
        keys = np.concatenate(self._keys, axis=1).astype(np.int32)
        by_name = dict(zip(KEY, keys, strict=True))
        sizes = [len(self.layout.names[name]) for name in KEY]
        if len(np.unique(np.ravel_multi_index(tuple(keys), sizes))) != keys.shape[1]:
            raise _not_sorted()
        end = self._before[1] if self._before else 0
        return Series(
            names={name: self.layout.names[name] for name in TEXT_COLUMNS},
            quantiles=self.layout.probabilities,
            starts=np.append(np.concatenate(self._starts), self.n_rows),
            first=np.concatenate(self._first).astype(np.int32),
            last=np.append(np.concatenate(self._last)[1:], end).astype(np.int32),
            keys=by_name,
            orders={
                name: np.argsort(codes, kind="stable").astype(np.int32)
                for name, codes in by_name.items()
            },
            records=records,
        )


def read_series(content: bytes) -> Series:
    """Read `forecasts.parquet` into memory.

    Raises
    ------
    ArtifactError
        If it is not Parquet, a column is missing or holds no value in some row, a forecast is
        negative, there is no row, or the rows are not sorted by level, region, product and date.
    """
    file = open_forecasts(pa.BufferReader(content))
    layout = read_layout(file)
    builder, pieces = SeriesBuilder(layout), []
    for keys, records in read_records(file, layout):
        builder.add(keys, records[DATE])
        pieces.append(records)
    return builder.finish(HeldRecords(np.concatenate(pieces)))


def open_forecasts(source: pa.NativeFile | Path) -> pq.ParquetFile:
    """Open `forecasts.parquet`; ArtifactError if it is not Parquet."""
    try:
        there = pq.read_schema(source).names
        return pq.ParquetFile(source, read_dictionary=[n for n in TEXT_COLUMNS if n in there])
    except (pa.ArrowException, ValueError, OSError) as error:
        raise _not_parquet(error) from None


def read_records(file: pq.ParquetFile, layout: Layout) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield keys and records, piece by piece; ArtifactError if they cannot be read."""
    try:
        yield from iterate_records(file, layout)
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(error) from None


def _not_parquet(error: Exception) -> ArtifactError:
    return ArtifactError(f"{FORECASTS_FILE}: not a Parquet file: {error}; train again")


def _not_sorted() -> ArtifactError:
    return ArtifactError(
        f"{FORECASTS_FILE}: expected rows sorted by level, region, product and date, "
        "each once; train again"
    )
