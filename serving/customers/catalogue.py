"""What is known of places and products: the zone of each region, the category of each product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from features.customer.time_zones import inherit_zones
from features.project import Workspace
from features.schema import ALL, PRODUCTS, REGIONS, Products, Regions


@dataclass(frozen=True)
class Catalogue:
    """Regions and products, as the canonical tables had them when it was read.

    Attributes
    ----------
    zones : mapping of region id to IANA name
        Its own, or that of the nearest region above it that has one.
    categories : mapping of product id to its parent
        Where that is not the root.
    """

    zones: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)


def load_catalogue(workspace: Workspace) -> Catalogue:
    """Read the canonical `regions` and `products`; a table that is not there says nothing."""
    regions = _read(workspace.table(REGIONS.name), Regions.REGION_ID)
    products = _read(workspace.table(PRODUCTS.name), Products.PRODUCT_ID)
    parents = {region: row[Regions.PARENT_ID] for region, row in regions.items()}
    stated = {region: row[Regions.TIME_ZONE] for region, row in regions.items()}
    return Catalogue(
        inherit_zones(parents, stated),
        {
            product: row[Products.PARENT_ID]
            for product, row in products.items()
            if row[Products.PARENT_ID] not in (None, ALL)
        },
    )


def _read(path: Path, key: str) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    return {row[key]: row for row in pq.read_table(path).to_pylist()}
