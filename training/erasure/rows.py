"""Parquet and CSV files without the rows of some customers; all other rows stay as they were."""

from __future__ import annotations

import csv
import errno
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import SourceError

CUSTOMER_COLUMNS = ("customer_id", "customer")
"""Names of the column that tells whose a row is; the first that a file has counts."""
_LONGEST_FIELD = 1 << 27


def is_row_file(path: Path) -> bool:
    """Tell whether rows of customers may lie in a file, by its suffix."""
    return path.suffix.lower() in _FORMATS


def count_customers(path: Path, customers: Collection[str]) -> tuple[int, set[str]]:
    """Return how many rows of a file are of some customers, and of which of them.

    Parameters
    ----------
    path : Path
        Parquet or CSV.
    customers : collection of str
        Ids; a column of numbers is compared by its digits.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    count, _ = _FORMATS[path.suffix.lower()]
    with refuse_unreadable(path):
        return count(path, frozenset(customers))


def write_without(path: Path, customers: Collection[str], target: Path) -> None:
    """Write a file to `target` without the rows of some customers.

    Parquet is read and written one row group at a time; the order of rows, the schema with what is
    noted in it, and the compression stay. Equal input gives equal bytes.

    Parameters
    ----------
    path : Path
        Parquet or CSV.
    customers : collection of str
    target : Path
        Appears; the folder must be there.

    Raises
    ------
    SourceError
        If the file cannot be read to its end; what was written of `target` is of no use.
    """
    _, write = _FORMATS[path.suffix.lower()]
    with refuse_unreadable(path):
        write(path, frozenset(customers), target)
        shutil.copymode(path, target)


@contextmanager
def refuse_unreadable(path: Path) -> Iterator[None]:
    """Turn what a file that is no Parquet or CSV raises into a SourceError."""
    try:
        yield
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise SourceError(
            f"{path}: expected rows of Parquet or CSV, got {str(error)[:200]}. "
            "Whether it holds an erased customer is not known; remove it by hand"
        ) from None


def _find_column(names: Collection[str]) -> str | None:
    return next((name for name in CUSTOMER_COLUMNS if name in names), None)


def _is_of(column: pa.ChunkedArray | pa.Array, customers: frozenset[str]) -> pa.ChunkedArray:
    """Return for each row whether it is of one of the customers; a row of nobody is not."""
    wanted = pa.array(sorted(customers), pa.string())
    return pc.is_in(pc.cast(column, pa.string()), value_set=wanted)


def _count_parquet(path: Path, customers: frozenset[str]) -> tuple[int, set[str]]:
    rows, found = 0, set[str]()
    with pq.ParquetFile(path) as file:
        column = _find_column(file.schema_arrow.names)
        if column is None or pa.types.is_nested(file.schema_arrow.field(column).type):
            return 0, found
        for batch in file.iter_batches(columns=[column]):
            ids = pc.cast(batch.column(0), pa.string())
            theirs = ids.filter(_is_of(ids, customers))
            rows += len(theirs)
            found.update(theirs.to_pylist())
    return rows, found


def _write_parquet(path: Path, customers: frozenset[str], target: Path) -> None:
    with pq.ParquetFile(path) as file:
        schema, groups = file.schema_arrow, file.metadata.num_row_groups
        column = _find_column(schema.names)
        kind = file.metadata.row_group(0).column(0).compression if groups else "SNAPPY"
        compression = "none" if kind == "UNCOMPRESSED" else kind
        with pq.ParquetWriter(target, schema, compression=compression) as writer:
            for group in range(groups):
                table = file.read_row_group(group)
                if column is not None:
                    table = table.filter(pc.invert(_is_of(table.column(column), customers)))
                if len(table):
                    writer.write_table(table, row_group_size=len(table))


def _count_csv(path: Path, customers: frozenset[str]) -> tuple[int, set[str]]:
    rows, found = 0, set[str]()
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        column = _find_column(header)
        if column is None:
            return 0, found
        place = header.index(column)
        for row in reader:
            if len(row) > place and row[place] in customers:
                rows += 1
                found.add(row[place])
    return rows, found


def _write_csv(path: Path, customers: frozenset[str], target: Path) -> None:
    with (
        path.open(encoding="utf-8", newline="") as file,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        lines: list[str] = []

        def remember(line: str) -> str:
            lines.append(line)
            return line

        place = None
        for row in csv.reader(map(remember, file)):
            # Kept rows are copied as they were spelled, quotes and line ends included.
            if place is None:
                place = row.index(_find_column(row) or row[0])
                out.writelines(lines)
            elif len(row) <= place or row[place] not in customers:
                out.writelines(lines)
            lines.clear()


_Counter = Callable[[Path, frozenset[str]], tuple[int, set[str]]]
_Writer = Callable[[Path, frozenset[str], Path], None]
_FORMATS: dict[str, tuple[_Counter, _Writer]] = {
    ".parquet": (_count_parquet, _write_parquet),
    ".csv": (_count_csv, _write_csv),
}
