"""The forms of exponential smoothing and their recursion, run over many lanes at once.

A lane is one series with one candidate set of parameters and first states. In error-correction
form the recursion of a multiplicative error is that of the additive one; only the likelihood
differs, so one run serves both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

ALPHA, BETA, GAMMA, PHI, LEVEL, SLOPE, SEASON = range(7)
"""Rows of a lane's parameters; the season's first states are row SEASON and all after it.

BETA is beta / alpha and GAMMA is gamma / (1 - alpha), so that each lives in (0, 1).
"""

LOWEST, HIGHEST = 1e-4, 0.9999
LOWEST_PHI, HIGHEST_PHI = 0.8, 0.98


@dataclass(frozen=True)
class EtsForm:
    """One form: error 'A' or 'M', trend 'N', 'A' or 'Ad', season 'N', 'A' or 'M'."""

    error: str
    trend: str
    season: str

    @property
    def name(self) -> str:
        """The form in the notation of Hyndman et al. (2008), 'MAdA' say."""
        return self.error + self.trend + self.season

    @property
    def needs_positive(self) -> bool:
        """Whether error or season multiply, so that values must be > 0."""
        return "M" in (self.error, self.season)

    def list_free_rows(self, season: int) -> Ints:
        """Rows of the parameters which this form may move, ascending."""
        rows = [ALPHA, LEVEL]
        rows += [BETA, SLOPE] if self.trend != "N" else []
        rows += [PHI] if self.trend == "Ad" else []
        rows += [GAMMA, *range(SEASON, SEASON + season)] if self.season != "N" else []
        return np.array(sorted(rows))

    def count_parameters(self, season: int) -> int:
        """Free parameters, the error's variance among them; one seasonal state is tied."""
        tied = 1 if self.season != "N" else 0
        return len(self.list_free_rows(season)) - tied + 1


FORMS = tuple(
    EtsForm(error, trend, season)
    for season in ("N", "A", "M")
    for trend in ("N", "A", "Ad")
    for error in ("A", "M")
    if (error, season) != ("A", "M")
)
"""All forms without multiplicative trend, and without additive error on a multiplicative season,
which is numerically unstable [Hyndman et al. 2008, ch. 2.5]; parsimonious first."""


@dataclass(frozen=True)
class Recursion:
    """One-step forecasts of a run, and the states after its last period.

    Attributes
    ----------
    fitted : array of shape (n_periods, n_candidates, n_series)
        Forecast of each period from those before it; may be non-finite in impossible lanes.
    level, slope : arrays of shape (n_candidates, n_series)
    seasonal : array of shape (season, n_candidates, n_series)
        Row `t % season` belongs to period t.
    """

    fitted: Floats
    level: Floats
    slope: Floats
    seasonal: Floats


def run_recursion(values: Floats, theta: Floats, form: EtsForm, season: int) -> Recursion:
    """Run one form's recursion over all lanes.

    Parameters
    ----------
    values : array of shape (n_periods, n_series)
        NaN before a series starts: its states wait. NaN later is missing: its error counts as 0.
    theta : array of shape (SEASON + season, n_candidates, n_series)
        Parameters and first states; see the module's row names.
    form : EtsForm
        Its error is not looked at.
    season : int
        Periods in a season.

    References
    ----------
    .. [1] Hyndman, Koehler, Ord & Snyder (2008), Forecasting with Exponential Smoothing, tab. 2.2.
    """
    level, slope = theta[LEVEL], theta[SLOPE]
    seasonal = theta[SEASON:].copy()
    alpha, gamma = theta[ALPHA], (1 - theta[ALPHA]) * theta[GAMMA]
    beta, phi = alpha * theta[BETA], theta[PHI] if form.trend == "Ad" else 1.0
    missing = np.isnan(values)
    first = _find_first(missing)
    n_waiting = int(first.max(initial=0))
    has_gap = np.asarray(missing.any(axis=1))
    fitted = np.empty((len(values), *level.shape))
    has_trend = form.trend != "N"
    for t, actual in enumerate(values):
        drift = slope * phi if has_trend else slope
        base = level + drift if has_trend else level
        place = seasonal[t % season]
        expected = _add_season(base, place, form.season, out=fitted[t])
        error = actual - expected
        if has_gap[t]:
            error[:, missing[t]] = 0.0
        shock = _update_season(place, base, error, gamma, form.season)
        moved, turned = base + alpha * shock, drift + beta * shock if has_trend else slope
        if t < n_waiting:
            starts = t >= first
            moved, turned = np.where(starts, moved, level), np.where(starts, turned, slope)
        level, slope = moved, turned
    return Recursion(fitted, level, slope, seasonal)


def scale_errors(values: Floats, fitted: Floats, form: EtsForm) -> Floats:
    """Errors whose sum of squares S gives the likelihood of either error: -2 log L = n log S.

    Parameters
    ----------
    values : array of shape (n_periods, n_series)
    fitted : array of shape (n_periods, n_candidates, n_series)
    form : EtsForm

    Returns
    -------
    array of shape (n_periods, n_candidates, n_series)
        y - f, or (y - f) / f times the geometric mean of f, which makes
        n log(sum e^2) + 2 sum log f one sum of squares; 0 where missing, NaN in impossible lanes.
    """
    actual = values[:, None, :]
    missing = np.asarray(np.isnan(actual))
    errors = actual - fitted
    if form.error == "M":
        with np.errstate(all="ignore"):
            errors *= _average_geometric(fitted, missing) / fitted
    errors = np.where(missing, 0.0, errors) if missing.any() else errors
    if form.needs_positive:
        errors[:, ~(fitted.min(axis=0) > 0)] = np.nan
    return np.asarray(errors)


def _average_geometric(fitted: Floats, missing: npt.NDArray[np.bool_]) -> Floats:
    """Geometric mean over the known periods; logarithms are slow, so of products of eight."""
    n_known = np.maximum((~missing).sum(axis=0), 1)
    known = np.where(missing, 1.0, fitted) if missing.any() else fitted
    products = np.multiply.reduceat(known, np.arange(0, len(fitted), 8), axis=0)
    return np.asarray(np.exp(np.log(products).sum(axis=0) / n_known))


def _find_first(missing: npt.NDArray[np.bool_]) -> Ints:
    """First known period of each series; the number of periods if there is none."""
    return np.where(missing.all(axis=0), len(missing), (~missing).argmax(axis=0))


def _add_season(base: Floats, place: Floats, season: str, *, out: Floats) -> Floats:
    """One-step forecast from level with trend and the season's place."""
    if season == "N":
        out[...] = base
        return out
    return np.add(base, place, out=out) if season == "A" else np.multiply(base, place, out=out)


def _update_season(
    place: Floats, base: Floats, error: Floats, gamma: Floats, season: str
) -> Floats:
    """Move the season's place in place; return the error as the level sees it."""
    if season == "N":
        return error
    if season == "A":
        place += gamma * error
        return error
    shock = error / place
    place += gamma * error / base
    return shock
