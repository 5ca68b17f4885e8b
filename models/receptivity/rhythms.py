"""Kinds of customers by their week: what a few events say about all the other hours.

People fall into kinds: who is seen twice around four in the morning will hardly be there at noon,
which no smoothing of those two events and no region knows. A finite mixture of weeks, fitted by EM
to the histories of all, says how alike customers spread their activity. The events of a customer
say which of these rhythms is theirs, and tilt what their segment expects; without any event the
segment's week is left as it is.

Events of one customer repeat each other more than the mixture thinks, so only so many of them are
listened to: `most_events`, fitted with the other strengths of the chain to what followed. Where
there are no kinds it becomes small, and everything is as if there were no rhythms.

References
----------
.. [1] Nigam, McCallum, Thrun & Mitchell (2000), "Text classification from labeled and unlabeled
   documents using EM", Machine Learning 39: EM for a mixture of multinomials.
.. [2] Biernacki, Celeux & Govaert (2003), "Choosing starting values for the EM algorithm",
   Computational Statistics & Data Analysis 41: short runs from several starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy import sparse

from features.schema import SLOTS_PER_WEEK
from models.receptivity.counts import sum_rows
from models.receptivity.smoothing import smooth_global

MAX_RHYTHMS = 12
"""Rhythms that are looked for; 6 to 24 tell what follows about equally well."""
MIN_CUSTOMERS = 50
"""Customers for each rhythm that there must be on average."""
MAX_FIT_CUSTOMERS = 20_000
"""Customers that rhythms are fitted to; more of them do not move a week of thousands."""
USUAL_MOST_EVENTS = 10.0

_N_STARTS, _SHORT_RUN, _LONG_RUN, _TOLERANCE = 4, 8, 60, 1e-4
_COMMON_EVENTS = 20.0
"""Events of everybody's week in each rhythm, so that none forbids a slot."""
_SEED_EVENTS = 5.0
"""The same beside the single customer that a rhythm starts from."""
_COMMON_CUSTOMERS = 10.0
"""Customers of everywhere beside those of a segment, in how common each rhythm is there."""


