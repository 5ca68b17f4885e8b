"""Shares: their intervals, tests of two of them, and many tests at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

Numbers = npt.NDArray[np.float64]


def find_wilson_bounds(
    successes: npt.ArrayLike, trials: npt.ArrayLike, *, level: float = 0.95
) -> tuple[Numbers, Numbers]:
    """Return Wilson's score interval of each share; NaN where there are no trials.

    Parameters
    ----------
    successes, trials : array of shape (n,)
        0 <= successes <= trials.
    level : float

    References
    ----------
    .. [1] Wilson (1927), "Probable inference, the law of succession, and statistical inference",
       Journal of the American Statistical Association 22.

    Examples
    --------
    >>> low, high = find_wilson_bounds([5], [10])
    >>> round(float(low[0]), 4), round(float(high[0]), 4)
    (0.2366, 0.7634)
    """
    z = float(stats.norm.ppf((1 + level) / 2))
    count = np.asarray(trials, dtype=np.float64)
    n = np.where(count > 0, count, np.nan)
    share = np.asarray(successes, dtype=np.float64) / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def score_lower_share(
    success: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_], customer: npt.NDArray[np.intp]
) -> float:
    """Return the p-value that a share is as low inside a group by chance, one-sided.

    The score test of two proportions; rows of one customer count as one cluster. With a row per
    customer it is the pooled z-test.

    Parameters
    ----------
    success, inside : array of shape (n,)
    customer : array of shape (n,)
        Codes, 0, 1, …

    Returns
    -------
    float
        NaN where one of the groups is empty or all rows have the same outcome.

    References
    ----------
    .. [1] Liang & Zeger (1986), "Longitudinal data analysis using generalized linear models",
       Biometrika 73.
    """
    share = inside - inside.mean()
    by_customer = np.bincount(customer, weights=share * (success - success.mean()))
    spread = float(np.sqrt((by_customer**2).sum()))
    return float(stats.norm.cdf(by_customer.sum() / spread)) if spread > 1e-12 else float("nan")


def adjust_benjamini_hochberg(p_values: npt.ArrayLike) -> Numbers:
    """Return the q-value of each test: the least rate of false discoveries that still reports it.

    Parameters
    ----------
    p_values : array of shape (n,)
        NaN, a test that could not be made, is left out and stays NaN.

    References
    ----------
    .. [1] Benjamini & Hochberg (1995), "Controlling the false discovery rate", Journal of the
       Royal Statistical Society B 57.

    Examples
    --------
    >>> adjust_benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    given = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(given.shape, np.nan)
    made = np.flatnonzero(~np.isnan(given))
    order = made[np.argsort(given[made], kind="stable")]
    scaled = given[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
