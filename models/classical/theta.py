"""The Theta method for many series at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.classical.decomposition import take_out_season
from models.classical.ets_forms import ALPHA, EtsForm, run_recursion
from models.classical.ets_search import fit_forms
from models.classical.layout import check_values, split_blocks

Floats = npt.NDArray[np.float64]

SIMPLE = EtsForm("A", "N", "N")
SHORTEST_SERIES = 4


def forecast_theta(values: Floats, *, season: int, horizon: int) -> Floats:
    """Forecast every series by the Theta method, as the benchmark of the M3 and M4 competitions.

    The season is taken out where it is significant (by factors, or by summands where some value
    is <= 0), the rest forecast by simple exponential smoothing with half the drift of a straight
    line, and the season put back.

    Parameters
    ----------
    values : array of shape (n_series, n_periods)
        Any unit, finite. NaN before a series starts; NaN later is a missing period.
    season : int
        Periods in a season, 1 for none.
    horizon : int
        Periods to forecast.

    Returns
    -------
    array of shape (n_series, horizon)
        Finite, of any sign; the mean of a series with fewer than four values, 0 without any.

    Raises
    ------
    ValueError
        If `values` is not a table of finite numbers and NaN, or season or horizon is below 1.

    References
    ----------
    .. [1] Assimakopoulos & Nikolopoulos (2000), "The theta model: a decomposition approach to
       forecasting", IJF 16.
    .. [2] Hyndman & Billah (2003), "Unmasking the Theta method", IJF 19, eq. (9).

    Examples
    --------
    >>> forecast_theta(np.full((1, 12), 5.0), season=4, horizon=2).round(6).tolist()
    [[5.0, 5.0]]
    """
    check_values(values, season, horizon)
    known = ~np.isnan(values)
    means = np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    forecasts = np.repeat(means[:, None], horizon, axis=1)
    for rows in split_blocks(values, SHORTEST_SERIES, season):
        block = values[rows][:, known[rows].any(axis=0).argmax() :].T
        forecasts[rows] = _forecast_block(block, season, horizon)
    return forecasts


def _forecast_block(values: Floats, season: int, horizon: int) -> Floats:
    """Theta of series laid out (n_periods, n_series)."""
    sizes = np.nanmean(np.abs(values), axis=0)
    taken = take_out_season(values / np.where(sizes > 0, sizes, 1.0), season)
    drift = _fit_slope(taken.adjusted) / 2
    fits = fit_forms(taken.adjusted, 1, forms=(SIMPLE,))
    level = run_recursion(taken.adjusted, fits.theta[0][:, None], SIMPLE, 1).level[0]
    alpha = fits.theta[0][ALPHA]
    age = len(values) - (~np.isnan(values)).argmax(axis=0)
    lag = (1 - (1 - alpha) ** age) / alpha
    ahead = np.arange(horizon)[:, None] + lag
    return np.asarray(taken.put_back((level + drift * ahead).T) * sizes[:, None])


def _fit_slope(values: Floats) -> Floats:
    """Slope per period of a straight line through the known values, shape (n_series,)."""
    known = ~np.isnan(values)
    n_known = known.sum(axis=0)
    time = np.where(known, np.arange(len(values))[:, None], 0.0)
    time = np.where(known, time - time.sum(axis=0) / n_known, 0.0)
    return np.asarray((time * np.where(known, values, 0.0)).sum(axis=0) / (time**2).sum(axis=0))
