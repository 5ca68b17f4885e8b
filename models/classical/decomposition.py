"""Classical decomposition of many series at once: is there a season, and which indices has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NINETY_PERCENT = 1.645
"""Quantile of the test of seasonality in the M3 and M4 benchmarks."""

LONGEST_SEASON = 24
"""A longer season is read from two of it, and shrunk; up to here the test needs three."""

STRONG_SEASON = 0.64
"""Strength from which R's `nsdiffs` takes a season for sure."""

SMALLEST_FACTOR = 1e-2


@dataclass(frozen=True)
class SeasonTakenOut:
    """Series without their season, and what it was.

    Attributes
    ----------
    adjusted : array of shape (n_periods, n_series)
        (values - summands) / factors.
    factors, summands : arrays of shape (season, n_series)
        Row `t % season` belongs to period t; 1 and 0 where a series has no such season.
    is_seasonal : array of bool, shape (n_series,)
    """

    adjusted: Floats
    factors: Floats
    summands: Floats
    is_seasonal: Bools

    def put_back(self, forecasts: Floats) -> Floats:
        """Give forecasts of the adjusted series, shape (n_series, horizon), their season."""
        first, horizon = len(self.adjusted), forecasts.shape[1]
        factors = tile_indices(self.factors, first, horizon).T
        return np.asarray(forecasts * factors + tile_indices(self.summands, first, horizon).T)


def take_out_season(values: Floats, season: int) -> SeasonTakenOut:
    """Take the season out of the series that have one: by factors where all values are > 0.

    Parameters
    ----------
    values : array of shape (n_periods, n_series)
        As for `detect_season`.
    season : int
        Periods in a season, >= 1. Above `LONGEST_SEASON` the indices are shrunk.

    Returns
    -------
    SeasonTakenOut
    """
    factors, summands = np.ones((season, values.shape[1])), np.zeros((season, values.shape[1]))
    is_seasonal = detect_season(values, season)
    is_factor = is_seasonal & (np.nanmin(values, axis=0, initial=np.inf) > 0)
    for indices, chosen in ((factors, is_factor), (summands, is_seasonal & ~is_factor)):
        indices[:, chosen] = compute_seasonal_indices(
            values[:, chosen],
            season,
            is_multiplicative=indices is factors,
            is_shrunk=season > LONGEST_SEASON,
        )
    factors = np.maximum(factors, SMALLEST_FACTOR)
    laid = tile_indices(summands, 0, len(values))
    adjusted = (values - laid) / tile_indices(factors, 0, len(values))
    return SeasonTakenOut(adjusted, factors, summands, is_seasonal)


def detect_season(values: Floats, season: int) -> Bools:
    """Tell which series have a season, by the autocorrelation at the seasonal lag.

    The limit is blind to long smooth waves, whose every autocorrelation is high; a season longer
    than 24 may therefore also prove itself by its strength 1 - Var(R) / Var(S + R) >= 0.64 [2]_.

    Parameters
    ----------
    values : array of shape (n_periods, n_series)
        Any unit; NaN before a series starts and where a period is missing.
    season : int
        Periods in a season; 1 is none.

    Returns
    -------
    array of shape (n_series,)
        True where three seasons (two if it is longer than 24) are known and |r_m| exceeds its
        90 % limit 1.645 sqrt((1 + 2 sum_{i<m} r_i^2) / n).

    References
    ----------
    .. [1] Fiorucci et al. (2016), "Models for optimising the Theta method", IJF 32, sec. 4.
    .. [2] Wang, Smith & Hyndman (2006), "Characteristic-based clustering for time series data",
       DMKD 13.
    """
    known = ~np.isnan(values)
    n_known = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values, 0.0)
    centred = np.where(known, centred - centred.sum(axis=0) / n_known, 0.0)
    if season == 1 or len(values) <= season:
        return np.zeros(values.shape[1], dtype=bool)
    variance = (centred**2).sum(axis=0)
    lags = [(centred[lag:] * centred[:-lag]).sum(axis=0) for lag in range(1, season + 1)]
    correlations = np.array(lags) / np.where(variance > 0, variance, 1.0)
    limit = NINETY_PERCENT * np.sqrt((1 + 2 * (correlations[:-1] ** 2).sum(axis=0)) / n_known)
    is_marked = np.abs(correlations[-1]) > limit
    if season <= LONGEST_SEASON:
        return np.asarray((n_known >= 3 * season) & is_marked)
    return np.asarray((n_known >= 2 * season) & (is_marked | _is_strong(values, season)))


