"""Forecasts ahead of a fitted exponential smoothing: their mean and standard deviation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.classical.ets_forms import ALPHA, BETA, GAMMA, PHI, SEASON, EtsForm, Recursion

Floats = npt.NDArray[np.float64]

SMALLEST_SHARE = 0.01
"""A form that multiplies is kept above this share of the smallest value seen."""


def extend_paths(
    run: Recursion, theta: Floats, variance: Floats, values: Floats, form: EtsForm, horizon: int
) -> tuple[Floats, Floats]:
    """Forecast from the last states of a run with one candidate.

    Parameters
    ----------
    run : Recursion
        Over `values`, n_candidates = 1.
    theta : array of shape (SEASON + season, n_series)
    variance : array of shape (n_series,)
        Of the one-step error, relative if the error multiplies.
    values : array of shape (n_periods, n_series)
    form : EtsForm
    horizon : int

    Returns
    -------
    mean, sigma : arrays of shape (n_series, horizon)
        Finite; sigma as in Hyndman et al. (2008), ch. 6: class 1 for additive forms, class 2 for
        multiplicative errors, and for multiplicative seasons the approximation of class 3.
    """
    season = len(run.seasonal)
    phi = theta[PHI] if form.trend == "Ad" else np.ones_like(theta[PHI])
    reach = np.cumsum(phi ** np.arange(1, horizon + 1)[:, None], axis=0)
    base = run.level[0] + (reach * run.slope[0] if form.trend != "N" else 0.0 * reach)
    places = (len(values) + np.arange(horizon)) % season
    ahead = run.seasonal[places, 0]
    mean = {"N": base, "A": base + ahead, "M": base * ahead}[form.season]
    if form.needs_positive:
        floor = SMALLEST_SHARE * np.nanmin(values, axis=0)
        mean = np.maximum(mean, floor)
    else:
        floor = np.zeros(values.shape[1])
    weights = _weigh_errors(theta, reach, form, season)
    if form.error == "A":
        spread = np.vstack([np.zeros_like(variance), np.cumsum(weights[:-1] ** 2, axis=0)])
        return mean.T, np.sqrt(variance * (1 + spread)).T
    if form.season == "M":
        return mean.T, _spread_factors(np.maximum(base, floor), ahead, theta, variance, weights).T
    return mean.T, np.sqrt(_spread_levels(mean, variance, weights) * (1 + variance) - mean**2).T


def _weigh_errors(theta: Floats, reach: Floats, form: EtsForm, season: int) -> Floats:
    """Weight c_j of an error in the forecast j periods later, shape (horizon, n_series)."""
    alpha = theta[ALPHA]
    weights = np.repeat(alpha[None], len(reach), axis=0)
    if form.trend != "N":
        weights = weights + alpha * theta[BETA] * reach
    if form.season == "A":
        is_place = np.arange(1, len(reach) + 1) % season == 0
        weights = weights + is_place[:, None] * (1 - alpha) * theta[GAMMA]
    return np.asarray(weights)


def _spread_levels(mean: Floats, variance: Floats, weights: Floats) -> Floats:
    """Second moments theta_h = mu_h^2 + s^2 sum_j c_j^2 theta_{h-j} (class 2)."""
    moments = np.empty_like(mean)
    for h in range(len(mean)):
        past = (weights[:h][::-1] ** 2 * moments[:h]).sum(axis=0)
        moments[h] = mean[h] ** 2 + variance * past
    return moments


def _spread_factors(
    base: Floats, ahead: Floats, theta: Floats, variance: Floats, weights: Floats
) -> Floats:
    """Spread base and season together where the season multiplies (class 3)."""
    gamma = (1 - theta[ALPHA]) * theta[GAMMA]
    n_seasons = (np.arange(len(base)) // (len(theta) - SEASON))[:, None]
    moments = _spread_levels(base, variance, weights)
    growth = (1 + variance) * (1 + gamma**2 * variance) ** n_seasons
    return np.asarray(np.abs(ahead) * np.sqrt(np.maximum(moments * growth - base**2, 0.0)))
