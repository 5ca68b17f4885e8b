"""Runs of days in which something happened more rarely, or more often, than chance allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

LENGTHS_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 56, 84)
_GREATEST_PART = 1 / 3
"""Of all days: a longer run is how things are, not an incident."""
_FEWEST = 5


@dataclass(frozen=True)
class Run:
    """The days that stand out most.

    Attributes
    ----------
    start, n_days : int
        The first day's place, and how many.
    likelihood_ratio : float
        Log, against no difference between these days and the others.
    p_value : float
        That a series without any incident has a run that stands out as much, somewhere.
    """

    start: int
    n_days: int
    likelihood_ratio: float
    p_value: float


def find_run(
    successes: npt.NDArray[np.int64],
    trials: npt.NDArray[np.int64],
    rng: np.random.Generator,
    *,
    is_lower: bool,
    permutations: int = 199,
) -> Run | None:
    """Find the run of days whose share is lower (or higher) than on the other days, if any.

    Every start and twelve lengths are looked at; the p-value accounts for that: the successes are
    dealt out anew to the trials, and the best run of each deal is compared. A Gumbel distribution
    fitted to those gives p-values below one in the number of deals.

    Parameters
    ----------
    successes, trials : array of shape (n_days,)
        Day by day.
    rng : numpy.random.Generator
    is_lower : bool
    permutations : int

    Returns
    -------
    Run or None
        None where there are fewer than 5 successes or failures, or no run to compare.

    References
    ----------
    .. [1] Kulldorff (1997), "A spatial scan statistic", Communications in Statistics 26.
    .. [2] Abrams, Kulldorff & Kleinman (2010), "Gumbel based p-value approximations for spatial
       scan statistics", International Journal of Health Geographics 9.
    """
    n_days, total, hits = len(trials), int(trials.sum()), int(successes.sum())
    lengths = [days for days in LENGTHS_DAYS if days <= n_days * _GREATEST_PART]
    if min(hits, total - hits) < _FEWEST or not lengths:
        return None
    logs = xlogy(np.arange(total + 1), np.arange(total + 1))
    drawn = rng.multivariate_hypergeometric(trials, hits, size=permutations, method="marginals")
    ratios = []
    for days in lengths:
        n_in = _sum_runs(trials[None, :], days)
        c_in = _sum_runs(np.vstack([successes[None, :], drawn]), days)
        ratios.append(_measure(logs, c_in, n_in, hits, total, is_lower=is_lower))
    best = np.stack([ratio.max(axis=1) for ratio in ratios])
    place = int(best[:, 0].argmax())
    observed = float(best[place, 0])
    if observed <= 0.0:
        return None
    p_value = _judge(observed, best[:, 1:].max(axis=0))
    return Run(int(ratios[place][0].argmax()), lengths[place], observed, p_value)


def _sum_runs(counts: npt.NDArray[np.int64], days: int) -> npt.NDArray[np.int64]:
    sums = np.pad(counts.cumsum(axis=1), ((0, 0), (1, 0)))
    return np.asarray(sums[:, days:] - sums[:, :-days])


def _measure(
    logs: npt.NDArray[np.float64],
    c_in: npt.NDArray[np.int64],
    n_in: npt.NDArray[np.int64],
    hits: int,
    total: int,
    *,
    is_lower: bool,
) -> npt.NDArray[np.float64]:
    """Return the log likelihood ratio of each run, 0 where it differs to the other side."""
    inside = logs[c_in] + logs[n_in - c_in] - logs[n_in]
    c_out, n_out = hits - c_in, total - n_in
    outside = logs[c_out] + logs[n_out - c_out] - logs[n_out]
    whole = logs[hits] + logs[total - hits] - logs[total]
    difference = c_in * total - hits * n_in
    is_wanted = difference < 0 if is_lower else difference > 0
    return np.where(is_wanted, inside + outside - whole, 0.0)


def _judge(observed: float, drawn: npt.NDArray[np.float64]) -> float:
    spread = float(drawn.std(ddof=1)) * np.sqrt(6.0) / np.pi
    counted = (1 + int((drawn >= observed).sum())) / (1 + len(drawn))
    if spread <= 0.0 or counted > 10 / len(drawn):
        return float(counted)
    place = float(drawn.mean()) - np.euler_gamma * spread
    return float(-np.expm1(-np.exp(-(observed - place) / spread)))
