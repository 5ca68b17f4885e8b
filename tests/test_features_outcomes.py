from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.customer.activity import local_slot
from features.customer.customers import IS_ACTIVE, IS_ACTIVE_OR_RESPONDS
from features.customer.outcomes import build_slot_outcomes
from features.engine import open_engine
from features.errors import FeatureError
from tests.activity_tables import write_tables

at = datetime.fromisoformat
START, END = at("2024-03-04T05:00"), at("2024-03-18T05:00")  # over New York's change of clocks
ZONES = {"a": None, "b": "Asia/Kolkata"}


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=2) as connection:
        yield connection


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("outcomes")


def build(engine, root, events, touches=(), start=START, end=END, active=IS_ACTIVE):
    customers = [{"customer_id": who, "time_zone": zone} for who, zone in ZONES.items()]
    rows = [{"event_id": f"e{i}", "customer_id": "a"} | row for i, row in enumerate(events)]
    workspace = write_tables(root, events=rows, touches=touches, customers=customers)
    return build_slot_outcomes(
        engine, workspace, start, end, time_zone="America/New_York", active=active
    )


def test_where_responses_count_machines_and_sends_still_do_not(engine, root):
    touch = {"customer_id": "b", "channel": "email", "sent_at": at("2024-03-05T00:00")}
    touches = [
        {**touch, "message_id": "1", "opened_at": at("2024-03-05T04:45")},
        {**touch, "message_id": "2", "opened_at": at("2024-03-06"), "is_machine_open": True},
        {**touch, "message_id": "3", "clicked_at": at("2024-03-12T04:29:59")},
    ]
    assert build(engine, root, [], touches).empty
    found = build(engine, root, [], touches, active=IS_ACTIVE_OR_RESPONDS)
    found = found[found["channel"].isna()].drop(columns="channel")
    # in India 04:45 is Tuesday 10:15, slot 24 + 10; 04:29:59 a week later is still 09:59:59
    assert found.to_dict("list") == {
        "customer_id": ["b", "b"],
        "slot": [33, 34],
        "weeks_active": [1, 1],
    }
    assert [str(kind) for kind in found.dtypes] == ["str", "int64", "int64"]


def test_nobody_active_is_an_answer(engine, root):
    found = build(engine, root, [{"type": "item", "occurred_at": at("2024-03-05")}])
    assert list(found.columns) == ["customer_id", "channel", "slot", "weeks_active"]
    assert found.empty


@pytest.mark.parametrize("end", [START, START - timedelta(weeks=1), START + timedelta(days=8)])
def test_a_window_that_is_no_whole_weeks_is_refused(engine, root, end):
    with pytest.raises(FeatureError, match="whole weeks"):
        build(engine, root, [], end=end)


events = st.lists(
    st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from("ab"),
            "type": st.sampled_from(["order", "page_view", "click", "item", "touch"]),
            "channel": st.sampled_from(["web", "store", None]),
            "occurred_at": st.integers(-600, 17 * 48).map(
                lambda half_hours: START + timedelta(minutes=30 * half_hours)
            ),
        }
    ),
    max_size=30,
)


@settings(max_examples=30, database=None, deadline=None)
@given(events=events)
def test_outcomes_equal_a_plain_loop(engine, root, events):
    weeks = {}
    for row in events:
        if START <= row["occurred_at"] < END and row["type"] in ("order", "page_view"):
            zone = ZONES[row["customer_id"]] or "America/New_York"
            for channel in {"", row["channel"]} - {None}:
                key = (row["customer_id"], channel, local_slot(row["occurred_at"], zone))
                week = (row["occurred_at"] - START) // timedelta(weeks=1)
                weeks.setdefault(key, set()).add(week)
    found = build(engine, root, events)
    found["channel"] = found["channel"].fillna("")
    rows = [tuple(row) for row in found.itertuples(index=False)]
    assert rows == [(*key, len(seen)) for key, seen in sorted(weeks.items())]
