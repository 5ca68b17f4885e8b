"""Forecasts of intermittent demand, many series at once: Croston's method unbiased, and TSB."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.classical.layout import check_values

Floats = npt.NDArray[np.float64]

ALPHAS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
"""What an optimised alpha is chosen from: the range which the literature finds realistic."""


def forecast_croston_sba(values: Floats, *, alpha: float | None = 0.1) -> Floats:
    """Croston's method with the correction of Syntetos and Boylan: (1 - alpha / 2) size / interval.

    Sizes and intervals are smoothed when demand occurs, from those of the first demand on.

    Parameters
    ----------
    values : array of shape (n_series, n_periods)
        Units; what is not > 0 is no demand. NaN before a series starts or where a period is
        missing is skipped.
    alpha : float in (0, 1], optional
        Smoothing of sizes and intervals; if None, of `ALPHAS` the one with the smallest squared
        one-step error, per series.

    Returns
    -------
    array of shape (n_series,)
        Units per period, the same for every horizon, >= 0; 0 without any demand.

    Raises
    ------
    ValueError
        If `values` is not a table of finite numbers and NaN, or alpha is outside (0, 1].

    References
    ----------
    .. [1] Croston (1972), "Forecasting and stock control for intermittent demands", ORQ 23.
    .. [2] Syntetos & Boylan (2005), "The accuracy of intermittent demand estimates", IJF 21.

    Examples
    --------
    >>> forecast_croston_sba(np.array([[0.0, 4.0, 0.0, 4.0]]), alpha=0.2).tolist()
    [1.8]
    """
    check_values(values, 1, 1)
    if alpha is not None:
        return _run_croston(values, alpha)[0]
    runs = [_run_croston(values, each) for each in ALPHAS]
    best = np.array([squares for _, squares in runs]).argmin(axis=0)
    levels = np.array([level for level, _ in runs])
    return np.asarray(levels[best, np.arange(len(values))])


def forecast_tsb(values: Floats, *, alpha_d: float = 0.1, alpha_p: float = 0.1) -> Floats:
    """Smooth the size of demand and, every period, its probability; forecast their product.

    Unlike Croston's the forecast falls while nothing is asked for: for products that may die.

    Parameters
    ----------
    values : array of shape (n_series, n_periods)
        As for `forecast_croston_sba`.
    alpha_d, alpha_p : float in (0, 1]
        Smoothing of the size, and of the probability.

    Returns
    -------
    array of shape (n_series,)
        Units per period, the same for every horizon, >= 0; 0 without any demand.

    Raises
    ------
    ValueError
        If `values` is not a table of finite numbers and NaN, or an alpha is outside (0, 1].

    References
    ----------
    .. [1] Teunter, Syntetos & Babai (2011), "Intermittent demand: Linking forecasting to
       inventory obsolescence", EJOR 214.

    Examples
    --------
    >>> forecast_tsb(np.array([[4.0, 0.0]]), alpha_d=0.5, alpha_p=0.5).tolist()
    [2.0]
    """
    check_values(values, 1, 1)
    _check_alpha(alpha_d)
    _check_alpha(alpha_p)
    size = np.zeros(len(values))
    probability = np.zeros(len(values))
    waited = np.ones(len(values))
    for units in values.T:
        is_demand, is_known = units > 0, ~np.isnan(units)
        is_first, is_later = is_demand & (size == 0), is_known & (size > 0)
        probability = np.where(
            is_later, probability + alpha_p * (is_demand - probability), probability
        )
        size = np.where(is_later & is_demand, size + alpha_d * (units - size), size)
        size = np.where(is_first, units, size)
        probability = np.where(is_first, 1 / waited, probability)
        waited = waited + is_known
    return size * probability


def _run_croston(values: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Last forecast of each series, and its sum of squared one-step errors from the first on."""
    _check_alpha(alpha)
    size = np.zeros(len(values))
    interval, waited, squares = np.ones_like(size), np.ones_like(size), np.zeros_like(size)
    for units in values.T:
        is_demand, is_known = units > 0, ~np.isnan(units)
        error = np.where(is_known & (size > 0), units - (1 - alpha / 2) * size / interval, 0.0)
        squares += error**2
        weight = np.where(size > 0, alpha, 1.0)
        size = np.where(is_demand, size + weight * (units - size), size)
        interval = np.where(is_demand, interval + weight * (waited - interval), interval)
        waited = np.where(is_demand, 1.0, waited + is_known)
    return (1 - alpha / 2) * size / interval, squares


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha: expected in (0, 1], got {alpha}")