@dataclass(frozen=True)
class Rhythms:
    """A mixture of weeks.

    Attributes
    ----------
    weeks : array of shape (k, 168)
        Share of activity by slot in each rhythm; positive, rows sum to 1.
    parts : array of shape (n_segments + 1, k)
        Share of the customers of each segment that have each rhythm; the last row is of
        customers whose segment is not known. Positive, rows sum to 1.
    most_events : float
        What the events of a customer come to, however many they are, in telling the rhythm: n of
        them count as n / (1 + n / most_events).
    """

    weeks: np.ndarray
    parts: np.ndarray
    most_events: float = USUAL_MOST_EVENTS

    def posterior(self, counts: sparse.csr_array, segments: np.ndarray) -> np.ndarray:
        """Return how likely each customer has each rhythm, shape (n, k); rows sum to 1.

        Parameters
        ----------
        counts : scipy.sparse.csr_array of shape (n, 168)
            Activity by slot.
        segments : array of int, shape (n,)
            Rows of `parts`; -1 where the segment is not known.
        """
        said = np.asarray(counts @ self._log_weeks)
        listened = 1 / (1 + sum_rows(counts) / self.most_events)
        return _normalise(said * listened[:, None] + self._log_parts[segments])[0]

    def tilt(self, share: np.ndarray, counts: sparse.csr_array, segments: np.ndarray) -> np.ndarray:
        """Return what is expected of customers once their rhythm is heard, shape (n, 168).

        Parameters
        ----------
        share : array of shape (n, 168)
            What is expected of each by segment; rows sum to 1.
        counts, segments : scipy.sparse.csr_array, array
            As for `posterior`.
        """
        # Each row by itself, as a row of one product depends on how many are multiplied at once.
        of_each = self.posterior(counts, segments)[:, None, :]
        tilted = np.matmul(of_each, self.weeks)[:, 0, :]
        tilted *= share
        tilted /= self._usual_weeks[segments]
        tilted /= tilted.sum(axis=1, keepdims=True)
        return np.asarray(tilted)

    @cached_property
    def _log_weeks(self) -> np.ndarray:
        return np.asarray(np.log(self.weeks).T)

    @cached_property
    def _log_parts(self) -> np.ndarray:
        return np.asarray(np.log(self.parts))

    @cached_property
    def _usual_weeks(self) -> np.ndarray:
        """What is expected of each segment by its rhythms alone, (n_segments + 1, 168)."""
        return np.asarray(self.parts @ self.weeks)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON; `from_json` makes the same of it, bit by bit."""
        return {
            "weeks": self.weeks.tolist(),
            "parts": self.parts.tolist(),
            "most_events": self.most_events,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        weeks = np.array(values["weeks"], dtype=np.float64).reshape(-1, SLOTS_PER_WEEK)
        return cls(weeks, np.array(values["parts"], dtype=np.float64), values["most_events"])


def fit_rhythms(
    counts: sparse.csr_array,
    segments: np.ndarray,
    n_segments: int,
    rng: np.random.Generator,
    *,
    n_rhythms: int | None = None,
) -> Rhythms | None:
    """Fit a mixture of weeks to histories.

    Parameters
    ----------
    counts : scipy.sparse.csr_array of shape (n, 168)
        Activity of each customer by slot.
    segments : array of int, shape (n,)
        Segment of each, 0 to `n_segments` - 1; -1 = not known.
    n_segments : int
        Segments there are.
    rng : numpy.random.Generator
        Draws where EM starts.
    n_rhythms : int, optional
        How many; by default 12, or one for every 50 customers who were active.

    Returns
    -------
    Rhythms or None
        None where there are fewer than two: not enough customers.
    """
    rows = np.flatnonzero(np.asarray(counts.sum(axis=1)) > 0)
    k = min(MAX_RHYTHMS, len(rows) // MIN_CUSTOMERS) if n_rhythms is None else n_rhythms
    if k < 2:
        return None
    rows = rows[:: max(1, -(-len(rows) // MAX_FIT_CUSTOMERS))]
    seen, of_segment = counts[rows], segments[rows] % (n_segments + 1)
    member = sparse.csr_array(
        (np.ones(len(rows)), (of_segment, np.arange(len(rows)))), shape=(n_segments + 1, len(rows))
    )
    starts = [_start(seen, member.shape[0], k, rng) for _ in range(_N_STARTS)]
    shorts = [_run(start, seen, of_segment, member, _SHORT_RUN) for start in starts]
    best = max(shorts, key=lambda found: found[1])[0]
    found, _ = _run(best, seen, of_segment, member, _LONG_RUN)
    return replace(found, most_events=USUAL_MOST_EVENTS)


def _start(counts: sparse.csr_array, n_parts: int, k: int, rng: np.random.Generator) -> Rhythms:
    """Start from the weeks of k customers, the active ones more likely."""
    events = np.asarray(counts.sum(axis=1))
    k_drawn = min(k, len(events))
    drawn = rng.choice(len(events), k_drawn, replace=False, p=events / events.sum())
    everybody = smooth_global(np.asarray(counts.sum(axis=0)))
    own = smooth_global(counts[drawn].toarray())
    strength = events[drawn, None]
    weeks = (strength * own + _SEED_EVENTS * everybody) / (strength + _SEED_EVENTS)
    return Rhythms(weeks, np.full((n_parts, k_drawn), 1 / k_drawn), np.inf)


def _run(
    start: Rhythms,
    counts: sparse.csr_array,
    segments: np.ndarray,
    member: sparse.csr_array,
    n_steps: int,
) -> tuple[Rhythms, float]:
    """Climb by EM; the log-likelihood returned is that of the last step but one."""
    everybody = smooth_global(np.asarray(counts.sum(axis=0)))
    found, before, reached = start, -np.inf, -np.inf
    for _ in range(n_steps):
        said = np.asarray(counts @ np.log(found.weeks).T) + np.log(found.parts)[segments]
        of_rhythm, likelihood = _normalise(said)
        reached = float(likelihood.sum())
        found = _learn(of_rhythm, counts, member, everybody)
        if reached - before < _TOLERANCE * abs(reached):
            break
        before = reached
    return found, reached


def _learn(
    of_rhythm: np.ndarray,
    counts: sparse.csr_array,
    member: sparse.csr_array,
    everybody: np.ndarray,
) -> Rhythms:
    """Return the weeks and parts that follow from who has which rhythm, (n, k)."""
    events = np.asarray((counts.T @ of_rhythm).T)
    n = events.sum(axis=1, keepdims=True)
    weeks = (n * smooth_global(events) + _COMMON_EVENTS * everybody) / (n + _COMMON_EVENTS)
    customers = np.asarray(member @ of_rhythm)
    common = (customers.sum(axis=0) + 1) / (customers.sum() + customers.shape[1])
    parts = customers + _COMMON_CUSTOMERS * common
    parts /= parts.sum(axis=1, keepdims=True)
    parts[-1] = common
    return Rhythms(weeks, parts, np.inf)


def _normalise(log_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows that sum to 1, and the logarithm of what they summed to."""
    highest = log_weights.max(axis=1, keepdims=True)
    weights = np.exp(log_weights - highest)
    total = weights.sum(axis=1, keepdims=True)
    return weights / total, (highest + np.log(total))[:, 0]
