"""What a send-time model learns from: what followed a history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from features.schema import CHANNELS, SLOTS_PER_WEEK, Customers
from models.receptivity.counts import check_columns, check_range, columns_of

SLOT = "slot"
CHANNEL = "channel"
WEEKS_ACTIVE = "weeks_active"


@dataclass(frozen=True)
class Outcomes:
    """In how many weeks of a label window each customer was active in each slot.

    Attributes
    ----------
    weeks_active : scipy.sparse.csr_array of float64, shape (n, 168)
        Row i is customer i of the histories it is paired with; 0 to `n_weeks`.
    n_weeks : int
        Weeks in the window.
    channel_weeks : scipy.sparse.csr_array of float64, shape (n, 9 * 168), or None
        As `weeks_active`, by channel: in the columns of `Histories.channel_counts`.
    """

    weeks_active: sparse.csr_array
    n_weeks: int
    channel_weeks: sparse.csr_array | None = None

    @property
    def totals(self) -> np.ndarray:
        """Active slot-weeks of each customer, shape (n,)."""
        return np.asarray(self.weeks_active.sum(axis=1), dtype=np.float64)

    @classmethod
    def from_table(cls, table: pd.DataFrame, customer_id: np.ndarray, *, n_weeks: int) -> Outcomes:
        """Line up a long table (`customer_id, slot, weeks_active`) with `customer_id`.

        Customers without a row were never active; rows of others are left out. Rows with a
        `channel`, if there are any, are of that channel; those without are of any.

        Raises
        ------
        MissingColumn
            If one of the three columns is not there.
        OutOfRange
            If a slot lies outside 0 to 167, or weeks outside 0 to `n_weeks`.
        """
        check_columns(table, (Customers.CUSTOMER_ID, SLOT, WEEKS_ACTIVE))
        rows = pd.Index(customer_id).get_indexer(pd.Index(table[Customers.CUSTOMER_ID]))
        slots = table[SLOT].to_numpy(dtype=np.int64)
        weeks = table[WEEKS_ACTIVE].to_numpy(dtype=np.float64)
        check_range(slots, SLOT, 0, SLOTS_PER_WEEK - 1)
        check_range(weeks, WEEKS_ACTIVE, 0, n_weeks)
        places = _place_channels(table)

        def gather(chosen: np.ndarray, columns: np.ndarray, n_columns: int) -> sparse.csr_array:
            cells = (weeks[chosen], (rows[chosen], columns[chosen]))
            shape = (len(customer_id), n_columns)
            return sparse.csr_array(cells, shape=shape, dtype=np.float64)

        known, of_any = rows >= 0, places < 0
        every = gather(known & of_any, slots, SLOTS_PER_WEEK)
        if CHANNEL not in table:
            return cls(every, n_weeks)
        keys, n_keys = places * SLOTS_PER_WEEK + slots, len(CHANNELS) * SLOTS_PER_WEEK
        return cls(every, n_weeks, gather(known & ~of_any, keys, n_keys))

    def take(self, rows: np.ndarray | slice) -> Outcomes:
        """Return the customers at `rows`, in that order."""
        by_channel = None if self.channel_weeks is None else self.channel_weeks[rows]
        return Outcomes(self.weeks_active[rows], self.n_weeks, by_channel)

    def of_channel(self, channel: str) -> Outcomes:
        """Return what followed in one channel alone; nothing where not known."""
        if self.channel_weeks is None:
            nothing = sparse.csr_array(self.weeks_active.shape, dtype=np.float64)
            return Outcomes(nothing, self.n_weeks)
        return Outcomes(self.channel_weeks[:, columns_of(channel)], self.n_weeks)


def _place_channels(table: pd.DataFrame) -> np.ndarray:
    """Return the place of each row's channel in `CHANNELS`; -1 for any channel."""
    if CHANNEL not in table:
        return np.full(len(table), -1)
    return pd.Index(CHANNELS).get_indexer(pd.Index(table[CHANNEL]))
