"""What a demand champion holds for decisions: stock advice, sample paths, totals of the horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import AlmanacError, UnknownName
from features.region.hierarchy import Hierarchy
from models.demand.assortment import find_below
from models.demand.path_files import Totals, unpack_paths, unpack_totals
from serving.forecasts import NotForecast
from serving.names import nearest
from serving.tables import read_table

STOCK_FILE = "stock.parquet"
MAX_DRAWN_VALUES = 20_000_000
"""Values of sample paths that one request may draw; more would keep a core busy for seconds."""


class NotPlanned(AlmanacError):
    """The published model holds nothing for this decision; the message says what to do."""


class UnknownNode(NotForecast):
    """A name in the request is not forecast; `place` is the parameter or pointer that holds it."""

    def __init__(self, place: str, message: str) -> None:
        self.place = place
        super().__init__(message)


class OverlappingRegions(AlmanacError):
    """A region of the request lies within another one; `place` points to it."""

    def __init__(self, place: str) -> None:
        self.place = place
        super().__init__("this region lies within another one of the request; send each once")


@dataclass(frozen=True)
class Demand:
    """Demand of one product over a horizon, by region and path: shape (n_regions, n_paths)."""

    units: npt.NDArray[np.float64]
    regions: tuple[str, ...]
    first_date: np.datetime64
    last_date: np.datetime64


class Planning:
    """The files for decisions of one champion, read.

    Parameters
    ----------
    files : mapping of name to bytes
        Of a published demand model; one published before there were such files holds none.

    Raises
    ------
    ArtifactError
        If a file is there and cannot be read.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._advice: pd.DataFrame | None = None
        if STOCK_FILE in files:
            self._advice = read_table(files[STOCK_FILE], STOCK_FILE).to_pandas()
        self._totals = unpack_totals(files)
        self._paths = unpack_paths(files)

    @property
    def advice(self) -> pd.DataFrame:
        """One row per series, sorted by region_id and product_id.

        Raises
        ------
        NotPlanned
            If none was published.
        """
        if self._advice is None:
            raise NotPlanned("the published model holds no stock advice; train and promote again")
        return self._advice

    @property
    def totals(self) -> Totals:
        """Units over the horizon by series and path.

        Raises
        ------
        NotPlanned
            If none were published.
        """
        if self._totals is None:
            raise NotPlanned("the published model holds no sample paths; train and promote again")
        return self._totals

    def find_series(
        self, series: pd.DataFrame, region: str | None, product: str | None
    ) -> npt.NDArray[np.int64]:
        """Return the rows of `series` below a region and a product, of any level.

        Raises
        ------
        UnknownNode
            If a name is not known.
        NotForecast
            If no row lies below both.
        """
        totals = self.totals
        chosen = np.ones(len(series), dtype=bool)
        if region is not None:
            chosen &= _find(series["region_id"], totals.regions, region, "region")
        if product is not None:
            chosen &= _find(series["product_id"], totals.products, product, "product")
        if not chosen.any():
            raise NotForecast("this product is not forecast in this region")
        return np.flatnonzero(chosen)

    @cached_property
    def finest_regions(self) -> tuple[str, ...]:
        """The regions that series are forecast for."""
        return tuple(sorted(self.totals.series["region_id"].unique()))

    def sum_demand(
        self, product: str, regions: Sequence[str] | None, horizon: int | None
    ) -> Demand:
        """Sum the demand for a product along each sample path, in each of some regions.

        Parameters
        ----------
        product : str
            Of any level.
        regions : sequence of str, optional
            Of any level, none within another; by default the finest ones that sell it.
        horizon : int, optional
            First periods; the whole horizon by default, and where it is longer.

        Raises
        ------
        UnknownNode, NotForecast
            If a name is not known, or a region does not sell the product.
        NotPlanned
            If a part of the horizon is asked for and distributions were not published.
        """
        totals = self.totals
        sold = _find(totals.series["product_id"], totals.products, product, "#/product")
        ids = totals.series["region_id"]
        named = sorted(set(ids[sold])) if regions is None else list(regions)
        masks = [
            sold & _find(ids, totals.regions, name, f"#/regions/{at}/region")
            if regions is not None
            else sold & (ids == name).to_numpy()
            for at, name in enumerate(named)
        ]
        _check_parts(masks)
        units, last = self._sum_paths(np.any(masks, axis=0), horizon)
        summed = np.stack([units[mask].sum(axis=0, dtype=np.float64) for mask in masks])
        return Demand(np.maximum(summed, 0.0), tuple(named), totals.first_date, last)

    def _sum_paths(
        self, rows: npt.NDArray[np.bool_], horizon: int | None
    ) -> tuple[npt.NDArray[np.float32], np.datetime64]:
        """Return units by series and path over the first periods, and the last date of them."""
        totals = self.totals
        if horizon is None or horizon >= totals.n_steps:
            return totals.units, totals.last_date
        if self._paths is None:
            raise NotPlanned(
                "the published model holds totals of the whole horizon only, as it has too many "
                "series; leave horizon_days out"
            )
        chosen = np.flatnonzero(rows)
        if len(chosen) * self._paths.n_steps * totals.units.shape[1] > MAX_DRAWN_VALUES:
            raise NotPlanned(
                "too many series for a part of the horizon; leave horizon_days out or name fewer "
                "regions"
            )
        units = np.zeros_like(totals.units)
        drawn = self._paths.draw(chosen, totals.units.shape[1], horizon)
        units[chosen] = drawn.sum(axis=1)
        return units, self._paths.dates[horizon - 1]

    @property
    def days_per_period(self) -> float:
        """Days from one forecast date to the next; 1 where there is one date."""
        totals = self.totals
        if totals.n_steps < 2:
            return 1.0
        return float((totals.last_date - totals.first_date).astype(int)) / (totals.n_steps - 1)


def _find(ids: pd.Series, tree: Hierarchy, node: str, place: str) -> npt.NDArray[np.bool_]:
    try:
        return find_below(ids, tree, node, "node")
    except UnknownName:
        known = tree.paths.reindex(ids.unique()).to_numpy(object).ravel()
        names = sorted({name for name in known if isinstance(name, str)})
        kind = place.rpartition("/")[2]
        raise UnknownNode(
            place, f"this {kind} is not forecast; nearest: '{nearest(node, names)}'"
        ) from None


def _check_parts(masks: Sequence[npt.NDArray[np.bool_]]) -> None:
    """Check that every region sells the product, and that none lies within another one."""
    if not masks:
        raise NotForecast("this product is not forecast in any region")
    for at, mask in enumerate(masks):
        if not mask.any():
            raise UnknownNode(
                f"#/regions/{at}/region", "this product is not forecast in this region"
            )
    if (np.sum(masks, axis=0) > 1).any():
        at = next(i for i, m in enumerate(masks) if (m & np.any(masks[:i], axis=0)).any())
        raise OverlappingRegions(f"#/regions/{at}/region")
