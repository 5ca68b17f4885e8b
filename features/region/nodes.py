"""Every node of the two crossed hierarchies as one sparse sum over the series below it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from features.region.hierarchy import Hierarchy
from features.region.panel import Panel

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Nodes:
    """The nodes above, and including, a list of series.

    Attributes
    ----------
    table : DataFrame
        One row per node, sorted by level, region_id, product_id: level, region_level,
        product_level, region_id, product_id, n_series, and `series`, the position of the one
        series of a node that holds a single one, else −1.
    series : DataFrame
        region_id and product_id of each series.
    summing : csr_array of float64, shape (n_nodes, n_series)
        1 where a series lies below a node.
    """

    table: pd.DataFrame
    series: pd.DataFrame
    summing: sparse.csr_array

    def sum(self, values: npt.NDArray[np.floating]) -> Floats:
        """Sum an array of shape (n_series, …) over each node: shape (n_nodes, …)."""
        flat = values.reshape(len(values), -1).astype(np.float64, copy=False)
        return np.asarray(self.summing @ flat).reshape(-1, *values.shape[1:])

    @property
    def names(self) -> npt.NDArray[np.object_]:
        """Name of each series: what its sample paths are drawn from."""
        return name_pairs(self.series)

    @property
    def is_single(self) -> npt.NDArray[np.bool_]:
        """Which nodes hold a single series."""
        return np.asarray((self.table["n_series"] == 1).to_numpy())

    @property
    def levels(self) -> dict[str, npt.NDArray[np.int64]]:
        """Positions of the nodes of each level."""
        groups = self.table.groupby("level", sort=False).indices
        return {str(name): np.asarray(places, np.int64) for name, places in groups.items()}


def name_pairs(pairs: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Name pairs of region_id and product_id, 'region/product', whatever others there are."""
    return np.asarray((pairs["region_id"] + "/" + pairs["product_id"]).to_numpy(object))


def build_nodes(panel: Panel, more: pd.DataFrame | None = None) -> Nodes:
    """Build the nodes of a panel's series.

    Parameters
    ----------
    panel : Panel
    more : DataFrame, optional
        region_id and product_id of series to add after the panel's own.
    """
    ids = ["region_id", "product_id"]
    chosen = panel.series[ids]
    if more is not None:
        chosen = pd.concat([chosen, more[ids]], ignore_index=True)
    paths = {
        "region_id": (_paths(panel.regions, chosen["region_id"]), panel.regions.levels),
        "product_id": (_paths(panel.products, chosen["product_id"]), panel.products.levels),
    }
    tables, rows, columns = [], [], []
    count = 0
    for region_level in paths["region_id"][1]:
        for product_level in paths["product_id"][1]:
            keys = pd.DataFrame(
                {
                    "region_id": paths["region_id"][0][region_level],
                    "product_id": paths["product_id"][0][product_level],
                }
            )
            there = np.flatnonzero(keys.notna().all(axis=1).to_numpy())
            groups = keys.iloc[there].groupby(["region_id", "product_id"], sort=True)
            members: npt.NDArray[np.int64] = groups.ngroup().to_numpy().astype(np.int64)
            table = groups.size().rename("n_series").reset_index()
            tables.append(_describe(table, members, there, region_level, product_level))
            rows.append(members + count)
            columns.append(there)
            count += len(table)
    table = pd.concat(tables, ignore_index=True)
    order = table.sort_values(["level", "region_id", "product_id"]).index.to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    where = (place[np.concatenate(rows)], np.concatenate(columns))
    summing = sparse.csr_array(
        (np.ones(len(where[0])), where), shape=(len(table), len(chosen)), dtype=np.float64
    )
    return Nodes(table.iloc[order].reset_index(drop=True), chosen.reset_index(drop=True), summing)


def _describe(
    table: pd.DataFrame,
    members: npt.NDArray[np.int64],
    there: npt.NDArray[np.int64],
    region_level: str,
    product_level: str,
) -> pd.DataFrame:
    only = np.full(len(table), -1)
    only[members] = there
    return table.assign(
        level=f"{region_level}/{product_level}",
        region_level=region_level,
        product_level=product_level,
        series=np.where(table["n_series"] == 1, only, -1),
    )


def _paths(tree: Hierarchy, ids: pd.Series) -> pd.DataFrame:
    return tree.paths.reindex(ids).reset_index(drop=True)
