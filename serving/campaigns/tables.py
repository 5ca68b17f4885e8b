"""What a campaign reads of the canonical tables: promotions, places, stock, messages sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from features.engine import open_engine
from features.errors import NotEnoughData
from features.project import Project, Workspace
from features.region.hierarchy import Hierarchy, build_hierarchy
from features.schema import (
    PRODUCTS,
    PROMOTIONS,
    REGIONS,
    STOCK,
    TOUCHES,
    Products,
    Regions,
    Touches,
)
from models.campaign.eligibility import Places

NEEDS = (PROMOTIONS.name,)
READS = (REGIONS.name, PRODUCTS.name, STOCK.name, TOUCHES.name)
"""Tables a campaign cannot do without, and those it reads where the project has them."""


@dataclass(frozen=True)
class CampaignTables:
    """What a campaign reads.

    Attributes
    ----------
    promotions : DataFrame
        Canonical `promotions`.
    places : Places
        Regions, products and stock, as far as they are there.
    touches : DataFrame
        `customer_id, channel, sent_at` of the messages that caps may look back on.
    """

    promotions: pd.DataFrame
    places: Places
    touches: pd.DataFrame


def list_tables(project: Project) -> list[str]:
    """Return the canonical tables to build before a campaign is planned."""
    return [*NEEDS, *(name for name in READS if name in project.tables)]


def load_tables(project: Project, start: datetime, look_back_days: float) -> CampaignTables:
    """Read what a campaign needs.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    start : datetime
        Start of the window, with a zone.
    look_back_days : float
        How far back caps look.

    Raises
    ------
    NotEnoughData
        If there is no table of promotions.
    """
    promotions, places = load_promotions(project)
    return CampaignTables(
        promotions=promotions,
        places=places,
        touches=_load_touches(project, start, look_back_days),
    )


def load_promotions(project: Project) -> tuple[pd.DataFrame, Places]:
    """Read the canonical promotions, and what says where they hold.

    Raises
    ------
    NotEnoughData
        If there is no table of promotions.
    """
    workspace = project.workspace
    if not workspace.table(PROMOTIONS.name).exists():
        raise NotEnoughData(
            f"{project.path}: a campaign needs a table of promotions, found none; describe "
            "[tables.promotions] with promotion_id, starts_at and ends_at"
        )
    stock = workspace.table(STOCK.name)
    places = Places(
        regions=_load_tree(workspace, REGIONS.name, Regions.REGION_ID),
        products=_load_tree(workspace, PRODUCTS.name, Products.PRODUCT_ID),
        stock=pd.read_parquet(stock) if stock.exists() else None,
    )
    return pd.read_parquet(workspace.table(PROMOTIONS.name)), places


def _load_tree(workspace: Workspace, table: str, id_column: str) -> Hierarchy | None:
    """Return a tree; None where there is none, or nothing in it."""
    path = workspace.table(table)
    nodes = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    return None if nodes.empty else build_hierarchy(nodes, table, id_column)


def _load_touches(project: Project, start: datetime, look_back_days: float) -> pd.DataFrame:
    names = [Touches.CUSTOMER_ID, Touches.CHANNEL, Touches.SENT_AT]
    path = project.workspace.table(TOUCHES.name)
    if not path.exists():
        return pd.DataFrame({name: pd.Series(dtype=object) for name in names}).astype(
            {Touches.SENT_AT: "datetime64[us]"}
        )
    settings = project.settings
    since = (start - timedelta(days=look_back_days)).isoformat()
    with open_engine(settings.threads, settings.memory_limit) as engine:
        found = engine.sql(
            f"SELECT {', '.join(names)} FROM read_parquet($path) "
            "WHERE sent_at >= CAST($since AS TIMESTAMPTZ)",
            params={"path": str(path), "since": since},
        )
        touches: pd.DataFrame = found.to_arrow_table().to_pandas()
    return touches
