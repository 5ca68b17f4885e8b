"""The chain of time zones: SQL against plain Python, and nothing from the cut-off on."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.customer.customers import build_customer_features
from features.customer.declare import Count, FeatureSet, Histogram
from features.customer.outcomes import build_slot_outcomes
from features.customer.time_zones import find_zone, inherit_zones
from features.engine import open_engine
from tests.activity_tables import write_tables

at = datetime.fromisoformat
CUT_OFF = at("2024-06-03T00:00")
PROJECT = "America/New_York"
SLOTS = FeatureSet("zones", (Count("n"), Histogram("active_slots", "slot", 1e9)))
REGIONS = [
    {"region_id": "france", "parent_id": "all", "time_zone": "Europe/Paris"},
    {"region_id": "lyon", "parent_id": "france"},
    {"region_id": "shop", "parent_id": "lyon"},
    {"region_id": "delhi", "parent_id": "all", "time_zone": "Asia/Kolkata"},
    {"region_id": "nowhere", "parent_id": "all"},
]


@pytest.fixture(scope="module")
def engine():
    with open_engine() as connection:
        yield connection


def event(number, moment="2024-05-27T10:00", **more):
    return {
        "event_id": f"e{number}", "customer_id": "ann", "type": "order", "channel": "web",
        "occurred_at": at(moment) if isinstance(moment, str) else moment,
    } | more  # fmt: skip


def build(engine, root, events, *, customers=(), regions=REGIONS):
    tables = {"events": events}
    if customers is not None:
        tables["customers"] = customers
    if regions is not None:
        tables["regions"] = regions
    workspace = write_tables(root, **tables)
    table = build_customer_features(engine, workspace, CUT_OFF, SLOTS, time_zone=PROJECT)
    return {row["customer_id"]: row for row in table.to_dict("records")}


def told(row):
    return row["time_zone"], row["time_zone_source"], row["time_zone_confidence"]


@pytest.mark.parametrize(
    ("customer", "more", "expected", "slot"),
    [
        # Monday 10:00 UTC: 06:00 in New York, 12:00 in Paris and Berlin, 15:30 in Kolkata
        ({"time_zone": "Europe/Berlin"}, {}, ("Europe/Berlin", "stated", 1.0), 12),
        (
            {"time_zone": "Europe/Berlin", "time_zone_source": "crm"},
            {"device_time_zone": "Asia/Kolkata"},
            ("Europe/Berlin", "crm", 1.0),
            12,
        ),
        # the door filled in the project's zone: that states nothing
        (
            {"time_zone": PROJECT, "time_zone_source": "project"},
            {"device_time_zone": "Asia/Kolkata", "region_id": "shop"},
            ("Asia/Kolkata", "device", 0.95),
            15,
        ),
        ({}, {"region_id": "shop"}, ("Europe/Paris", "region", 0.9), 12),
        ({"region_id": "delhi"}, {"region_id": "shop"}, ("Asia/Kolkata", "region", 0.9), 15),
        ({}, {"region_id": "nowhere"}, (PROJECT, "project", 0.5), 6),
        ({}, {"region_id": "not in the table"}, (PROJECT, "project", 0.5), 6),
        ({}, {}, (PROJECT, "project", 0.5), 6),
    ],
)
def test_the_first_link_that_knows_a_zone_gives_it(
    engine, tmp_path, customer, more, expected, slot
):
    customers = [{"customer_id": "ann"} | customer]
    row = build(engine, tmp_path, [event(1, **more)], customers=customers)["ann"]
    assert told(row) == expected
    assert [pair["slot"] for pair in row["active_slots"]] == [slot]


def test_the_latest_device_counts_and_a_later_event_without_one_does_not(engine, tmp_path):
    events = [
        event(1, "2024-05-02T10:00", device_time_zone="Asia/Kolkata"),
        event(2, "2024-05-01T10:00", device_time_zone="Europe/Paris"),
        event(3, "2024-05-03T10:00"),
    ]
    assert told(build(engine, tmp_path, events)["ann"])[:2] == ("Asia/Kolkata", "device")


def test_without_tables_of_customers_and_regions_the_chain_still_ends(engine, tmp_path):
    events = [event(1, region_id="shop"), event(2, customer_id="bob", device_time_zone="UTC")]
    rows = build(engine, tmp_path, events, customers=None, regions=None)
    assert told(rows["ann"]) == (PROJECT, "project", 0.5)
    assert told(rows["bob"]) == ("UTC", "device", 0.95)
    assert rows["ann"]["region_id"] == "shop"


def test_outcomes_keep_the_zone_that_was_known_at_their_start(engine, tmp_path):
    """A device first seen within the window would move labels away from their histories."""
    events = [
        event(1, region_id="shop"),
        event(2, "2024-06-03T10:00", device_time_zone="Asia/Kolkata"),
    ]
    workspace = write_tables(tmp_path, events=events, regions=REGIONS)
    end = CUT_OFF + timedelta(weeks=1)
    found = build_slot_outcomes(engine, workspace, CUT_OFF, end, time_zone=PROJECT)
    assert set(found["slot"]) == {12}


def test_a_circle_of_regions_ends(engine, tmp_path):
    regions = [{"region_id": "a", "parent_id": "b"}, {"region_id": "b", "parent_id": "a"}]
    row = build(engine, tmp_path, [event(1, region_id="a")], regions=regions)["ann"]
    assert told(row)[1] == "project"
    assert inherit_zones({"a": "b", "b": "a"}, {}) == {}


ZONES = ("Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC")
maybe_zone = st.sampled_from([None, *ZONES])
PLACES = ("a", "b", "c", "d")
rows = st.lists(
    st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from(["x", "y"]),
            "occurred_at": st.integers(-6, 3).map(lambda days: CUT_OFF + timedelta(days=days)),
            "region_id": st.sampled_from([None, *PLACES]),
            "device_time_zone": maybe_zone,
        }
    ),
    min_size=1,
    max_size=8,
)
customers = st.fixed_dictionaries(
    {
        "time_zone": maybe_zone,
        "time_zone_source": st.sampled_from([None, "project", "stated", "crm"]),
        "region_id": st.sampled_from([None, *PLACES]),
    }
)
zones_of_places = st.fixed_dictionaries(dict.fromkeys(PLACES, maybe_zone))
PARENTS = {"a": "b", "b": "c", "c": "all", "d": "c"}


@settings(
    max_examples=25,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    rows=rows, customer=customers, zones=zones_of_places, order=st.randoms(use_true_random=False)
)
def test_sql_and_python_walk_the_same_chain_and_see_only_the_past(
    engine, tmp_path, rows, customer, zones, order
):
    rows = [event(i, row.pop("occurred_at"), **row) for i, row in enumerate(map(dict, rows))]
    order.shuffle(rows)
    customers = [{"customer_id": "x"} | customer]
    regions = [
        {"region_id": place, "parent_id": parent, "time_zone": zones[place]}
        for place, parent in PARENTS.items()
    ]
    past = [row for row in rows if row["occurred_at"] < CUT_OFF]
    if not past:
        return
    found = build(engine, tmp_path, rows, customers=customers, regions=regions)
    places = inherit_zones(PARENTS, zones)
    for who, row in found.items():
        own = [event for event in past if event["customer_id"] == who]
        stated = customer if who == "x" else dict.fromkeys(customer)
        visits = [event["region_id"] for event in own if event["region_id"]]
        home = max(visits, key=lambda place: (visits.count(place), place)) if visits else None
        region = stated["region_id"] or home
        seen = [event for event in own if event["device_time_zone"]]
        last = max(seen, key=lambda event: (event["occurred_at"], event["event_id"]), default={})
        zone = find_zone(
            stated["time_zone"],
            stated["time_zone_source"],
            last.get("device_time_zone"),
            places.get(region),
            time_zone=PROJECT,
        )
        assert told(row) == (zone.time_zone, zone.source, zone.confidence)
        assert row["region_id"] == (region or "all")
