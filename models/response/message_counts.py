"""What customers were sent and answered, by channel and slot: read once, then sparse arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from features.errors import MissingColumn
from features.schema import SLOTS_PER_WEEK, Touches

SLOT = "slot"
SENT, ANSWERED, N_SENT, N_ANSWERED = "sent", "answered", "n_sent", "n_answered"
_COUNTS = (SENT, ANSWERED, N_SENT, N_ANSWERED)


@dataclass(frozen=True)
class ChannelCounts:
    """Messages of one channel to n customers.

    Attributes
    ----------
    sent, answered : scipy.sparse.csr_array of float64, shape (n, 168)
        Messages by the slot they were sent in, and those of them that were answered, decayed.
    n_sent, n_answered : scipy.sparse.csr_array of float64, shape (n, 168)
        The same as plain counts: what evidence is told in.
    """

    sent: sparse.csr_array
    answered: sparse.csr_array
    n_sent: sparse.csr_array
    n_answered: sparse.csr_array

    def take(self, rows: np.ndarray | slice) -> ChannelCounts:
        """Return the customers at `rows`, in that order."""
        return ChannelCounts(*(getattr(self, name)[rows] for name in _COUNTS))


@dataclass(frozen=True)
class MessageCounts:
    """Messages to n customers as of a cut-off, by channel.

    Attributes
    ----------
    channels : tuple of str
        Their names.
    counts : tuple of ChannelCounts
        One per channel.
    n_customers : int
    """

    channels: tuple[str, ...]
    counts: tuple[ChannelCounts, ...]
    n_customers: int

    def __len__(self) -> int:
        return self.n_customers

    def of(self, channel: str) -> ChannelCounts:
        """Return the counts of a channel; a channel that was never used has none."""
        if channel in self.channels:
            return self.counts[self.channels.index(channel)]
        empty = sparse.csr_array((len(self), SLOTS_PER_WEEK), dtype=np.float64)
        return ChannelCounts(empty, empty, empty, empty)

    def take(self, rows: np.ndarray | slice) -> MessageCounts:
        """Return the customers at `rows`, in that order."""
        taken = tuple(counts.take(rows) for counts in self.counts)
        return MessageCounts(self.channels, taken, len(np.arange(len(self))[rows]))

    @classmethod
    def from_table(
        cls, table: pd.DataFrame, customer_id: np.ndarray, channels: Sequence[str]
    ) -> MessageCounts:
        """Line up a table of `features.messages.message_histories` with `customer_id`.

        Parameters
        ----------
        table : DataFrame
            `customer_id, channel, slot, sent, answered, n_sent, n_answered`; rows of other
            customers and channels are left out.
        customer_id : array of str, shape (n,)
        channels : sequence of str

        Raises
        ------
        MissingColumn
            If one of the columns is not there.
        """
        for name in (Touches.CUSTOMER_ID, Touches.CHANNEL, SLOT, *_COUNTS):
            if name not in table:
                raise MissingColumn(
                    "message histories",
                    "table",
                    name,
                    expected="the columns of build_message_histories",
                    got=", ".join(str(column) for column in table.columns) or "none",
                    fix="Build the table with features.messages.message_histories.",
                )
        row = pd.Index(customer_id).get_indexer(pd.Index(table[Touches.CUSTOMER_ID]))
        table, row = table[row >= 0], row[row >= 0]
        counts = []
        for channel in channels:
            is_own = (table[Touches.CHANNEL] == channel).to_numpy(dtype=bool)
            cells = (row[is_own], table[SLOT].to_numpy(dtype=np.int64)[is_own])
            counts.append(
                ChannelCounts(
                    *(
                        _to_sparse(
                            table[name].to_numpy(dtype=np.float64)[is_own], cells, len(customer_id)
                        )
                        for name in _COUNTS
                    )
                )
            )
        return cls(tuple(channels), tuple(counts), len(customer_id))


def _to_sparse(
    values: np.ndarray, cells: tuple[np.ndarray, np.ndarray], n: int
) -> sparse.csr_array:
    return sparse.csr_array((values, cells), shape=(n, SLOTS_PER_WEEK), dtype=np.float64)
