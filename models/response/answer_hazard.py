"""When answers come: a hazard over the age of a message, learned from when customers answered.

A message is answered when the customer next looks at it while it still lies there. Per unit of the
customer's level, the hazard of an answer at age a of a message sent at t is

    background(a) + follow(a) × activity(t + a),

activity 1 in an hour as busy as the customer's average. What is learned is taken from the answers
alone: given that a message was answered, *when* it was does not depend on how willing the customer
is, nor on why the sender chose the hour. The likelihood of the age is the hazard there over its sum
over the window, which normalises answers by what they were exposed to; a fixed point finds its
maximum. With few answers the hazard stays near a prior one.

References
----------
.. [1] Lange, Hunter & Yang (2000), "Optimization transfer using surrogate objective functions",
   J. Comput. Graph. Stat. 9: why each round raises the likelihood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from features.schema import SLOTS_PER_WEEK
from models.response.forward_hours import build_ahead, weigh_hours

AGES = np.array([0, 0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 36, 48, 72, 96, 120, 167])
"""Where the hazard may change, in hours."""
FIRST_HOUR, FIRST_DAY = 0.259, 0.712
"""Shares of all opens that come within an hour and a day, of 14.9 million e-mails: the prior."""
FOLLOWING = 0.7
"""Which part of answers follows activity, a priori."""
PRIOR_ANSWERS = 100.0
"""Answers that a prior hazard is worth."""
ROUNDS = 200
_LEAST = 1e-9


@dataclass(frozen=True)
class AnswerHazard:
    """The hazard of an answer by age, relative to a whole of 1 in a week without habits.

    Attributes
    ----------
    edges : array of shape (k + 1,)
        Ages in hours between which the hazard is constant; the last is the window.
    background, follow : arrays of shape (k,)
        Per hour: whatever the hour, and per unit of activity.
    """

    edges: np.ndarray
    background: np.ndarray
    follow: np.ndarray

    def ahead(self, share: np.ndarray, noticing: float = 0.0) -> np.ndarray:
        """Return the hazard within the window by slot of the send, relative to an even week.

        It is that of a message sent at any minute of the slot, each as likely.

        Parameters
        ----------
        share : array of shape (n, 168)
            How activity spreads over the week; rows sum to 1.
        noticing : float
            Which part of the background follows activity in the hour of the send: a message that
            was noticed as it came is answered at some age. Ages of answers cannot tell; 0 to 1.

        Returns
        -------
        array of shape (n, 168)
            > 0; 1 for an even week.
        """
        idle, weights = self._weights(noticing)
        return np.asarray(idle + share @ build_ahead(weights))

    def doubt(self, share: np.ndarray, events: np.ndarray, noticing: float = 0.0) -> np.ndarray:
        """Return the relative variance of `ahead` where the share is a Dirichlet posterior.

        Parameters
        ----------
        share : array of shape (n, 168)
            Its mean.
        events : array of shape (n,)
            Its strength; inf = certain.
        noticing : float
            See `ahead`.
        """
        idle, weights = self._weights(noticing)
        mean = share @ build_ahead(weights)
        spread = np.maximum(share @ build_ahead(weights**2) - mean**2, 0.0)
        return np.asarray(spread / (events[:, None] + 1.0) / (idle + mean) ** 2)

    def _weights(self, noticing: float) -> tuple[float, np.ndarray]:
        """Return what even weeks get whatever the hour, and what a share of 1 adds by hour."""
        idle = float(self.background @ np.diff(self.edges))
        weights = weigh_hours(self.edges, self.follow)
        whole = idle + float(weights.sum())
        weights[0] += noticing * idle
        return (1 - noticing) * idle / whole, SLOTS_PER_WEEK * weights / whole

    @property
    def following(self) -> float:
        """Which part of answers follows activity, in a week without habits."""
        width = np.diff(self.edges)
        return float(self.follow @ width / ((self.follow + self.background) @ width))

    def to_json(self) -> dict[str, list[float]]:
        """Return all of it as JSON; `from_json` makes the same of it, bit by bit."""
        return {name: getattr(self, name).tolist() for name in ("edges", "background", "follow")}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**{name: np.array(column, np.float64) for name, column in values.items()})


def make_default_hazard(window_hours: float) -> AnswerHazard:
    """Return the hazard that is assumed before any answer: published ages of opens.

    Within the first hour it is constant, after it falls as one over age.
    """
    edges = np.append(AGES[window_hours > AGES], min(window_hours, AGES[-1]))
    later = (FIRST_DAY - FIRST_HOUR) / np.log(24.0)
    reached = FIRST_HOUR * np.minimum(edges, 1.0) + later * np.log(np.maximum(edges, 1.0))
    rate = np.diff(reached) / np.diff(edges) / reached[-1]
    return AnswerHazard(edges, (1 - FOLLOWING) * rate, FOLLOWING * rate)


def fit_answer_hazard(
    exposure: np.ndarray,
    age: np.ndarray,
    prior: AnswerHazard,
    *,
    prior_answers: float = PRIOR_ANSWERS,
) -> tuple[AnswerHazard, float]:
    """Fit the hazard to answers.

    Parameters
    ----------
    exposure : array of shape (m, k)
        Activity at every age of the m messages that were answered within the window, from
        `models.response.forward_hours.expose`.
    age : array of shape (m,)
        Hours from the send to the answer.
    prior : AnswerHazard
        Has the edges, and is what few answers leave standing.
    prior_answers : float
        Answers to messages in an even week that it is worth; > 0.

    Returns
    -------
    AnswerHazard
    float
        Log-likelihood of the ages.
    """
    k, width = len(prior.follow), np.diff(prior.edges)
    place = np.clip(np.searchsorted(prior.edges, age, side="right") - 1, 0, k - 1)
    rows = np.arange(len(place))
    at = exposure[rows, place]
    mean = np.maximum(np.concatenate([prior.background, prior.follow]), _LEAST)
    even, theirs = np.tile(width, 2), mean / (mean @ np.tile(width, 2))
    of_prior = prior_answers * theirs * even
    rate = theirs
    for _ in range(ROUNDS):
        idle, follow = rate[:k], rate[k:]
        whole = np.maximum(idle @ width + exposure @ follow, _LEAST)
        by_itself = idle[place] * width[place]
        idle_part = by_itself / np.maximum(by_itself + follow[place] * at, _LEAST)
        answers = np.concatenate(
            [np.bincount(place, idle_part, k), np.bincount(place, 1 - idle_part, k)]
        )
        exposed = np.concatenate([width * (1 / whole).sum(), (1 / whole) @ exposure])
        rate = (answers + of_prior) / (exposed + prior_answers * even / (rate @ even))
        rate = rate / (rate @ even)
    idle, follow = rate[:k], rate[k:]
    chance = (idle[place] * width[place] + follow[place] * at) / (idle @ width + exposure @ follow)
    loss = float(np.log(np.maximum(chance, _LEAST)).sum())
    return AnswerHazard(prior.edges, idle, follow), loss
