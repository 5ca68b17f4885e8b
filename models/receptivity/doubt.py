"""How sure a rate is: intervals of probabilities from how much stands behind them.

A customer's rate in a slot is their level times the slot's share of their week. The doubt about
both, as the gamma and the Dirichlet posterior of the chains leave it, becomes the variance of one
gamma distribution around the rate. On simulated customers the 90 % intervals hold the truth in
about nine of ten cases at hours in which people are active, and in about seven at night, where a
share is so small that no gamma distribution has its shape.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import gammaincinv

MAX_VARIANCE = 4.0
"""Relative variance beyond which an interval is as wide as it gets."""
_VARIANCES = np.geomspace(1e-5, MAX_VARIANCE, 120)
_LOG_VARIANCES = np.log(_VARIANCES)


def multiply_doubts(
    level_shape: np.ndarray, share: np.ndarray, concentration: np.ndarray
) -> np.ndarray:
    """Return the relative variance of level × share.

    Parameters
    ----------
    level_shape : array of shape (n,)
        Shape of the gamma posterior of the level: events, those of the prior included; > 0.
    share : array of shape (n, k)
        Posterior mean shares of some slots; > 0.
    concentration : array of shape (n,)
        Strength of the Dirichlet posterior: own events and the prior's; > 0.

    Returns
    -------
    array of shape (n, k)
        Variance ÷ squared mean of the product of the two, which are taken as independent.
    """
    of_level = 1.0 / level_shape[:, None]
    of_share = (1.0 - share) / (share * (concentration[:, None] + 1.0))
    return np.asarray((1.0 + of_level) * (1.0 + of_share) - 1.0)


def bound_probability(
    probability: np.ndarray, variance: np.ndarray, *, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of probabilities 1 − exp(−rate) whose rate is a gamma variable.

    Parameters
    ----------
    probability : array
        1 − exp(−mean rate), any shape.
    variance : array of the same shape
        Relative variance of the rate; more than `MAX_VARIANCE` counts as that.
    level : float
        Of the interval, within (0, 1).
    """
    rate = -np.log1p(-probability)
    low, high = (
        -np.expm1(-rate * find_gamma_factor(variance, tail))
        for tail in ((1 - level) / 2, (1 + level) / 2)
    )
    # Where little is known a gamma distribution lies mostly below its mean.
    return np.minimum(low, probability), np.maximum(high, probability)


def find_gamma_factor(variance: np.ndarray, tail: float) -> np.ndarray:
    """Return the quantile of a gamma variable of mean 1 and some variance, read from a table.

    Examples
    --------
    The exponential distribution has mean 1 and variance 1; its median is log 2.

    >>> round(float(find_gamma_factor(np.array([1.0]), 0.5)[0]), 2)
    0.69
    """
    known = np.clip(variance, _VARIANCES[0], MAX_VARIANCE)
    return np.asarray(np.interp(np.log(known), _LOG_VARIANCES, _build_table(tail)))


@lru_cache(maxsize=16)
def _build_table(tail: float) -> np.ndarray:
    return np.asarray(gammaincinv(1 / _VARIANCES, tail) * _VARIANCES)
