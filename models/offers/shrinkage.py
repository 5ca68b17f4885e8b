"""How much of the difference between groups is real: a normal model of effects and their spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRID_SIZE = 200
GRID_REACH = 4.0
"""The largest spread considered, in standard deviations of the estimates and their errors."""


@dataclass(frozen=True)
class Shrunk:
    """What is believed of each group once all groups are known.

    Attributes
    ----------
    mean, sd : arrays of shape (n_groups,)
        Of the posterior.
    weight : array of shape (n_groups,)
        Share of the group's own estimate in its mean; the rest is what all groups have in common.
    common, common_sd : float
        The mean of the effects of groups, and what a group without any data is believed to have:
        the spread between groups included.
    """

    mean: np.ndarray
    sd: np.ndarray
    weight: np.ndarray
    common: float
    common_sd: float


def shrink_effects(estimate: np.ndarray, variance: np.ndarray) -> Shrunk:
    """Shrink the estimates of groups towards their mean, as far as their errors explain them.

    Parameters
    ----------
    estimate : array of shape (n_groups,)
        One unbiased estimate a group.
    variance : array of shape (n_groups,)
        Its squared standard error; > 0.

    Returns
    -------
    Shrunk
        The spread between groups is not fixed at one value, which a handful of groups cannot
        give, but averaged over what they allow (flat priors on spread and mean), so that the
        intervals hold that doubt too.

    Raises
    ------
    ValueError
        If there is no group, or a variance is not above 0.

    References
    ----------
    .. [1] Gelman et al. (2013), "Bayesian Data Analysis", 3rd ed., section 5.4.

    Examples
    --------
    >>> alike = shrink_effects(np.array([1.0, 1.0, 1.0]), np.array([4.0, 4.0, 1.0]))
    >>> alike.mean.round(6).tolist()
    [1.0, 1.0, 1.0]
    """
    estimate, variance = np.asarray(estimate, np.float64), np.asarray(variance, np.float64)
    if len(estimate) == 0 or not (variance > 0).all():
        raise ValueError(
            f"effects of groups: expected at least one, each with a variance above 0, got "
            f"{len(estimate)} with variances {variance[:5]}"
        )
    if len(estimate) == 1:
        one = float(estimate[0]), float(np.sqrt(variance[0]))
        return Shrunk(estimate.copy(), np.sqrt(variance), np.ones(1), *one)
    spread = _grid(estimate, variance)[:, None]
    precision = 1.0 / (variance + spread**2)
    total = precision.sum(axis=1)
    common = (precision @ estimate) / total
    misfit = (precision * (estimate - common[:, None]) ** 2).sum(axis=1)
    log_likelihood = 0.5 * (np.log(precision).sum(axis=1) - np.log(total) - misfit)
    chance = np.exp(log_likelihood - log_likelihood.max())
    chance /= chance.sum()
    own = spread**2 * precision
    mean = own * estimate + (1.0 - own) * common[:, None]
    within = own * variance + (1.0 - own) ** 2 / total[:, None]
    shrunk = chance @ mean
    sd = np.sqrt(chance @ (within + (mean - shrunk) ** 2))
    middle = float(chance @ common)
    doubt = chance @ (1.0 / total + spread[:, 0] ** 2 + (common - middle) ** 2)
    return Shrunk(shrunk, sd, chance @ own, middle, float(np.sqrt(doubt)))


def _grid(estimate: np.ndarray, variance: np.ndarray) -> np.ndarray:
    largest = GRID_REACH * np.sqrt(estimate.var() + variance.mean())
    return np.asarray((np.arange(GRID_SIZE) + 0.5) / GRID_SIZE * largest)
