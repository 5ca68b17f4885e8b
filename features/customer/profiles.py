"""The query behind a customer table: features, and the region and time zone of each customer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from features.customer.activity import Activity, build_stream
from features.customer.declare import FeatureSet
from features.customer.dialect import Dialect, quote, to_utc
from features.customer.query import build_query
from features.project import Workspace
from features.schema import ALL, CUSTOMERS, Customers, Kind


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
        IANA name: the zone of customers who state none.

    Returns
    -------
    str
        A query for `customer_id, region_id, time_zone, time_zone_source, consent` and
        `features.columns`, in no order. The region is the one stated, else the most frequent (ties
        to the highest id), else "all".

    Raises
    ------
    NotEnoughData
        If there is neither a table of events nor one of touches.
    """

    def stream(columns: Collection[str]) -> str:
        return build_stream(dialect, workspace, columns, time_zone=time_zone)

    homes = _build_homes(
        dialect, stream((Activity.CUSTOMER_ID, Activity.REGION_ID, Activity.OCCURRED_AT)), as_of
    )
    is_stated = workspace.table(CUSTOMERS.name).exists()
    stated = dialect.table(workspace.table(CUSTOMERS.name)) if is_stated else _nobody(dialect)
    columns = [
        "features.customer_id",
        f"COALESCE(stated.region_id, homes.region_id, {quote(ALL)}) AS region_id",
        f"COALESCE(stated.time_zone, {quote(time_zone)}) AS time_zone",
        "CASE WHEN stated.time_zone IS NULL THEN 'project' "
        "ELSE COALESCE(stated.time_zone_source, 'stated') END AS time_zone_source",
        "stated.consent",
        *(f"features.{name}" for name in features.columns),
    ]
    return (
        f"SELECT {', '.join(columns)}\n"
        f"FROM (\n{build_query(features, as_of, stream, dialect)}\n) AS features\n"
        f"LEFT JOIN (\n{homes}\n) AS homes ON homes.customer_id = features.customer_id\n"
        f"LEFT JOIN {stated} AS stated ON stated.customer_id = features.customer_id"
    )


def _build_homes(dialect: Dialect, stream: str, as_of: datetime) -> str:
    return (
        f"SELECT customer_id, {dialect.latest('region_id', 'visits', 'region_id')} AS region_id\n"
        "FROM (\nSELECT customer_id, region_id, COUNT(*) AS visits\n"
        f"FROM (\n{stream}\n) AS activity\n"
        f"WHERE occurred_at < {dialect.timestamp(to_utc(as_of))} AND region_id IS NOT NULL\n"
        "GROUP BY customer_id, region_id\n) AS regions\nGROUP BY customer_id"
    )


def _nobody(dialect: Dialect) -> str:
    names = (
        Customers.CUSTOMER_ID,
        Customers.REGION_ID,
        Customers.TIME_ZONE,
        Customers.TIME_ZONE_SOURCE,
        Customers.CONSENT,
    )
    columns = ", ".join(f"{dialect.empty(Kind.TEXT)} AS {name}" for name in names)
    return f"(SELECT {columns} WHERE 1 = 0)"
