from collections import defaultdict
from datetime import datetime, timedelta
from statistics import mean, stdev
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.customer.purchases import (
    COLUMNS,
    WINDOWS_DAYS,
    build_purchase_outcomes,
    build_purchases,
)
from features.engine import open_engine
from features.errors import FeatureError, NotEnoughData
from tests.activity_tables import write_tables

at = datetime.fromisoformat
AS_OF = at("2024-03-18")
ZONES = {"a": None, "b": "America/New_York"}


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as connection:
        yield connection


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("purchases")


def write(root, events):
    customers = [{"customer_id": who, "time_zone": zone} for who, zone in ZONES.items()]
    rows = [{"event_id": f"e{i}", "customer_id": "a"} | row for i, row in enumerate(events)]
    return write_tables(root, events=rows, customers=customers)


def build(engine, root, events, as_of=AS_OF):
    return build_purchases(engine, write(root, events), as_of, time_zone="UTC")


def order(when, who="a", value=None):
    return {"type": "order", "occurred_at": at(when), "customer_id": who, "value": value}


def test_a_history_worked_out_by_hand(engine, root):
    events = [
        order("2024-03-01T09:00", value=10.0),
        order("2024-03-05T09:00", value=20.0),
        order("2024-03-05T18:00", value=4.0),  # the same purchase day
        order("2024-03-15T09:00", value=30.0),
        order("2024-03-18T00:00", value=99.0),  # at the cut-off: not known
    ]
    (row,) = build(engine, root, events).to_dict("records")
    assert row == {
        "customer_id": "a",
        "purchase_days": 3,
        "frequency": 2,
        "orders": 4,
        "valued_days": 3,
        "valued_repeats": 2,
        "purchase_days_7d": 1,
        "purchase_days_28d": 3,
        "purchase_days_91d": 3,
        "purchase_days_364d": 3,
        "recency_weeks": 2.0,
        "age_weeks": pytest.approx(16 / 7),  # 1 to 17 March
        "spend": 64.0,
        "mean_value": pytest.approx(64 / 3),
        "last_value": 30.0,
        "mean_repeat_value": 27.0,
        "days_since_last": 2.0,
        "last_gap_days": 10.0,
        "mean_gap_days": 7.0,
        "sd_gap_days": pytest.approx(stdev([4, 10])),
        "last_weekday": 4.0,  # a Friday
    }


def test_who_never_bought_has_a_row_of_zeros_and_blanks(engine, root):
    events = [{"type": "view", "occurred_at": at("2024-03-01")}, order("2024-03-02", "b")]
    found = build(engine, root, events)
    assert list(found.columns) == list(COLUMNS)
    assert found["customer_id"].tolist() == ["a", "b"]
    assert found["purchase_days"].tolist() == [0, 1]
    assert found["frequency"].tolist() == [0, 0]
    assert np.isnan(found["age_weeks"][0])
    assert found["mean_gap_days"].isna().all()
    assert found["mean_value"].isna().all()


def test_days_are_those_of_the_customers_calendar(engine, root):
    # 03:00 UTC is still the evening before in New York
    events = [order("2024-03-01T20:00", "b"), order("2024-03-02T03:00", "b")]
    assert build(engine, root, events)["purchase_days"].tolist() == [1]
    # and the last day known there is 17 March, until 04:00 UTC
    found = build(engine, root, events, at("2024-03-18T02:00"))
    assert found["days_since_last"].tolist() == [16.0]


def test_a_day_on_which_more_was_returned_than_bought_is_not_valued(engine, root):
    events = [order("2024-03-01", value=10.0), order("2024-03-02", value=-4.0)]
    (row,) = build(engine, root, events).to_dict("records")
    assert (row["purchase_days"], row["valued_days"], row["spend"]) == (2, 1, 6.0)
    assert (row["valued_repeats"], row["mean_value"]) == (0, 10.0)


def test_nobody_before_the_cut_off_is_an_error(engine, root):
    with pytest.raises(NotEnoughData, match="before 2024-03-18"):
        build(engine, root, [order("2024-03-18T00:00")])


def test_outcomes_worked_out_by_hand(engine, root):
    events = [
        order("2024-03-17T09:00", value=5.0),
        order("2024-03-20T09:00", value=7.0),
        order("2024-03-20T10:00"),
        order("2024-03-24T23:59"),
        order("2024-03-25T00:00"),
        order("2024-03-18T03:00", "b"),  # still the 17th there, the last day known
    ]
    workspace = write(root, events)
    found = build_purchase_outcomes(engine, workspace, AS_OF, 7, time_zone="UTC")
    assert found["customer_id"].tolist() == ["a", "b"]
    assert found["purchase_days"].tolist() == [2, 1]
    assert found["days_to_first"].tolist() == [3, 1]
    assert found["spend"][0] == 7.0
    assert np.isnan(found["spend"][1])
    with pytest.raises(FeatureError, match="1 day or more, got 0"):
        build_purchase_outcomes(engine, workspace, AS_OF, 0, time_zone="UTC")


events = st.lists(
    st.builds(
        lambda who, kind, hours, value: {
            "customer_id": who,
            "type": kind,
            "occurred_at": AS_OF + timedelta(hours=hours),
            "value": value,
        },
        st.sampled_from("ab"),
        st.sampled_from(["order", "order", "click"]),
        st.integers(-900, 300),
        st.one_of(st.none(), st.integers(-5, 50).map(float)),
    ),
    min_size=1,
    max_size=25,
)


def local_day(row):
    zone = ZoneInfo(ZONES[row["customer_id"]] or "UTC")
    return row["occurred_at"].replace(tzinfo=ZoneInfo("UTC")).astimezone(zone).date()


def drop_none(values):
    return [value for value in values if value is not None]


@settings(max_examples=40, database=None, deadline=None)
@given(events=events)
def test_histories_and_outcomes_equal_a_plain_loop(engine, root, events):
    past = [row for row in events if row["occurred_at"] < AS_OF]
    if not past:
        return
    found = build(engine, root, events).set_index("customer_id")
    assert sorted({row["customer_id"] for row in past}) == found.index.tolist()
    for who, row in found.iterrows():
        days = defaultdict(list)
        for event in past:
            if event["customer_id"] == who and event["type"] == "order":
                days[local_day(event)].append(event["value"])
        known = {"a": at("2024-03-17").date(), "b": at("2024-03-17").date()}[who]
        assert row["purchase_days"] == len(days)
        for window in WINDOWS_DAYS:
            assert row[f"purchase_days_{window}d"] == sum((known - d).days < window for d in days)
        gaps = [(b - a).days for a, b in zip(sorted(days), sorted(days)[1:], strict=False)]
        assert row["mean_gap_days"] == pytest.approx(mean(gaps) if gaps else np.nan, nan_ok=True)
        valued = [sum(known) for known in map(drop_none, days.values()) if known]
        valued = [value for value in valued if value >= 0]
        assert row["valued_days"] == len(valued)
        assert row["mean_value"] == pytest.approx(mean(valued) if valued else np.nan, nan_ok=True)


@settings(max_examples=25, database=None, deadline=None)
@given(events=events, later=events)
def test_the_future_changes_no_history(engine, root, events, later):
    past = [row for row in events if row["occurred_at"] < AS_OF]
    future = [row for row in later if row["occurred_at"] >= AS_OF]
    if past:
        alone = build(engine, root, past)
        pd.testing.assert_frame_equal(build(engine, root, past + future), alone)
