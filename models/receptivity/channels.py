"""From a customer's week to their week in one channel: the last link of the chain of priors.

A customer's hours in a channel are expected where the customer is active at all, tilted to when
the channel is used; what the customer has done in the channel itself is weighed against that. How
much of their activity the channel gets is a chain of Dirichlet priors over the channels: everybody,
segment, customer. Strengths maximise the likelihood of the weeks that followed, as in
`models.receptivity.empirical_bayes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit, gammaln

from features.schema import CHANNELS, SLOTS_PER_WEEK
from models.receptivity.empirical_bayes import ShapeChain, build_kernel, smooth_global
from models.receptivity.fitting import limit_pull, maximise_posterior, pick_customers
from models.receptivity.histories import Histories, Outcomes

MIN_EVENTS = 25.0
"""Activity that a channel needs, before the cut-off and after it, to have a week of its own."""
SOLE_SHARE = 0.99
"""A channel with more of all activity than this has everybody's week and no other."""


@dataclass(frozen=True)
class ChannelChain:
    """How much of anybody's activity goes to each channel, and at which hours.

    Attributes
    ----------
    names : tuple of str, length m
        Channels with a week of their own, in the order of `CHANNELS`.
    segment_names : tuple of str
        Segments that were seen.
    share : array of shape (n_segments + 1, m)
        Share of each channel in the activity of each segment, shrunk to everybody's: the last row.
    share_concentration : float
        Strength of `share` above a customer, in events.
    ratio : array of shape (m, 168)
        Everybody's share of the slot in the channel over that in all channels, to the power of the
        tilt: what multiplies a customer's week.
    concentration : array of shape (m,)
        Strength of the tilted week above a customer's own in the channel, in events.
    """

    names: tuple[str, ...]
    segment_names: tuple[str, ...]
    share: np.ndarray
    share_concentration: float
    ratio: np.ndarray
    concentration: np.ndarray

    def spread(self, histories: Histories, shape: ShapeChain, channel: str) -> np.ndarray:
        """Return how each customer's activity in a channel spreads over the slots, (n, 168).

        Rows sum to 1. `shape` is the chain of all channels.
        """
        place, own = self.names.index(channel), histories.of_channel(channel)
        prior = _tilt(shape.share(histories), self.ratio[place])
        strength = self.concentration[place]
        counted = np.asarray(own @ build_kernel(shape.bandwidth_hours, shape.day_sharing))
        return np.asarray((counted + strength * prior) / (_sums(own) + strength)[:, None])

    def strength(self, histories: Histories, channel: str) -> np.ndarray:
        """Return the events behind `spread`, shape (n,): own ones, and the prior's."""
        own = _sums(histories.of_channel(channel))
        return np.asarray(own + self.concentration[self.names.index(channel)])

    def part(self, histories: Histories, channel: str) -> np.ndarray:
        """Return the share of the channel in each customer's activity, shape (n,); 0 to 1."""
        prior = self.share[histories.codes_in(self.segment_names), self.names.index(channel)]
        own, strength = _sums(histories.of_channel(channel)), self.share_concentration
        return np.asarray((own + strength * prior) / (histories.events + strength))

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON; `from_json` makes the same chain of it, bit by bit."""
        return {**asdict(self), **{name: getattr(self, name).tolist() for name in _ARRAYS}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        names, segments = tuple(values["names"]), tuple(values["segment_names"])
        arrays = {name: np.array(values[name], dtype=np.float64) for name in _ARRAYS}
        arrays["share"] = arrays["share"].reshape(len(segments) + 1, len(names))
        arrays["ratio"] = arrays["ratio"].reshape(len(names), SLOTS_PER_WEEK)
        return cls(**{**values, **arrays, "names": names, "segment_names": segments})


_ARRAYS = ("share", "ratio", "concentration")
SHARE_PRIOR = np.array([[np.log(50.0), 2.0], [np.log(4.0), 1.5]])
"""Centre and deviation of the log-normal priors: segment and customer strength of the shares."""
SPREAD_PRIOR = np.array([[np.log(10.0), 1.5], [1.0, 1.0]])
"""The same of the strength above a customer's hours in a channel; and of the tilt's logit."""


def fit_channels(histories: Histories, outcomes: Outcomes, shape: ShapeChain) -> ChannelChain:
    """Fit the link below a customer's week.

    Parameters
    ----------
    histories : Histories
        As of a cut-off.
    outcomes : Outcomes
        The same customers, after it.
    shape : ShapeChain
        Of all channels, fitted to the same.

    Returns
    -------
    ChannelChain
        Of the channels with at least 25 events before and after the cut-off. One that has
        practically all activity is left out: it would see each of its events twice.
    """
    names = _find_channels(histories, outcomes)
    share, strength = _fit_share(histories, outcomes, names)
    fitted = [_fit_spread(histories, outcomes, shape, name) for name in names]
    return ChannelChain(
        names=names,
        segment_names=histories.segment_names,
        share=share,
        share_concentration=strength,
        ratio=np.array([ratio for ratio, _ in fitted]).reshape(len(names), SLOTS_PER_WEEK),
        concentration=np.array([concentration for _, concentration in fitted]),
    )


def _find_channels(histories: Histories, outcomes: Outcomes) -> tuple[str, ...]:
    most = SOLE_SHARE * histories.events.sum()
    before = {name: _sums(histories.of_channel(name)).sum() for name in CHANNELS}
    after = {name: outcomes.of_channel(name).totals.sum() for name in CHANNELS}
    return tuple(
        name
        for name in CHANNELS
        if MIN_EVENTS <= before[name] <= most and after[name] >= MIN_EVENTS
    )


def _fit_share(
    histories: Histories, outcomes: Outcomes, names: tuple[str, ...]
) -> tuple[np.ndarray, float]:
    """Return the shares of segments and everybody, and their strength above a customer."""
    if not names:
        return np.empty((len(histories.segment_names) + 1, 0)), 1.0
    own = np.column_stack([_sums(histories.of_channel(name)) for name in names])
    own = np.column_stack([own, np.maximum(histories.events - own.sum(axis=1), 0.0)])
    followed = np.column_stack([outcomes.of_channel(name).totals for name in names])
    others = np.maximum(outcomes.totals - followed.sum(axis=1), 0.0)
    followed = np.column_stack([followed, others])
    rows = pick_customers(np.flatnonzero(followed.sum(axis=1) > 0))
    n_segments = len(histories.segment_names)
    codes = histories.segment_codes % (n_segments + 1)
    pull = limit_pull(histories.events)[:, None] * own
    totals = np.array([np.bincount(codes, column, n_segments + 1) for column in pull.T]).T
    everybody = (totals.sum(axis=0) + 1 / len(CHANNELS)) / (totals.sum() + own.shape[1])
    events, after = own[rows], followed[rows]

    def build(above_segment: float) -> np.ndarray:
        shrunk = totals[:-1] + above_segment * everybody
        return np.vstack([shrunk / shrunk.sum(axis=1, keepdims=True), everybody])

    def loss(point: np.ndarray) -> float:
        above_segment, above_customer = np.exp(point).tolist()
        alpha = events + above_customer * build(above_segment)[codes[rows]]
        strength, n = alpha.sum(axis=1), after.sum(axis=1)
        inside = gammaln(strength) - gammaln(strength + n)
        return -float(inside.sum() + (gammaln(alpha + after) - gammaln(alpha)).sum())

    above_segment, above_customer = np.exp(maximise_posterior(loss, SHARE_PRIOR)).tolist()
    return build(above_segment)[:, :-1], above_customer


def _fit_spread(
    histories: Histories, outcomes: Outcomes, shape: ShapeChain, channel: str
) -> tuple[np.ndarray, float]:
    """Return a channel's tilt and the strength of the tilted week above a customer's own."""
    counts, pull = histories.of_channel(channel), limit_pull(histories.events)
    log_ratio = np.log(smooth_global(pull @ counts)) - np.log(shape.global_share)
    rows = pick_customers(np.flatnonzero(outcomes.of_channel(channel).totals > 0))
    seen, after = histories.take(rows), outcomes.take(rows).of_channel(channel)
    cells, week = after.weeks_active.tocoo(), shape.share(seen)
    own = np.asarray(counts[rows] @ build_kernel(shape.bandwidth_hours, shape.day_sharing))
    own, events = own[cells.row, cells.col], _sums(counts[rows])

    def loss(point: np.ndarray) -> float:
        strength = float(np.exp(point[0]))
        prior = _tilt(week, np.exp(expit(point[1]) * log_ratio))[cells.row, cells.col]
        alpha, total = own + strength * prior, events + strength
        inside = gammaln(total) - gammaln(total + after.totals)
        return -float(inside.sum() + (gammaln(alpha + cells.data) - gammaln(alpha)).sum())

    point = maximise_posterior(loss, SPREAD_PRIOR)
    return np.exp(expit(point[1]) * log_ratio), float(np.exp(point[0]))


def _tilt(week: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    tilted = week * ratio
    return np.asarray(tilted / tilted.sum(axis=1, keepdims=True))


def _sums(counts: sparse.csr_array) -> np.ndarray:
    return np.asarray(counts.sum(axis=1), dtype=np.float64)
