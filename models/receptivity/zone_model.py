"""What the hours of a customer say about where they live, learned from those who are known.

Whole populations sleep at the same local hours. So a customer's hours are turned to each zone that
the project's customers live in and compared with the local hours of everybody: zones in which the
customer would be up at night are unlikely. Zones that show the same clock cannot be told apart, and
need not be.

A customer's events are no independent draws: a night worker stays one, however often they are seen.
So the log-likelihood of N events is divided by 1 + r (N - 1), as for a sample drawn in clusters,
and scaled by b. Both are fitted to make the posterior of customers whose zone is known as good as
it can be: to give it, on the average, the confidence that comes true.

References
----------
.. [1] Kish (1965), "Survey Sampling", 5.4: the design effect 1 + r (N - 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from features.customer.dialect import to_utc

HOURS = 24
LEAST_KNOWN = 50
"""Customers of known zone, with activity, below which hours say nothing."""
MOST_FIT_CUSTOMERS = 2000
_EVEN = 0.02
"""Part of everybody's day that is spread evenly: no hour rules a zone out by itself."""
_START = np.log([0.1, 1.0])


@dataclass(frozen=True)
class ZoneModel:
    """What tells zones apart.

    Attributes
    ----------
    zones : tuple of str
        One per clock: the most frequent zone of those that show it.
    offset_hours : array of float64, shape (n_zones,)
        Ahead of UTC at the moment of fitting; rising.
    prior : array of float64, shape (n_zones,)
        Share of the customers whose zone is known; sums to 1.
    curve : array of float64, shape (24,)
        Share of activity by local hour, all customers of known zone; sums to 1.
    correlation, strength : float
        r and b above.
    n_known : int
        Customers behind all this.
    """

    zones: tuple[str, ...]
    offset_hours: np.ndarray
    prior: np.ndarray
    curve: np.ndarray
    correlation: float
    strength: float
    n_known: int

    def posterior(self, hours: np.ndarray, offset_hours: float) -> np.ndarray:
        """Return the probability of each zone.

        Parameters
        ----------
        hours : array of shape (n, 24)
            Activity by hour of the day, in a zone that is `offset_hours` ahead of UTC.

        Returns
        -------
        array of shape (n, n_zones)
            Rows sum to 1; the prior where there is no activity.
        """
        turned = turn_curve(self.curve, self.offset_hours - offset_hours)
        scores = self.strength * _discount(hours, self.correlation) @ np.log(turned).T
        return np.asarray(softmax(np.log(self.prior) + scores, axis=1))


