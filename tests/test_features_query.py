"""The SQL reading against figures worked out by hand and a plain loop over the definition."""

import math
from datetime import datetime, timedelta
from math import isclose

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.customer.activity import COLUMNS
from features.customer.declare import (
    Count,
    FeatureSet,
    Histogram,
    Last,
    Recency,
    Share,
    Sum,
    Tenure,
    Weeks,
    Weight,
)
from features.customer.dialect import DuckDB
from features.customer.query import build_query
from features.customer.statistics import unless, when
from features.engine import open_engine
from features.schema import Kind

at = datetime.fromisoformat
ORDER = when(type="order")
TYPES = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int32(),
    Kind.TIMESTAMP: pa.timestamp("us"),
}
SCHEMA = pa.schema([(name, TYPES[kind]) for name, kind in COLUMNS.items()])


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=2) as connection:
        yield connection


def build(engine, rows, as_of, *features):
    filled = [
        {"customer_id": "a", "event_id": f"e{i}", "type": "order"} | row
        for i, row in enumerate(rows)
    ]
    engine.register("events_of_test", pa.Table.from_pylist(filled, schema=SCHEMA))
    query = build_query(
        FeatureSet("test", features),
        as_of,
        lambda columns: f"SELECT {', '.join(columns)} FROM events_of_test",
        DuckDB(),
    )
    found = engine.execute(query)
    names = [column[0] for column in found.description]
    return {row[0]: dict(zip(names, row, strict=True)) for row in found.fetchall()}


def one(engine, rows, as_of, feature, *others):
    row = build(engine, rows, as_of, feature, *others)["a"]
    return [row[column] for column in feature.columns]


def test_a_window_holds_whole_utc_days_up_to_the_cut_off(engine):
    rows = [
        {"occurred_at": at(moment)}
        for moment in (
            "2024-02-29T23:59:59.999999",
            "2024-03-01T00:00",
            "2024-03-07T23:59:59.999999",
            "2024-03-08T00:00",
            "2024-03-08T11:59:59.999999",
            "2024-03-08T12:00",
        )
    ]
    count = Count("n", windows_days=(1, 2, 7, 8))
    # as of midnight, 7 days are 1 to 7 March; half a day later they are 2 to 8 March
    assert one(engine, rows, at("2024-03-08"), count) == [1.0, 1.0, 2.0, 3.0]
    assert one(engine, rows, at("2024-03-08T12:00"), count) == [2.0, 3.0, 3.0, 4.0]
    assert one(engine, rows, at("2024-03-08T12:00:00.000001"), Count("n")) == [6.0]


def test_the_cut_off_may_have_a_zone(engine):
    rows = [{"occurred_at": at("2024-03-08T10:30")}]
    assert build(engine, rows, at("2024-03-08T11:00+01:00"), Count("n")) == {}
    assert one(engine, rows, at("2024-03-08T12:00+01:00"), Count("n")) == [1.0]


def test_recency_and_tenure_are_days_with_their_fraction(engine):
    rows = [
        {"occurred_at": at("2024-03-01T06:00")},
        {"occurred_at": at("2024-03-03T18:00")},
        {"occurred_at": at("2024-03-04"), "type": "view"},
    ]
    as_of = at("2024-03-05")
    assert one(engine, rows, as_of, Recency("r", ORDER)) == [1.25]
    assert one(engine, rows, as_of, Tenure("t", ORDER)) == [3.75]
    assert one(engine, rows, as_of, Recency("r", when(type="click"))) == [None]


def test_nothing_is_a_zero_sum_and_an_empty_share(engine):
    rows = [
        {"occurred_at": at("2024-03-01"), "value": 3.0},
        {"occurred_at": at("2024-03-01"), "value": None},
        {"occurred_at": at("2024-03-01"), "value": 4.5, "type": "view"},
    ]
    as_of = at("2024-03-02")
    spend, views = Sum("s", "value", ORDER), Sum("v", "value", when(type="click"))
    assert one(engine, rows, as_of, spend) == [3.0]
    assert one(engine, rows, as_of, views) == [0.0]
    assert one(engine, rows, as_of, Count("c", ORDER, "value")) == [1.0]
    assert one(engine, rows, as_of, Share("m", spend, Count("c", ORDER))) == [1.5]
    assert one(engine, rows, as_of, Share("m", spend, Count("c", when(type="click")))) == [None]


