"""Turning weeks: what was counted in one time zone, told in another.

Slots lie on a circle of 168 hours, so a zone that is k hours ahead turns it by k. The offset is
that of one moment; where the two zones change their clocks on different days, what was counted
between those days comes out an hour off. A shift by half an hour splits each hour between two.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from features.schema import SLOTS_PER_WEEK
from models.receptivity.counts import read_counts
from models.receptivity.histories import Histories
from models.receptivity.outcomes import Outcomes


def rotate_slots(counts: sparse.csr_array, shift_hours: np.ndarray) -> sparse.csr_array:
    """Turn the week of each row.

    Parameters
    ----------
    counts : scipy.sparse.csr_array of shape (n, b * 168)
        By slot; with several blocks of 168, as by channel, each is turned within itself.
    shift_hours : array of shape (n,)
        Hours to add to local time; may be negative, or have a fraction: then each count is split
        between the two slots it falls into.

    Returns
    -------
    scipy.sparse.csr_array of float64, same shape
        Sums of rows are as before.

    Examples
    --------
    >>> week = sparse.csr_array(([4.0], ([0], [167])), shape=(1, 168))
    >>> turned = rotate_slots(week, np.array([1.5]))
    >>> turned.indices.tolist(), turned.data.tolist()
    ([0, 1], [2.0, 2.0])
    """
    whole = np.floor(shift_hours)
    part = shift_hours - whole
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    block, slot = np.divmod(counts.indices.astype(np.int64), SLOTS_PER_WEEK)
    first = (slot + whole[rows].astype(np.int64)) % SLOTS_PER_WEEK
    second = (first + 1) % SLOTS_PER_WEEK
    later = counts.data * part[rows]
    is_split = later != 0.0
    values = np.concatenate([counts.data - later, later[is_split]])
    places = np.concatenate([first, second[is_split]]) + SLOTS_PER_WEEK * np.concatenate(
        [block, block[is_split]]
    )
    cells = (values, (np.concatenate([rows, rows[is_split]]), places))
    turned = sparse.csr_array(cells, shape=counts.shape, dtype=np.float64)
    turned.sum_duplicates()
    return turned


def rotate_histories(histories: Histories, shift_hours: np.ndarray) -> Histories:
    """Return histories told in other time zones; `shift_hours` as in `rotate_slots`."""
    by_channel, whole = histories.channel_counts, histories.whole_counts
    return replace(
        histories,
        counts=rotate_slots(histories.counts, shift_hours),
        channel_counts=None if by_channel is None else rotate_slots(by_channel, shift_hours),
        # told in reasons, as so many of so many: kept whole
        whole_counts=None if whole is None else rotate_slots(whole, np.floor(shift_hours + 0.5)),
    )


def rotate_outcomes(outcomes: Outcomes, shift_hours: np.ndarray) -> Outcomes:
    """Return outcomes told in other time zones; `shift_hours` as in `rotate_slots`."""
    by_channel = outcomes.channel_weeks
    return replace(
        outcomes,
        weeks_active=rotate_slots(outcomes.weeks_active, shift_hours),
        channel_weeks=None if by_channel is None else rotate_slots(by_channel, shift_hours),
    )


def rotate_lists(column: pd.Series, shift_hours: np.ndarray, *, n_blocks: int = 1) -> pd.Series:
    """Turn a column of the customer feature table, such as `active_slots`.

    Parameters
    ----------
    column : Series
        Arrow lists of structs (key, weight), n of them; keys from 0 to `n_blocks` * 168 - 1.
    shift_hours : array of shape (n,)
        As in `rotate_slots`.
    n_blocks : int
        1 for slots, the number of channels for slots by channel.

    Returns
    -------
    Series
        New, with the same index, name and type; keys rise within each list.
    """
    kind = _type_of(column)
    counts = read_counts(column, str(column.name), n_keys=n_blocks * SLOTS_PER_WEEK)
    turned = rotate_slots(counts, shift_hours)
    fields = [kind.value_type.field(i) for i in range(2)]
    values = (turned.indices, turned.data)
    pairs = pa.StructArray.from_arrays(
        [pa.array(v).cast(field.type) for v, field in zip(values, fields, strict=True)],
        fields=fields,
    )
    starts = pa.array(turned.indptr, pa.int64() if pa.types.is_large_list(kind) else pa.int32())
    lists = (pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray).from_arrays(
        starts, pairs
    )
    held = pd.arrays.ArrowExtensionArray(pa.chunked_array([lists.cast(kind)]))
    return pd.Series(held, index=column.index, name=column.name)


def _type_of(column: pd.Series) -> pa.DataType:
    lists = pa.array(column)
    return lists.type
