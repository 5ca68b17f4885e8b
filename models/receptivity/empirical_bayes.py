"""Empirical Bayes for send times: from everybody, to a customer's segment, to the customer.

What little a customer has shown is weighed against what their segment does, and the segment
against everybody: a chain of Dirichlet priors over the 168 slots of the week. A customer's week is
a day of the week and an hour of that day, and the two are learned apart, as habits of the hour are
stronger than those of the day: an event speaks for its day; and for its hour, a little for the
hours around it, and less for the same hour of other days, of the other kind (working day or
weekend) least. The chain of `models.receptivity.activity_level` does the same for how much activity
there is at all.

The strengths of the priors maximise the marginal likelihood of the weeks that *followed* a
history, each activity taken by itself, as probabilities are judged. The marginal likelihood of the
history itself would not do: decayed counts are fractions, to which the Dirichlet-multinomial gives
far too strong a prior, and it cannot see that habits change. Nor would the joint one of all that
followed: it takes what a customer repeats within the window for a reason to trust the history less.

References
----------
.. [1] Minka (2000), "Estimating a Dirichlet distribution".
.. [2] Hastie, Tibshirani & Friedman (2009), "The Elements of Statistical Learning", 6.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit

from features.schema import SLOTS_PER_WEEK
from models.receptivity.fitting import (
    find_usual,
    limit_pull,
    maximise_posterior,
    pick_customers,
)
from models.receptivity.histories import Histories, Outcomes

HOURS, DAYS = 24, 7
_SLOTS = np.arange(SLOTS_PER_WEEK)
_APART = (_SLOTS[None, :] - _SLOTS[:, None]) % SLOTS_PER_WEEK
_IS_WEEKEND = np.arange(DAYS) >= 5
_SAME_KIND = _IS_WEEKEND[:, None] == _IS_WEEKEND[None, :]


@dataclass(frozen=True)
class ShapeChain:
    """How activity spreads over the slots of the week, for any customer.

    Attributes
    ----------
    global_share : array of shape (168,)
        Share of everybody's activity by slot; sums to 1.
    segment_names : tuple of str
        Segments that were seen.
    segment_share : array of shape (n_segments, 168)
        Share by slot in each segment, already shrunk to the global one; rows sum to 1.
    segment_weight : array of shape (n_segments,)
        How much of `segment_share` is the segment's own; 0 to 1.
    segment_concentration : float
        Strength of the prior above a segment, in events.
    day_concentration, hour_concentration : float
        Strength of the prior above a customer's days, and above the hours of each, in events.
    bandwidth_hours : float
        How far an event speaks for the hours around it: standard deviation of a circular normal.
    day_sharing : float
        What an event counts for the hours of another day of its kind; 0 to 1.
    kind_sharing : float
        What of that is left where one day is a working day and the other is not; 0 to 1.
    """

    global_share: np.ndarray
    segment_names: tuple[str, ...]
    segment_share: np.ndarray
    segment_weight: np.ndarray
    segment_concentration: float
    day_concentration: float
    hour_concentration: float
    bandwidth_hours: float
    day_sharing: float
    kind_sharing: float

    def share(self, histories: Histories) -> np.ndarray:
        """Return each customer's posterior mean share by slot, shape (n, 168); rows sum to 1."""
        prior = self.prior(histories).reshape(-1, DAYS, HOURS)
        own = self._smooth(histories)
        by_day, of_day = own.sum(axis=2), prior.sum(axis=2)
        events = by_day.sum(axis=1, keepdims=True)
        days = (by_day + self.day_concentration * of_day) / (events + self.day_concentration)
        heard = np.matmul(self._sharing(), own)
        hours = heard + self.hour_concentration * prior / np.maximum(of_day, 1e-12)[:, :, None]
        hours /= (heard.sum(axis=2) + self.hour_concentration)[:, :, None]
        return np.asarray((days[:, :, None] * hours).reshape(-1, SLOTS_PER_WEEK))

    def prior(self, histories: Histories) -> np.ndarray:
        """Return what is expected of each customer by their segment alone, shape (n, 168)."""
        rows = histories.codes_in(self.segment_names)
        return np.asarray(np.vstack([self.segment_share, self.global_share])[rows])

    def strength(self, histories: Histories) -> np.ndarray:
        """Return the events behind each customer's share, shape (n,): own ones and the prior's."""
        return histories.events + self.hour_concentration

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON; `from_json` makes the same chain of it, bit by bit."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return {**asdict(self), **arrays}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        arrays = {name: np.array(values[name], dtype=np.float64) for name in _ARRAYS}
        arrays["segment_share"] = arrays["segment_share"].reshape(-1, SLOTS_PER_WEEK)
        return cls(**{**values, **arrays, "segment_names": tuple(values["segment_names"])})

    def weights(self, histories: Histories) -> np.ndarray:
        """Return what a customer's hours are made of, shape (n, 3): own, segment, global.

        Rows sum to 1. The weights of the hours differ a little from day to day: this is their mean
        over a week in which every day is as likely.
        """
        heard = self._smooth(histories).sum(axis=2) @ self._sharing()
        own = (heard / (heard + self.hour_concentration)).mean(axis=1)
        of_segment = np.append(self.segment_weight, 0.0)[histories.codes_in(self.segment_names)]
        return np.column_stack([own, (1 - own) * of_segment, (1 - own) * (1 - of_segment)])

    def _smooth(self, histories: Histories) -> np.ndarray:
        kernel = build_kernel(self.bandwidth_hours, 0.0)
        return np.asarray(histories.counts @ kernel).reshape(-1, DAYS, HOURS)

    def _sharing(self) -> np.ndarray:
        return build_sharing(self.day_sharing, self.kind_sharing)


