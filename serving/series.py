"""The published forecasts as sorted columns in memory, and where each series starts and ends.

A *series* is one (level, region, product): consecutive rows, one per date. All text columns are
dictionary codes, so that a row costs its numbers and a few integers, and the strings exist once.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import ArtifactError
from serving.tables import read_table

LEVEL, REGION, PRODUCT = "level", "region_id", "product_id"
DATE, ORIGIN, MEAN = "date", "origin", "mean"
KEY = (LEVEL, REGION, PRODUCT)
TEXT_COLUMNS = (*KEY, "region_level", "product_level", "model", "evidence")


@dataclass(frozen=True)
class Coded:
    """A text column: `names[codes[row]]`.

    Attributes
    ----------
    codes : array of int32, shape (n_rows,)
    names : list of str
        In the order of the codes, which is the order of the alphabet.
    """

    codes: np.ndarray
    names: list[str]

    def code(self, name: str) -> int | None:
        """Return the code of `name`; None if no row has it."""
        at = bisect_left(self.names, name)
        return at if at < len(self.names) and self.names[at] == name else None


@dataclass(frozen=True)
class Series:
    """Forecasts in columns.

    Attributes
    ----------
    text : dict of str to Coded
        By column name.
    dates, origins : array of datetime64[D], shape (n_rows,)
    mean : array of float64, shape (n_rows,)
    quantiles : dict of float to array of float64, shape (n_rows,)
        By probability, ascending.
    starts : array of int64, shape (n_series + 1,)
        First row of each series; the last entry is `n_rows`.
    keys : dict of str to array of int32, shape (n_series,)
        Code of level, region and product of each series.
    """

    text: dict[str, Coded]
    dates: np.ndarray
    origins: np.ndarray
    mean: np.ndarray
    quantiles: dict[float, np.ndarray]
    starts: np.ndarray
    keys: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.dates)


def read_series(content: bytes) -> Series:
    """Read `forecasts.parquet`.

    Raises
    ------
    ArtifactError
        If it is not Parquet, a column is missing or holds no value in some row, a forecast is
        negative, there is no row, or the rows are not sorted by level, region, product and date.
    """
    table = read_table(content, "forecasts.parquet")
    _check_columns(table)
    text = {name: _encode(table.column(name)) for name in TEXT_COLUMNS}
    dates = table.column(DATE).to_numpy().astype("datetime64[D]")
    changes = np.zeros(len(dates), dtype=bool)
    changes[0] = True
    for name in KEY:
        codes = text[name].codes
        changes[1:] |= codes[1:] != codes[:-1]
    firsts = np.flatnonzero(changes)
    series = Series(
        text=text,
        dates=dates,
        origins=table.column(ORIGIN).to_numpy().astype("datetime64[D]"),
        mean=_numbers(table, MEAN),
        quantiles={
            probability: _numbers(table, name)
            for probability, name in sorted(_quantile_columns(table.column_names))
        },
        starts=np.append(firsts, len(dates)),
        keys={name: text[name].codes[firsts] for name in KEY},
    )
    _check_order(series, changes)
    return series


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


def _quantile_columns(names: list[str]) -> list[tuple[float, str]]:
    found = [(quantile_probability(name), name) for name in names]
    return [(probability, name) for probability, name in found if probability is not None]


def _check_columns(table: pa.Table) -> None:
    needed = (*TEXT_COLUMNS, DATE, ORIGIN, MEAN)
    missing = [name for name in needed if name not in table.column_names]
    if missing or not _quantile_columns(table.column_names) or table.num_rows == 0:
        raise ArtifactError(
            f"forecasts.parquet: expected rows with {', '.join(needed)} and quantiles, got "
            f"{table.num_rows} rows without {', '.join(missing) or 'quantiles'}; train again"
        )
    empty = [name for name in needed if table.column(name).null_count]
    if empty:
        raise ArtifactError(
            f"forecasts.parquet: {', '.join(empty)}: expected a value in every row; train again"
        )


def _encode(column: pa.ChunkedArray) -> Coded:
    encoded = pc.dictionary_encode(column.cast(pa.string())).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    names = np.asarray(encoded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(names)
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return Coded(rank[encoded.indices.to_numpy()], list(names[order]))


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    values: np.ndarray = table.column(name).to_numpy().astype(np.float64, copy=False)
    if not np.all(np.isfinite(values) & (values >= 0.0)):
        raise ArtifactError(
            f"forecasts.parquet: {name}: expected finite numbers of 0 or more in every row; "
            "train again"
        )
    return values


def _check_order(series: Series, changes: np.ndarray) -> None:
    keys = np.stack([series.keys[name] for name in KEY])
    is_unique = len(np.unique(keys, axis=1).T) == keys.shape[1]
    is_later = np.diff(series.dates) > np.timedelta64(0, "D")
    if not is_unique or not np.all(is_later | changes[1:]):
        raise ArtifactError(
            "forecasts.parquet: expected rows sorted by level, region, product and date, "
            "each once; train again"
        )
