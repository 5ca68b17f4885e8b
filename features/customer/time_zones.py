"""Which time zone a customer lives by: the best that is known of it before a cut-off.

A chain of four: what the table of customers states; the zone of the device they were last seen on;
the zone of their region, stated or most visited, else of the nearest region above it that has one;
the project's. The link after the third, the zone that the hours of their activity suggest, needs
everybody's hours, so `models.receptivity.time_zones` adds it to what is left at the project's.

The chain is written once as SQL, for many customers as of a cut-off, and once as plain Python, for
one customer of whom the parts are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from features.customer.dialect import Dialect, quote, to_utc
from features.project import Workspace
from features.schema import CUSTOMERS, EVENTS, REGIONS, Customers, Events, Kind, Regions

TIME_ZONE_CONFIDENCE = "time_zone_confidence"
"""Column beside `time_zone_source`: how likely the clock of `time_zone` is right, 0 to 1."""
STATED, DEVICE, REGION, INFERRED, PROJECT = "stated", "device", "region", "inferred", "project"
CONFIDENCE = {STATED: 1.0, DEVICE: 0.95, REGION: 0.9, PROJECT: 0.5}
"""What each link of the chain is trusted with: conventions, not measurements.

What is stated is taken as true, whatever source the table names; a device travels; a store may lie
across a border from its customers; the project's zone is a guess about whom nothing is known.
"""
MOST_STEPS = 32
"""Regions climbed at most; so a circle of parents, which the door refuses, still ends here."""


@dataclass(frozen=True)
class ZoneChain:
    """The chain as SQL, over rows that have a customer.

    Attributes
    ----------
    joins : tuple of str
        Left joins that never multiply a row.
    time_zone, source, confidence : str
        Expressions, never empty: IANA name, one of the words above or of the table, 0 to 1.
    region_id : str
        Expression: the region stated, else the most visited one (ties to the highest id); empty
        where neither is known.
    """

    joins: tuple[str, ...]
    time_zone: str
    source: str
    confidence: str
    region_id: str


@dataclass(frozen=True)
class CustomerZone:
    """The time zone of one customer, where it is from, and how likely its clock is right."""

    time_zone: str
    source: str
    confidence: float


def build_zone_chain(
    dialect: Dialect,
    workspace: Workspace,
    as_of: datetime | None,
    *,
    customer: str,
    time_zone: str,
    with_homes: bool = False,
) -> ZoneChain:
    """Write the chain as SQL.

    Parameters
    ----------
    dialect : Dialect
        The engine's own words.
    workspace : Workspace
        Where the canonical tables lie; any of them may be missing.
    as_of : datetime or None
        The cut-off, in UTC or with a zone: events from it on are not read. With None no events
        are, so only the zone and the region that are stated count.
    customer : str
        Expression for the customer's id, such as 's.customer_id'.
    time_zone : str
        IANA name: the project's zone.
    with_homes : bool
        Whether `region_id` must tell the most visited region even where no region has a zone.

    Returns
    -------
    ZoneChain
    """
    has_regions = workspace.table(REGIONS.name).exists()
    homes = with_homes or has_regions
    parts = {
        "stated": _build_stated(dialect, workspace),
        "devices": _build_devices(dialect, workspace, as_of),
        "homes": _build_homes(dialect, workspace, as_of if homes else None),
    }
    joins = [
        f"LEFT JOIN {part} AS {name} ON {name}.customer_id = {customer}"
        for name, part in parts.items()
    ]
    region_id = "COALESCE(stated.region_id, homes.region_id)"
    zones = _build_region_zones(dialect, workspace) if has_regions else _no_zones(dialect)
    joins.append(f"LEFT JOIN {zones} AS places ON places.region_id = {region_id}")
    links = {
        DEVICE: "devices.time_zone",
        REGION: "places.time_zone",
    }
    is_stated = "stated.time_zone IS NOT NULL"
    found = [(f"{zone} IS NOT NULL", source) for source, zone in links.items()]
    sources = [f"WHEN {test} THEN {quote(source)}" for test, source in found]
    trusts = [f"WHEN {test} THEN {CONFIDENCE[source]}" for test, source in found]
    return ZoneChain(
        tuple(joins),
        f"COALESCE(stated.time_zone, {', '.join(links.values())}, {quote(time_zone)})",
        f"CASE WHEN {is_stated} THEN stated.time_zone_source {' '.join(sources)} "
        f"ELSE {quote(PROJECT)} END",
        dialect.number(
            f"CASE WHEN {is_stated} THEN {CONFIDENCE[STATED]} {' '.join(trusts)} "
            f"ELSE {CONFIDENCE[PROJECT]} END"
        ),
        region_id,
    )


def find_zone(
    stated: str | None,
    stated_source: str | None,
    device: str | None,
    region: str | None,
    *,
    time_zone: str,
) -> CustomerZone:
    """Walk the chain for one customer.

    Parameters
    ----------
    stated, stated_source : str or None
        `time_zone` and `time_zone_source` of the table of customers.
    device : str or None
        The latest `device_time_zone` of their events.
    region : str or None
        The zone of their region, as `inherit_zones` gives it.
    time_zone : str
        The project's zone.

    Examples
    --------
    >>> find_zone("UTC", "project", None, "Europe/Paris", time_zone="UTC")
    CustomerZone(time_zone='Europe/Paris', source='region', confidence=0.9)
    """
    if stated is not None and stated_source != PROJECT:
        return CustomerZone(stated, stated_source or STATED, CONFIDENCE[STATED])
    for source, zone in ((DEVICE, device), (REGION, region)):
        if zone is not None:
            return CustomerZone(zone, source, CONFIDENCE[source])
    return CustomerZone(time_zone, PROJECT, CONFIDENCE[PROJECT])


def inherit_zones(
    parents: Mapping[str, str | None], zones: Mapping[str, str | None]
) -> dict[str, str]:
    """Return the zone of each region: its own, else that of the nearest region above with one.

    Parameters
    ----------
    parents, zones : mapping of region id to parent id, and to IANA name
        None or absent = none.

    Examples
    --------
    >>> inherit_zones({"store": "town", "town": "all"}, {"town": "Europe/Paris"})
    {'store': 'Europe/Paris', 'town': 'Europe/Paris'}
    """
    found = {}
    for region in parents:
        node: str | None = region
        for _ in range(MOST_STEPS + 1):
            if node is None or zones.get(node) is not None:
                break
            node = parents.get(node)
        zone = zones.get(node) if node is not None else None
        if zone is not None:
            found[region] = zone
    return found


def _build_stated(dialect: Dialect, workspace: Workspace) -> str:
    """Write what is stated; the zone that the door filled in for want of one is not."""
    if not workspace.table(CUSTOMERS.name).exists():
        return _nothing(dialect, Customers.CUSTOMER_ID, *_STATED)
    table = dialect.table(workspace.table(CUSTOMERS.name))
    source = f"COALESCE({Customers.TIME_ZONE_SOURCE}, {quote(STATED)})"
    return (
        f"(SELECT customer_id, CASE WHEN {source} <> {quote(PROJECT)} THEN time_zone END "
        f"AS time_zone, {source} AS time_zone_source, region_id, consent FROM {table})"
    )


_STATED = (
    Customers.TIME_ZONE, Customers.TIME_ZONE_SOURCE, Customers.REGION_ID, Customers.CONSENT,
)  # fmt: skip


def _build_devices(dialect: Dialect, workspace: Workspace, as_of: datetime | None) -> str:
    """Write the zone of the device that each customer was last seen on."""
    if as_of is None or not workspace.table(EVENTS.name).exists():
        return _nothing(dialect, Customers.CUSTOMER_ID, Customers.TIME_ZONE)
    latest = dialect.latest(Events.DEVICE_TIME_ZONE, Events.OCCURRED_AT, Events.EVENT_ID)
    return (
        f"(SELECT customer_id, {latest} AS time_zone\n"
        f"FROM {dialect.table(workspace.table(EVENTS.name))}\n"
        f"WHERE occurred_at < {dialect.timestamp(to_utc(as_of))} "
        f"AND {Events.DEVICE_TIME_ZONE} IS NOT NULL\nGROUP BY customer_id)"
    )


def _build_homes(dialect: Dialect, workspace: Workspace, as_of: datetime | None) -> str:
    """Write the region that each customer was in most often; no touch has a region."""
    if as_of is None or not workspace.table(EVENTS.name).exists():
        return _nothing(dialect, Customers.CUSTOMER_ID, Customers.REGION_ID)
    return (
        f"(SELECT customer_id, {dialect.latest('region_id', 'visits', 'region_id')} AS region_id\n"
        "FROM (\nSELECT customer_id, region_id, COUNT(*) AS visits\n"
        f"FROM {dialect.table(workspace.table(EVENTS.name))}\n"
        f"WHERE occurred_at < {dialect.timestamp(to_utc(as_of))} AND region_id IS NOT NULL\n"
        "GROUP BY customer_id, region_id\n) AS visited\nGROUP BY customer_id)"
    )


def _build_region_zones(dialect: Dialect, workspace: Workspace) -> str:
    """Write the zone of each region: one row where it or a region above it has one."""
    regions = dialect.table(workspace.table(REGIONS.name))
    columns = f"{Regions.REGION_ID}, {Regions.TIME_ZONE}, {Regions.PARENT_ID}"
    return (
        f"(WITH RECURSIVE climb AS (\nSELECT {columns}, 0 AS steps FROM {regions}\nUNION ALL\n"
        "SELECT climb.region_id, above.time_zone, above.parent_id, climb.steps + 1\n"
        f"FROM climb JOIN {regions} AS above ON above.region_id = climb.parent_id\n"
        f"WHERE climb.time_zone IS NULL AND climb.steps < {MOST_STEPS}\n)\n"
        "SELECT region_id, time_zone FROM climb WHERE time_zone IS NOT NULL)"
    )


def _no_zones(dialect: Dialect) -> str:
    return _nothing(dialect, Regions.REGION_ID, Regions.TIME_ZONE)


def _nothing(dialect: Dialect, *names: str) -> str:
    columns = ", ".join(f"{dialect.empty(Kind.TEXT)} AS {name}" for name in names)
    return f"(SELECT {columns} WHERE 1 = 0)"