def fit_zones(
    hours: np.ndarray, zones: np.ndarray, known: np.ndarray, *, time_zone: str, at: datetime
) -> ZoneModel:
    """Learn local hours, zones and how much hours tell, from customers whose zone is known.

    Parameters
    ----------
    hours : array of shape (n, 24)
        Activity by hour of the day in each customer's zone.
    zones : array of str, shape (n,)
    known : array of int64
        Rows whose zone is more than the project's.
    time_zone : str
        The project's zone, which is always one of the zones.
    at : datetime
        When offsets are read.
    """
    names, frequency = np.unique(zones[known].astype(str), return_counts=True)
    tally = {time_zone: 0} | dict(zip(names.tolist(), frequency.tolist(), strict=True))
    clocks, offsets, prior = _group_clocks(tally, at)
    active = known[hours[known].sum(axis=1) > 0]
    curve = _draw_curve(hours[active])
    if len(active) < LEAST_KNOWN or len(clocks) == 1:
        # no hour speaks for anything: what is left is how frequent zones are
        return ZoneModel(clocks, offsets, prior, curve, 1.0, 0.0, len(known))
    every = max(1, len(active) // MOST_FIT_CUSTOMERS)
    correlation, strength = _fit_trust(hours[active[::every]], curve, offsets, prior)
    return ZoneModel(clocks, offsets, prior, curve, correlation, strength, len(known))


def offset_hours(zone: str, at: datetime) -> float:
    """Return how many hours a zone is ahead of UTC at a moment.

    Examples
    --------
    >>> offset_hours("Asia/Kolkata", datetime(2024, 6, 1))
    5.5
    """
    ahead = to_utc(at).replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return ahead.total_seconds() / 3600.0 if ahead is not None else 0.0


def turn_curve(curve: np.ndarray, shift_hours: np.ndarray) -> np.ndarray:
    """Return a day as it is seen from elsewhere, shape (n_shifts, 24).

    Parameters
    ----------
    curve : array of shape (24,)
        By local hour.
    shift_hours : array of shape (n_shifts,)
        How far local time is ahead of the clock it is seen by; fractions split hours.

    Examples
    --------
    >>> seen = turn_curve(np.eye(24)[9], np.array([-2.0]))  # nine o'clock, two hours to the west
    >>> int(seen.argmax())
    11
    """
    whole = np.floor(shift_hours).astype(np.int64)
    part = (shift_hours - whole)[:, None]
    first = (np.arange(HOURS)[None, :] + whole[:, None]) % HOURS
    return np.asarray((1 - part) * curve[first] + part * curve[(first + 1) % HOURS])


def fold_days(counts: sparse.csr_array) -> np.ndarray:
    """Add the seven days up, shape (n, 24)."""
    n_slots = counts.shape[1]
    slots = np.arange(n_slots)
    fold = sparse.csr_array((np.ones(n_slots), (slots, slots % HOURS)), shape=(n_slots, HOURS))
    return np.asarray((counts @ fold).toarray())


def _group_clocks(
    tally: Mapping[str, int], at: datetime
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return for each clock its most frequent zone, its offset and its share of customers."""
    offset = {zone: offset_hours(zone, at) for zone in tally}
    names = {}
    for zone in sorted(tally, key=lambda name: (tally[name], name)):
        names[offset[zone]] = zone  # the most frequent is written last
    offsets = np.array(sorted(names))
    count = np.array([sum(tally[z] for z in tally if offset[z] == o) for o in offsets])
    prior = (count + 1.0) / (count.sum() + len(count))
    return tuple(names[offset] for offset in offsets), offsets, prior


def _draw_curve(hours: np.ndarray) -> np.ndarray:
    """Return everybody's day, smoothed a little; no customer speaks for more than ten."""
    weight = _discount(hours, 0.1).sum(axis=0)
    smooth = 0.25 * np.roll(weight, 1) + 0.5 * weight + 0.25 * np.roll(weight, -1) + 1.0
    return np.asarray((1 - _EVEN) * smooth / smooth.sum() + _EVEN / HOURS)


def _discount(hours: np.ndarray, correlation: float) -> np.ndarray:
    events = hours.sum(axis=1, keepdims=True)
    return np.asarray(hours / (1.0 + correlation * np.maximum(events - 1.0, 0.0)))


def _fit_trust(
    hours: np.ndarray, curve: np.ndarray, offsets: np.ndarray, prior: np.ndarray
) -> tuple[float, float]:
    """Fit r and b so that customers of known zone are told apart with honest confidence.

    Each is taken to live in every zone in turn, as often as the prior says: seen from there, their
    own zone is the one without a shift.
    """
    apart = offsets[None, :] - offsets[:, None]  # row: the true zone; column: a candidate
    shifts, of_pair = np.unique(apart, return_inverse=True)
    logs = np.log(turn_curve(curve, shifts)).T
    of_pair = of_pair.reshape(apart.shape)
    log_prior = np.log(prior)

    def loss(point: np.ndarray) -> float:
        correlation, strength = _read_point(point)
        scores = strength * (_discount(hours, correlation) @ logs)
        found = 0.0
        for true, share in enumerate(prior.tolist()):
            rivals = log_prior + scores[:, of_pair[true]]
            found += share * float((rivals[:, true] - logsumexp(rivals, axis=1)).mean())
        # a weak prior holds what few customers cannot decide
        return -found * len(hours) + float((((point - _START) / 1.5) ** 2).sum()) / 2

    point = minimize(loss, _START, method="Nelder-Mead", options={"maxiter": 80}).x
    return _read_point(point)


def _read_point(point: np.ndarray) -> tuple[float, float]:
    correlation, strength = np.exp(point).tolist()
    return min(correlation, 1.0), strength
