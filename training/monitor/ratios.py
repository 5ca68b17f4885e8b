"""Ratios of sums over dates, with intervals that do not take rows of one date for independent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """A ratio of two sums, its standard error, and the dates it rests on."""

    value: float
    standard_error: float
    n_dates: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval by Student's t with dates − 1 degrees of freedom."""
        if self.n_dates < 2:
            return -math.inf, math.inf
        half = float(stats.t.ppf((1 + level) / 2, self.n_dates - 1)) * self.standard_error
        return self.value - half, self.value + half

    def share_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of a share: Wilson's, over as many rows as the error is worth.

        All rows of a date may miss together, so 1,000 rows can be worth no more than a few. Where
        every row says the same there is no error to go by: then each date counts as one row.
        """
        if self.n_dates < 2:
            return 0.0, 1.0
        share = min(max(self.value, 0.0), 1.0)
        spread = share * (1 - share)
        worth = spread / self.standard_error**2 if self.standard_error > 0 else self.n_dates
        worth = max(worth, 1.0)
        z = float(stats.t.ppf((1 + level) / 2, self.n_dates - 1))
        centre = (share + z**2 / (2 * worth)) / (1 + z**2 / worth)
        half = z / (1 + z**2 / worth) * math.sqrt(spread / worth + z**2 / (4 * worth**2))
        return max(centre - half, 0.0), min(centre + half, 1.0)


def estimate_ratio(numerator: Floats, denominator: Floats, date: npt.NDArray[np.int64]) -> Ratio:
    """Return Σ numerator ÷ Σ denominator, its error robust to correlation in and between dates.

    Parameters
    ----------
    numerator, denominator : arrays of shape (n_rows,)
        Such as absolute errors and units, or hits and ones.
    date : array of int, shape (n_rows,)
        Date of each row; rows of one date may depend on each other in any way, and dates next to
        each other too (Bartlett weights up to the cube root of the number of dates).

    Returns
    -------
    Ratio
        Of value NaN where the denominators sum to zero.

    References
    ----------
    .. [1] Liang & Zeger (1986), "Longitudinal data analysis using generalized linear models",
       Biometrika 73 (clusters).
    .. [2] Newey & West (1987), "A simple, positive semi-definite, heteroskedasticity and
       autocorrelation consistent covariance matrix", Econometrica 55.

    Examples
    --------
    >>> ratio = estimate_ratio(np.array([1.0, 3.0]), np.array([2.0, 2.0]), np.array([0, 1]))
    >>> ratio.value, ratio.n_dates
    (1.0, 2)
    """
    codes = np.unique(date, return_inverse=True)[1]
    top, bottom = np.bincount(codes, numerator), np.bincount(codes, denominator)
    n_dates, whole = len(top), float(bottom.sum())
    if whole == 0:
        return Ratio(math.nan, math.nan, n_dates)
    value = float(top.sum()) / whole
    if n_dates < 2:
        return Ratio(value, math.nan, n_dates)
    parts = top - value * bottom
    variance = float(parts @ parts)
    most = math.floor(n_dates ** (1 / 3))
    for lag in range(1, most + 1):
        variance += 2 * (1 - lag / (most + 1)) * float(parts[lag:] @ parts[:-lag])
    variance = max(variance, float(parts @ parts)) * n_dates / (n_dates - 1)
    return Ratio(value, math.sqrt(variance) / whole, n_dates)
