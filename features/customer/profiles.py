"""The query behind a customer table: features, and the region and time zone of each customer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from features.customer.activity import build_stream
from features.customer.declare import FeatureSet
from features.customer.dialect import Dialect, quote
from features.customer.query import build_query
from features.customer.time_zones import TIME_ZONE_CONFIDENCE, build_zone_chain
from features.project import Workspace
from features.schema import ALL


def build_profile_query(
    dialect: Dialect, workspace: Workspace, as_of: datetime, features: FeatureSet, *, time_zone: str
) -> str:
    """Write the query that builds one row per customer as of a cut-off.

    Parameters
    ----------
    dialect : Dialect
        The engine's own words.
    workspace : Workspace
        Where the canonical tables lie.
    as_of : datetime
        The cut-off, in UTC or with a zone; only events before it are read.
    features : FeatureSet
        What to build.
    time_zone : str
        IANA name: the zone of customers of whom no better one is known.

    Returns
    -------
    str
        A query for `customer_id, region_id, time_zone, time_zone_source, time_zone_confidence,
        consent` and `features.columns`, in no order. The region is the one stated, else the most
        frequent (ties to the highest id), else "all"; the time zone is the best that was known
        before the cut-off, as `features.customer.time_zones` has it, and slots are in it.

    Raises
    ------
    NotEnoughData
        If there is neither a table of events nor one of touches.
    """

    def stream(columns: Collection[str]) -> str:
        return build_stream(dialect, workspace, columns, time_zone=time_zone, as_of=as_of)

    chain = build_zone_chain(
        dialect,
        workspace,
        as_of,
        customer="features.customer_id",
        time_zone=time_zone,
        with_homes=True,
    )
    columns = [
        "features.customer_id",
        f"COALESCE({chain.region_id}, {quote(ALL)}) AS region_id",
        f"{chain.time_zone} AS time_zone",
        f"{chain.source} AS time_zone_source",
        f"{chain.confidence} AS {TIME_ZONE_CONFIDENCE}",
        "stated.consent",
        *(f"features.{name}" for name in features.columns),
    ]
    joins = "".join(f"\n{join}" for join in chain.joins)
    return (
        f"SELECT {', '.join(columns)}\n"
        f"FROM (\n{build_query(features, as_of, stream, dialect)}\n) AS features{joins}"
    )