def test_an_empty_cell_is_never_one_of_the_allowed(engine):
    rows = [
        {"occurred_at": at("2024-03-01"), "channel": channel} for channel in (None, "web", "app")
    ]
    where = when(channel=["web", "it's"])
    assert one(engine, rows, at("2024-03-02"), Count("n", where)) == [1.0]


def test_last_takes_the_filled_value_and_the_highest_id_among_equal_times(engine):
    rows = [
        {"occurred_at": at("2024-03-01T09:00"), "channel": "web", "event_id": "b"},
        {"occurred_at": at("2024-03-01T09:00"), "channel": "app", "event_id": "c"},
        {"occurred_at": at("2024-03-01T09:00"), "channel": "store", "event_id": "a"},
        {"occurred_at": at("2024-03-01T10:00"), "channel": None, "event_id": "d"},
    ]
    assert one(engine, rows, at("2024-03-02"), Last("l", "channel")) == ["app"]
    assert one(engine, rows, at("2024-03-02"), Last("l", "channel", when(type="view"))) == [None]


def test_weeks_are_counted_back_from_the_end_of_the_window(engine):
    moments = ("2024-03-18", "2024-03-24T23:59", "2024-03-17T23:59:59.999999", "2024-02-26")
    rows = [{"occurred_at": at(moment)} for moment in moments]
    rows.append({"occurred_at": at("2020-01-01")})  # far beyond 64 weeks
    weeks = Weeks("w", windows_days=(7, 14, 28, 434))
    assert one(engine, rows, at("2024-03-25"), weeks) == [1.0, 2.0, 3.0, 3.0]
    # half a day later the first week is 19 to 25 March, and 26 February is 28 days away
    assert one(engine, rows, at("2024-03-25T12:00"), weeks) == [1.0, 2.0, 2.0, 3.0]
    assert one(engine, rows, at("2024-04-15"), Weeks("w", windows_days=(7,))) == [0.0]


def test_a_histogram_halves_with_every_half_life_and_leaves_empty_keys_out(engine):
    rows = [
        {"occurred_at": at("2024-03-01"), "slot": 5, "channel": "web"},
        {"occurred_at": at("2024-03-11"), "slot": 5, "channel": None},
        {"occurred_at": at("2024-03-11"), "slot": 100, "channel": "app"},
    ]
    slots = Histogram("slots", "slot", 10.0)
    row = build(
        engine, rows, at("2024-03-21"), slots, Weight("w", slots), Histogram("c", "channel", 20.0)
    )["a"]
    assert row["slots"] == [{"slot": 5, "weight": 0.75}, {"slot": 100, "weight": 0.5}]
    assert row["w"] == 1.25
    assert [pair["channel"] for pair in row["c"]] == ["app", "web"]
    assert row["c"][1]["weight"] == 0.5
    none = Histogram("none", "slot", 10.0, when(type="click"))
    row = build(engine, rows, at("2024-03-21"), none, Weight("w", none))["a"]
    assert (row["none"], row["w"]) == ([], 0.0)


def test_a_statistic_is_computed_once_however_many_features_read_it():
    orders = Count("orders", ORDER, windows_days=(7, 30))
    spend = Sum("spend", "value", ORDER, windows_days=(30,))
    features = FeatureSet("t", (orders, spend, Share("mean", spend, orders, windows_days=(30,))))
    text = build_query(features, at("2024-01-01"), lambda columns: "SELECT 1", DuckDB())
    assert text.count("COUNT(*)") == 2
    assert text.count("SUM(value)") == 1


def test_every_customer_with_a_past_has_one_row(engine):
    rows = [
        {"customer_id": "b", "occurred_at": at("2024-03-01"), "type": "view"},
        {"customer_id": "c", "occurred_at": at("2024-03-02"), "type": "order"},
        {"customer_id": "a", "occurred_at": at("2024-02-01"), "type": "order"},
    ]
    found = build(engine, rows, at("2024-03-02"), Count("n", ORDER, windows_days=(7,)))
    assert {who: row["n_7d"] for who, row in found.items()} == {"a": 0.0, "b": 0.0}


events = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from("ab"),
        "type": st.sampled_from(["order", "view"]),
        "channel": st.sampled_from([None, "web", "app"]),
        "value": st.one_of(st.none(), st.integers(-99, 99).map(float)),
        "occurred_at": st.integers(0, 60 * 24 * 80).map(
            lambda minutes: at("2024-01-01") + timedelta(minutes=minutes)
        ),
    }
)


def loop(rows, as_of):
    """Read the definitions aloud, one event after another."""
    last_day = (as_of - timedelta(microseconds=1)).date()
    seen = [row for row in rows if row["occurred_at"] < as_of]
    web = [r for r in seen if r["channel"] == "web" and r["type"] == "order"]
    recent = [r for r in web if 0 <= (last_day - r["occurred_at"].date()).days < 7]
    filled = [r for r in seen if r["channel"] is not None]
    weights = {}
    for row in filled:
        age = (as_of - row["occurred_at"]) / timedelta(days=1)
        weights[row["channel"]] = weights.get(row["channel"], 0.0) + 0.5 ** (age / 3.0)
    values = [r["value"] for r in recent if r["value"] is not None]
    latest = max(filled, key=lambda r: (r["occurred_at"], r["event_id"]), default=None)
    return {
        "n_7d": float(len(recent)),
        "spend_7d": float(sum(values)),
        "mean_7d": sum(values) / len(recent) if recent else None,
        "last": latest["channel"] if latest else None,
        "channels": sorted(weights.items()),
        "weeks_28d": float(
            len({(last_day - r["occurred_at"].date()).days // 7 for r in web} & set(range(4)))
        ),
    }


@settings(max_examples=40, database=None, deadline=None)
@given(rows=st.lists(events, max_size=25), hours=st.integers(1, 24 * 80))
def test_the_query_equals_a_plain_loop(engine, rows, hours):
    as_of = at("2024-01-01") + timedelta(hours=hours)
    rows = [{**row, "event_id": f"{i * 7 % 25:02d}"} for i, row in enumerate(rows)]
    where = when(type="order", channel="web")
    count = Count("n", where, windows_days=(7,))
    spend = Sum("spend", "value", where, windows_days=(7,))
    found = build(
        engine,
        rows,
        as_of,
        count,
        spend,
        Share("mean", spend, count, windows_days=(7,)),
        Last("last", "channel"),
        Histogram("channels", "channel", 3.0),
        Weeks("weeks", where, windows_days=(28,)),
    )
    past = {row["customer_id"] for row in rows if row["occurred_at"] < as_of}
    assert found.keys() == past
    for who, row in found.items():
        expected = loop([r for r in rows if r["customer_id"] == who], as_of)
        pairs, expected_pairs = row.pop("channels"), expected.pop("channels")
        assert {name: row[name] for name in expected} == pytest.approx(expected)
        assert [pair["channel"] for pair in pairs] == [key for key, _ in expected_pairs]
        for pair, (_, weight) in zip(pairs, expected_pairs, strict=True):
            assert isclose(pair["weight"], weight, rel_tol=1e-9)


def test_except_some_values_counts_the_unknown_ones_and_no_empty_cell(engine):
    rows = [
        {"occurred_at": at("2024-03-01"), "channel": channel}
        for channel in ("web", "app", "kiosk", None)
    ]
    assert one(engine, rows, at("2024-03-02"), Count("n", unless(channel=["web", "x"]))) == [2.0]
    both = unless(channel="web", type=["touch"])
    assert one(engine, rows, at("2024-03-02"), Count("n", both)) == [2.0]


def test_without_a_half_life_every_event_counts_whole(engine):
    rows = [{"occurred_at": at(f"20{year}-03-01T09:00"), "slot": 9} for year in (10, 20, 24)]
    histogram = Histogram("h", "slot", math.inf)
    assert one(engine, rows, at("2024-03-02"), histogram) == [[{"slot": 9, "weight": 3.0}]]
