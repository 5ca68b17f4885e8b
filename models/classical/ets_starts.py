"""First states of exponential smoothing by classical heuristics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.classical.decomposition import compute_seasonal_indices, tile_indices

Floats = npt.NDArray[np.float64]

FIRST_SEASONS = 3
"""Seasons from which the first seasonal states are read, beside those of the whole history."""


def guess_states(values: Floats, season: int, season_form: str, *, has_trend: bool) -> Floats:
    """Guess level, slope and seasonal states before the first known period.

    Parameters
    ----------
    values : array of shape (n_periods, n_series)
        NaN before a series starts and where a period is missing.
    season : int
        Periods in a season.
    season_form : {'N', 'A', 'M'}
        None, summands or factors.
    has_trend : bool
        Regress the first values on time, else average them.

    Returns
    -------
    array of shape (2 + season, n_guesses, n_series)
        Level, slope, seasonal states by place `t % season`. With a season there are two guesses:
        its indices from the first three seasons, and from the whole history.

    References
    ----------
    .. [1] Hyndman et al. (2008), Forecasting with Exponential Smoothing, ch. 2.6.1.
    """
    known = ~np.isnan(values)
    first = np.where(known.any(axis=0), known.argmax(axis=0), len(values))
    age = np.arange(len(values))[:, None] - first
    if season_form == "N":
        return _guess(values, age, np.zeros((season, values.shape[1])), "N", has_trend)[:, None]
    early = np.where(age < FIRST_SEASONS * season, values, np.nan)
    guesses = []
    for history in (early, values):
        indices = compute_seasonal_indices(history, season, is_multiplicative=season_form == "M")
        if season_form == "M":
            indices = np.maximum(indices, 1e-2)
        guesses.append(_guess(values, age, indices, season_form, has_trend))
    return np.stack(guesses, axis=1)


def _guess(
    values: Floats, age: npt.NDArray[np.intp], indices: Floats, season_form: str, has_trend: bool
) -> Floats:
    """Stack level, slope and the given indices, shape (2 + season, n_series)."""
    laid = tile_indices(indices, 0, len(values))
    adjusted = values / laid if season_form == "M" else values - laid
    n_early = max(10, 2 * len(indices))
    is_early = (age >= 0) & (age < n_early) & ~np.isnan(values)
    n_known = np.maximum(is_early.sum(axis=0), 1)
    mean = np.where(is_early, adjusted, 0.0).sum(axis=0) / n_known
    if not has_trend:
        return np.vstack([mean, np.zeros_like(mean), indices])
    time = age + 1.0
    mean_time = np.where(is_early, time, 0.0).sum(axis=0) / n_known
    spread = np.where(is_early, (time - mean_time) ** 2, 0.0).sum(axis=0)
    covariance = np.where(is_early, (time - mean_time) * (adjusted - mean), 0.0).sum(axis=0)
    slope = covariance / np.where(spread > 0, spread, 1.0)
    level = mean - slope * mean_time
    if season_form == "M":
        level = np.where(level > 0, level, mean / 2)
    return np.vstack([level, slope, indices])
