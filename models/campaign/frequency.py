"""How often a customer may be written to: caps over any stretch of days, and a gap in hours.

A cap allows at most so many messages in any stretch of so many days, over all channels or over one;
the gap keeps two messages apart. Messages sent before the window use the allowance up, and give it
back as they grow old. So a customer is blocked up to a moment and free from then on, which is all
that has to be kept: no grid of customers by hours is held unless asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import InvalidRequest, UnknownName
from features.schema import CHANNELS, Touches

MANY = 2**31 - 1
"""Messages left where no cap limits them."""
_NEVER = np.datetime64("9999-01-01", "s")
_ALWAYS = np.datetime64("0001-01-01", "s")
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class FrequencyCap:
    """At most `most` messages in any `days` days; over one channel, or over all with None."""

    most: int
    days: float
    channel: str | None = None


@dataclass(frozen=True)
class FrequencyRules:
    """All caps that hold, and the least gap between any two messages in hours.

    Raises
    ------
    InvalidRequest
        If a number is below what can be: 0 messages, more than 0 days, 0 hours.
    UnknownName
        If a cap names no channel.
    """

    caps: tuple[FrequencyCap, ...] = ()
    min_gap_hours: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_gap_hours < np.inf:
            raise InvalidRequest(
                f"frequency: expected a gap of 0 hours or more, got {self.min_gap_hours:g}"
            )
        for cap in self.caps:
            if cap.most < 0 or not 0.0 < cap.days < np.inf:
                raise InvalidRequest(
                    "frequency: expected a cap of 0 or more messages in more than 0 days, got "
                    f"{cap.most} in {cap.days:g}; leave the cap out to allow any number"
                )
            if cap.channel is not None and cap.channel not in CHANNELS:
                raise UnknownName("channel", cap.channel, CHANNELS)


@dataclass(frozen=True)
class Allowance:
    """What customers may still be sent in a window.

    Attributes
    ----------
    channels : tuple of str
        Columns of the arrays below.
    free_from : array of datetime64[s], shape (n, n_channels)
        First moment (UTC) at which a message over the channel is allowed; far in the future where
        a cap is 0.
    left : array of int64, shape (n, n_channels)
        Messages over the channel that may be added from `free_from` on, at whichever moments; 0
        where that lies behind the window, `MANY` where no cap limits it.
    left_at_all : array of int64, shape (n,)
        The same over all channels together.
    """

    channels: tuple[str, ...]
    free_from: np.ndarray
    left: np.ndarray
    left_at_all: np.ndarray

    def blocked(self, hours: np.ndarray, channel: str) -> np.ndarray:
        """Return whether each hour is too early for each customer, shape (n, n_hours).

        Parameters
        ----------
        hours : array of datetime64, shape (n_hours,)
            Moments to send at, UTC.
        channel : str
            One of `channels`.
        """
        free_from = self.free_from[:, self.channels.index(channel)]
        return np.asarray(hours[None, :] < free_from[:, None])


def count_allowance(
    customer_ids: Sequence[str],
    touches: pd.DataFrame,
    rules: FrequencyRules,
    *,
    channels: Sequence[str],
    start: np.datetime64,
    end: np.datetime64,
) -> Allowance:
    """Count what each customer may still be sent in a window.

    Parameters
    ----------
    customer_ids : sequence of str, length n
        The audience, each once.
    touches : DataFrame
        `customer_id`, `channel` and `sent_at` (UTC): messages sent, whoever they went to. Those
        from `start` on are not counted: campaigns that overlap are to be planned as one.
    rules : FrequencyRules
    channels : sequence of str
        That the campaign may use.
    start, end : datetime64
        The window in UTC; the end is outside.

    Returns
    -------
    Allowance
        Sending up to `left_at_all` messages, and `left` of each channel, each at or after its
        `free_from`, breaks no cap whichever moments are chosen. The gap is kept to messages sent
        before; between messages of one plan it is the plan's to keep.
    """
    sent = _read_touches(customer_ids, touches, start)
    n = len(customer_ids)
    overall = _apply(rules, None, sent, n, start, end)
    free_from = np.empty((n, len(channels)), dtype="datetime64[s]")
    left = np.empty((n, len(channels)), dtype=np.int64)
    for place, channel in enumerate(channels):
        own = _apply(rules, channel, sent[sent["channel"] == channel], n, start, end)
        free_from[:, place] = np.maximum(own[0], overall[0])
        left[:, place] = np.minimum(own[1], overall[1])
    left[free_from >= end.astype("datetime64[s]")] = 0
    return Allowance(tuple(channels), free_from, left, overall[1])


def _read_touches(
    customer_ids: Sequence[str], touches: pd.DataFrame, start: np.datetime64
) -> pd.DataFrame:
    """Return `row` (place in the audience), `channel` and `sent_at`, latest first per row."""
    rows = pd.Index(customer_ids).get_indexer(pd.Index(touches[Touches.CUSTOMER_ID]))
    sent_at = touches[Touches.SENT_AT].to_numpy().astype("datetime64[s]")
    kept = (rows >= 0) & (sent_at < start.astype("datetime64[s]"))
    frame = pd.DataFrame(
        {
            "row": rows[kept],
            "channel": touches[Touches.CHANNEL].to_numpy(dtype=object)[kept],
            "sent_at": sent_at[kept],
        }
    )
    return frame.sort_values(["row", "sent_at"], ascending=[True, False], ignore_index=True)


def _apply(
    rules: FrequencyRules,
    channel: str | None,
    sent: pd.DataFrame,
    n: int,
    start: np.datetime64,
    end: np.datetime64,
) -> tuple[np.ndarray, np.ndarray]:
    """Return from when on each customer is free, and how many messages they may then be sent."""
    rows, sent_at = sent["row"].to_numpy(), sent["sent_at"].to_numpy().astype("datetime64[s]")
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)  # 0 = the latest of its customer
    free_from = np.full(n, _ALWAYS)
    if channel is None:
        latest = rank == 0
        free_from[rows[latest]] = sent_at[latest] + _seconds(rules.min_gap_hours)
    caps = [cap for cap in rules.caps if cap.channel == channel]
    for cap in caps:
        if cap.most == 0:
            free_from[:] = _NEVER
            continue
        last = rank == cap.most - 1
        free_again = sent_at[last] + _seconds(cap.days * 24.0)
        free_from[rows[last]] = np.maximum(free_from[rows[last]], free_again)
    left = np.full(n, MANY, dtype=np.int64)
    from_when = np.maximum(free_from, start.astype("datetime64[s]"))
    for cap in caps:
        still = sent_at + _seconds(cap.days * 24.0) > from_when[rows]
        left = np.minimum(left, cap.most - np.bincount(rows[still], minlength=n))
    left[free_from >= end.astype("datetime64[s]")] = 0
    return free_from, left


def _seconds(hours: float) -> np.timedelta64:
    return np.timedelta64(round(hours * _HOUR_SECONDS), "s")
