"""How far the purchases of a window scatter around what is expected of them."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from scipy.stats import nbinom

BOUNDS = (-5.0, 8.0)
"""Of the logarithm of the shape: from very scattered to as good as Poisson."""
SMALLEST = 1e-9


def fit_count_shape(expected: np.ndarray, orders: np.ndarray) -> float:
    """Fit the shape k of a negative binomial with given means by maximum likelihood.

    Parameters
    ----------
    expected : array of shape (n,)
        Means; > 0.
    orders : array of shape (n,)
        Counts that followed.

    Returns
    -------
    float
        The variance is mean + mean² / k.
    """
    mean = np.maximum(expected, SMALLEST)

    def loss(point: float) -> float:
        k = np.exp(point)
        terms = (
            gammaln(orders + k)
            - gammaln(k)
            + k * np.log(k / (k + mean))
            + orders * np.log(mean / (k + mean))
        )
        return -float(terms.mean())

    found = minimize_scalar(loss, bounds=BOUNDS, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def predict_count_interval(
    expected: np.ndarray, shape: float, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest count of the central interval of a negative binomial.

    Parameters
    ----------
    expected : array of shape (n,)
        Means; >= 0.
    shape : float
        As from `fit_count_shape`.
    level : float
        Probability that the interval must hold at least, such as 0.8.

    Returns
    -------
    low, high : array of shape (n,)
        Whole numbers; as counts are whole, the interval holds more than `level`.
    """
    mean = np.maximum(expected, SMALLEST)
    success = shape / (shape + mean)
    tail = (1 - level) / 2
    return nbinom.ppf(tail, shape, success), nbinom.ppf(1 - tail, shape, success)
