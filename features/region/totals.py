"""How far a naive forecast of every node errs: what errors are measured against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.panel import Panel

Floats = npt.NDArray[np.float64]

_BLOCK = 2_000
"""Nodes, and series, that are laid out by period at a time."""


def build_node_scales(panel: Panel, origins: Sequence[int]) -> pd.DataFrame:
    """Measure the naive errors of every node at every crossed level, up to each origin.

    Parameters
    ----------
    panel : Panel
        Built at the last origin or later.
    origins : sequence of int
        Periods.

    Returns
    -------
    DataFrame
        origin (period), level, region_id, product_id, and since the node's first sale, in units:
        `season_error`, the mean absolute error of the seasonal naive (of the last value where
        there is less than two seasons), and `step_error`, the root mean squared error of the last
        value. NaN where there is no pair of values.
    """
    parts = [
        _scale_level(panel, origins, region_level, product_level)
        for region_level in panel.regions.levels
        for product_level in panel.products.levels
    ]
    return pd.concat(parts, ignore_index=True)


def _scale_level(
    panel: Panel, origins: Sequence[int], region_level: str, product_level: str
) -> pd.DataFrame:
    keys = pd.DataFrame(
        {
            "region_id": panel.regions.paths[region_level].reindex(panel.series["region_id"]),
            "product_id": panel.products.paths[product_level]
            .reindex(panel.series["product_id"])
            .to_numpy(),
        }
    ).reset_index(drop=True)
    groups = keys.groupby(["region_id", "product_id"], sort=True)
    node: npt.NDArray[np.int64] = groups.ngroup().to_numpy().astype(np.int64)
    nodes = groups.size().index.to_frame(index=False)
    errors = np.empty((len(origins), len(nodes), 2))
    at = np.asarray(origins) - panel.first_period
    for first in range(0, len(nodes), _BLOCK):
        last = min(first + _BLOCK, len(nodes))
        chosen = np.flatnonzero((node >= first) & (node < last))
        sums = _sum_nodes(panel, chosen, node - first, last - first, int(at.max()) + 1)
        errors[:, first:last] = _measure(sums, at, panel.frequency.season)
    level = f"{region_level}/{product_level}"
    parts = [
        nodes.assign(origin=origin, level=level, season_error=found[:, 0], step_error=found[:, 1])
        for origin, found in zip(origins, errors, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _measure(sums: Floats, at: npt.NDArray[np.int64], season: int) -> Floats:
    """Return season_error and step_error as of some columns, shape (n_origins, n_nodes, 2)."""
    step_errors, step_counts = _running(sums, 1, 2)
    near_errors, near_counts = _running(sums, 1, 1)
    far_errors, far_counts = _running(sums, season, 1)
    far = far_counts[:, at] >= season
    errors = np.where(far, far_errors[:, at], near_errors[:, at])
    counts = np.where(far, far_counts[:, at], near_counts[:, at])
    squares = _ratio(step_errors[:, at], step_counts[:, at])
    return np.stack([_ratio(errors, counts).T, np.sqrt(squares).T], axis=-1)


def _sum_nodes(
    panel: Panel,
    chosen: npt.NDArray[np.int64],
    node: npt.NDArray[np.int64],
    n_nodes: int,
    width: int,
) -> Floats:
    """Return units per node and period, shape (n_nodes, width), NaN where nothing is known."""
    starts = panel.series["start_row"].to_numpy()
    begins = panel.series["first_period"].to_numpy() - panel.first_period
    sums, there = np.zeros(n_nodes * width), np.zeros(n_nodes * width, bool)
    for place in range(0, len(chosen), _BLOCK):
        series = chosen[place : place + _BLOCK]
        counts = np.maximum(width - begins[series], 0)
        each = np.repeat(series, counts)
        within = np.arange(len(each)) - np.repeat(np.cumsum(counts) - counts, counts)
        units = panel.units[starts[each] + within]
        known = np.isfinite(units)
        code = (node[each] * width + begins[each] + within)[known]
        sums += np.bincount(code, weights=units[known], minlength=len(sums))
        there[code] = True
    return np.asarray(np.where(there, sums, np.nan).reshape(n_nodes, width))


def _running(sums: Floats, lag: int, power: int) -> tuple[Floats, Floats]:
    """Return running sums and counts of |value − value `lag` before| ** power."""
    errors = np.full_like(sums, np.nan)
    errors[:, lag:] = np.abs(sums[:, lag:] - sums[:, :-lag]) ** power
    return np.nancumsum(errors, axis=1), np.cumsum(np.isfinite(errors), axis=1, dtype=np.float64)


def _ratio(total: Floats, count: Floats) -> Floats:
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
