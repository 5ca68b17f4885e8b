"""How active a customer will be: a gamma-Poisson chain from everybody, to segment, to customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy.special import gammaln

from models.receptivity.fitting import (
    find_usual,
    limit_pull,
    maximise_posterior,
    pick_customers,
)
from models.receptivity.histories import Histories, Outcomes

PRIOR = np.array([[np.log(50.0), 2.0], [np.log(4.0), 1.5], [0.0, 1.0]])
"""Centre and deviation of the log-normal priors: segment and customer weeks, scale."""
GRAIN = 0.1
"""A grain of prior activity, so that a silent population still has a rate above zero."""


@dataclass(frozen=True)
class LevelChain:
    """How many slots of a week a customer is active in, for any customer.

    Attributes
    ----------
    half_life_days : float
        Half-life that the counts of the histories were decayed with.
    global_rate : float
        Decayed events per decayed week over all customers.
    segment_names : tuple of str
        Segments that were seen.
    segment_rate : array of shape (n_segments,)
        The same per segment, already shrunk to `global_rate`.
    segment_weeks, customer_weeks : float
        Strength of the prior above a segment and above a customer, in decayed weeks.
    scale : float
        Active slots to come per decayed event of the past: below 1 where several events share an
        hour or customers leave.
    """

    half_life_days: float
    global_rate: float
    segment_names: tuple[str, ...]
    segment_rate: np.ndarray
    segment_weeks: float
    customer_weeks: float
    scale: float

    def level(self, histories: Histories) -> np.ndarray:
        """Return each customer's expected active slots a week, shape (n,); > 0."""
        events, weeks = self.posterior(histories)
        return np.asarray(self.scale * events / weeks)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON; `from_json` makes the same chain of it, bit by bit."""
        return {**asdict(self), "segment_rate": self.segment_rate.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        names, rates = tuple(values["segment_names"]), np.array(values["segment_rate"])
        return cls(**{**values, "segment_names": names, "segment_rate": rates.astype(np.float64)})

    def posterior(self, histories: Histories) -> tuple[np.ndarray, np.ndarray]:
        """Return shape and rate of each customer's gamma posterior: events and weeks, (n,) each."""
        events, weeks = histories.remember(self, "posterior", lambda: self._posterior(histories))
        return events, weeks

    def _posterior(self, histories: Histories) -> np.ndarray:
        prior = self._rates[histories.codes_in(self.segment_names)]
        weeks = _decayed_weeks(histories.tenure_days, self.half_life_days)
        return np.stack(
            [histories.events + self.customer_weeks * prior, weeks + self.customer_weeks]
        )

    @cached_property
    def _rates(self) -> np.ndarray:
        """The rate of each segment, and of those without one at the end."""
        return np.append(self.segment_rate, self.global_rate)


def fit_level(histories: Histories, outcomes: Outcomes, *, half_life_days: float) -> LevelChain:
    """Fit the chain to histories and to the activity that followed them.

    Parameters
    ----------
    histories : Histories
        As of a cut-off.
    outcomes : Outcomes
        The same customers, after it.
    half_life_days : float
        Half-life that the counts of `histories` were decayed with.

    Returns
    -------
    LevelChain
        With the strengths and scale that maximise the negative-binomial likelihood of `outcomes`
        given the posterior after `histories`, under weak log-normal priors.
    """
    weeks = _decayed_weeks(histories.tenure_days, half_life_days)
    events = histories.events * limit_pull(histories.events)
    codes = histories.segment_codes
    known = codes >= 0
    n_segments = len(histories.segment_names)
    by_segment = np.bincount(codes[known], events[known], minlength=n_segments)
    weeks_by_segment = np.bincount(codes[known], weeks[known], minlength=n_segments)
    global_rate = float((events.sum() + GRAIN) / (weeks.sum() + 1.0))
    rows = pick_customers(find_usual(histories.events))
    seen, after = histories.take(rows), outcomes.take(rows).totals

    def build(point: np.ndarray) -> LevelChain:
        segment_weeks, customer_weeks, scale = np.exp(point).tolist()
        rate = (by_segment + segment_weeks * global_rate) / (weeks_by_segment + segment_weeks)
        return LevelChain(
            half_life_days,
            global_rate,
            histories.segment_names,
            rate,
            segment_weeks,
            customer_weeks,
            scale,
        )

    def loss(point: np.ndarray) -> float:
        chain = build(point)
        shape, rate = chain.posterior(seen)
        ahead = outcomes.n_weeks * chain.scale
        return -float(
            np.sum(
                gammaln(shape + after)
                - gammaln(shape)
                + shape * np.log(rate / (rate + ahead))
                + after * np.log(ahead / (rate + ahead))
            )
        )

    return build(maximise_posterior(loss, PRIOR))


def _decayed_weeks(tenure_days: np.ndarray, half_life_days: float) -> np.ndarray:
    """Return the integral of the decay over each tenure, in weeks; unknown tenure is endless."""
    whole = half_life_days / np.log(2) / 7
    tenure = np.where(np.isnan(tenure_days), np.inf, tenure_days)
    return np.asarray(whole * -np.expm1(-np.log(2) * tenure / half_life_days))
