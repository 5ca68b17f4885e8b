"""Intervals of policy values and of their differences, customers resampled whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from training.proof.estimators import RowEstimate

_MOST_CLUSTERS = 20_000
_CHUNK = 50


@dataclass(frozen=True)
class Resampled:
    """Values of every estimate in every resample of the customers.

    Attributes
    ----------
    values : mapping of name to array of shape (n_resamples,)
        NaN in a resample that holds no row that counts.
    """

    values: Mapping[str, np.ndarray]

    def interval(
        self, name: str, baseline: str | None = None, *, level: float = 0.95
    ) -> tuple[float, float]:
        """Return the percentile interval of a value, or of its gain over another.

        NaN where a resample holds no row that counts.
        """
        drawn = self.values[name]
        if baseline is not None:
            drawn = drawn - self.values[baseline]
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def resample_customers(
    estimates: Mapping[str, RowEstimate],
    customer: np.ndarray,
    rng: np.random.Generator,
    *,
    n_resamples: int = 1000,
) -> Resampled:
    """Draw customers with replacement and value every estimate in each draw, all on the same draws.

    Beyond 20,000 customers, they are put at random into 20,000 groups that are drawn instead:
    groups of independent customers are as independent, and the interval stays the same.

    Parameters
    ----------
    estimates : mapping of name to RowEstimate
    customer : array of shape (n,)
    rng : numpy.random.Generator
    n_resamples : int

    References
    ----------
    .. [1] Cameron, Gelbach & Miller (2008), "Bootstrap-based improvements for inference with
       clustered errors", Review of Economics and Statistics 90 (pairs cluster bootstrap).
    """
    codes, n_clusters = _group(customer, rng)
    names = list(estimates)
    parts = [part for name in names for part in (estimates[name].numerator,
             estimates[name].denominator)]  # fmt: skip
    sums = np.column_stack([np.bincount(codes, part, minlength=n_clusters) for part in parts])
    totals = np.empty((n_resamples, sums.shape[1]))
    for start in range(0, n_resamples, _CHUNK):
        size = min(_CHUNK, n_resamples - start)
        drawn = rng.integers(0, n_clusters, (size, n_clusters))
        drawn += n_clusters * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n_clusters)
        totals[start : start + size] = counts.reshape(size, n_clusters) @ sums
    top, bottom = totals[:, 0::2], totals[:, 1::2]
    values = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return Resampled({name: values[:, place] for place, name in enumerate(names)})


def measure_standard_error(influence: np.ndarray, customer: np.ndarray) -> float:
    """Return the cluster-robust standard error of a mean, from what each row adds to it.

    Parameters
    ----------
    influence : array of shape (n,)
        Such as `RowEstimate.influence`, or the difference of two of them.
    customer : array of shape (n,)

    Returns
    -------
    float
        NaN with fewer than two customers.

    References
    ----------
    .. [1] Liang & Zeger (1986), "Longitudinal data analysis using generalized linear models",
       Biometrika 73.
    """
    codes = np.unique(customer, return_inverse=True)[1]
    sums = np.bincount(codes, influence)
    n = len(sums)
    if n < 2:
        return float("nan")
    return float(np.sqrt(n / (n - 1) * (sums**2).sum()) / len(influence))


def find_normal_interval(
    value: float, influence: np.ndarray, customer: np.ndarray
) -> tuple[float, float]:
    """Return the 95 % normal interval by the cluster-robust error: what the bootstrap must near."""
    half = float(stats.norm.ppf(0.975)) * measure_standard_error(influence, customer)
    return value - half, value + half


def _group(customer: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    found, codes = np.unique(customer, return_inverse=True)
    if len(found) <= _MOST_CLUSTERS:
        return codes, len(found)
    return (rng.permutation(len(found)) % _MOST_CLUSTERS)[codes], _MOST_CLUSTERS
