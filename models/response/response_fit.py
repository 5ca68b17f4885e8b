"""Fitting the response chain: strengths that foresee later touches best, and lifts from counts.

The strengths maximise the likelihood of touches given only what was known when their window began,
weighted so that the sender's choice of the hour does not count. One set of strengths is fitted to
all windows; the lifts are then read from the latest histories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.special import expit

from features.schema import SLOTS_PER_WEEK
from models.receptivity.empirical_bayes import build_kernel
from models.receptivity.fitting import maximise_posterior
from models.response.answer_hazard import AnswerHazard
from models.response.context import ResponseContext
from models.response.looks import Looks, fit_looks
from models.response.response_chain import ResponseChain, Strengths
from models.response.sent_touches import SentTouches

PRIOR = np.array(
    [
        [np.log(1.0), 1.5],  # any_level
        [np.log(1.0), 1.5],  # channel_level
        [np.log(500.0), 0.1],  # global_lift
        [np.log(500.0), 0.1],  # segment_lift
        [np.log(5.0), 1.5],  # customer_lift
        [np.log(1.0), 0.5],  # activity_power
        [np.log(1.5), 0.5],  # bandwidth_hours
        [0.8, 1.0],  # day_sharing, of its logit
        [-4.0, 1.0],  # noticing, too: what is noticed is mostly dealt with at once
    ]
)
"""Centre and deviation of the normal priors, of logarithms unless said, as in `Strengths`.

