"""`forecasts.parquet` as fixed-width records, read and checked a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import ArtifactError

LEVEL, REGION, PRODUCT = "level", "region_id", "product_id"
DATE, ORIGIN, MEAN, QUANTILES = "date", "origin", "mean", "quantiles"
KEY = (LEVEL, REGION, PRODUCT)
ROW_TEXT = ("region_level", "product_level", "model", "evidence")
TEXT_COLUMNS = (*KEY, *ROW_TEXT)


@dataclass(frozen=True)
class Layout:
    """What a table holds.

    Attributes
    ----------
    names : dict of str to list of str
        Of each text column, in the order of the alphabet; a name's code is its place.
    quantiles : tuple of (float, str)
        Probability and column, ascending.
    number : numpy dtype
        float32 where the table's numbers are that, else float64: answers stay exact.
    """

    names: dict[str, list[str]]
    quantiles: tuple[tuple[float, str], ...]
    number: np.dtype

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Of the quantiles, ascending."""
        return tuple(probability for probability, _ in self.quantiles)


def record_type(n_quantiles: int, number: np.dtype) -> np.dtype:
    """Return the type of one row: days since 1970, codes of the row's text, and its numbers."""
    return np.dtype(
        [
            (DATE, "<i4"),
            (ORIGIN, "<i4"),
            *((name, "<i4") for name in ROW_TEXT),
            (MEAN, number),
            (QUANTILES, number, (n_quantiles,)),
        ]
    )


def quantile_probability(column: str) -> float | None:
    """Return the probability that a column such as `q025` stands for; None if it is no such column.

    Examples
    --------
    >>> quantile_probability("q025"), quantile_probability("q50"), quantile_probability("mean")
    (0.025, 0.5, None)
    """
    if not (column.startswith("q") and column[1:].isdigit()):
        return None
    return float(f"0.{column[1:]}")


def read_layout(file: pq.ParquetFile) -> Layout:
    """Read the names of a table, and check that it has the columns.

    Raises
    ------
    ArtifactError
        If a column is missing, a name is empty, or there is no row.
    """
    schema = file.schema_arrow
    quantiles = _quantile_columns(schema.names)
    needed = (*TEXT_COLUMNS, DATE, ORIGIN, MEAN)
    missing = [name for name in needed if name not in schema.names]
    if missing or not quantiles or file.metadata.num_rows == 0:
        raise ArtifactError(
            f"forecasts.parquet: expected rows with {', '.join(needed)} and quantiles, got "
            f"{file.metadata.num_rows} rows without {', '.join(missing) or 'quantiles'}; "
            "train again"
        )
    numbers = [schema.field(name).type for name in (MEAN, *(name for _, name in quantiles))]
    is_single = all(number == pa.float32() for number in numbers)
    return Layout(
        names={name: sorted(names) for name, names in _collect_names(file).items()},
        quantiles=quantiles,
        number=np.dtype("<f4" if is_single else "<f8"),
    )


def iterate_records(
    file: pq.ParquetFile, layout: Layout
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the codes of the keys, shape (3, n_rows), and the records of piece after piece.

    Raises
    ------
    ArtifactError
        If a date is missing, or a number is, or is not finite or is negative.
    """
    codes = {
        name: {text: code for code, text in enumerate(names)}
        for name, names in layout.names.items()
    }
    columns = [*TEXT_COLUMNS, DATE, ORIGIN, MEAN, *(name for _, name in layout.quantiles)]
    row = record_type(len(layout.quantiles), layout.number)
    for batch in _read_pieces(file, columns):
        records = np.empty(batch.num_rows, dtype=row)
        for name in (DATE, ORIGIN):
            _check_filled(batch.column(name), name)
            days = batch.column(name).to_numpy(zero_copy_only=False).astype("datetime64[D]")
            records[name] = days.astype(np.int64)
        records[MEAN] = _numbers(batch.column(MEAN), MEAN)
        for at, (_, name) in enumerate(layout.quantiles):
            records[QUANTILES][:, at] = _numbers(batch.column(name), name)
        for name in ROW_TEXT:
            records[name] = _encode(batch.column(name), codes[name])
        yield np.stack([_encode(batch.column(name), codes[name]) for name in KEY]), records


def _quantile_columns(names: list[str]) -> tuple[tuple[float, str], ...]:
    found = ((quantile_probability(name), name) for name in names)
    return tuple(sorted((value, name) for value, name in found if value is not None))


def _collect_names(file: pq.ParquetFile) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in TEXT_COLUMNS}
    for batch in _read_pieces(file, list(TEXT_COLUMNS)):
        for name, names in found.items():
            _check_filled(batch.column(name), name)
            column = _as_dictionary(batch.column(name))
            used = np.unique(column.indices.to_numpy())
            names.update(column.dictionary.take(pa.array(used)).cast(pa.string()).to_pylist())
    return found


def _read_pieces(file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield row group after row group; `iter_batches` would hold gigabytes of those read before."""
    for group in range(file.num_row_groups):
        yield from file.read_row_group(group, columns=columns).to_batches()


def _as_dictionary(column: pa.Array) -> pa.DictionaryArray:
    if isinstance(column, pa.DictionaryArray):
        return column
    return column.cast(pa.string()).dictionary_encode()


def _encode(column: pa.Array, codes: dict[str, int]) -> np.ndarray:
    coded = _as_dictionary(column)
    names = coded.dictionary.cast(pa.string()).to_pylist()
    # A name that no row of the table uses has no code, and no row asks for one.
    own = np.array([codes.get(name, -1) for name in names], dtype=np.int32)
    found: np.ndarray = own[coded.indices.to_numpy()]
    return found


def _check_filled(column: pa.Array, name: str) -> None:
    if column.null_count:
        raise ArtifactError(
            f"forecasts.parquet: {name}: expected a value in every row; train again"
        )


def _numbers(column: pa.Array, name: str) -> np.ndarray:
    values: np.ndarray = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    if not np.all(np.isfinite(values) & (values >= 0.0)):
        raise ArtifactError(
            f"forecasts.parquet: {name}: expected finite numbers of 0 or more in every row; "
            "train again"
        )
    return values
