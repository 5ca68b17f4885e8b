"""Choosing with a known chance: Thompson sampling with a floor under every permitted option.

What is chosen is drawn from probabilities that are written down first, so the propensity that is
logged is the chance it was drawn with, not an estimate of it. The probability of a permitted option
is the floor, plus its share of the rest by how likely it is the best: the frequency with which it
wins when each option's value is drawn from its normal posterior. A forbidden option has none.

References
----------
.. [1] Thompson (1933), "On the likelihood that one unknown probability exceeds another in view of
   the evidence of two samples", Biometrika 25.
.. [2] Agrawal & Goyal (2013), "Further optimal regret bounds for Thompson sampling", AISTATS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.errors import InvalidRequest

MOST_CANDIDATES = 16
"""Options of a customer that are drawn for: those that may be best by `OPTIMISM` deviations."""
OPTIMISM = 2.0
_CHUNK = 4_000_000
"""Numbers held at once."""


@dataclass(frozen=True)
class Choice:
    """One option for each of n customers, and the chances they were drawn with.

    The probabilities are kept as what they are made of: n * k of them would fill the memory.

    Attributes
    ----------
    index : array of int64, shape (n,)
        The option chosen; -1 where none is permitted.
    propensity : array of float64, shape (n,)
        The probability it was drawn with, in (0, 1]; NaN where none is permitted.
    floor : array of float64, shape (n,)
        Probability that every permitted option has at least.
    candidates : array of int64, shape (n, c)
        Options that have more than that; distinct within a row.
    extra : array of float64, shape (n, c)
        How much more; 0 fills a row up.
    permitted : array of bool, shape (n, k)
        As given.
    """

    index: np.ndarray
    propensity: np.ndarray
    floor: np.ndarray
    candidates: np.ndarray
    extra: np.ndarray
    permitted: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Return the whole distribution, shape (n, k): rows sum to 1, or to 0 if none permitted."""
        whole = self.permitted * self.floor[:, None]
        rows = np.arange(len(whole))[:, None]
        whole[rows, self.candidates] += self.extra
        return np.asarray(whole)