def compute_seasonal_indices(
    values: Floats, season: int, *, is_multiplicative: bool, is_shrunk: bool = False
) -> Floats:
    """Average the distance of each place of the season to a centred moving average.

    Parameters
    ----------
    values : array of shape (n_periods, n_series)
        As for `detect_season`; > 0 if the season is multiplicative.
    season : int
        Periods in a season, > 1.
    is_multiplicative : bool
        Indices are factors with mean 1, else summands with mean 0.
    is_shrunk : bool
        Shrink the indices towards no season as far as they may be noise [2]_.

    Returns
    -------
    array of shape (season, n_series)
        Row `t % season` belongs to period t; neutral (1 or 0) where nothing is known.

    References
    ----------
    .. [1] Makridakis, Wheelwright & Hyndman (1998), Forecasting, 3rd ed., ch. 3.
    .. [2] Miller & Williams (2003), "Shrinkage estimators of time series seasonal factors and
       their effect on forecasting accuracy", IJF 19 (James-Stein).
    """
    trend = _average_centred(values, season)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = values / trend if is_multiplicative else values - trend
    ratios[~np.isfinite(ratios)] = np.nan
    by_place = _split_places(ratios, season)
    known = ~np.isnan(by_place)
    n_known = known.sum(axis=0)
    neutral = 1.0 if is_multiplicative else 0.0
    sums = np.where(known, by_place, 0.0).sum(axis=0)
    indices = np.where(n_known > 0, sums / np.maximum(n_known, 1), neutral)
    centre = indices.mean(axis=0)
    indices = indices / centre if is_multiplicative else indices - centre
    if is_shrunk:
        indices = neutral + (indices - neutral) * _share_of_signal(by_place, indices - neutral)
    return np.asarray(indices)


def tile_indices(indices: Floats, first: int, n_periods: int) -> Floats:
    """Lay seasonal indices (season, n_series) along periods `first`, `first` + 1, ...

    Returns
    -------
    array of shape (n_periods, n_series)
    """
    return np.asarray(indices[(first + np.arange(n_periods)) % len(indices)])


def _average_centred(values: Floats, season: int) -> Floats:
    """Centred moving average over one season (2 x m for an even one); NaN at both ends."""
    half = season // 2
    weights = np.ones(2 * half + 1)
    if season % 2 == 0:
        weights[[0, -1]] = 0.5
    n_periods = len(values)
    average = np.full_like(values, np.nan)
    if n_periods <= 2 * half:
        return average
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    n_inner = n_periods - 2 * half
    total = sum(w * filled[i : i + n_inner] for i, w in enumerate(weights))
    weight = sum(w * known[i : i + n_inner] for i, w in enumerate(weights))
    first = np.where(known.any(axis=0), known.argmax(axis=0), n_periods)
    is_inside = np.arange(n_inner)[:, None] >= first
    is_enough = is_inside & (np.asarray(weight) >= season / 2)
    average[half : half + n_inner] = np.where(is_enough, total / np.maximum(weight, 0.5), np.nan)
    return average


def _split_places(values: Floats, season: int) -> Floats:
    """Reshape (n_periods, n_series) to (n_seasons, season, n_series), NaN at the ragged end."""
    n_seasons = -(-len(values) // season)
    padded = np.full((n_seasons * season, values.shape[1]), np.nan)
    padded[: len(values)] = values
    return padded.reshape(n_seasons, season, -1)


def _is_strong(values: Floats, season: int) -> Bools:
    """Whether the season explains most of what a moving average leaves."""
    by_place = _split_places(values - _average_centred(values, season), season)
    squares, freedom, means = _measure_noise(by_place)
    noise = squares / np.maximum(freedom, 1)
    total = noise + means.var(axis=0)
    strength = 1 - noise / np.where(total > 0, total, 1.0)
    return np.asarray((freedom >= season / 2) & (total > 0) & (strength >= STRONG_SEASON))


def _measure_noise(by_place: Floats) -> tuple[Floats, Floats, Floats]:
    """Squares within the places, their degrees of freedom, and the means of the places."""
    known = ~np.isnan(by_place)
    n_known = known.sum(axis=0)
    means = np.where(known, by_place, 0.0).sum(axis=0) / np.maximum(n_known, 1)
    squares = np.where(known, (by_place - means) ** 2, 0.0).sum(axis=(0, 1))
    freedom = (known.sum(axis=(0, 1)) - (n_known > 0).sum(axis=0)).astype(np.float64)
    return squares, freedom, means


def _share_of_signal(by_place: Floats, effects: Floats) -> Floats:
    """James-Stein factor per series, 0-1: the share of the indices' variance that is no noise."""
    squares, freedom, _ = _measure_noise(by_place)
    per_place = np.maximum((~np.isnan(by_place)).sum(axis=0).mean(axis=0), 1.0)
    noise = squares / np.maximum(freedom, 1) / per_place * max(len(effects) - 3, 0)
    signal = (effects**2).sum(axis=0)
    return np.asarray(np.clip(1 - noise / np.where(signal > 0, signal, 1.0), 0.0, 1.0))
