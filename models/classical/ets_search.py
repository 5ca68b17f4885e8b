"""Maximum likelihood of exponential smoothing, batched: a grid, then Levenberg-Marquardt.

Every form is first tried on a coarse space-filling grid. The forms which look best by AICc are then
refined, parameters and first states together; the field is halved as in successive halving.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.classical.ets_forms import (
    ALPHA,
    BETA,
    FORMS,
    GAMMA,
    HIGHEST_PHI,
    LEVEL,
    LOWEST_PHI,
    PHI,
    SEASON,
    EtsForm,
)
from models.classical.ets_starts import guess_states
from models.classical.ets_steps import improve_lanes, measure_lanes

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

GRID = {"N": 8, "A": 16, "Ad": 20}
"""Points of the grid per trend; seasonal forms try each from both guesses of the states."""

ROUNDS = ((8, 2), (3, 6))
"""Forms kept per series, and steps of Levenberg-Marquardt for each of them."""

SMALLEST_ERROR = 1e-10
"""Relative error below which a fit is exact: the likelihood has no maximum there."""


@dataclass(frozen=True)
class FittedForms:
    """Best lane of every form and series.

    Attributes
    ----------
    theta : array of shape (n_forms, SEASON + season, n_series)
    squares : array of shape (n_forms, n_series)
        Sum of squares of `scale_errors`; inf where the form cannot be had.
    """

    theta: Floats
    squares: Floats


def fit_forms(
    values: Floats, season: int, *, forms: tuple[EtsForm, ...] = FORMS, seed: int = 7
) -> FittedForms:
    """Fit all forms to all series, the promising ones well.

    Parameters
    ----------
    values : array of shape (n_periods, n_series)
        About 1 in size; NaN before a series starts and where a period is missing.
    season : int
        Periods in a season; seasonal forms need two of them.
    forms : tuple of EtsForm
    seed : int
        Shifts the grid.

    Returns
    -------
    FittedForms
    """
    theta = np.zeros((len(forms), SEASON + season, values.shape[1]))
    squares = np.full((len(forms), values.shape[1]), np.inf)
    with np.errstate(all="ignore"):
        for i, form in enumerate(forms):
            chosen = np.flatnonzero(_can_have(values, form, season))
            if len(chosen):
                theta[i][:, chosen], squares[i, chosen] = _search_grid(
                    values[:, chosen], form, season, seed
                )
        for n_kept, n_steps in ROUNDS:
            ranks = compute_aicc(values, squares, season, forms).argsort(axis=0, kind="stable")
            is_kept = np.zeros(squares.shape, dtype=bool)
            np.put_along_axis(is_kept, ranks[:n_kept], True, axis=0)
            for i, form in enumerate(forms):
                chosen = np.flatnonzero(is_kept[i] & np.isfinite(squares[i]))
                if len(chosen):
                    theta[i][:, chosen], squares[i, chosen] = improve_lanes(
                        values[:, chosen], theta[i][:, chosen], form, season, n_steps
                    )
    return FittedForms(theta, squares)


def compute_aicc(
    values: Floats, squares: Floats, season: int, forms: tuple[EtsForm, ...] = FORMS
) -> Floats:
    """Corrected Akaike criterion, shape (n_forms, n_series); inf where it does not exist.

    n log S + 2 k + 2 k (k + 1) / (n - k - 1), as in Hyndman et al. (2008), ch. 7.2.
    """
    n_known = (~np.isnan(values)).sum(axis=0)
    k = np.array([form.count_parameters(season) for form in forms])[:, None]
    sizes = np.nanmax(np.abs(values), axis=0)
    floor = n_known * (np.where(sizes > 0, sizes, 1.0) * SMALLEST_ERROR) ** 2
    freedom = n_known - k - 1
    penalty = 2 * k + 2 * k * (k + 1) / np.maximum(freedom, 1)
    aicc = n_known * np.log(np.maximum(squares, floor)) + penalty
    return np.asarray(np.where((freedom > 0) & np.isfinite(squares), aicc, np.inf))


def _can_have(values: Floats, form: EtsForm, season: int) -> Bools:
    """Which series are long enough, and positive enough, for a form."""
    n_known = (~np.isnan(values)).sum(axis=0)
    can = n_known > (2 if form.trend == "N" else 4)
    if form.season != "N":
        can &= (n_known >= 2 * season) & (season > 1)
    if form.needs_positive:
        can &= np.nanmin(values, axis=0) > 0
    return np.asarray(can)


def _search_grid(values: Floats, form: EtsForm, season: int, seed: int) -> tuple[Floats, Floats]:
    """Best of a fixed grid of parameters for each series."""
    states = guess_states(values, season, form.season, has_trend=form.trend != "N")
    grid = _spread_points(GRID[form.trend], seed)
    n_lanes = grid.shape[1] * states.shape[1]
    theta = np.empty((SEASON + season, n_lanes, values.shape[1]))
    theta[:LEVEL] = np.repeat(grid, states.shape[1], axis=1)[:, :, None]
    theta[LEVEL:] = np.tile(states, (1, grid.shape[1], 1))
    squares = measure_lanes(values, theta, form, season)
    best = squares.argmin(axis=0)
    every = np.arange(values.shape[1])
    return theta[:, best, every], squares[best, every]


def _spread_points(n_points: int, seed: int) -> Floats:
    """Low-discrepancy points (4, n_points), denser where smoothing is slow.

    Roberts' R4 sequence: multiples of powers of 1 / g, where g^5 = g + 1.
    """
    ratio = 1.1673039782614187
    shift = np.random.default_rng(seed).random(4)[:, None]
    steps = (1 / ratio) ** np.arange(1, 5)[:, None]
    points = (shift + steps * np.arange(1, n_points + 1)) % 1.0
    grid = np.empty((4, n_points))
    grid[ALPHA] = 0.01 + 0.98 * points[0] ** 1.5
    grid[[BETA, GAMMA]] = 0.002 + 0.9 * points[1:3] ** 3
    grid[PHI] = LOWEST_PHI + (HIGHEST_PHI - LOWEST_PHI) * points[3]
    return grid