def choose_explored(
    mean: np.ndarray,
    sd: np.ndarray,
    permitted: np.ndarray,
    *,
    floor: float | np.ndarray,
    rng: np.random.Generator,
    draws: int = 200,
) -> Choice:
    """Draw one option per customer by how likely each is the best, with a floor under all.

    Parameters
    ----------
    mean, sd : array of shape (n, k)
        Normal posterior of each option's value, prices already subtracted; sd >= 0. What stands at
        a forbidden option is not read.
    permitted : array of bool, shape (n, k)
    floor : float or array of shape (n,)
        Least probability of a permitted option, 0 to 1. Where it cannot be had by all, because
        their number times the floor exceeds 1, each gets the same.
    rng : numpy Generator
    draws : int
        Posterior draws per customer; >= 1. They decide how finely probabilities are graded, never
        whether they are true: what is drawn from is what is logged.

    Returns
    -------
    Choice
        Where the number of options exceeds `MOST_CANDIDATES`, only so many can have more than the
        floor: those of the highest mean + `OPTIMISM` * sd.

    Raises
    ------
    InvalidRequest
        If floor or draws cannot be.
    ValueError
        If shapes differ, or a permitted option has no finite mean or a negative sd.
    """
    floors = np.broadcast_to(np.asarray(floor, dtype=np.float64), len(permitted))
    if not ((floors >= 0.0) & (floors <= 1.0)).all():
        raise InvalidRequest(f"exploration: expected a floor from 0 to 1, got {np.max(floors):g}")
    if draws < 1:
        raise InvalidRequest(f"exploration: expected 1 or more draws, got {draws}")
    _check_values(mean, sd, permitted)
    n, k = permitted.shape
    width = min(MOST_CANDIDATES, k)
    counts = permitted.sum(axis=1)
    base = np.minimum(floors, 1.0 / np.maximum(counts, 1))
    rest = np.maximum(1.0 - counts * base, 0.0) * (counts > 0)
    candidates = np.zeros((n, width), dtype=np.int64)
    extra = np.zeros((n, width))
    step = max(1, _CHUNK // max(k, width * draws))
    for first in range(0, n, step):
        rows = slice(first, first + step)
        found, wins = _find_wins(mean[rows], sd[rows], permitted[rows], width, draws, rng)
        candidates[rows], extra[rows] = found, wins * rest[rows, None]
    return _draw(base * (counts > 0), candidates, extra, permitted, rng)


def choose_uniform(permitted: np.ndarray, *, rng: np.random.Generator) -> Choice:
    """Draw one permitted option per customer, each with the same chance: the random arm.

    Parameters
    ----------
    permitted : array of bool, shape (n, k)
    rng : numpy Generator
    """
    counts = permitted.sum(axis=1)
    base = np.where(counts > 0, 1.0 / np.maximum(counts, 1), 0.0)
    none = np.zeros((len(permitted), 0))
    return _draw(base, none.astype(np.int64), none, permitted, rng)


def _find_wins(
    mean: np.ndarray,
    sd: np.ndarray,
    permitted: np.ndarray,
    width: int,
    draws: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the candidates of each row and the share of draws that each wins."""
    with np.errstate(invalid="ignore"):  # what stands at a forbidden option may be anything
        hope = np.where(permitted, mean + OPTIMISM * sd, -np.inf)
    if width < hope.shape[1]:
        found = np.argpartition(-hope, width - 1, axis=1)[:, :width]
    else:
        found = np.broadcast_to(np.arange(width), hope.shape)
    is_in = np.take_along_axis(permitted, found, axis=1)
    centre = np.where(is_in, np.take_along_axis(mean, found, axis=1), -np.inf)
    spread = np.where(is_in, np.take_along_axis(sd, found, axis=1), 0.0)
    noise = rng.standard_normal((draws, *found.shape), dtype=np.float32)
    best = (centre + spread * noise).argmax(axis=2)
    cells = best + width * np.arange(len(found))
    wins = np.bincount(cells.ravel(), minlength=found.size).reshape(found.shape) / draws
    return found, wins * is_in


def _draw(
    base: np.ndarray,
    candidates: np.ndarray,
    extra: np.ndarray,
    permitted: np.ndarray,
    rng: np.random.Generator,
) -> Choice:
    """Draw from floor * number of options + extra, all of it at once, with one number a row."""
    n, k = permitted.shape
    index, propensity = np.full(n, -1, dtype=np.int64), np.full(n, np.nan)
    counts = permitted.sum(axis=1)
    ends = np.cumsum(np.column_stack([base * counts, extra]), axis=1)
    aim = np.minimum(rng.random(n) * ends[:, -1], np.nextafter(ends[:, -1], 0.0))
    place = (ends <= aim[:, None]).sum(axis=1)  # 0 = the floor, else 1 + candidate
    by_value = np.flatnonzero((place > 0) & (counts > 0))
    index[by_value] = candidates[by_value, place[by_value] - 1]
    by_floor = np.flatnonzero((place == 0) & (counts > 0))
    step = max(1, _CHUNK // max(k, 1))
    for first in range(0, len(by_floor), step):
        rows = by_floor[first : first + step]
        rank = np.minimum((aim[rows] / base[rows]).astype(np.int64), counts[rows] - 1)
        index[rows] = (permitted[rows].cumsum(axis=1) <= rank[:, None]).sum(axis=1)
    chosen = np.flatnonzero(index >= 0)
    is_chosen = candidates[chosen] == index[chosen, None]
    propensity[chosen] = base[chosen] + (extra[chosen] * is_chosen).sum(axis=1)
    return Choice(index, propensity, base, candidates, extra, permitted)


def _check_values(mean: np.ndarray, sd: np.ndarray, permitted: np.ndarray) -> None:
    if not mean.shape == sd.shape == permitted.shape or mean.ndim != 2:
        raise ValueError(
            f"mean, sd and permitted have shapes {mean.shape}, {sd.shape} and {permitted.shape}, "
            "expected one and the same (n, k)"
        )
    is_sound = np.isfinite(mean) & np.isfinite(sd) & (sd >= 0.0)
    if not (is_sound | ~permitted).all():
        raise ValueError(
            "mean and sd: expected finite numbers and sd >= 0 wherever permitted, got others; "
            "take options without a value out of `permitted`"
        )