def build_kernel(bandwidth_hours: float, day_sharing: float) -> np.ndarray:
    """Return for which slots an event in each slot speaks, shape (168, 168); rows sum to 1.

    The week is a circle: Sunday 23:00 is next to Monday 00:00.

    Parameters
    ----------
    bandwidth_hours : float
        Standard deviation of the spread over neighbouring hours; > 0.
    day_sharing : float
        Part of an event that is spread evenly over the seven days at its hour; 0 to 1.
    """
    distance = np.minimum(_SLOTS, SLOTS_PER_WEEK - _SLOTS)
    near = np.exp(-0.5 * (distance / bandwidth_hours) ** 2)
    near /= near.sum()
    same_hour = near.reshape(DAYS, HOURS).mean(axis=0)
    by_distance = (1 - day_sharing) * near + day_sharing * np.tile(same_hour, DAYS)
    return np.asarray(by_distance[_APART])


def build_sharing(day_sharing: float, kind_sharing: float) -> np.ndarray:
    """Return what an event on one day counts for the hours of another, shape (7, 7); symmetric."""
    shared = day_sharing * np.where(_SAME_KIND, 1.0, kind_sharing)
    return np.asarray(np.where(np.eye(DAYS) > 0, 1.0, shared))


_NARROW, _WIDE = build_kernel(0.5, 0.0), build_kernel(1.5, 1.0)
"""How everybody's week is smoothed: finely where there are many events, else to a smooth day."""
_ARRAYS = ("global_share", "segment_share", "segment_weight")
PRIOR = np.array(
    [
        [np.log(500.0), 2.0],
        [np.log(20.0), 1.5],
        [np.log(10.0), 1.5],
        [np.log(1.0), 0.5],
        [0.5, 1.0],
        [0.5, 1.0],
    ]
)
"""Centre and deviation of the log-normal priors: concentrations of segment, days and hours,
bandwidth in hours; and of the logit-normal ones of the two sharings."""


def fit_shape(histories: Histories, outcomes: Outcomes) -> ShapeChain:
    """Fit the chain to histories and to the activity that followed them.

    Parameters
    ----------
    histories : Histories
        As of a cut-off.
    outcomes : Outcomes
        The same customers, after it. Few or none leave the strengths near their priors.

    Returns
    -------
    ShapeChain
        With the strengths that maximise the likelihood of each activity in `outcomes` given the
        posterior after `histories`, under weak log-normal priors.
    """
    totals = _sum_by_segment(histories)
    usual = find_usual(histories.events)
    rows = pick_customers(usual[outcomes.totals[usual] > 0])
    seen, cells = histories.take(rows), outcomes.take(rows).weeks_active.tocoo()

    def loss(point: np.ndarray) -> float:
        share = _chain(point, totals, histories.segment_names).share(seen)
        return -float((cells.data * np.log(share[cells.row, cells.col])).sum())

    return _chain(maximise_posterior(loss, PRIOR), totals, histories.segment_names)


def _chain(point: np.ndarray, totals: sparse.csr_array, names: tuple[str, ...]) -> ShapeChain:
    """Build the chain at `point`; the last row of `totals` holds customers without a segment."""
    above_segment, above_days, above_hours, bandwidth = np.exp(point[:4]).tolist()
    day_sharing, kind_sharing = expit(point[4:]).tolist()
    global_share = smooth_global(np.asarray(totals.sum(axis=0)))
    own = np.asarray(totals[:-1] @ build_kernel(bandwidth, 0.0))
    events = np.asarray(totals[:-1].sum(axis=1))
    return ShapeChain(
        global_share=global_share,
        segment_names=names,
        segment_share=(own + above_segment * global_share) / (events + above_segment)[:, None],
        segment_weight=events / (events + above_segment),
        segment_concentration=above_segment,
        day_concentration=above_days,
        hour_concentration=above_hours,
        bandwidth_hours=bandwidth,
        day_sharing=day_sharing,
        kind_sharing=kind_sharing,
    )


def smooth_global(events: np.ndarray) -> np.ndarray:
    """Return everybody's share by slot: their week, drawn to one smooth day, drawn to evenness.

    The smooth day comes as often on each weekday as it does there: a shop that is closed on Sundays
    expects nobody then. An event a day is spread evenly before any is seen.
    """
    week, n = events @ _NARROW, events.sum()
    by_day = (events.reshape(DAYS, HOURS).sum(axis=1) + 1) / (n + DAYS)
    day = ((events @ _WIDE)[:HOURS] * DAYS + 1 / HOURS) / (n + 1)
    usual = np.outer(by_day, day).ravel()
    return np.asarray((week + SLOTS_PER_WEEK * usual) / (n + SLOTS_PER_WEEK))


def _sum_by_segment(histories: Histories) -> sparse.csr_array:
    """Return counts by segment and slot, no customer pulling too hard.

    The last row is of customers without a segment.
    """
    n_rows = len(histories.segment_names) + 1
    rows = histories.segment_codes % n_rows
    shape = (n_rows, len(histories))
    member = sparse.csr_array(
        (limit_pull(histories.events), (rows, np.arange(len(rows)))), shape=shape
    )
    return member @ histories.counts
