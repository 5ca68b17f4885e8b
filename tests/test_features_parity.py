"""One declaration, two readings: SQL and fold must agree, cell by cell and event by event."""

from datetime import datetime, timedelta
from math import isclose

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.customer.activity import enrich, touch_events
from features.customer.customers import build_customer_features, customer_features
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
)
from features.customer.fold import Fold
from features.customer.statistics import unless, when
from features.engine import open_engine
from tests.activity_tables import write_tables

at = datetime.fromisoformat
PROJECT_ZONE = "America/New_York"
ZONES = (
    None,
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
)
PARENTS = {"p1": "cheese", "p2": "wine", "p3": "all"}
EDGES = [
    at("2023-12-31T23:59:59.999999"),
    at("2024-01-01"),
    at("2024-02-28T23:30"),
    at("2024-02-29"),
    at("2024-02-29T23:59:59.999999"),
    at("2024-03-10T06:59:59.999999"),  # New York: 01:59 standard time, then 03:00
    at("2024-03-10T07:00"),
    at("2024-03-31T01:00"),  # Berlin springs forward
    at("2024-04-06T15:00"),  # Lord Howe falls back by half an hour
    at("2024-11-03T05:30"),  # New York: 01:30 twice
    at("2024-11-03T06:30"),
]
CUT_OFF = at("2024-11-04T08:00")

_total = Count("all_events")
_sum = Sum("all_value", "value")
EVERYTHING = FeatureSet(
    "everything",
    (
        *customer_features(20.0).features,
        _total,
        _sum,
        Count("filled", when(type=["order", "item"]), "value"),
        Sum("net", "value", when(channel=["web", "app"]), windows_days=(1, 2, 400)),
        Share("mean_value", _sum, _total),
        Recency("web_recency_days", when(channel="web")),
        Tenure("redemption_tenure_days", when(type="redemption")),
        Last("last_promotion", "promotion_id"),
        Last("last_store", "region_id", when(channel="store")),
        Weeks("web_weeks", when(channel="web"), windows_days=(7, 434)),
        Count("not_web", unless(channel=["web", "app"])),
        Recency("no_view_recency_days", unless(type="view", promotion_id="x")),
        Histogram("channels", "channel", 0.5),
        Histogram("promotions", "promotion_id", 400.0, when(type="touch")),
    ),
)

moments = st.one_of(
    st.sampled_from(EDGES),
    st.builds(
        lambda edge, minutes: edge + timedelta(minutes=minutes),
        st.sampled_from(EDGES),
        st.integers(-90, 90),
    ),
    st.integers(0, 700 * 86_400_000_000).map(
        lambda back: at("2024-11-04") - timedelta(microseconds=back)
    ),
)
events = st.fixed_dictionaries(
    {
        "occurred_at": moments,
        "type": st.sampled_from(["order", "item", "redemption", "open", "click", "view"]),
        "channel": st.sampled_from([None, "web", "app", "store"]),
        "region_id": st.sampled_from([None, "s1", "s2"]),
        "product_id": st.sampled_from([None, "p1", "p2", "p3", "unknown"]),
        "promotion_id": st.sampled_from([None, "x", "y"]),
        "quantity": st.one_of(st.none(), st.integers(-2, 9).map(float)),
        "value": st.one_of(st.none(), st.integers(-5000, 99_999).map(lambda cents: cents / 100)),
    }
)
touches = st.fixed_dictionaries(
    {
        "channel": st.sampled_from(["email", "mail"]),
        "sent_at": moments,
        "promotion_id": st.sampled_from([None, "x"]),
        "opened_at": st.one_of(st.none(), moments),
        "clicked_at": st.one_of(st.none(), moments),
        "is_machine_open": st.sampled_from([None, True, False]),
    }
)
histories = st.lists(events, max_size=9).flatmap(
    lambda rows: st.permutations(range(len(rows))).map(
        # ids do not follow the order of arrival, so that ties are broken against it
        lambda ids: [{**row, "event_id": f"e{i:02d}"} for row, i in zip(rows, ids, strict=True)]
    )
)
quick = settings(
    max_examples=15,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
thorough = settings(quick, max_examples=150)


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=2) as connection:
        yield connection


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("parity")


def build(engine, root, rows, *, as_of=CUT_OFF, zones=None, sent=(), features=EVERYTHING):
    """Return the batch reading as one dict of columns per customer."""
    zones = zones or {}
    stated = [{"customer_id": who, "time_zone": zone} for who, zone in zones.items()]
    products = [{"product_id": p, "parent_id": parent} for p, parent in PARENTS.items()]
    workspace = write_tables(root, events=rows, touches=sent, customers=stated, products=products)
    table = build_customer_features(engine, workspace, as_of, features, time_zone=PROJECT_ZONE)
    return {row["customer_id"]: row for row in table.to_dict("records")}


def enriched(event, zone):
    parent = PARENTS.get(event["product_id"])
    category = None if parent == "all" else parent
    return enrich(event, time_zone=zone or PROJECT_ZONE, category_id=category)


def assert_equal(batch, folded, context=""):
    for column, reading in folded.items():
        cell = batch[column]
        where = f"{context} {column}: SQL {cell!r}, fold {reading!r}"
        if reading is None:
            assert pd.isna(cell), where
        elif isinstance(reading, list):
            pairs = [tuple(pair.values()) for pair in cell]
            assert [key for key, _ in pairs] == [next(iter(pair.values())) for pair in reading]
            for (_, weight), pair in zip(pairs, reading, strict=True):
                assert isclose(weight, pair["weight"], rel_tol=1e-9, abs_tol=1e-9), where
        elif isinstance(reading, str):
            assert cell == reading, where
        else:
            assert isclose(cell, reading, rel_tol=1e-9, abs_tol=1e-9), where


