from datetime import datetime, timedelta, timezone
from zoneinfo import available_timezones

import pytest

from features.customer.activity import COLUMNS, build_stream, enrich, local_slot, touch_events
from features.customer.dialect import DuckDB
from features.engine import open_engine
from features.errors import NotEnoughData
from features.project import Workspace
from tests.activity_tables import write_tables

at = datetime.fromisoformat
NEW_YORK = "America/New_York"


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=2) as connection:
        yield connection


def read(engine, workspace, columns=tuple(COLUMNS), time_zone=NEW_YORK):
    stream = build_stream(DuckDB(), workspace, columns, time_zone=time_zone)
    rows = engine.execute(f"SELECT * FROM ({stream}) ORDER BY ALL").fetchall()
    return [dict(zip(columns, row, strict=True)) for row in rows]


EVENT = {
    "event_id": "1",
    "customer_id": "a",
    "occurred_at": at("2024-03-04T05:30"),
    "channel": "web",
    "type": "order",
    "product_id": "p",
    "value": 3.5,
}
TOUCH = {
    "message_id": "m",
    "customer_id": "a",
    "channel": "email",
    "sent_at": at("2024-03-04T10:00"),
    "promotion_id": "x",
    "opened_at": at("2024-03-04T11:00"),
    "clicked_at": at("2024-03-05T11:00"),
}


def test_an_event_is_enriched_with_category_zone_and_slot(engine, tmp_path):
    workspace = write_tables(
        tmp_path,
        events=[EVENT],
        products=[{"product_id": "p", "parent_id": "cheese"}],
        customers=[{"customer_id": "a", "time_zone": "Europe/Berlin"}],
    )
    (row,) = read(engine, workspace)
    assert row == dict.fromkeys(COLUMNS) | EVENT | {
        "category_id": "cheese",
        "time_zone": "Europe/Berlin",
        "slot": 6,  # Monday 06:30
        "channel_slot": 6,  # web is the first channel
    }


def test_without_products_and_customers_the_project_speaks(engine, tmp_path):
    (row,) = read(engine, write_tables(tmp_path, events=[EVENT]))
    assert (row["category_id"], row["time_zone"], row["slot"]) == (None, NEW_YORK, 0)


def test_the_root_is_no_category_and_an_unknown_product_has_none(engine, tmp_path):
    events = [{**EVENT, "product_id": "top"}, {**EVENT, "event_id": "2", "product_id": "new"}]
    products = [{"product_id": "top", "parent_id": "all"}]
    rows = read(engine, write_tables(tmp_path, events=events, products=products))
    assert [row["category_id"] for row in rows] == [None, None]


def test_a_touch_becomes_what_had_happened_at_each_time(engine, tmp_path):
    rows = read(engine, write_tables(tmp_path, touches=[TOUCH]))
    assert [(row["event_id"], row["type"], row["occurred_at"]) for row in rows] == [
        ("click:m", "click", TOUCH["clicked_at"]),
        ("open:m", "open", TOUCH["opened_at"]),
        ("touch:m", "touch", TOUCH["sent_at"]),
    ]
    assert {(row["promotion_id"], row["message_id"], row["value"]) for row in rows} == {
        ("x", "m", None)
    }


@pytest.mark.parametrize(
    ("machine", "types"),
    [(True, ["click", "touch"]), (False, ["click", "open", "touch"]), (None, 3)],
)
def test_a_machine_open_is_no_open(engine, tmp_path, machine, types):
    touch = {**TOUCH, "is_machine_open": machine}
    rows = read(engine, write_tables(tmp_path, touches=[touch]), ("type",))
    found = [row["type"] for row in rows]
    assert found == (["click", "open", "touch"] if types == 3 else types)
    assert sorted(event["type"] for event in touch_events(touch)) == found


@pytest.mark.parametrize(
    ("marked", "types"),
    [
        ({"open_agent": "Barracuda Link Protection"}, ["click", "touch"]),
        ({"links": 5.0, "clicked_links": 5.0}, ["open", "touch"]),
        ({"clicked_at": TOUCH["sent_at"]}, ["open", "touch"]),
        ({"links": 5.0, "clicked_links": 1.0, "open_agent": "Safari"}, ["click", "open", "touch"]),
    ],
)
def test_what_any_rule_calls_a_machines_is_left_out(engine, tmp_path, marked, types):
    touch = {**TOUCH, **marked}
    rows = read(engine, write_tables(tmp_path, touches=[touch]), ("type",))
    assert [row["type"] for row in rows] == types
    assert sorted(event["type"] for event in touch_events(touch)) == types


def test_the_same_touch_in_python_and_in_sql(engine, tmp_path):
    rows = read(engine, write_tables(tmp_path, touches=[TOUCH]))
    events = [enrich(event, time_zone=NEW_YORK) for event in touch_events(TOUCH)]
    assert sorted(events, key=lambda event: event["event_id"]) == rows


