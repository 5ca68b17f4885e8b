"""One layout for every contender's forecasts: quantiles, floors, sums of the bottom."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.demand_data import Dataset, build_nodes

QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
QUANTILE_NAMES = ("q025", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q975")
INTERVALS = (50, 80, 90, 95)
"""Central intervals, in percent, whose ends are the quantiles beside the median."""
NODE = ["level", "region", "product"]
COLUMNS = ["origin", *NODE, "date", "mean", *QUANTILE_NAMES]


def read_intervals(frame: pd.DataFrame, model: str) -> pd.DataFrame:
    """Name the interval columns of statsforecast and mlforecast by their quantiles.

    The forecast itself is mean and median: neither library tells them apart.
    """
    named = {"unique_id": frame["unique_id"], "date": frame["ds"], "mean": frame[model]}
    for width, low, high in zip(INTERVALS, (3, 2, 1, 0), (5, 6, 7, 8), strict=True):
        named[QUANTILE_NAMES[low]] = frame[f"{model}-lo-{width}"]
        named[QUANTILE_NAMES[high]] = frame[f"{model}-hi-{width}"]
    return pd.DataFrame({**named, "q50": frame[model]})


def finish_forecasts(frame: pd.DataFrame, nodes: pd.DataFrame, origin: object) -> pd.DataFrame:
    """Give forecasts by unique_id their node, order their quantiles and cut all at zero.

    Returns
    -------
    DataFrame
        `COLUMNS`.
    """
    ids = nodes[["unique_id", *NODE]].drop_duplicates()
    named = frame.merge(ids, on="unique_id", how="inner")
    values = np.maximum(named[list(QUANTILE_NAMES)].to_numpy(np.float64), 0.0)
    named[list(QUANTILE_NAMES)] = np.sort(values, axis=1)
    named["mean"] = named["mean"].clip(lower=0.0)
    return named.assign(origin=origin)[COLUMNS]


def sum_bottom(dataset: Dataset, bottom: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sum a column of bottom rows (region_id, product_id, date) to the levels above the bottom."""
    lean = pd.DataFrame(
        {
            "region_id": bottom["region_id"],
            "product_id": bottom["product_id"],
            "date": bottom["date"],
            "units": bottom[column],
            "history": bottom[column],
        }
    )
    nodes = build_nodes(dataset, lean, known=())
    return nodes[nodes["level"] != dataset.levels[0]].rename(columns={"history": column})


def add_residual_quantiles(
    totals: pd.DataFrame, residuals: pd.DataFrame, column: str
) -> pd.DataFrame:
    """Add to the means of nodes the quantiles of their residuals in a cross-validation.

    Parameters
    ----------
    totals : DataFrame
        unique_id and mean.
    residuals : DataFrame
        unique_id and `column`, actual − forecast, over all steps and windows.
    column : str
    """
    found = residuals.groupby("unique_id")[column].quantile(list(QUANTILES)).unstack()  # noqa: PD010
    spread: npt.NDArray[np.float64] = found.reindex(totals["unique_id"]).fillna(0.0).to_numpy()
    result = totals.copy()
    result[list(QUANTILE_NAMES)] = result["mean"].to_numpy()[:, None] + spread
    return result
