"""How good forecasts of demand were: one small function a score, and the table of all of them.

A score is a statistic of rows and an aggregation; the table applies both to every model, level
and horizon bucket at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.demand.quantiles import QUANTILE_NAMES, QUANTILES, find_interval

Floats = npt.NDArray[np.float64]

SCORES = ("wape", "bias", "mase", "rmsse", "pinball", "coverage_80", "coverage_95")
EVERY = "all"
"""Bucket that holds the rows of all buckets."""


def score_wape(actual: Floats, forecast: Floats) -> float:
    """Weighted absolute percentage error.

    Parameters
    ----------
    actual, forecast : arrays of shape (n_rows,)
        Units; no NaN.

    Returns
    -------
    float
        sum|actual − forecast| ÷ sum(actual); 0 is perfect, NaN if nothing was sold.

    References
    ----------
    .. [1] Kolassa & Schuetz (2007), "Advantages of the MAD/Mean ratio over the MAPE", Foresight 6.

    Examples
    --------
    >>> score_wape(np.array([8.0, 2.0]), np.array([6.0, 2.0]))
    0.2
    """
    return _ratio(np.abs(forecast - actual).sum(), actual.sum())


def score_bias(actual: Floats, forecast: Floats) -> float:
    """Forecast over actual: sum(forecast − actual) ÷ sum(actual); > 0 means too much.

    Examples
    --------
    >>> score_bias(np.array([8.0, 2.0]), np.array([6.0, 3.0]))
    -0.1
    """
    return _ratio((forecast - actual).sum(), actual.sum())


def score_mase(actual: Floats, forecast: Floats, season_error: Floats) -> float:
    """Mean absolute scaled error: absolute errors ÷ the series' seasonal naive error before.

    Parameters
    ----------
    actual, forecast : arrays of shape (n_rows,)
    season_error : array of shape (n_rows,)
        Mean absolute error of the seasonal naive up to the origin, of each row's series; rows
        where it is zero or NaN are left out.

    Returns
    -------
    float
        Below 1 is better than the seasonal naive was.

    References
    ----------
    .. [1] Hyndman & Koehler (2006), "Another look at measures of forecast accuracy".

    Examples
    --------
    >>> score_mase(np.array([8.0, 2.0]), np.array([6.0, 2.0]), np.array([2.0, 2.0]))
    0.5
    """
    usable = season_error > 0
    scaled = np.abs(forecast - actual)[usable] / season_error[usable]
    return _ratio(scaled.sum(), float(len(scaled)))


def score_rmsse(
    actual: Floats, forecast: Floats, step_error: Floats, series: npt.NDArray[np.int64]
) -> float:
    """Root mean squared scaled error, averaged over series.

    Parameters
    ----------
    actual, forecast : arrays of shape (n_rows,)
    step_error : array of shape (n_rows,)
        Root mean squared error of the last value, up to the origin; zero or NaN is left out.
    series : array of int, shape (n_rows,)
        Position of each row's series.

    References
    ----------
    .. [1] Makridakis et al. (2022), "M5 accuracy competition", equation 1.

    Examples
    --------
    >>> score_rmsse(np.array([3.0, 5.0]), np.array([0.0, 1.0]), np.ones(2), np.array([0, 1]))
    3.5
    """
    usable = step_error > 0
    squares = ((forecast - actual)[usable] / step_error[usable]) ** 2
    count = np.bincount(series[usable])
    sums = np.bincount(series[usable], weights=squares)
    roots = np.sqrt(sums[count > 0] / count[count > 0])
    return _ratio(roots.sum(), float(len(roots)))


def score_pinball(actual: Floats, quantiles: Floats, levels: Sequence[float] = QUANTILES) -> float:
    """Scaled pinball loss: the mean over quantiles of twice the loss, over the units sold.

    Parameters
    ----------
    actual : array of shape (n_rows,)
    quantiles : array of shape (n_rows, n_levels)
    levels : sequence of float
        Probabilities of the columns.

    Returns
    -------
    float
        2·sum(loss) ÷ (n_levels·sum(actual)); the WAPE of the median if it is the only level.

    References
    ----------
    .. [1] Gneiting & Raftery (2007), "Strictly proper scoring rules, prediction, and estimation".

    Examples
    --------
    >>> round(score_pinball(np.array([10.0]), np.array([[8.0, 11.0]]), levels=(0.5, 0.9)), 6)
    0.11
    """
    return _ratio(pinball_rows(actual, quantiles, levels).sum(), actual.sum())


def score_coverage(actual: Floats, lower: Floats, upper: Floats) -> float:
    """Share of rows with lower <= actual <= upper.

    Examples
    --------
    >>> score_coverage(np.array([1.0, 5.0]), np.array([0.0, 0.0]), np.array([2.0, 4.0]))
    0.5
    """
    return _ratio(float(((lower <= actual) & (actual <= upper)).sum()), float(len(actual)))


def pinball_rows(actual: Floats, quantiles: Floats, levels: Sequence[float] = QUANTILES) -> Floats:
    """Return twice the pinball loss of each row, mean over quantiles, in units."""
    errors = actual[:, None] - quantiles
    at = np.asarray(levels)
    return np.asarray(2.0 * np.maximum(at * errors, (at - 1.0) * errors).mean(axis=1))


def score_forecasts(forecasts: pd.DataFrame, *, by_origin: bool = False) -> pd.DataFrame:
    """Score every model at every level, by horizon bucket and over all of them.

    Parameters
    ----------
    forecasts : DataFrame
        model, level, bucket, origin, region, product, units, mean, q025 … q975, season_error and
        step_error. Rows without units are not scored.
    by_origin : bool
        Keep the origins apart, with a column `origin`.

    Returns
    -------
    DataFrame
        (origin,) model, level, bucket ('all' included), the `SCORES` and n_rows.
    """
    rows = _statistics(forecasts[forecasts["units"].notna()])
    keys = [*(["origin"] if by_origin else []), "model", "level", "bucket"]
    parts = [_aggregate(rows, keys), _aggregate(rows.assign(bucket=EVERY), keys)]
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(keys, ignore_index=True)[[*keys, *SCORES, "n_rows"]]


def _statistics(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each row adds to the scores."""
    actual = rows["units"].to_numpy(np.float64)
    error = rows["mean"].to_numpy(np.float64) - actual
    season, step = (rows[name].to_numpy(np.float64) for name in ("season_error", "step_error"))
    quantiles = rows[list(QUANTILE_NAMES)].to_numpy(np.float64)

    def within(coverage: float) -> Floats:
        lower, upper = find_interval(quantiles, coverage)
        inside = (lower <= actual) & (actual <= upper)
        return inside.astype(np.float64)

    return rows[["origin", "model", "level", "bucket", "region", "product"]].assign(
        units=actual,
        error=error,
        absolute=np.abs(error),
        scaled=np.abs(error) / np.where(season > 0, season, np.nan),
        square=(error / np.where(step > 0, step, np.nan)) ** 2,
        pinball=pinball_rows(actual, quantiles),
        inside_80=within(0.8),
        inside_95=within(0.95),
    )


def _aggregate(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    groups = rows.groupby(keys, sort=True, observed=True)
    sums = groups[["units", "error", "absolute", "pinball"]].sum()
    means = groups[["scaled", "inside_80", "inside_95"]].mean()
    sold = sums["units"].where(sums["units"] > 0)
    series = rows.groupby([*keys, "region", "product"], sort=True, observed=True)["square"].mean()
    return pd.DataFrame(
        {
            "wape": sums["absolute"] / sold,
            "bias": sums["error"] / sold,
            "mase": means["scaled"],
            "rmsse": np.sqrt(series).groupby(level=keys).mean(),
            "pinball": sums["pinball"] / sold,
            "coverage_80": means["inside_80"],
            "coverage_95": means["inside_95"],
            "n_rows": groups.size(),
        }
    ).reset_index()


def _ratio(total: float, whole: float) -> float:
    return float(total / whole) if whole > 0 else float("nan")