The shared lifts are held near their priors: they are read from plain counts of messages, and what
a sender's choice of hours makes of those foresees the same sender's later messages well, so the
likelihood would trust it the more, the more messages there are.
"""
GRAIN = np.array([0.5, 50.0])
"""A grain of prior answers and messages, so that a silent channel has a rate above zero."""
MAX_FIT_TOUCHES = 10_000
"""Touches per window that the few strengths are fitted on."""
When = tuple[Looks, AnswerHazard]
"""When customers look at messages, and at what age messages are answered."""


@dataclass(frozen=True)
class Counts:
    """Messages before a cut-off as one flat list: a line per customer, channel and slot.

    Attributes
    ----------
    row, channel, slot : arrays of int64, shape (k,)
    sent, answered : arrays of float64, shape (k,)
    ahead : array of float64, shape (k, 2)
        What lies ahead of the slot for the customer without noticing and with nothing else; see
        `AnswerHazard.ahead`.
    segment : array of int64, shape (n,)
        Of each customer, in the names of the chain; the last = none.
    n_channels, n_segments : int
        `n_segments` without that last one.
    """

    row: np.ndarray
    channel: np.ndarray
    slot: np.ndarray
    sent: np.ndarray
    answered: np.ndarray
    ahead: np.ndarray
    segment: np.ndarray
    n_channels: int
    n_segments: int


@dataclass(frozen=True)
class Lifts:
    """What counts say under some strengths: lifts of slots and levels of customers."""

    lift: np.ndarray
    segment_lift: np.ndarray
    level: np.ndarray
    expected: np.ndarray


@dataclass(frozen=True)
class Window:
    """Counts as of a cut-off, the touches after it, and which of the counts are their customers'.

    `line` and `of_touch` pair every touch with every line of its customer and channel.
    """

    counts: Counts
    row: np.ndarray
    channel: np.ndarray
    slot: np.ndarray
    is_engaged: np.ndarray
    weight: np.ndarray
    ahead: np.ndarray
    line: np.ndarray
    of_touch: np.ndarray


def fit_response_chain(
    windows: Sequence[SentTouches],
    weights: Sequence[np.ndarray],
    channels: tuple[str, ...],
    *,
    window_hours: float,
) -> ResponseChain:
    """Fit the chain to windows of touches, oldest first.

    Parameters
    ----------
    windows : sequence of SentTouches
        Each with the context as of its start.
    weights : sequence of arrays of shape (m,)
        Of each window's touches, such as `weigh_sends` gives.
    channels : tuple of str
        Channels to learn; touches of others are left out.
    window_hours : float
        Within which an answer counts.
    """
    when = fit_looks(windows, window_hours)
    names = tuple(sorted({name for window in windows for name in window.context.segment_names}))
    flat = [
        _flatten(window, weight, channels, names, when)
        for window, weight in zip(windows, weights, strict=True)
    ]

    def loss(point: np.ndarray) -> float:
        strengths = _to_strengths(point)
        rate = _fit_rate(flat, strengths)
        return -sum(_log_likelihood(window, strengths, rate) for window in flat)

    strengths = _to_strengths(maximise_posterior(loss, PRIOR))
    rate = _fit_rate(flat, strengths)
    lifts = read_lifts(flat[-1].counts, strengths, rate)
    return ResponseChain(channels, names, rate, lifts.lift, lifts.segment_lift, strengths, *when)


def refresh_lifts(chain: ResponseChain, context: ResponseContext) -> ResponseChain:
    """Return the chain with the lifts of everybody and of segments read from later histories."""
    when = chain.looks, chain.hazard
    counts = _count(context, chain.channels, chain.segment_names, when)
    lifts = read_lifts(counts, chain.strengths, chain.rate)
    return replace(chain, lift=lifts.lift, segment_lift=lifts.segment_lift)


def read_lifts(counts: Counts, strengths: Strengths, rate: np.ndarray) -> Lifts:
    """Return the lifts and levels that counts give under some strengths and rates."""
    shape = (counts.n_channels, counts.n_segments + 1, SLOTS_PER_WEEK)
    kernel = build_kernel(strengths.bandwidth_hours, strengths.day_sharing)
    expected = rate[counts.channel] * counts.sent
    expected = expected * _follow(counts.ahead, strengths)
    # a first level without lifts, so that good customers make no hour good
    first = _read_levels(counts, expected, strengths)[counts.row, counts.channel]
    of_slot = counts.channel * SLOTS_PER_WEEK + counts.slot
    seen = np.bincount(of_slot, counts.answered, shape[0] * shape[2]).reshape(shape[0], -1)
    foreseen = np.bincount(of_slot, expected * first, shape[0] * shape[2]).reshape(shape[0], -1)
    lift = _ratio(seen @ kernel, foreseen @ kernel, strengths.global_lift)
    expected = expected * lift[counts.channel, counts.slot]
    level = _read_levels(counts, expected, strengths)
    expected = expected * level[counts.row, counts.channel]
    segment = counts.segment[counts.row]
    cell = (counts.channel * shape[1] + segment) * SLOTS_PER_WEEK + counts.slot
    seen = np.bincount(cell, counts.answered, int(np.prod(shape))).reshape(shape)
    foreseen = np.bincount(cell, expected, int(np.prod(shape))).reshape(shape)
    segment_lift = _ratio(seen @ kernel, foreseen @ kernel, strengths.segment_lift)
    segment_lift[:, -1] = 1.0
    expected = expected * segment_lift[counts.channel, segment, counts.slot]
    return Lifts(lift, segment_lift, level, expected)


def _read_levels(counts: Counts, expected: np.ndarray, strengths: Strengths) -> np.ndarray:
    """Return the level of every customer in every channel, shape (n, n_channels)."""
    n = len(counts.segment)
    cell = counts.row * counts.n_channels + counts.channel
    size = n * counts.n_channels
    seen = np.bincount(cell, counts.answered, size).reshape(n, -1)
    foreseen = np.bincount(cell, expected, size).reshape(n, -1)
    overall = _ratio(seen.sum(axis=1), foreseen.sum(axis=1), strengths.any_level)
    above = strengths.channel_level
    return np.asarray((seen + above * overall[:, None]) / (foreseen + above))


def _ratio(seen: np.ndarray, foreseen: np.ndarray, above: float) -> np.ndarray:
    return np.asarray((seen + above) / (foreseen + above))


def _log_likelihood(window: Window, strengths: Strengths, rate: np.ndarray) -> float:
    counts = window.counts
    lifts = read_lifts(counts, strengths, rate)
    near = build_kernel(strengths.bandwidth_hours, strengths.day_sharing)[
        counts.slot[window.line], window.slot[window.of_touch]
    ]
    n = len(window.row)
    seen = np.bincount(window.of_touch, counts.answered[window.line] * near, n)
    foreseen = np.bincount(window.of_touch, lifts.expected[window.line] * near, n)
    mean = rate[window.channel] * lifts.level[window.row, window.channel]
    mean = mean * _follow(window.ahead, strengths)
    mean = mean * lifts.lift[window.channel, window.slot]
    segment = counts.segment[window.row]
    mean = mean * lifts.segment_lift[window.channel, segment, window.slot]
    mean = mean * _ratio(seen, foreseen, strengths.customer_lift)
    engaged = np.log(-np.expm1(-mean))
    return float(window.weight @ np.where(window.is_engaged, engaged, -mean))


def _fit_rate(windows: Sequence[Window], strengths: Strengths) -> np.ndarray:
    """Return answers per message and channel, with activity taken into account, shape (c,)."""
    counts = windows[-1].counts
    n = counts.n_channels
    answered = GRAIN[0] + np.bincount(counts.channel, counts.answered, n)
    sent = GRAIN[1] + np.bincount(counts.channel, counts.sent * _follow(counts.ahead, strengths), n)
    for window in windows:
        answered += np.bincount(window.channel, window.weight * window.is_engaged, n)
        sent += np.bincount(window.channel, window.weight * _follow(window.ahead, strengths), n)
    return np.asarray(answered / sent)


def _follow(ahead: np.ndarray, strengths: Strengths) -> np.ndarray:
    """Return the factor that activity gives to the rate, shape (k,)."""
    mixed = ahead @ np.array([1 - strengths.noticing, strengths.noticing])
    return np.asarray(mixed**strengths.activity_power)


def _to_strengths(point: np.ndarray) -> Strengths:
    names = [field.name for field in fields(Strengths)]
    values = [*np.exp(point[:7]).tolist(), *expit(point[7:]).tolist()]
    return Strengths(**dict(zip(names, values, strict=True)))


def _look_ahead(
    context: ResponseContext, row: np.ndarray, slot: np.ndarray, when: When
) -> np.ndarray:
    looks, hazard = when
    share = looks.share(context)
    return np.column_stack([hazard.ahead(share, part)[row, slot] for part in (0.0, 1.0)])


def _count(
    context: ResponseContext, channels: tuple[str, ...], segments: tuple[str, ...], when: When
) -> Counts:
    """Flatten the message counts of a context."""
    parts = []
    for code, channel in enumerate(channels):
        counts = context.messages.of(channel)
        sent, answered = counts.sent.tocoo(), counts.answered.tocoo()
        # answers are a part of the sends: the same cells, or fewer
        keys = sent.row.astype(np.int64) * SLOTS_PER_WEEK + sent.col
        order = np.argsort(keys)
        at = order[np.searchsorted(keys[order], answered.row * SLOTS_PER_WEEK + answered.col)]
        of_cell = np.bincount(at, answered.data, len(keys))
        parts.append((sent.row, np.full(len(keys), code), sent.col, sent.data, of_cell))
    row, channel_code, slot, sent_, answered_ = (
        np.concatenate([part[i] for part in parts]) for i in range(5)
    )
    order = np.lexsort((slot, row, channel_code))
    row, slot = row[order].astype(np.int64), slot[order].astype(np.int64)
    return Counts(
        row=row,
        channel=channel_code[order],
        slot=slot,
        sent=sent_[order],
        answered=answered_[order],
        ahead=_look_ahead(context, row, slot, when),
        segment=context.codes_in(segments) % (len(segments) + 1),
        n_channels=len(channels),
        n_segments=len(segments),
    )


def _flatten(
    window: SentTouches,
    weight: np.ndarray,
    channels: tuple[str, ...],
    segments: tuple[str, ...],
    when: When,
) -> Window:
    counts = _count(window.context, channels, segments, when)
    code = np.array([channels.index(c) if c in channels else -1 for c in window.channel], int)
    known = np.flatnonzero(code >= 0)
    step = max(1, -(-len(known) // MAX_FIT_TOUCHES))
    known = known[np.argsort(window.row[known], kind="stable")][::step]
    touches, code = window.take(known), code[known]
    n = len(window.context)
    keys = counts.channel * n + counts.row
    first = np.searchsorted(keys, code * n + touches.row, side="left")
    last = np.searchsorted(keys, code * n + touches.row, side="right")
    lengths = last - first
    of_touch = np.repeat(np.arange(len(code)), lengths)
    before = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Window(
        counts=counts,
        row=touches.row,
        channel=code,
        slot=touches.slot,
        is_engaged=touches.is_engaged,
        weight=weight[known],
        ahead=_look_ahead(window.context, touches.row, touches.slot, when),
        line=np.arange(len(of_touch)) - before + first[of_touch],
        of_touch=of_touch,
    )
