"""The order-up-to rules that planners use without sample paths; what ours must beat in money.

Each level is worked out from the sales before its review alone.

References
----------
.. [1] Silver, Pyke & Thomas (2017), "Inventory and Production Management in Supply Chains", 4th
   ed., section 6.10 (uncertain lead times).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from models.stock.inputs import Floats, Whole, check_values, read_per_item


def set_mean_sd_levels(
    sales: npt.ArrayLike,
    reviews: npt.ArrayLike,
    *,
    interval_periods: npt.ArrayLike,
    service_level: npt.ArrayLike,
    lead_time_sd: npt.ArrayLike = 0.0,
    window: int = 28,
) -> Floats:
    """Set levels to mean + z sd of recent sales, as if days were independent and normal.

    Parameters
    ----------
    sales : array of shape (n_items, n_periods)
        Units per period.
    reviews : array of shape (n_reviews,)
        Periods at whose start stock is reviewed; those before it are known.
    interval_periods : number or array of shape (n_items,)
        Mean lead time plus review interval.
    service_level : number or array of shape (n_items,)
        Above 0, below 1.
    lead_time_sd : number or array of shape (n_items,)
        Standard deviation of the lead time, in periods.
    window : int
        Periods of sales that are looked back at.

    Returns
    -------
    array of shape (n_items, n_reviews)
        Units; mean I + z sqrt(I sd^2 + mean^2 sd_L^2) [1]_, at least 0.

    Raises
    ------
    ValueError
        If a review has fewer than two periods before it, or a value is out of range.
    """
    known, at = _read_history(sales, reviews, least=2)
    interval = read_per_item("interval_periods", interval_periods, len(known), at_least=0.0)
    z = _read_z(service_level, len(known))
    lead_sd = read_per_item("lead_time_sd", lead_time_sd, len(known), at_least=0.0)
    levels = np.empty((len(known), len(at)))
    for column, review in enumerate(at.tolist()):
        recent = known[:, max(0, review - window) : review]
        mean, variance = recent.mean(axis=1), recent.var(axis=1, ddof=1)
        spread = np.sqrt(interval * variance + (mean * lead_sd) ** 2)
        levels[:, column] = mean * interval + z * spread
    return np.asarray(np.maximum(levels, 0.0))


def set_seasonal_naive_levels(
    sales: npt.ArrayLike,
    reviews: npt.ArrayLike,
    *,
    interval_periods: npt.ArrayLike,
    service_level: npt.ArrayLike,
    season: int = 7,
) -> Floats:
    """Set levels to the last season's sales, repeated, + z sd of what that rule missed before.

    Parameters
    ----------
    sales, reviews, service_level
        As in `set_mean_sd_levels`.
    interval_periods : number or array of shape (n_items,)
        Mean lead time plus review interval; rounded up to whole periods.
    season : int
        Periods of a season; 7 days.

    Returns
    -------
    array of shape (n_items, n_reviews)
        Units; at least 0.

    Raises
    ------
    ValueError
        If a review has less than a season and two intervals before it, or a value is out of range.
    """
    known = np.asarray(sales, dtype=np.float64)
    asked = read_per_item("interval_periods", interval_periods, len(known), at_least=0.0)
    interval = np.ceil(asked).astype(np.int64)
    known, at = _read_history(known, reviews, least=season + int(interval.max(initial=0)) + 1)
    z = _read_z(service_level, len(known))
    totals = np.concatenate([np.zeros((len(known), 1)), np.cumsum(known, axis=1)], axis=1)
    levels = np.empty((len(known), len(at)))
    for length in np.unique(interval).tolist():
        rows = interval == length
        naive = _sum_seasonal_naive(totals[rows], length, season)
        actual = totals[rows, season + length :] - totals[rows, season : totals.shape[1] - length]
        missed = actual - naive[:, : actual.shape[1]]
        for column, review in enumerate(at.tolist()):
            spread = missed[:, : review - season - length + 1].std(axis=1, ddof=1)
            levels[rows, column] = naive[:, review - season] + z[rows] * spread
    return np.asarray(np.maximum(levels, 0.0))


def _sum_seasonal_naive(totals: Floats, length: int, season: int) -> Floats:
    """Return the naive forecast of `length` periods, at every period from `season` on."""
    seasons, rest = divmod(length, season)
    n_starts = totals.shape[1] - season
    start = totals[:, :n_starts]
    full = totals[:, season:] - start
    return np.asarray(seasons * full + totals[:, rest : rest + n_starts] - start)


def _read_history(
    sales: npt.ArrayLike, reviews: npt.ArrayLike, *, least: int
) -> tuple[Floats, Whole]:
    known, at = np.asarray(sales, dtype=np.float64), np.asarray(reviews, dtype=np.int64)
    if known.ndim != 2:
        raise ValueError(f"sales: expected shape (n_items, n_periods), got {known.shape}")
    check_values("sales", known)
    if at.ndim != 1 or not ((at >= least) & (at <= known.shape[1])).all():
        raise ValueError(
            f"reviews: expected periods {least} to {known.shape[1]}, got {at.tolist()[:5]}; "
            "give more history before the first review"
        )
    return known, at


def _read_z(service_level: npt.ArrayLike, n_items: int) -> Floats:
    level = read_per_item("service_level", service_level, n_items, at_least=0.0)
    if not ((level > 0) & (level < 1)).all():
        raise ValueError("service_level: expected above 0 and below 1; 0.95 means 95 %")
    return np.asarray(stats.norm.ppf(level))
