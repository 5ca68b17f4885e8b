"""Whether what a promotion offers can be had where a customer is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.errors import UnknownName
from features.region.hierarchy import Hierarchy
from features.schema import ALL, Stock

IN_STOCK, NOT_KNOWN, OUT_OF_STOCK = 0, 1, 2
"""Verdicts on a promotion in a region."""


def check_stock(
    offered: Sequence[str],
    region_ids: Sequence[str],
    stock: pd.DataFrame,
    *,
    regions: Hierarchy | None,
    products: Hierarchy | None,
    as_of: np.datetime64,
    ends_at: np.datetime64,
) -> np.ndarray:
    """Say of each region whether anything of an offer can be had there.

    A product can be had at a location if on hand, less reserved, plus what arrives before the
    promotion ends, is above zero; what arrives at no stated time is not counted on. A region is
    served by the locations in it, by those it lies in, and, if it is 'all' or not in the tree of
    regions, by every location.

    Parameters
    ----------
    offered : sequence of str
        Products of the promotion, of any level; none or 'all' = everything, which is never out of
        stock.
    region_ids : sequence of str, length n
    stock : DataFrame
        Canonical `stock`; of each location and product the latest row not after `as_of` is read.
    regions, products : Hierarchy or None
        None = no tree: ids are places and products of their own.
    as_of, ends_at : datetime64
        Now, and the end of the promotion, UTC.

    Returns
    -------
    array of int8, shape (n,)
        `OUT_OF_STOCK` where the stock of all that is offered is known and none of it can be had;
        `NOT_KNOWN` where none is known to be there and of something it is not known; else
        `IN_STOCK`.

    Raises
    ------
    UnknownName
        If a product is offered that is not in the tree.
    """
    wanted = _list_products(offered, products)
    if wanted is None:
        return np.full(len(region_ids), IN_STOCK, dtype=np.int8)
    latest = _read_latest(stock, as_of)
    latest = latest[latest[Stock.PRODUCT_ID].isin(wanted)]
    locations, at = np.unique(latest[Stock.LOCATION_ID].to_numpy(object), return_inverse=True)
    item = pd.Index(wanted).get_indexer(pd.Index(latest[Stock.PRODUCT_ID]))
    known, there = np.zeros((2, len(locations), len(wanted)))
    known[at, item] = 1.0
    there[at, item] = _count_available(latest, ends_at) > 0
    codes, names = pd.factorize(np.asarray(region_ids, dtype=object))
    serves = _match_places([str(name) for name in names], [str(x) for x in locations], regions)
    is_known = (serves @ known > 0).all(axis=1)
    has_any = (serves @ there > 0).any(axis=1)
    verdict = np.select([has_any, is_known], [IN_STOCK, OUT_OF_STOCK], NOT_KNOWN)
    return np.asarray(verdict.astype(np.int8)[codes])


def _list_products(offered: Sequence[str], products: Hierarchy | None) -> list[str] | None:
    """Return the products at or below what is offered that nothing lies below; None = all."""
    if not offered or ALL in offered:
        return None
    if products is None:
        return list(dict.fromkeys(offered))
    for name in offered:
        if name not in products.level_of:
            raise UnknownName("product", name, products.level_of)
    inside = products.paths.isin(list(offered)).any(axis=1)
    nodes = products.paths.index[inside]
    # a node is a leaf if it is only its own ancestor
    above = pd.Series(products.paths.to_numpy(object).ravel()).value_counts()
    leaves = [str(node) for node in nodes if above.get(node, 0) == 1]
    return leaves or [str(node) for node in nodes]


def _read_latest(stock: pd.DataFrame, as_of: np.datetime64) -> pd.DataFrame:
    seen = stock[stock[Stock.AS_OF].to_numpy().astype("datetime64[us]") <= as_of]
    ordered = seen.sort_values(Stock.AS_OF, kind="stable")
    latest = ordered.drop_duplicates([Stock.LOCATION_ID, Stock.PRODUCT_ID], keep="last")
    return latest[latest[Stock.ON_HAND].notna()]


def _count_available(rows: pd.DataFrame, ends_at: np.datetime64) -> np.ndarray:
    amounts = [
        rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if name in rows
        else np.zeros(len(rows))
        for name in (Stock.ON_HAND, Stock.RESERVED, Stock.INCOMING)
    ]
    on_hand, reserved, incoming = (np.nan_to_num(amount) for amount in amounts)
    if Stock.EXPECTED_AT not in rows:
        return on_hand - reserved
    expected = rows[Stock.EXPECTED_AT].to_numpy().astype("datetime64[us]")
    return np.asarray(on_hand - reserved + np.where(expected < ends_at, incoming, 0.0))


def _match_places(
    names: Sequence[str], locations: Sequence[str], regions: Hierarchy | None
) -> np.ndarray:
    """Return which location serves which region, float64 of shape (n_regions, n_locations)."""
    above = [_climb(place, regions) for place in locations]
    rows = [_serve(name, locations, above, regions) for name in names]
    return np.array(rows, dtype=np.float64).reshape(len(names), len(locations))


def _serve(
    region: str, locations: Sequence[str], above: Sequence[set[str]], regions: Hierarchy | None
) -> list[bool]:
    """Return which locations, with what lies above each, serve a region."""
    if region == ALL or (regions is not None and region not in regions.level_of):
        return [True] * len(locations)
    around = _climb(region, regions)
    return [
        place in around or region in nodes for place, nodes in zip(locations, above, strict=True)
    ]


def _climb(node: str, tree: Hierarchy | None) -> set[str]:
    """Return a node and all above it, the root included."""
    if tree is None or node not in tree.paths.index:
        return {node, ALL}
    return {str(name) for name in tree.paths.loc[node].dropna()}
