"""Empirical Bayes for send times: from everybody, to a customer's segment, to the customer.

What little a customer has shown is weighed against what their segment does, and the segment
against everybody: a chain of Dirichlet priors over the 168 slots of the week. A customer's week is
a day of the week and an hour of that day, and the two are learned apart, as habits of the hour are
stronger than those of the day: an event speaks for its day; and for its hour, a little for the
hours around it, and less for the same hour of other days, of the other kind (working day or
weekend) least. What few events say about hours far from them is learned from customers with a
like week, by `models.receptivity.rhythms`. The chain of `models.receptivity.activity_level` does
the same for how much activity there is at all.

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
from dataclasses import asdict, dataclass, replace
from functools import cached_property
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
from models.receptivity.rhythms import USUAL_MOST_EVENTS, Rhythms, fit_rhythms
from models.receptivity.smoothing import (
    DAYS,
    HOURS,
    build_kernel,
    build_sharing,
    smooth_global,
)

__all__ = ["ShapeChain", "build_kernel", "build_sharing", "fit_shape", "smooth_global"]


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
    rhythms : Rhythms or None
        Kinds of weeks, which tilt what is expected of a customer by segment; None = none learned.
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
    rhythms: Rhythms | None = None

    def share(self, histories: Histories) -> np.ndarray:
        """Return each customer's posterior mean share by slot, shape (n, 168); rows sum to 1."""
        return histories.remember(self, "share", lambda: self._share(histories))

    def _share(self, histories: Histories) -> np.ndarray:
        prior = self.expected(histories).reshape(-1, DAYS, HOURS)
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
        return np.asarray(self._shares[rows])

    @cached_property
    def _shares(self) -> np.ndarray:
        """The share of each segment, and of those without one at the end."""
        return np.vstack([self.segment_share, self.global_share])

    def expected(self, histories: Histories) -> np.ndarray:
        """Return what is expected of each customer by segment and rhythm, shape (n, 168).

        Their events tell the rhythm; how much they speak for their own hours comes on top.
        """
        return histories.remember(self, "expected", lambda: self._expected(histories))

    def _expected(self, histories: Histories) -> np.ndarray:
        prior = self.prior(histories)
        if self.rhythms is None:
            return prior
        segments = histories.codes_in(self.segment_names)
        return self.rhythms.tilt(prior, histories.counts, segments)

    def likeness(self, histories: Histories) -> np.ndarray:
        """Return how much of what is expected comes from customers of a like week, shape (n,).

        The part of `expected` that lies above `prior`: 0 where a customer is expected at the hours
        of their segment, and so before any event; up to 1 where at none of them.
        """

        def measure(some: Histories) -> np.ndarray:
            above = self.expected(some) - self.prior(some)
            return np.asarray(np.maximum(above, 0.0).sum(axis=1))

        return histories.keep(self, "likeness", measure)

    def strength(self, histories: Histories) -> np.ndarray:
        """Return the events behind each customer's share, shape (n,): own ones and the prior's."""
        return histories.events + self.hour_concentration

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON; `from_json` makes the same chain of it, bit by bit."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        rhythms = None if self.rhythms is None else self.rhythms.to_json()
        return {**asdict(self), **arrays, "rhythms": rhythms}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        arrays = {name: np.array(values[name], dtype=np.float64) for name in _ARRAYS}
        arrays["segment_share"] = arrays["segment_share"].reshape(-1, SLOTS_PER_WEEK)
        rhythms = values.get("rhythms")
        return cls(
            **{
                **values,
                **arrays,
                "segment_names": tuple(values["segment_names"]),
                "rhythms": None if rhythms is None else Rhythms.from_json(rhythms),
            }
        )

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
        """Return how each customer's events speak for days and hours, shape (n, 7, 24)."""

        def smooth() -> np.ndarray:
            kernel = build_kernel(self.bandwidth_hours, 0.0)
            return np.asarray(histories.counts @ kernel).reshape(-1, DAYS, HOURS)

        return histories.remember(self, "smooth", smooth)

    def _sharing(self) -> np.ndarray:
        return build_sharing(self.day_sharing, self.kind_sharing)


_ARRAYS = ("global_share", "segment_share", "segment_weight")
PRIOR = np.array(
    [
        [np.log(500.0), 2.0],
        [np.log(20.0), 1.5],
        [np.log(10.0), 1.5],
        [np.log(1.0), 0.5],
        [0.5, 1.0],
        [0.5, 1.0],
        [np.log(USUAL_MOST_EVENTS), 1.5],
    ]
)
"""Centre and deviation of the log-normal priors: concentrations of segment, days and hours,
bandwidth in hours; of the logit-normal ones of the two sharings; and of the log-normal one of the
events that tell a rhythm."""


def fit_shape(histories: Histories, outcomes: Outcomes, *, seed: int = 7) -> ShapeChain:
    """Fit the chain to histories and to the activity that followed them.

    Parameters
    ----------
    histories : Histories
        As of a cut-off.
    outcomes : Outcomes
        The same customers, after it. Few or none leave the strengths near their priors.
    seed : int
        Of the weeks that the rhythms start from.

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

    names, rng = histories.segment_names, np.random.default_rng(seed)
    rhythms = fit_rhythms(histories.counts[usual], histories.segment_codes[usual], len(names), rng)
    prior = PRIOR if rhythms is not None else PRIOR[:-1]

    def loss(point: np.ndarray) -> float:
        share = _chain(point, totals, names, rhythms).share(seen)
        return -float((cells.data * np.log(share[cells.row, cells.col])).sum())

    return _chain(maximise_posterior(loss, prior), totals, names, rhythms)


def _chain(
    point: np.ndarray,
    totals: sparse.csr_array,
    names: tuple[str, ...],
    rhythms: Rhythms | None,
) -> ShapeChain:
    """Build the chain at `point`; the last row of `totals` holds customers without a segment."""
    above_segment, above_days, above_hours, bandwidth = np.exp(point[:4]).tolist()
    day_sharing, kind_sharing = expit(point[4:6]).tolist()
    global_share = smooth_global(np.asarray(totals.sum(axis=0)))
    own = np.asarray(totals[:-1] @ build_kernel(bandwidth, 0.0))
    events = np.asarray(totals[:-1].sum(axis=1))
    if rhythms is not None:
        rhythms = replace(rhythms, most_events=float(np.exp(point[6])))
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
        rhythms=rhythms,
    )


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
