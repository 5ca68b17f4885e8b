from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.customer.experiments import (
    build_experiments,
    check_experiments,
    describe_experiments,
)
from features.engine import open_engine
from features.errors import DuplicateKey, InvalidRequest, NotEnoughData, OutOfRange
from tests.activity_tables import write_tables

at = datetime.fromisoformat
AS_OF = at("2024-04-01")


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as connection:
        yield connection


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("experiments")


def decide(number, customer="a", offer="ten", moment="2024-03-01", **more):
    row = {"decision_id": f"d{number}", "customer_id": customer, "decided_at": at(moment)}
    return {**row, "campaign_id": "spring", "promotion_id": offer, **more}


def build(engine, root, decisions, events, as_of=AS_OF, days=7):
    rows = [{"event_id": f"e{i}", "customer_id": "a"} | row for i, row in enumerate(events)]
    workspace = write_tables(root, decisions=decisions, events=rows)
    return build_experiments(engine, workspace, as_of, horizon_days=days)


def test_outcomes_are_what_followed_within_the_days(engine, root):
    events = [
        {"type": "order", "occurred_at": at("2024-02-29T23:59:59"), "value": 100.0},
        {"type": "order", "occurred_at": at("2024-03-01"), "value": 10.0},
        {"type": "order", "occurred_at": at("2024-03-07T23:59:59"), "value": 5.0},
        {"type": "order", "occurred_at": at("2024-03-08"), "value": 100.0},
        {"type": "order", "occurred_at": at("2024-03-02"), "customer_id": "z", "value": 100.0},
        {"type": "page", "occurred_at": at("2024-03-02"), "customer_id": "b"},
        {"type": "open", "occurred_at": at("2024-03-02"), "customer_id": "c"},
        {"type": "click", "occurred_at": at("2024-03-02"), "customer_id": "c"},
    ]
    decisions = [
        decide(1, arm="random", propensity=0.5, send_at=at("2024-03-02")),
        decide(2, "b", None, arm="holdout"),
        decide(3, "c", None, arm="random", send_at=at("2024-03-02")),
    ]
    found = build(engine, root, decisions, events)
    assert found["offer"].tolist() == ["ten", "nothing", "message"]
    assert found["visited"].tolist() == [True, True, False]
    assert found["ordered"].tolist() == [True, False, False]
    assert found["orders"].tolist() == [2, 0, 0]
    assert found["spend"].tolist() == [15.0, 0.0, 0.0]
    assert found["propensity"].fillna(-1).tolist() == [0.5, -1, -1]
    assert found["campaign_id"].tolist() == ["spring"] * 3


def test_the_holdout_is_nothing_whatever_was_planned(engine, root):
    planned = decide(1, arm="holdout", send_at=at("2024-03-02"))
    assert build(engine, root, [planned], [])["offer"].tolist() == ["nothing"]


def test_decisions_wait_until_their_days_are_over(engine, root):
    decisions = [decide(1, moment="2024-03-25"), decide(2, moment="2024-03-25T00:00:01")]
    assert build(engine, root, decisions, [])["decision_id"].tolist() == ["d1"]


MOMENTS = st.datetimes(at("2024-02-20"), at("2024-04-20"))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.sampled_from("ab"), MOMENTS), min_size=1, max_size=6),
    st.lists(st.tuples(st.sampled_from("ab"), MOMENTS, st.sampled_from(["order", "page"]))),
    st.integers(1, 20),
)
def test_rows_are_those_of_a_plain_loop_and_blind_to_the_future(
    engine, root, chosen, happened, days
):
    decisions = [{**decide(i, who), "decided_at": moment} for i, (who, moment) in enumerate(chosen)]
    events = [
        {"customer_id": who, "occurred_at": moment, "type": kind, "value": 2.0}
        for who, moment, kind in happened
    ]
    found = build(engine, root, decisions, events, days=days).set_index("decision_id")
    span = timedelta(days=days)
    complete = {row["decision_id"] for row in decisions if row["decided_at"] + span <= AS_OF}
    assert set(found.index) == complete
    for row in decisions:
        if row["decision_id"] not in complete:
            continue
        mine = [
            event
            for event in events
            if event["customer_id"] == row["customer_id"]
            and row["decided_at"] <= event["occurred_at"] < row["decided_at"] + span
        ]
        orders = [event for event in mine if event["type"] == "order"]
        told = found.loc[row["decision_id"]]
        assert told["visited"] == bool(mine)
        assert (told["orders"], told["spend"]) == (len(orders), 2.0 * len(orders))
    known = [event for event in events if event["occurred_at"] < AS_OF]
    again = build(engine, root, decisions, known, days=days).set_index("decision_id")
    assert again.equals(found)


def test_logs_that_contradict_themselves_are_refused(engine, root):
    impossible = build(engine, root, [decide(1, propensity=0.0)], [])
    with pytest.raises(OutOfRange, match=r"above 0 and at most 1, or empty, got 0 for decision d1"):
        check_experiments(impossible)
    with pytest.raises(OutOfRange, match="got 2 for"):
        check_experiments(impossible.assign(propensity=2.0))
    two = build(engine, root, [decide(1, arm="random"), decide(2, arm="holdout")], [])
    with pytest.raises(DuplicateKey, match="customer a in 2 arms of campaign 'spring'"):
        check_experiments(two)
    check_experiments(build(engine, root, [decide(1, arm="random", propensity=1.0)], []))
    check_experiments(impossible.assign(propensity=np.nan))


def test_what_cannot_teach_is_said(engine, root):
    decisions = [decide(1), decide(2), decide(3, "b", None, campaign_id="summer")]
    decisions += [decide(4, "a", campaign_id="summer")]
    rows = build(engine, root, decisions, [])
    notes = describe_experiments(rows, min_customers=2)
    assert notes[0].startswith("campaign 'spring': everybody got an offer")
    assert notes[1].startswith("campaign 'summer': 1 customers with ten and 1 without, fewer than")
    assert notes[2].startswith("1 further decisions")
    assert describe_experiments(rows[rows["campaign_id"] == "summer"], min_customers=1) == ()


def test_missing_tables_and_windows_are_told(engine, tmp_path):
    workspace = write_tables(tmp_path, decisions=[decide(1)])
    with pytest.raises(NotEnoughData, match="a table of events: what came of it"):
        build_experiments(engine, workspace, AS_OF)
    with pytest.raises(InvalidRequest, match="at least 1 day, got 0"):
        build_experiments(engine, workspace, AS_OF, horizon_days=0)
