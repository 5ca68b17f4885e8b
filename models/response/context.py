"""What a response model reads: customers at a cut-off, and touches that were sent to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.errors import MissingColumn
from features.messages.touch_rows import CHANNEL_FATIGUE, FATIGUE
from features.schema import SLOTS_PER_WEEK, Touches
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


@dataclass(frozen=True)
class SentTouches:
    """m touches that were sent to customers of a context, which is as of before all of them.

    Attributes
    ----------
    context : ResponseContext
        n customers as of the start of the window in which the touches were sent.
    message_id : array of str, shape (m,)
    row : array of int64, shape (m,)
        Position of the touch's customer in `context`.
    channel : array of str, shape (m,)
    slot : array of int64, shape (m,)
        Hour of the customer's local week in which it was sent.
    is_engaged : array of bool, shape (m,)
        Whether it was answered within the window.
    propensity : array of float64, shape (m,)
        Logged probability of the 3-hour block it was sent in; NaN = not logged.
    fatigue : array of float64, shape (m, 4)
    channel_fatigue, discount : array of float64, shape (m,)
        As of the send.
    hours_to_open, observed_hours : array of float64, shape (m,)
        NaN = not opened while it was observed; and for how long it was.
    """

    context: ResponseContext
    message_id: np.ndarray
    row: np.ndarray
    channel: np.ndarray
    slot: np.ndarray
    is_engaged: np.ndarray
    propensity: np.ndarray
    fatigue: np.ndarray
    channel_fatigue: np.ndarray
    discount: np.ndarray
    hours_to_open: np.ndarray
    observed_hours: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    @property
    def block(self) -> np.ndarray:
        """Three-hour block of the local day of each touch, 0 to 7, shape (m,)."""
        return np.asarray(self.slot % 24 // 3)

    @classmethod
    def from_rows(cls, rows: pd.DataFrame, context: ResponseContext) -> SentTouches:
        """Read rows of `features.messages.touch_rows.build_touch_rows`.

        Raises
        ------
        MissingColumn
            If one of their columns is not there.
        ValueError
            If a customer is not in `context`.
        """
        for name in (Touches.MESSAGE_ID, Touches.CUSTOMER_ID, "slot", "is_engaged", *FATIGUE):
            if name not in rows:
                raise MissingColumn(
                    "touch rows",
                    "table",
                    name,
                    expected="the columns of build_touch_rows",
                    got=", ".join(str(column) for column in rows.columns) or "none",
                    fix="Build the table with features.messages.touch_rows.",
                )
        row = pd.Index(context.customer_id).get_indexer(pd.Index(rows[Touches.CUSTOMER_ID]))
        if (row < 0).any():
            raise ValueError(
                f"touches: {(row < 0).sum()} of {len(row)} are to customers that the context does "
                "not hold; build the context of all customers of the touches"
            )
        number = {name: rows[name].to_numpy(dtype=np.float64) for name in _NUMBERS}
        return cls(
            context=context,
            message_id=rows[Touches.MESSAGE_ID].to_numpy(dtype=object),
            row=row.astype(np.int64),
            channel=rows[Touches.CHANNEL].to_numpy(dtype=object),
            slot=rows["slot"].to_numpy(dtype=np.int64),
            is_engaged=rows["is_engaged"].to_numpy(dtype=bool),
            fatigue=rows[list(FATIGUE)].to_numpy(dtype=np.float64),
            channel_fatigue=rows[CHANNEL_FATIGUE].to_numpy(dtype=np.float64),
            **number,
        )

    def take(self, index: np.ndarray | slice) -> SentTouches:
        """Return the touches at `index`, of the same context."""
        parts = {name: getattr(self, name)[index] for name in _PARTS}
        return SentTouches(context=self.context, **parts)

    def customers(self) -> ResponseContext:
        """Return a context with one row per touch: its customer, as of its send, shape (m, …)."""
        taken = self.context.take(self.row)
        by_channel = taken.channel_fatigue.copy()
        for position, channel in enumerate(taken.messages.channels):
            is_own = self.channel == channel
            by_channel[is_own, position] = self.channel_fatigue[is_own]
        return replace(
            taken, fatigue=self.fatigue, channel_fatigue=by_channel, discount=self.discount
        )

    def chunks(
        self, channels: Sequence[str], *, rows: int = CHUNK_ROWS
    ) -> Iterator[tuple[str, np.ndarray, SentTouches]]:
        """Yield a channel, positions and the touches there, some `rows` at a time."""
        for channel in channels:
            index = np.flatnonzero(self.channel == channel)
            for start in range(0, len(index), rows):
                part = index[start : start + rows]
                yield channel, part, self.take(part)


_NUMBERS = (Touches.PROPENSITY, "discount", "hours_to_open", "observed_hours")
_PARTS = (
    *("message_id", "row", "channel", "slot", "is_engaged", "fatigue", "channel_fatigue"),
    *_NUMBERS,
)


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
