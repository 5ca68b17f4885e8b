"""Reading the tables that histories and outcomes are made of: checks, and lists of counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from features.errors import MissingColumn, OutOfRange, UnknownName
from features.schema import CHANNELS, SLOTS_PER_WEEK


def read_counts(column: pd.Series, name: str, *, n_keys: int = SLOTS_PER_WEEK) -> sparse.csr_array:
    """Read lists of structs (key, weight), whatever the two fields are called.

    Parameters
    ----------
    column : Series
        n lists; an empty cell is an empty list.
    name : str
        What an error calls the column.
    n_keys : int
        Keys go from 0 to `n_keys` - 1.

    Returns
    -------
    scipy.sparse.csr_array of float64, shape (n, n_keys)

    Raises
    ------
    OutOfRange
        If a key lies outside, or a weight is negative.
    """
    lists = pa.array(column)
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    shape = (len(lists), n_keys)
    if pa.types.is_null(lists.type) or pa.types.is_null(lists.type.value_type):
        return sparse.csr_array(shape, dtype=np.float64)
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    parts = lists.flatten().flatten()
    keys, weights = (part.cast("float64").to_numpy(zero_copy_only=False) for part in parts)
    check_range(keys, name, 0, n_keys - 1)
    check_range(weights, name, 0, np.inf)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    # sorted in place, which a view of Arrow's own memory does not allow
    cells = (weights.copy(), keys.astype(np.int32), starts)
    counts = sparse.csr_array(cells, shape=shape, dtype=np.float64)
    counts.sum_duplicates()
    return counts


def check_columns(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise MissingColumn if one of `names` is not in the table."""
    for name in names:
        if name not in table:
            raise MissingColumn(
                "customer features",
                "table",
                name,
                expected=f"the columns {', '.join(names)}",
                got=", ".join(str(column) for column in table.columns) or "none",
                fix="Build the table with features.customer.customers or .outcomes.",
            )


def check_range(values: np.ndarray, name: str, low: float, high: float) -> None:
    """Raise OutOfRange if a value lies outside `low` to `high`, both included, or is NaN."""
    wrong = ~((values >= low) & (values <= high))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise OutOfRange(
            "customer features",
            "table",
            name,
            expected=f"values from {low:g} to {high:g}",
            got=f"{values[row]:g}",
            fix="Build the table again from checked events.",
        )


def limit_counts(counts: sparse.csr_array, most: np.ndarray) -> sparse.csr_array:
    """Return `counts` with no cell of row i above `most[i]`."""
    limits = np.repeat(most, np.diff(counts.indptr))
    parts = (np.minimum(counts.data, limits), counts.indices, counts.indptr)
    return sparse.csr_array(parts, shape=counts.shape)


def sum_rows(counts: sparse.csr_array) -> np.ndarray:
    """Return what each row of counts comes to, shape (n,).

    As `counts.sum(axis=1)`, which checks for a tenth of a request what needs no check here.
    """
    filled = np.flatnonzero(np.diff(counts.indptr))
    total = np.zeros(counts.shape[0])
    total[filled] = np.add.reduceat(counts.data, counts.indptr[filled])
    return total


def take_rows(counts: sparse.csr_array, rows: np.ndarray) -> sparse.csr_array:
    """Return a few rows of counts, in the order of `rows`; negative ones count from the end."""
    starts, ends = counts.indptr[:-1][rows].tolist(), counts.indptr[1:][rows].tolist()
    slices = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
    indptr = np.zeros(len(slices) + 1, dtype=counts.indptr.dtype)
    np.cumsum([part.stop - part.start for part in slices], out=indptr[1:])
    taken = sparse.csr_array((len(slices), counts.shape[1]), dtype=counts.dtype)
    taken.data, taken.indices, taken.indptr = (
        np.concatenate([counts.data[part] for part in slices]),
        np.concatenate([counts.indices[part] for part in slices]),
        indptr,
    )
    return taken


def columns_of(channel: str) -> slice:
    """Return the columns of one channel in what is counted by channel and slot.

    Raises
    ------
    UnknownName
        If there is no such channel.
    """
    if channel not in CHANNELS:
        raise UnknownName("channel", channel, CHANNELS)
    first = CHANNELS.index(channel) * SLOTS_PER_WEEK
    return slice(first, first + SLOTS_PER_WEEK)
