"""Touches that were sent to the customers of a context: what response models learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.errors import MissingColumn
from features.messages.touch_rows import CHANNEL_FATIGUE, FATIGUE
from features.schema import Touches
from models.response.context import CHUNK_ROWS, ResponseContext


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
    minute : array of float64, shape (m,)
        Minutes of that hour that were over, in [0, 60).
    is_engaged : array of bool, shape (m,)
        Whether it was answered within the window.
    propensity : array of float64, shape (m,)
        Logged probability of the 3-hour block it was sent in; NaN = not logged.
    fatigue : array of float64, shape (m, 4)
    channel_fatigue, discount : array of float64, shape (m,)
        As of the send.
    hours_to_open, hours_to_answer : array of float64, shape (m,)
        From the send to the open, and to the click or the order; NaN = none while it was observed.
    observed_hours : array of float64, shape (m,)
        How long it was observed.
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
    minute: np.ndarray
    hours_to_open: np.ndarray
    hours_to_answer: np.ndarray
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
            hours_to_answer=np.fmin(
                rows["hours_to_click"].to_numpy(dtype=np.float64),
                rows["hours_to_order"].to_numpy(dtype=np.float64),
            ),
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


_NUMBERS = (Touches.PROPENSITY, "discount", "minute", "hours_to_open", "observed_hours")
_PARTS = (
    *("message_id", "row", "channel", "slot", "is_engaged", "fatigue", "channel_fatigue"),
    *("hours_to_answer", *_NUMBERS),
)
