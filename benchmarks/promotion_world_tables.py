"""The canonical tables of a simulated world: what its retailer has, and nothing of the truth.

python -m benchmarks.promotion_world_tables --customers 12000 --out /tmp/world
"""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.promotion_world import (
    FIRST_DAY,
    World,
    describe_world,
    make_population,
    make_world,
    name_customers,
)
from benchmarks.promotion_world_log import LINKS, N_DAYS, OFFER_DAYS
from benchmarks.promotion_world_people import REGIONS
from features.project import Workspace
from features.schema import TABLES, EventType, Kind

_NOTHING = np.array(None, dtype=object)
PROJECT_ZONE = "Europe/Berlin"
_AGENT = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Mobile"
_PROXY = "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"
_GATEWAY = "Barracuda Link Protection"
_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.ZONE: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.DATE: pa.date32(),
}


def write_world(world: World, root: Path, *, has_propensity: bool = True) -> Workspace:
    """Write the canonical tables of a world: what the retailer would have, and no truth.

    Parameters
    ----------
    world : World
    root : Path
        Of the workspace.
    has_propensity : bool
        Whether the probability of the hour that was chosen is logged.
    """
    workspace = Workspace(root)
    workspace.tables.mkdir(parents=True, exist_ok=True)
    touches = build_touches(world)
    if not has_propensity:
        touches = touches.drop(columns="propensity")
    for name, table in (
        ("regions", build_regions()),
        ("customers", build_customers(world)),
        ("promotions", build_promotions()),
        ("touches", touches),
        ("events", build_events(world)),
    ):
        _write(table, name, workspace)
    return workspace


def _write(table: pd.DataFrame, name: str, workspace: Workspace) -> None:
    columns = TABLES[name].columns
    arrays = {
        column.name: pa.array(table[column.name], type=_TYPES[column.kind], from_pandas=True)
        if column.name in table
        else pa.nulls(len(table), _TYPES[column.kind])
        for column in columns
    }
    pq.write_table(pa.table(arrays), workspace.table(name))


def build_regions() -> pd.DataFrame:
    """Return the regions, with their time zones."""
    return pd.DataFrame(
        {
            "region_id": [region.region_id for region in REGIONS],
            "parent_id": "all",
            "level": "region",
            "time_zone": [region.time_zone for region in REGIONS],
        }
    )


def build_customers(world: World) -> pd.DataFrame:
    """Return the customers; nine in ten state their time zone."""
    rng = np.random.default_rng([world.seed, 2])
    regions = world.population.people.region
    zones = np.array([region.time_zone for region in REGIONS], dtype=object)[regions]
    is_stated = rng.random(len(regions)) < 0.9
    return pd.DataFrame(
        {
            "customer_id": world.customer_id,
            "time_zone": np.where(is_stated, zones, _NOTHING),
            "time_zone_source": np.where(is_stated, "stated", _NOTHING),
            "region_id": _name_regions(regions),
            "created_at": FIRST_DAY - pd.to_timedelta(rng.integers(0, 900, len(regions)), "D"),
        }
    )


def _name_regions(regions: np.ndarray) -> np.ndarray:
    names: np.ndarray = np.array([region.region_id for region in REGIONS], dtype=object)[regions]
    return names


