"""Mean units per listed series of each region, each product and of all."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.frequency import Frequency
from features.region.panel_features import declare_pool
from features.region.panel_sql import select_pool

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pools:
    """Mean units per listed series of each region, each product and of all, as of each period.

    Attributes
    ----------
    region, product, whole : arrays of shape (n_regions | n_products | 1, n_periods, n_features)
    names : tuple of str
    """

    region: Floats
    product: Floats
    whole: Floats
    names: tuple[str, ...]


def fetch_pools(
    engine: duckdb.DuckDBPyConnection,
    frequency: Frequency,
    series: pd.DataFrame,
    first: int,
    last: int,
) -> Pools:
    """Read the pools of the table `grid` over the periods `first` to `last`."""
    features = declare_pool(frequency)
    names = [feature.name for feature in features]

    def fetch(column: str, ids: list[str]) -> Floats:
        rows = engine.execute(select_pool(features, column)).df()
        table = np.full((len(ids), last - first + 1, len(names)), np.nan, dtype=np.float32)
        where = rows["pool"].map({name: place for place, name in enumerate(ids)})
        table[where.to_numpy(), rows["period"].to_numpy() - first] = rows[names]
        return table

    return Pools(
        fetch("region_id", sorted(series["region_id"].unique())),
        fetch("product_id", sorted(series["product_id"].unique())),
        fetch("'all'", ["all"]),
        tuple(names),
    )
