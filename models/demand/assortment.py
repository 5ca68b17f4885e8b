"""What a region wants more of than others, and what it begins or ceases to want.

The index of a product is its share of the region's forecast over its share of the forecast of the
region above; 1.2 is a fifth more than there. Trend is the forecast over what was sold before. Both
have intervals from sample paths: the units over the horizon are summed along each path, then
divided, then the quantiles taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import UnknownName
from features.region.hierarchy import Hierarchy
from features.schema import ALL
from models.demand.path_files import Totals

Floats = npt.NDArray[np.float64]

INTERVAL = (0.1, 0.9)
"""Quantiles that intervals reach between: 80 %."""
COLUMNS = (
    "product_id", "units", "units_lower", "units_upper", "share", "reference_share",
    "index", "index_lower", "index_upper", "standing",
    "compared_with", "before_units", "trend", "trend_lower", "trend_upper", "direction",
)  # fmt: skip


@dataclass(frozen=True)
class Assortment:
    """What a region is compared with, and how.

    Attributes
    ----------
    reference : str
        The region above it whose shares are the measure; 'all' is the whole.
    product_level : str
    products : DataFrame
        Columns `COLUMNS`, the highest index first; index and trend are NaN where there is nothing
        to divide by.
    """

    reference: str
    product_level: str
    products: pd.DataFrame


def find_assortment(
    totals: Totals, region: str, *, reference: str | None = None, product_level: str | None = None
) -> Assortment:
    """Compare a region's demand for each product with that of the region above it.

    Parameters
    ----------
    totals : Totals
        Units over the horizon by series and path.
    region : str
        A region of any level; 'all' has nothing above it and is compared with itself.
    reference : str, optional
        Another region to compare with; by default the nearest one above that holds more series.
    product_level : str, optional
        Level of the products compared; the finest by default.

    Returns
    -------
    Assortment

    Raises
    ------
    UnknownName
        If a region or the level is not forecast.
    """
    level = product_level or totals.products.levels[0]
    if level not in totals.products.levels:
        raise UnknownName("product level", level, totals.products.levels)
    own = find_below(totals.series["region_id"], totals.regions, region, "region")
    if reference is None:
        reference, all_of_it = _find_reference(totals, region, own)
    else:
        all_of_it = find_below(totals.series["region_id"], totals.regions, reference, "region")
    kin = totals.products.paths[level].reindex(totals.series["product_id"]).to_numpy(object)
    names = np.array(sorted({name for name in kin[own] if isinstance(name, str)}), dtype=object)
    here, there = (_sum_products(totals.units, kin, names, rows) for rows in (own, all_of_it))
    table = pd.DataFrame({"product_id": names, "units": here.mean(axis=1)})
    table["units_lower"], table["units_upper"] = np.quantile(here, INTERVAL, axis=1)
    _add_index(table, here, there, totals.units[own], totals.units[all_of_it])
    _add_trend(table, here, totals.series, kin, names, own)
    order = ["index", "product_id"]
    table = table.sort_values(order, ascending=[False, True], ignore_index=True)
    return Assortment(reference, level, table[list(COLUMNS)])


def find_below(ids: pd.Series, tree: Hierarchy, node: str, kind: str) -> npt.NDArray[np.bool_]:
    """Return which ids lie at or below a node of a tree.

    Raises
    ------
    UnknownName
        If no id does.
    """
    if node == ALL:
        return np.ones(len(ids), dtype=bool)
    level = tree.level_of.get(node)
    if level is not None:
        found = (tree.paths[level].reindex(ids) == node).to_numpy(dtype=bool, na_value=False)
        if found.any():
            return np.asarray(found)
    known = tree.paths.reindex(ids.unique()).to_numpy(object).ravel()
    raise UnknownName(kind, node, sorted({name for name in known if isinstance(name, str)}))


def _find_reference(
    totals: Totals, region: str, own: npt.NDArray[np.bool_]
) -> tuple[str, npt.NDArray[np.bool_]]:
    """Return the nearest region above that holds more than the region itself."""
    if region != ALL:
        levels = list(totals.regions.levels)
        at = levels.index(totals.regions.level_of[region])
        for above in totals.regions.paths.loc[region, levels[at + 1 :]]:
            if isinstance(above, str):
                held = find_below(totals.series["region_id"], totals.regions, above, "region")
                if held.sum() > own.sum():
                    return above, held
    return ALL, np.ones(len(own), dtype=bool)


def _sum_products(
    units: npt.NDArray[np.float32],
    kin: npt.NDArray[np.object_],
    names: npt.NDArray[np.object_],
    rows: npt.NDArray[np.bool_],
) -> Floats:
    """Return units by product and path, shape (n_names, n_paths)."""
    place = {name: at for at, name in enumerate(names)}
    summed = np.zeros((len(names), units.shape[1]))
    chosen = np.flatnonzero(rows)
    codes = np.array([place.get(name, -1) for name in kin[chosen]], dtype=np.int64)
    np.add.at(summed, codes[codes >= 0], units[chosen[codes >= 0]].astype(np.float64))
    return summed


def _add_index(
    table: pd.DataFrame,
    here: Floats,
    there: Floats,
    own: npt.NDArray[np.float32],
    all_of_it: npt.NDArray[np.float32],
) -> None:
    """Add the index of the mean units and its interval; means divide as they are published."""
    mean_share = _divide(here.mean(axis=1), own.sum(axis=0).mean(dtype=np.float64))
    mean_reference = _divide(there.mean(axis=1), all_of_it.sum(axis=0).mean(dtype=np.float64))
    table["share"], table["reference_share"] = mean_share, mean_reference
    table["index"] = _divide(mean_share, mean_reference)
    each = _divide(_divide(here, own.sum(axis=0)), _divide(there, all_of_it.sum(axis=0)))
    lower, upper = _find_interval(each)
    table["index_lower"], table["index_upper"] = lower, upper
    table["standing"] = _name(lower, upper, ("over", "under", "as elsewhere"))


def _add_trend(
    table: pd.DataFrame,
    here: Floats,
    series: pd.DataFrame,
    kin: npt.NDArray[np.object_],
    names: npt.NDArray[np.object_],
    own: npt.NDArray[np.bool_],
) -> None:
    """Add the forecast over last year's units, or over the recent level where there is no year."""
    before = series.assign(kin=kin)[own].groupby("kin")[["recent_units", "last_year_units"]]
    summed = before.sum(min_count=1).reindex(names)
    is_whole = before.count().reindex(names)["last_year_units"].to_numpy() == (
        before.size().reindex(names).to_numpy()
    )
    last_year = summed["last_year_units"].to_numpy(np.float64)
    has_year = is_whole & (last_year > 0)
    sold = np.where(has_year, last_year, summed["recent_units"].to_numpy(np.float64))
    table["compared_with"] = np.where(has_year, "last year", "recent weeks")
    table["before_units"] = sold
    table["trend"] = _divide(here.mean(axis=1), sold)
    lower, upper = _find_interval(_divide(here, sold[:, None]))
    table["trend_lower"], table["trend_upper"] = lower, upper
    table["direction"] = _name(lower, upper, ("rising", "fading", "steady"))


def _divide(part: npt.NDArray[np.floating], whole: npt.ArrayLike) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
    below = np.asarray(whole, dtype=np.float64)
    known = np.where(below > 0, below, 1.0)
    return np.asarray(np.where(below > 0, np.asarray(part, np.float64) / known, np.nan))


def _find_interval(values: Floats) -> tuple[Floats, Floats]:
    """Return the quantiles of each row over the paths where it has a value; NaN without any."""
    is_known = np.asarray(np.isfinite(values).any(axis=1))
    filled = np.where(is_known[:, None], values, 0.0)
    lower, upper = np.nanquantile(filled, INTERVAL, axis=1)
    return np.where(is_known, lower, np.nan), np.where(is_known, upper, np.nan)


def _name(lower: Floats, upper: Floats, words: tuple[str, str, str]) -> npt.NDArray[np.object_]:
    """Name what is surely above one, surely below it, or neither."""
    names = np.select([lower > 1.0, upper < 1.0], words[:2], default=words[2])
    return np.asarray(names, dtype=object)
