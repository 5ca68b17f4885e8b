"""The door of the classical forecasters, and how they cut many series into blocks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

LANES = 8192
"""Lanes run side by side: wide enough to hide Python's cost, narrow enough for the cache."""


def check_values(values: Floats, season: int, horizon: int) -> None:
    """Refuse what no classical forecaster can read.

    Parameters
    ----------
    values : array of shape (n_series, n_periods)
    season, horizon : int, int

    Raises
    ------
    ValueError
        If `values` is not two-dimensional or holds infinities, or season or horizon is below 1.
    """
    if values.ndim != 2:
        raise ValueError(f"values: expected (n_series, n_periods), got shape {values.shape}")
    if np.isinf(values).any():
        row = int(np.isinf(values).any(axis=1).argmax())
        raise ValueError(f"values: row {row} is infinite; use NaN for a missing period")
    if season < 1 or horizon < 1:
        raise ValueError(f"expected season and horizon >= 1, got {season} and {horizon}")


def split_blocks(values: Floats, n_least: int, season: int) -> list[Ints]:
    """Cut the series with enough values into blocks which start at about the same time.

    Parameters
    ----------
    values : array of shape (n_series, n_periods)
    n_least : int
        Known values which a series needs.
    season : int
        Periods in a season; long ones make smaller blocks.

    Returns
    -------
    list of arrays
        Rows of `values`, each in at most one block.
    """
    known = ~np.isnan(values)
    rows = np.flatnonzero(known.sum(axis=1) >= n_least)
    rows = rows[np.argsort(known[rows].argmax(axis=1), kind="stable")]
    n_rows = LANES // (min(season, 24) + 14)
    return [rows[i : i + n_rows] for i in range(0, len(rows), n_rows)]