def test_events_and_touches_stand_in_one_stream(engine, tmp_path):
    rows = read(engine, write_tables(tmp_path, events=[EVENT], touches=[TOUCH]), ("type",))
    assert [row["type"] for row in rows] == ["click", "open", "order", "touch"]


def test_neither_events_nor_touches_is_said(tmp_path):
    with pytest.raises(NotEnoughData, match="a table of events or of touches"):
        build_stream(DuckDB(), Workspace(tmp_path), ("type",), time_zone="UTC")


def test_only_the_tables_that_columns_need_are_read(tmp_path):
    workspace = write_tables(tmp_path, events=[EVENT], customers=[], products=[])
    plain = build_stream(DuckDB(), workspace, ("type",), time_zone="UTC")
    assert "customers" not in plain
    assert "products" not in plain
    slots = build_stream(DuckDB(), workspace, ("slot",), time_zone="UTC")
    assert "customers.parquet" in slots


def test_a_path_with_a_quote_is_still_a_path(engine, tmp_path):
    rows = read(engine, write_tables(tmp_path / "it's", events=[EVENT]), ("event_id",))
    assert rows == [{"event_id": "1"}]


def test_enrich_leaves_the_event_alone_and_reads_a_zone():
    event = {
        **EVENT,
        "occurred_at": datetime(2024, 3, 4, 7, 30, tzinfo=timezone(timedelta(hours=2))),
    }
    before = dict(event)
    row = enrich(event, time_zone="UTC", category_id="cheese")
    assert event == before
    assert row["occurred_at"] == at("2024-03-04T05:30")
    assert row["occurred_at"].tzinfo is None
    assert (row["slot"], row["category_id"], row["region_id"]) == (5, "cheese", None)


def test_a_channel_slot_is_counted_by_channel_and_no_channel_has_none(engine, tmp_path):
    channels = ["app", "mail", None]
    events = [{**EVENT, "event_id": str(i), "channel": c} for i, c in enumerate(channels)]
    rows = read(engine, write_tables(tmp_path, events=events), ("event_id", "channel_slot"))
    # app is the second of nine channels, mail the last; Monday 00:30 in New York
    assert [row["channel_slot"] for row in rows] == [168, 8 * 168, None]
    enriched = [enrich(event, time_zone=NEW_YORK)["channel_slot"] for event in events]
    assert enriched == [168, 8 * 168, None]


@pytest.mark.parametrize(
    ("moment", "zone", "slot"),
    [
        ("2024-01-01T00:00", "UTC", 0),  # a Monday
        ("2024-01-07T23:59:59.999999", "UTC", 167),
        ("2024-03-10T06:59:59.999999", NEW_YORK, 145),  # Sunday 01:59; then 02:00 never is
        ("2024-03-10T07:00", NEW_YORK, 147),
        ("2024-11-03T05:30", NEW_YORK, 145),  # Sunday 01:30, and an hour later once more
        ("2024-11-03T06:30", NEW_YORK, 145),
        ("2024-01-01T00:00", "Asia/Kathmandu", 5),  # 05:45
        ("2023-12-31T23:00", "Pacific/Kiritimati", 13),  # 14 hours ahead
    ],
)
def test_slots_worked_out_by_hand(engine, moment, zone, slot):
    assert local_slot(at(moment), zone) == slot
    expression = DuckDB().local_slot(DuckDB().timestamp(at(moment)), f"'{zone}'")
    assert engine.execute(f"SELECT {expression}").fetchone() == (slot,)


def check_zones(engine, zones, step):
    first, n = at("2000-01-01"), int((at("2026-01-01") - at("2000-01-01")) / step)
    moments = [first + i * step for i in range(n)]
    expression = DuckDB().local_slot("moment", "zone")
    rows = engine.execute(
        f"SELECT zone, list({expression} ORDER BY moment) FROM ("
        f"SELECT {DuckDB().timestamp(first)} + i * INTERVAL {step.total_seconds():.0f} SECOND "
        f"AS moment FROM range({n}) AS steps(i)), unnest({zones}) AS zones(zone) GROUP BY zone"
    ).fetchall()
    assert len(rows) == len(zones)
    return {
        zone: [m for m, slot in zip(moments, slots, strict=True) if slot != local_slot(m, zone)]
        for zone, slots in rows
    }


def test_python_and_sql_agree_on_every_slot_of_26_years(engine):
    zones = [NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]
    differences = check_zones(engine, zones, timedelta(minutes=437))
    assert all(not moments for moments in differences.values()), differences


@pytest.mark.slow
def test_python_and_sql_agree_in_all_zones(engine):
    """The engine and Python carry a zone database each; the past must be the same in both.

    What a country decides is in one of them first: from autumn 2026 DuckDB 2.0.0 and tzdata 2026
    differ for western Canada and Morocco.
    """
    zones = sorted(available_timezones() - {"localtime"})  # that one is the machine's, not IANA's
    differences = check_zones(engine, zones, timedelta(hours=31))
    wrong = {zone: moments[:3] for zone, moments in differences.items() if moments}
    assert not wrong, wrong