def check_every_prefix(engine, root, history, zone):
    """Customer k did what the first k events say, so one query reads every step of the fold."""
    rows = [
        {**event, "customer_id": f"c{length}"}
        for length in range(1, len(history) + 1)
        for event in history[:length]
    ]
    if not rows:
        return
    zones = {f"c{length}": zone for length in range(1, len(history) + 1)}
    batch = build(engine, root, rows, zones=zones)
    fold = Fold(EVERYTHING)
    state = fold.zero()
    for length, event in enumerate(history, start=1):
        state = fold.add(state, enriched(event, zone))
        assert_equal(batch[f"c{length}"], fold.read(state, CUT_OFF), f"after {length}:")


@quick
@given(history=histories, zone=st.sampled_from(ZONES))
def test_every_event_moves_both_readings_alike(engine, root, history, zone):
    check_every_prefix(engine, root, history, zone)


@pytest.mark.slow
@thorough
@given(history=histories, zone=st.sampled_from(ZONES))
def test_every_event_moves_both_readings_alike_in_many_histories(engine, root, history, zone):
    check_every_prefix(engine, root, history, zone)


@quick
@given(sent=st.lists(touches, min_size=1, max_size=6), zone=st.sampled_from(ZONES))
def test_touches_reach_both_readings_alike(engine, root, sent, zone):
    sent = [{**touch, "message_id": f"m{i}", "customer_id": "a"} for i, touch in enumerate(sent)]
    batch = build(engine, root, [], sent=sent, zones={"a": zone})
    fold = Fold(EVERYTHING)
    state = fold.zero()
    for event in reversed([event for touch in sent for event in touch_events(touch)]):
        state = fold.add(state, enriched(event, zone))
    assert_equal(batch["a"], fold.read(state, CUT_OFF))


@quick
@given(history=histories, data=st.data(), zone=st.sampled_from(ZONES))
def test_merged_states_read_like_the_merged_customer(engine, root, history, data, zone):
    is_left = [data.draw(st.booleans()) for _ in history]
    fold = Fold(EVERYTHING)
    left, right, whole = fold.zero(), fold.zero(), fold.zero()
    for event, goes_left in zip(history, is_left, strict=True):
        event = enriched(event, zone)
        whole = fold.add(whole, event)
        if goes_left:
            left = fold.add(left, event)
        else:
            right = fold.add(right, event)
    for merged in (fold.merge(left, right), fold.merge(right, left)):
        assert merged.newest == whole.newest
        stored = fold.from_json(fold.to_json(merged))
        assert stored == merged
        if history:
            rows = [{**event, "customer_id": "a"} for event in history]
            batch = build(engine, root, rows, zones={"a": zone})
            assert_equal(batch["a"], fold.read(stored, CUT_OFF))


@quick
@given(
    past=st.lists(st.tuples(st.sampled_from("abc"), events), min_size=1, max_size=8),
    future=st.lists(st.tuples(st.sampled_from("abcd"), events), min_size=1, max_size=5),
    sent=st.lists(touches, max_size=3),
    as_of=st.sampled_from([*EDGES[3:], at("2024-03-10T06:30"), at("2024-07-01T12:34:56.789")]),
    data=st.data(),
)
def test_what_happens_from_the_cut_off_on_moves_nothing(
    engine, root, past, future, sent, as_of, data
):
    def place(rows, prefix, move):
        return [
            {**e, "customer_id": who, "event_id": f"{prefix}{i}", "occurred_at": move(e)}
            for i, (who, e) in enumerate(rows)
        ]

    span = timedelta(days=500)
    before = place(past, "p", lambda e: as_of - abs(e["occurred_at"] - as_of) % span - _MICRO)
    after = place(future, "f", lambda e: as_of + abs(e["occurred_at"] - as_of) % span)
    early = [{**t, "message_id": f"m{i}", "customer_id": "a"} for i, t in enumerate(sent)]
    # a message sent before the cut-off is opened or clicked only after it
    known = [
        {**t, **{m: t[m] if t[m] and t[m] < as_of else None for m in ("opened_at", "clicked_at")}}
        for t in early
        if t["sent_at"] < as_of
    ]
    now = build(engine, root, before, sent=known, as_of=as_of)
    rows = data.draw(st.permutations(before + after))
    later = build(engine, root, rows, sent=[t for t in early if t["sent_at"] < as_of], as_of=as_of)
    assert now.keys() == later.keys()
    for who, row in now.items():
        assert row.keys() == later[who].keys()
        for column, cell in row.items():
            _assert_same(cell, later[who][column], column)


_MICRO = timedelta(microseconds=1)


def _assert_same(cell, other, column):
    if isinstance(cell, float):
        # the order in which rows are added up is the engine's
        assert (pd.isna(cell) and pd.isna(other)) or isclose(cell, other, rel_tol=1e-12), column
    elif isinstance(cell, list):
        assert len(cell) == len(other), column
        for pair, pair_of_other in zip(cell, other, strict=True):
            (key, weight), (other_key, other_weight) = pair.values(), pair_of_other.values()
            assert key == other_key, column
            assert isclose(weight, other_weight, rel_tol=1e-12), column
    else:
        assert (pd.isna(cell) and pd.isna(other)) or cell == other, column


@quick
@given(history=histories.filter(len), data=st.data())
def test_the_order_of_events_does_not_move_a_state(history, data):
    fold = Fold(EVERYTHING)
    states = []
    for rows in (history, data.draw(st.permutations(history))):
        state = fold.zero()
        for event in rows:
            state = fold.add(state, enriched(event, None))
        states.append(state)
    one, other = (fold.read(state, CUT_OFF) for state in states)
    assert_equal({k: float("nan") if v is None else v for k, v in one.items()}, other)
