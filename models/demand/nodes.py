"""Nodes above the series: their means, the scale of their errors, their quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.hierarchy import aggregate_levels
from features.region.panel import Panel
from models.demand.intervals import ResidualIntervals

Floats = npt.NDArray[np.float64]


def raise_levels(panel: Panel, rows: pd.DataFrame, values: list[str]) -> pd.DataFrame:
    """Sum bottom rows to every level; `n_series` and `series` tell what a node is made of.

    Returns
    -------
    DataFrame
        As `aggregate_levels` by period and bucket, with `values`, `n_series`, and `series`: the
        one series of a node that holds a single one.
    """
    counted = rows.assign(n_series=1)
    return aggregate_levels(
        counted,
        panel.regions,
        panel.products,
        values=[*values, "n_series", "series"],
        by=("period", "bucket"),
    )


def add_scales(nodes: pd.DataFrame, scales: pd.DataFrame) -> pd.DataFrame:
    """Put each node's naive errors, from `build_node_scales` of one origin, beside it."""
    keys = ["level", "region_id", "product_id"]
    return nodes.merge(scales[[*keys, "season_error", "step_error"]], on=keys, how="left")


def spread_quantiles(
    nodes: pd.DataFrame,
    mean: Floats,
    upper: ResidualIntervals,
    rows: pd.DataFrame,
    own: Floats | None,
) -> Floats:
    """Return quantiles of nodes: a single series has its own, a sum those of its residuals.

    Parameters
    ----------
    nodes : DataFrame
        From `raise_levels` and `add_scales`.
    mean : array of shape (n_nodes,)
    upper : ResidualIntervals
    rows : DataFrame
        The bottom rows that `nodes` was raised from.
    own : array of shape (n_rows, 9), optional
        Their quantiles; without them every node counts as a sum.

    Returns
    -------
    array of shape (n_nodes, 9)
    """
    found = upper.predict_quantiles(mean, find_scales(nodes, mean), group_nodes(nodes))
    if own is None:
        return found
    single = (nodes["n_series"] == 1).to_numpy()
    keys = ["series", "period"]
    place = pd.Series(np.arange(len(rows)), index=pd.MultiIndex.from_frame(rows[keys]))
    wanted = pd.MultiIndex.from_frame(nodes.loc[single, keys])
    found[single] = own[place.reindex(wanted).to_numpy(np.int64)]
    return found


def find_scales(nodes: pd.DataFrame, mean: Floats) -> Floats:
    """Return each node's naive error; the root of its mean where there is none."""
    error = nodes["season_error"].to_numpy(np.float64)
    return np.asarray(np.where(error > 0, error, np.sqrt(np.maximum(mean, 0.25))))


def group_nodes(nodes: pd.DataFrame) -> npt.NDArray[Any]:
    """Name each node's pool of residuals: 'level|bucket'."""
    return (nodes["level"].astype(str) + "|" + nodes["bucket"].astype(str)).to_numpy(object)
