"""The sample paths behind a published forecast: kept as distributions, drawn again when asked.

Distributions at knots, the shares of common shocks and the seed are all that the paths of a series
depend on, so that a plan made from them tomorrow is of the same paths as the published quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from features.region.hierarchy import Hierarchy
from features.region.nodes import Nodes, name_pairs
from features.region.panel import Panel
from models.demand.coherent import N_PATHS, Coherent
from models.demand.marginals import KNOTS
from models.demand.shocks import OWN, Paths, Shocks, draw_paths, iterate_blocks

Whole = npt.NDArray[np.int64]

BLOCK_VALUES = 4_000_000
"""Values of sample paths that are in memory at a time."""
RECENT_DAYS = 28


@dataclass(frozen=True)
class SamplePaths:
    """What sample paths are drawn from.

    Attributes
    ----------
    series : DataFrame
        region_id and product_id of each series that is forecast, sorted by them.
    dates : array of datetime64[D], shape (n_steps,)
    origin : datetime64[D]
        The last date that the forecast knew.
    frequency : str
        'day', 'week', 'month' or 'quarter'.
    knots : float32, shape (n_series, n_steps, n_knots)
        Distributions at `models.demand.marginals.KNOTS`.
    shocks : Shocks
    seed : int
    regions, products : Hierarchy
    """

    series: pd.DataFrame
    dates: npt.NDArray[np.datetime64]
    origin: np.datetime64
    frequency: str
    knots: npt.NDArray[np.float32]
    shocks: Shocks
    seed: int
    regions: Hierarchy
    products: Hierarchy

    @property
    def n_steps(self) -> int:
        """Periods ahead."""
        return len(self.dates)

    def draw(self, chosen: Whole, n_paths: int = N_PATHS, n_steps: int | None = None) -> Paths:
        """Draw the paths of some series, the same ones however they are asked for.

        Parameters
        ----------
        chosen : array of int, shape (n_chosen,)
            Positions in `series`.
        n_paths : int
            Even.
        n_steps : int, optional
            First periods that are wanted; all by default.

        Returns
        -------
        float32 array of shape (n_chosen, n_steps, n_paths)
            Units per period.
        """
        names = name_pairs(self.series)
        # Shocks are drawn for all periods, and cut: a shorter horizon has the same ones.
        drawn = draw_paths(
            _build_shock_nodes(self),
            self.shocks,
            self.knots[chosen],
            names,
            series=chosen,
            n_paths=n_paths,
            seed=self.seed,
        )
        return np.maximum(drawn[:, :n_steps], np.float32(0.0))

    def sum_horizon(self, n_paths: int = N_PATHS, n_steps: int | None = None) -> Paths:
        """Return each series' units over the horizon by path, shape (n_series, n_paths)."""
        totals = np.zeros((len(self.series), n_paths), np.float32)
        for block in iterate_blocks(len(self.series), count_block(self.n_steps, n_paths)):
            totals[block] = self.draw(block, n_paths, n_steps).sum(axis=1)
        return totals


def count_block(n_steps: int, n_paths: int) -> int:
    """Return how many series may be drawn at a time."""
    return 1 + BLOCK_VALUES // (n_steps * n_paths)


def keep_paths(panel: Panel, made: Coherent, shocks: Shocks, seed: int) -> SamplePaths:
    """Keep what the sample paths of a forecast are drawn from, of the series that are listed."""
    members = made.members
    ids = ["region_id", "product_id"]
    listed = members.nodes.series[members.is_listed]
    order = listed.sort_values(ids).index.to_numpy()
    return SamplePaths(
        series=members.nodes.series.loc[order, ids].reset_index(drop=True),
        dates=panel.date_of(members.periods).astype("datetime64[D]"),
        origin=panel.date_of(np.array([members.origin])).astype("datetime64[D]")[0],
        frequency=panel.frequency.name,
        knots=made.knots[order],
        shocks=shocks,
        seed=seed,
        regions=panel.regions,
        products=panel.products,
    )


def check_knots(knots: npt.NDArray[np.floating]) -> None:
    """Check that distributions have as many knots as are read."""
    if knots.ndim != 3 or knots.shape[2] != len(KNOTS):
        raise ValueError(f"knots: expected shape (n_series, n_steps, {len(KNOTS)}), got "
                         f"{knots.shape}; publish them again")  # fmt: skip


def _build_shock_nodes(paths: SamplePaths) -> Nodes:
    """Build the nodes of the levels that have shocks in common, over the kept series."""
    regions, products = paths.regions, paths.products
    tables, rows, columns, count = [], [], [], 0
    for region_level in regions.levels:
        above = regions.paths[region_level].reindex(paths.series["region_id"]).to_numpy(object)
        for product_level in products.levels:
            level = f"{region_level}/{product_level}"
            if level not in paths.shocks.levels or level == OWN:
                continue
            kin = products.paths[product_level].reindex(paths.series["product_id"])
            keys = pd.DataFrame({"region_id": above, "product_id": kin.to_numpy(object)})
            there = np.flatnonzero(keys.notna().all(axis=1).to_numpy())
            groups = keys.iloc[there].groupby(["region_id", "product_id"], sort=True)
            rows.append(groups.ngroup().to_numpy() + count)
            columns.append(there)
            table = groups.size().rename("n_series").reset_index()
            tables.append(table.assign(level=level, series=-1))
            count += len(table)
    if not tables:
        empty = pd.DataFrame({"level": [], "region_id": [], "product_id": [], "n_series": []})
        return Nodes(empty, paths.series, sparse.csr_array((0, len(paths.series))))
    where = (np.concatenate(rows), np.concatenate(columns))
    summing = sparse.csr_array(
        (np.ones(len(where[0])), where), shape=(count, len(paths.series)), dtype=np.float64
    )
    return Nodes(pd.concat(tables, ignore_index=True), paths.series, summing)
