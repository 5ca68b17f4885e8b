"""Send times that anybody would try first, as models like the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from features.schema import SLOTS_PER_WEEK
from models.receptivity.activity_level import LevelChain, fit_level
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.send_time_base import SendTimeModel, to_probability


class BestGlobalHour(SendTimeModel):
    """Baseline: everybody gets everybody's week, so its best slot is the best global hour.

    The probability in a slot is the share of customer-weeks in which it was active.
    """

    name = "best_global_hour"
    probability_: np.ndarray

    def weights(self, histories: Histories) -> np.ndarray:
        """All weight on everybody."""
        return np.tile([0.0, 0.0, 1.0], (len(histories), 1))

    def _fit(self, histories: Histories, outcomes: Outcomes) -> None:
        weeks = outcomes.n_weeks * len(histories)
        active = np.asarray(outcomes.weeks_active.sum(axis=0))
        self.probability_ = (active + 1 / SLOTS_PER_WEEK) / (weeks + 1)

    def _predict_raw(self, histories: Histories) -> np.ndarray:
        return np.tile(self.probability_, (len(histories), 1))

    def _to_json(self) -> dict[str, Any]:
        return {"probability": self.probability_.tolist()}

    def _from_json(self, fitted: Mapping[str, Any]) -> None:
        self.probability_ = np.array(fitted["probability"])


class CustomerHistogram(SendTimeModel):
    """Baseline: a customer's own histogram, smoothed by a few events spread evenly over the week.

    How active somebody is comes from the gamma-Poisson chain, as in `EmpiricalBayes`: what the two
    differ in is the hours.

    Parameters
    ----------
    pseudo_events : float
        Events that are spread over the 168 slots; > 0.
    half_life_days : float
        Half-life that the counts of the histories were decayed with.
    """

    name = "customer_histogram"
    level_: LevelChain

    def __init__(self, *, pseudo_events: float = 1.0, half_life_days: float = 120.0) -> None:
        self.pseudo_events = pseudo_events
        self.half_life_days = half_life_days

    def weights(self, histories: Histories) -> np.ndarray:
        """Own events against the pseudo-events, which are nobody's in particular."""
        own = histories.events / (histories.events + self.pseudo_events)
        return np.column_stack([own, np.zeros(len(own)), 1 - own])

    def _fit(self, histories: Histories, outcomes: Outcomes) -> None:
        self.level_ = fit_level(histories, outcomes, half_life_days=self.half_life_days)

    def _predict_raw(self, histories: Histories) -> np.ndarray:
        own = histories.counts.toarray() + self.pseudo_events / SLOTS_PER_WEEK
        share = own / own.sum(axis=1, keepdims=True)
        return to_probability(self.level_.level(histories), share)

    def _to_json(self) -> dict[str, Any]:
        return {"level": self.level_.to_json()}

    def _from_json(self, fitted: Mapping[str, Any]) -> None:
        self.level_ = LevelChain.from_json(fitted["level"])
