"""How far a naive forecast of every node errs: what errors are measured against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.panel import Panel

Floats = npt.NDArray[np.float64]


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


def _row_series(panel: Panel) -> npt.NDArray[np.int64]:
    counts = panel.last_period - panel.series["first_period"].to_numpy() + 1
    return np.repeat(np.arange(len(counts)), counts)


def _row_periods(panel: Panel) -> npt.NDArray[np.int64]:
    series = _row_series(panel)
    offset = (panel.series["first_period"] - panel.series["start_row"]).to_numpy()
    return np.asarray(np.arange(len(series)) + offset[series])


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
    sums = _sum_nodes(panel, node, len(nodes), max(origins))
    season = panel.frequency.season
    parts = []
    step_errors, step_counts = _running(sums, 1, 2)
    near_errors, near_counts = _running(sums, 1, 1)
    far_errors, far_counts = _running(sums, season, 1)
    for origin in origins:
        at = origin - panel.first_period
        far = far_counts[:, at] >= season
        errors = np.where(far, far_errors[:, at], near_errors[:, at])
        counts = np.where(far, far_counts[:, at], near_counts[:, at])
        squares = _ratio(step_errors[:, at], step_counts[:, at])
        parts.append(
            nodes.assign(
                origin=origin,
                level=f"{region_level}/{product_level}",
                season_error=_ratio(errors, counts),
                step_error=np.sqrt(squares),
            )
        )
    return pd.concat(parts, ignore_index=True)


def _sum_nodes(panel: Panel, node: npt.NDArray[np.int64], n_nodes: int, last: int) -> Floats:
    """Return units per node and period, shape (n_nodes, n_periods), NaN where nothing is known."""
    width = last - panel.first_period + 1
    period, series = _row_periods(panel), _row_series(panel)
    known = (period <= last) & np.isfinite(panel.units) & (node[series] >= 0)
    code = node[series[known]] * width + period[known] - panel.first_period
    sums = np.bincount(code, weights=panel.units[known], minlength=n_nodes * width)
    there = np.bincount(code, minlength=n_nodes * width) > 0
    return np.asarray(np.where(there, sums, np.nan).reshape(n_nodes, width))


def _running(sums: Floats, lag: int, power: int) -> tuple[Floats, Floats]:
    """Return running sums and counts of |value − value `lag` before| ** power."""
    errors = np.full_like(sums, np.nan)
    errors[:, lag:] = np.abs(sums[:, lag:] - sums[:, :-lag]) ** power
    return np.nancumsum(errors, axis=1), np.cumsum(np.isfinite(errors), axis=1, dtype=np.float64)


def _ratio(total: Floats, count: Floats) -> Floats:
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
