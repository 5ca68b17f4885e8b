"""What a response model reads: all that is known of customers before a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from features.messages.touch_rows import CHANNEL_FATIGUE, FATIGUE
from features.schema import SLOTS_PER_WEEK, Touches
from models.receptivity.empirical_bayes import ShapeChain
from models.receptivity.histories import Histories
from models.response.message_counts import MessageCounts

CHUNK_ROWS = 8192
"""Customers that are scored at once: 168 probabilities each."""
RECEPTIVITY_LEVEL = "receptivity_level"


@dataclass(frozen=True)
class ResponseContext:
    """All that is known of n customers before a message.

    Attributes
    ----------
    customer_id : array of str, shape (n,)
    segment_names : tuple of str
        Names that `segment_codes` points into.
    segment_codes : array of int64, shape (n,)
        Segment (region) of each customer; -1 = not known.
    share : array of float64, shape (n, 168)
        How the customer's own activity spreads over the week, by receptivity; rows sum to 1.
    share_events : array of float64, shape (n,)
        Events that `share` rests on, with those of its prior; inf = taken as certain.
    messages : MessageCounts
        What they were sent and answered before.
    fatigue : array of float64, shape (n, 4)
        Columns of `features.messages.touch_rows.FATIGUE`; hours NaN = never had a message.
    channel_fatigue : array of float64, shape (n, n_channels)
        Messages in the last 7 days, by channel of `messages.channels`.
    discount : array of float64, shape (n,)
        Of the promotion that is offered; NaN = none.
    level_features : array of float64, shape (n, n_features)
        What else tells how much a customer answers; NaN = not known.
    level_names : tuple of str
    channel_counts : scipy.sparse.csr_array of float64, shape (n, 9 * 168), or None
        Activity by channel and slot, as of `Histories`; None = not known.
    shape : ShapeChain or None
        The chain that `share` came from; None = not known.
    """

    customer_id: np.ndarray
    segment_names: tuple[str, ...]
    segment_codes: np.ndarray
    share: np.ndarray
    share_events: np.ndarray
    messages: MessageCounts
    fatigue: np.ndarray
    channel_fatigue: np.ndarray
    discount: np.ndarray
    level_features: np.ndarray
    level_names: tuple[str, ...]
    channel_counts: sparse.csr_array | None = None
    shape: ShapeChain | None = None

    def __len__(self) -> int:
        return len(self.customer_id)

    @classmethod
    def build(
        cls,
        histories: Histories,
        share: np.ndarray,
        messages: MessageCounts,
        *,
        share_events: np.ndarray | None = None,
        fatigue: pd.DataFrame | None = None,
        discount: float | np.ndarray = np.nan,
        level_names: Sequence[str] = (),
        receptivity_level: np.ndarray | None = None,
        shape: ShapeChain | None = None,
    ) -> ResponseContext:
        """Put together what is known of the customers of `histories`, in their order.

        Parameters
        ----------
        histories : Histories
            n customers as of a cut-off.
        share : array of shape (n, 168)
            `shape_.share(histories)` of a fitted send-time model.
        messages : MessageCounts
            Of the same customers as of the same cut-off.
        share_events : array of shape (n,), optional
            Events behind each share: `shape_.strength(histories)`. Without
            them intervals take the shares as certain.
        fatigue : DataFrame, optional
            From `features.messages.fatigue.build_fatigue`; without it nobody had a message.
        discount : float or array of shape (n,)
            Of the promotion that is offered; NaN = none.
        level_names : sequence of str
            Level features of `histories` to read.
        receptivity_level : array of shape (n,), optional
            Expected active slots a week, which becomes one more level feature.
        shape : ShapeChain, optional
            The chain that `share` came from.

        Raises
        ------
        MissingColumn
            If a level feature is not there.
        ValueError
            If the parts are not of the same customers.
        """
        n = len(histories)
        if share.shape != (n, SLOTS_PER_WEEK) or len(messages) != n:
            raise ValueError(
                f"response context: expected shares of shape ({n}, {SLOTS_PER_WEEK}) and messages "
                f"of {n} customers as the histories, got {share.shape} and {len(messages)}"
            )
        of_all, of_channel = _line_up(fatigue, histories.customer_id, messages.channels)
        names, features = tuple(level_names), histories.features_in(tuple(level_names))
        if receptivity_level is not None:
            names = (*names, RECEPTIVITY_LEVEL)
            features = np.column_stack([features, receptivity_level])
        return cls(
            customer_id=histories.customer_id,
            segment_names=histories.segment_names,
            segment_codes=histories.segment_codes,
            share=share,
            share_events=np.full(n, np.inf) if share_events is None else share_events,
            messages=messages,
            fatigue=of_all,
            channel_fatigue=of_channel,
            discount=np.broadcast_to(np.asarray(discount, dtype=np.float64), (n,)),
            level_features=features,
            level_names=names,
            channel_counts=histories.channel_counts,
            shape=shape,
        )

    def take(self, rows: np.ndarray | slice) -> ResponseContext:
        """Return the customers at `rows`, in that order."""
        return ResponseContext(
            customer_id=self.customer_id[rows],
            segment_names=self.segment_names,
            segment_codes=self.segment_codes[rows],
            share=self.share[rows],
            share_events=self.share_events[rows],
            messages=self.messages.take(rows),
            fatigue=self.fatigue[rows],
            channel_fatigue=self.channel_fatigue[rows],
            discount=self.discount[rows],
            level_features=self.level_features[rows],
            level_names=self.level_names,
            channel_counts=None if self.channel_counts is None else self.channel_counts[rows],
            shape=self.shape,
        )

    def codes_in(self, names: Sequence[str]) -> np.ndarray:
        """Return each customer's position in segment `names`, shape (n,); -1 = it is not there."""
        position = {name: index for index, name in enumerate(names)}
        own = np.array([position.get(name, -1) for name in self.segment_names] + [-1])
        return np.asarray(own[self.segment_codes])

    def own_channel_fatigue(self, channel: str) -> np.ndarray:
        """Return messages in the last 7 days on a channel, shape (n,)."""
        if channel not in self.messages.channels:
            return np.zeros(len(self))
        return np.asarray(self.channel_fatigue[:, self.messages.channels.index(channel)])


def _line_up(
    fatigue: pd.DataFrame | None, customer_id: np.ndarray, channels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Line fatigue up with customers: over all channels (n, 4), and by channel (n, n_channels)."""
    n = len(customer_id)
    of_all, of_channel = np.zeros((n, len(FATIGUE))), np.zeros((n, len(channels)))
    of_all[:, -1] = np.nan
    if fatigue is None:
        return of_all, of_channel
    row = pd.Index(customer_id).get_indexer(pd.Index(fatigue[Touches.CUSTOMER_ID]))
    column = pd.Index(list(channels)).get_indexer(pd.Index(fatigue[Touches.CHANNEL]))
    known = row >= 0
    of_all[row[known]] = fatigue[list(FATIGUE)].to_numpy(dtype=np.float64)[known]
    both = known & (column >= 0)
    of_channel[row[both], column[both]] = fatigue[CHANNEL_FATIGUE].to_numpy(np.float64)[both]
    return of_all, of_channel
