"""Levenberg-Marquardt for exponential smoothing: parameters and first states together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.classical.ets_forms import (
    HIGHEST,
    HIGHEST_PHI,
    LEVEL,
    LOWEST,
    LOWEST_PHI,
    PHI,
    EtsForm,
    run_recursion,
    scale_errors,
)

Floats = npt.NDArray[np.float64]

SMALLEST_GAIN = 0.02
"""A series whose -2 log L falls by less in a step has arrived."""

DAMPINGS = np.array([1e-3, 1e-2, 1e-1, 1.0, 10.0, 1e3])


def measure_lanes(values: Floats, theta: Floats, form: EtsForm, season: int) -> Floats:
    """Sum of squares of `scale_errors` in every lane, inf where it is impossible.

    Parameters
    ----------
    values : array of shape (n_periods, n_series)
    theta : array of shape (SEASON + season, n_candidates, n_series)
    form, season : EtsForm, int

    Returns
    -------
    array of shape (n_candidates, n_series)
    """
    return _sum_squares(_run_errors(values, theta, form, season))


def improve_lanes(
    values: Floats, theta: Floats, form: EtsForm, season: int, n_steps: int
) -> tuple[Floats, Floats]:
    """Take Levenberg-Marquardt steps in parameters and first states, within their bounds.

    Parameters
    ----------
    values : array of shape (n_periods, n_series)
    theta : array of shape (SEASON + season, n_series)
    form, season : EtsForm, int
    n_steps : int

    Returns
    -------
    theta, squares : arrays of shape (SEASON + season, n_series) and (n_series,)
        Never worse than at the start.
    """
    theta = theta.copy()
    squares = np.full(values.shape[1], np.inf)
    n_known = (~np.isnan(values)).sum(axis=0)
    moving = np.arange(values.shape[1])
    for _ in range(n_steps):
        before = squares[moving]
        theta[:, moving], squares[moving] = _take_step(
            values[:, moving], theta[:, moving], form, season
        )
        with np.errstate(all="ignore"):
            gains = n_known[moving] * (np.log(before) - np.log(squares[moving]))
        moving = moving[gains > SMALLEST_GAIN]
        if not len(moving):
            break
    return theta, squares


def _take_step(values: Floats, theta: Floats, form: EtsForm, season: int) -> tuple[Floats, Floats]:
    """Try one step with every damping; return the best lanes and their sums of squares."""
    rows = form.list_free_rows(season)
    low, high = _bound_rows(rows)
    width = np.where(theta[rows] + 1e-4 > high, -1e-4, 1e-4)
    lanes = np.repeat(theta[:, None], len(rows) + 1, axis=1)
    lanes[rows, np.arange(1, len(rows) + 1)] += width
    errors = _run_errors(values, lanes, form, season)
    slopes = (errors[:, 1:] - errors[:, :1]) / width
    slopes[:, np.isnan(slopes[-1])] = 0.0
    steps = _solve_steps(slopes, errors[:, 0], theta[rows], low, high)
    trials = np.repeat(theta[:, None], len(DAMPINGS) + 1, axis=1)
    trials[rows, 1:] = np.clip(trials[rows, 1:] + steps, low[:, None], high[:, None])
    squares = measure_lanes(values, trials, form, season)
    best, every = squares.argmin(axis=0), np.arange(values.shape[1])
    return trials[:, best, every], squares[best, every]


def _bound_rows(rows: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Lowest and highest value of each row, shapes (n_rows, 1)."""
    low = np.where(rows < LEVEL, LOWEST, -np.inf)
    high = np.where(rows < LEVEL, HIGHEST, np.inf)
    low[rows == PHI], high[rows == PHI] = LOWEST_PHI, HIGHEST_PHI
    return low[:, None], high[:, None]


def _run_errors(values: Floats, theta: Floats, form: EtsForm, season: int) -> Floats:
    with np.errstate(all="ignore"):
        return scale_errors(values, run_recursion(values, theta, form, season).fitted, form)


def _sum_squares(errors: Floats) -> Floats:
    squares = np.einsum("tks,tks->ks", errors, errors)
    return np.asarray(np.where(np.isfinite(squares), squares, np.inf))


def _solve_steps(
    slopes: Floats, errors: Floats, point: Floats, low: Floats, high: Floats
) -> Floats:
    """Damped Gauss-Newton steps, shape (n_rows, n_dampings, n_series).

    A row at its bound which the gradient would push beyond it stands still, so that the others
    move as if it were fixed.
    """
    jacobian = np.ascontiguousarray(slopes.transpose(2, 1, 0))
    gradient = jacobian @ np.ascontiguousarray(errors.T)[:, :, None]
    normal = jacobian @ jacobian.transpose(0, 2, 1)
    downhill = -gradient[:, :, 0].T
    is_stuck = ((point <= low) & (downhill < 0)) | ((point >= high) & (downhill > 0))
    free = 1.0 - is_stuck.T
    normal *= free[:, :, None] * free[:, None, :]
    diagonal = np.einsum("spp->sp", normal)
    diagonal = diagonal + np.where(diagonal > 0, 0.0, 1.0)
    extra = diagonal * (DAMPINGS[:, None, None] + 1e-12) + (1 - free)
    systems = normal + extra[..., None] * np.eye(len(point))
    right = (-gradient * free[:, :, None])[None]
    steps = np.linalg.solve(systems, np.broadcast_to(right, (len(DAMPINGS), *right.shape[1:])))
    return np.asarray(steps[..., 0].transpose(2, 0, 1))
