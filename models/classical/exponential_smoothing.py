"""Exponential smoothing of many series at once, its forms weighed per series by AICc."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.classical.decomposition import LONGEST_SEASON, take_out_season, tile_indices
from models.classical.ets_forms import FORMS, EtsForm, run_recursion
from models.classical.ets_paths import SMALLEST_SHARE, extend_paths
from models.classical.ets_search import compute_aicc, fit_forms
from models.classical.layout import check_values, split_blocks

Floats = npt.NDArray[np.float64]

SHORTEST_SERIES = 4
"""A series with fewer values is forecast by their mean."""

WIDEST = 1e6
"""Standard deviation, in mean sizes of the series, at which exploding variances are cut."""

MOST_FORMS = 8
LEAST_WEIGHT = 0.01
"""A series is forecast by at most eight forms, each of at least this weight."""


@dataclass(frozen=True)
class EtsForecast:
    """Forecasts of every series.

    Attributes
    ----------
    mean : array of shape (n_series, horizon)
        Unit of the values, finite; > 0 where the form multiplies, else of any sign.
    sigma : array of shape (n_series, horizon)
        Standard deviation of the forecast error, same unit, finite, >= 0. Exact for additive
        forms; for multiplicative ones an approximation, which treats the parameters as known.
        Where forms disagree, their disagreement is part of it.
    form : array of str, shape (n_series,)
        The form of smallest AICc, 'MAdA' say; 'mean' for a series too short; '+season' is added
        where a long season was taken out and put back.
    """

    mean: Floats
    sigma: Floats
    form: npt.NDArray[np.str_]


def forecast_ets(values: Floats, *, season: int, horizon: int, seed: int = 7) -> EtsForecast:
    """Forecast every series by the exponential smoothing that suits it.

    Every form is fitted by maximum likelihood, first states included. The forecast is the mean of
    the best forms by their Akaike weights exp(-AICc / 2), as two forms that fit alike may
    forecast apart [3]_.

    Parameters
    ----------
    values : array of shape (n_series, n_periods)
        Any unit, finite. NaN before a series starts; NaN later is a missing period. All series
        end in the last period.
    season : int
        Periods in a season, 1 for none. Up to 24 it is smoothed, if two seasons are known; beyond
        it has too many states to learn, and is averaged, shrunk and put back, if two are known
        and it is significant.
    horizon : int
        Periods to forecast.
    seed : int
        Shifts the grid from which the search starts.

    Returns
    -------
    EtsForecast

    Raises
    ------
    ValueError
        If `values` is not a table of finite numbers and NaN, or season or horizon is below 1.

    References
    ----------
    .. [1] Hyndman, Koehler, Snyder & Grose (2002), "A state space framework for automatic
       forecasting using exponential smoothing methods", IJF 18.
    .. [2] Hyndman et al. (2008), Forecasting with Exponential Smoothing.
    .. [3] Kolassa (2011), "Combining exponential smoothing forecasts using Akaike weights", IJF 27.

    Examples
    --------
    >>> forecast_ets(np.full((1, 12), 5.0), season=1, horizon=2).mean.round(6).tolist()
    [[5.0, 5.0]]
    """
    check_values(values, season, horizon)
    known = ~np.isnan(values)
    n_known = known.sum(axis=1)
    means = np.where(known, values, 0.0).sum(axis=1) / np.maximum(n_known, 1)
    spreads = np.sqrt(np.where(known, (values.T - means).T ** 2, 0.0).sum(axis=1))
    mean = np.repeat(means[:, None], horizon, axis=1)
    sigma = np.repeat((spreads / np.sqrt(np.maximum(n_known - 1, 1)))[:, None], horizon, axis=1)
    form = np.full(len(values), "mean", dtype="<U16")
    for rows in split_blocks(values, SHORTEST_SERIES, season):
        block = values[rows][:, known[rows].any(axis=0).argmax() :].T
        part = _forecast_block(block, season, horizon, seed)
        mean[rows], sigma[rows], form[rows] = part.mean, part.sigma, part.form
    return EtsForecast(mean, sigma, form)


def _forecast_block(values: Floats, season: int, horizon: int, seed: int) -> EtsForecast:
    """Forecast series laid out (n_periods, n_series), after taking out size and a long season."""
    sizes = np.nanmean(np.abs(values), axis=0)
    scaled = values / np.where(sizes > 0, sizes, 1.0)
    forecast = _forecast_best if season <= LONGEST_SEASON else _forecast_adjusted
    part = forecast(scaled, season, horizon, seed)
    return EtsForecast(part.mean * sizes[:, None], part.sigma * sizes[:, None], part.form)


def _forecast_adjusted(scaled: Floats, season: int, horizon: int, seed: int) -> EtsForecast:
    """Take the season out where it is significant, forecast, put it back."""
    taken = take_out_season(scaled, season)
    part = _forecast_best(taken.adjusted, 1, horizon, seed)
    ahead = tile_indices(taken.factors, len(scaled), horizon).T
    form = np.where(taken.is_seasonal, np.char.add(part.form, "+season"), part.form)
    return EtsForecast(taken.put_back(part.mean), part.sigma * ahead, form)


def _forecast_best(values: Floats, season: int, horizon: int, seed: int) -> EtsForecast:
    """Fit all forms, and forecast each series with its best ones."""
    fits = fit_forms(values, season, seed=seed)
    weights = weigh_forms(compute_aicc(values, fits.squares, season))
    means = np.zeros((len(FORMS), values.shape[1], horizon))
    spreads = np.zeros_like(means)
    for i, form in enumerate(FORMS):
        rows = np.flatnonzero(weights[i])
        if len(rows):
            means[i, rows], spreads[i, rows] = _forecast_form(
                values[:, rows], fits.theta[i][:, rows], form, season, horizon
            )
    share = weights[:, :, None]
    mean = (share * means).sum(axis=0)
    variance = (share * (spreads**2 + (means - mean) ** 2)).sum(axis=0)
    best = weights.argmax(axis=0)
    multiplies = np.array([form.needs_positive for form in FORMS])[best]
    floor = np.where(multiplies, SMALLEST_SHARE * np.nanmin(values, axis=0), -np.inf)
    names = np.array([form.name for form in FORMS])[best]
    return EtsForecast(np.maximum(mean, floor[:, None]), np.sqrt(variance), names)


def weigh_forms(aicc: Floats) -> Floats:
    """Akaike weights of the forms of each series.

    Parameters
    ----------
    aicc : array of shape (n_forms, n_series)
        inf where a form cannot be had.

    Returns
    -------
    array of shape (n_forms, n_series)
        exp(-(AICc - smallest) / 2), cut below `LEAST_WEIGHT` and beyond `MOST_FORMS`, with sum 1;
        all on the first form where no criterion exists.
    """
    smallest = aicc.min(axis=0)
    exists = np.isfinite(smallest)
    weights = np.exp(-(aicc - np.where(exists, smallest, 0.0)) / 2)
    ranks = aicc.argsort(axis=0, kind="stable").argsort(axis=0)
    weights[(ranks >= MOST_FORMS) | (weights < LEAST_WEIGHT)] = 0.0
    weights[0, ~exists] = 1.0
    return np.asarray(weights / weights.sum(axis=0))


def _forecast_form(
    values: Floats, theta: Floats, form: EtsForm, season: int, horizon: int
) -> tuple[Floats, Floats]:
    """Mean and standard deviation ahead, each (n_series, horizon), for fitted lanes of a form."""
    run = run_recursion(values, theta[:, None], form, season)
    fitted = run.fitted[:, 0]
    errors = (values - fitted) / (fitted if form.error == "M" else 1.0)
    n_known = (~np.isnan(values)).sum(axis=0)
    freedom = np.maximum(n_known - form.count_parameters(season) + 1, 1)
    variance = np.nansum(errors**2, axis=0) / freedom
    with np.errstate(over="ignore", invalid="ignore"):
        mean, sigma = extend_paths(run, theta, variance, values, form, horizon)
    return mean, np.where(sigma < WIDEST, sigma, WIDEST)