def build_promotions() -> pd.DataFrame:
    """Return one promotion for every two weeks."""
    starts = pd.date_range(FIRST_DAY, periods=N_DAYS // OFFER_DAYS, freq=f"{OFFER_DAYS}D")
    return pd.DataFrame(
        {
            "promotion_id": [_name_promotion(n) for n in range(len(starts))],
            "starts_at": starts - timedelta(days=1),
            "ends_at": starts + timedelta(days=OFFER_DAYS + 1),
            "discount": 0.2,
            "channels": "email",
            "known_since": starts - timedelta(days=30),
        }
    )


def _name_promotion(number: int) -> str:
    return f"offer-{number:02d}"


def build_touches(world: World) -> pd.DataFrame:
    """Return the messages as a sender logs them: what a machine opened first hides the person."""
    sends, rng = world.sends, np.random.default_rng([world.seed, 3])
    scanned = ~np.isnan(sends.scanned)
    by_machine = ~np.isnan(sends.machine_opened) | scanned
    opened = np.fmin(np.fmin(sends.machine_opened, sends.scanned), sends.opened)
    clicked = np.where(scanned, sends.scanned, sends.clicked)
    is_clicked = ~np.isnan(clicked)
    agent = np.where(scanned, _GATEWAY, np.where(by_machine, _PROXY, _AGENT))
    # senders know most proxies, and none of the gateways
    is_flagged = by_machine & ~scanned & (rng.random(len(opened)) < 0.8)
    days = (sends.sent // 24).astype(np.int64)
    to_utc = _Clock(world.population.people.region[sends.customer])
    table = pd.DataFrame(
        {
            "message_id": [f"m{row:08d}" for row in range(len(days))],
            "customer_id": name_customers(sends.customer),
            "channel": "email",
            "sent_at": to_utc(sends.sent),
            "promotion_id": [_name_promotion(day // OFFER_DAYS) for day in days.tolist()],
            "arm": np.where(sends.is_explored, "random", "planned"),
            "propensity": sends.propensity,
            "opened_at": to_utc(opened),
            "clicked_at": to_utc(clicked),
            "ordered_at": to_utc(sends.ordered),
            "is_machine_open": np.where(np.isnan(opened), _NOTHING, is_flagged),
            "open_agent": np.where(np.isnan(opened), _NOTHING, agent),
            "links": float(LINKS),
            "clicked_links": np.where(scanned, LINKS, np.where(is_clicked, 1.0, 0.0)),
        }
    )
    return table.sort_values(["sent_at", "message_id"], ignore_index=True)


def build_events(world: World) -> pd.DataFrame:
    """Return the orders: those that no message caused, and those that followed a click."""
    sends, organic = world.sends, world.organic
    bought = np.flatnonzero(~np.isnan(sends.ordered) & (sends.ordered < 24 * N_DAYS))
    customer = np.concatenate([organic.customer, sends.customer[bought]])
    at = np.concatenate([organic.at, sends.ordered[bought]])
    n_caused = len(bought)
    is_app = np.concatenate([organic.is_app, np.zeros(n_caused, dtype=bool)])
    is_store = np.concatenate([organic.is_store, np.zeros(n_caused, dtype=bool)])
    regions = world.population.people.region[customer]
    rng = np.random.default_rng([world.seed, 4])
    zones = np.array([region.time_zone for region in REGIONS], dtype=object)[regions]
    table = pd.DataFrame(
        {
            "customer_id": name_customers(customer),
            "occurred_at": _Clock(regions)(at),
            "channel": np.where(is_store, "store", np.where(is_app, "app", "web")),
            "type": str(EventType.ORDER),
            "region_id": np.where(is_store, _name_regions(regions), _NOTHING),
            "order_id": [f"o{row:08d}" for row in range(len(at))],
            "value": np.round(np.exp(rng.normal(3.3, 0.7, len(at))), 2),
            "currency": "EUR",
            "device_time_zone": np.where(is_app, zones, _NOTHING),
        }
    )
    table = table.sort_values(["occurred_at", "order_id"], ignore_index=True)
    return table.assign(event_id=[f"e{row:08d}" for row in range(len(table))])


class _Clock:
    """Turns local hours since the first midnight into UTC, by the region of each row."""

    def __init__(self, regions: np.ndarray) -> None:
        self.regions = regions

    def __call__(self, hours: np.ndarray) -> np.ndarray:
        found = np.full(len(hours), np.datetime64("NaT"), dtype="datetime64[us]")
        known = ~np.isnan(hours)
        for index, region in enumerate(REGIONS):
            rows = np.flatnonzero(known & (self.regions == index))
            local = FIRST_DAY + pd.to_timedelta(np.round(hours[rows] * 3600e3), unit="ms")
            zoned = pd.DatetimeIndex(local).tz_localize(
                region.time_zone, nonexistent="shift_forward", ambiguous="NaT"
            )
            found[rows] = zoned.tz_convert(None).to_numpy().astype("datetime64[us]")
        return found


def main() -> None:
    """Write the tables of one simulated world, and its truth apart from them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=12_000)
    parser.add_argument("--sends", type=int, default=18)
    parser.add_argument("--events", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    population = make_population(given.customers, given.seed)
    world = make_world(
        population, given.seed, n_sends=given.sends, events_per_customer=given.events
    )
    write_world(world, given.out)
    np.save(given.out / "simulated_truth.npy", world.truth)
    print(describe_world(world))


if __name__ == "__main__":
    main()
