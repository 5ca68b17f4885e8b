"""Visits that follow each other, and the channels in which orders begin; numbers by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from features.engine import open_engine
from features.errors import FeatureError, NotEnoughData
from features.journeys.mixes import build_mixes
from features.journeys.transitions import build_first_to_order, build_transitions
from features.project import Workspace

START = datetime(2025, 3, 1)  # noqa: DTZ001 - stored times are in UTC, without a zone
END = START + timedelta(days=100)


@pytest.fixture
def engine():
    with open_engine(threads=1) as opened:
        yield opened


def store(tmp_path, rows) -> Workspace:
    """Store rows of customer, hours after the start, type, channel and value."""
    workspace = Workspace(tmp_path)
    workspace.tables.mkdir(parents=True)
    table = pd.DataFrame(rows, columns=["customer_id", "hours", "type", "channel", "value"])
    table["occurred_at"] = [START + timedelta(hours=hours) for hours in table.pop("hours")]
    table["event_id"] = [f"e{place}" for place in range(len(table))]
    table["region_id"] = "north"
    table.to_parquet(workspace.table("events"))
    return workspace


def test_visits_end_with_a_pause_or_with_the_channel(engine, tmp_path):
    rows = [
        ("a", 0.0, "view", "web", None), ("a", 0.4, "view", "web", None),  # one visit
        ("a", 0.5, "view", "app", None),  # another channel
        ("a", 5.5, "view", "app", None),  # a pause of 5 hours
        ("b", 0.0, "view", "store", None),
    ]  # fmt: skip
    table = build_transitions(engine, store(tmp_path, rows), START, END)
    assert table[["from_channel", "to_channel", "visits", "customers"]].to_dict("split")[
        "data"
    ] == [
        ["app", "app", 1, 1],
        ["web", "app", 1, 1],
    ]
    assert table["median_hours"].tolist() == pytest.approx([5.0, 0.1])


def test_events_outside_the_days_are_not_read(engine, tmp_path):
    rows = [("a", 0.0, "view", "web", None), ("a", 48.0, "view", "app", None)]
    table = build_transitions(engine, store(tmp_path, rows), START, START + timedelta(hours=48))
    assert table.empty


def test_an_order_begins_after_the_order_before_it(engine, tmp_path):
    rows = [
        ("a", 0.0, "view", "app", None), ("a", 2.0, "order", "web", 5.0),
        ("a", 10.0, "order", "store", 5.0),  # nothing since the last one: began in the store
        ("b", 0.0, "view", "web", None), ("b", 2000.0, "order", "store", 5.0),  # too long ago
    ]  # fmt: skip
    table = build_first_to_order(engine, store(tmp_path, rows), START, END)
    assert table[["first_channel", "order_channel", "orders"]].to_dict("split")["data"] == [
        ["app", "web", 1],
        ["store", "store", 2],
    ]
    assert table["median_hours"].tolist() == [2.0, 0.0]


def test_mixes_separate_what_was_from_what_came(engine, tmp_path):
    day = 24.0
    rows = [
        ("a", 0.0, "order", "web", 1.0),  # before the baseline
        ("a", 11 * day, "order", "web", 10.0), ("a", 12 * day, "order", "store", 20.0),
        ("a", 13 * day, "view", "web", None),
        ("a", 21 * day, "order", "app", 100.0),  # after it
        ("b", 11 * day, "order", "web", 1.0), ("b", 12 * day, "order", "web", None),
        ("c", 11 * day, "order", "web", 1.0),  # one order: cannot be in two channels
        ("d", 99 * day, "order", "web", 1.0),
    ]  # fmt: skip
    start = START + timedelta(days=10)
    workspace = store(tmp_path, rows)
    table = build_mixes(engine, workspace, start, baseline_days=10, outcome_days=10)
    first, second = table.to_dict("records")
    assert (first["mix"], second["mix"]) == ("several", "web only")
    assert (first["earlier_orders"], first["earlier_spend"], first["earlier_events"]) == (1, 1.0, 1)
    assert (first["baseline_orders"], first["baseline_spend"]) == (2, 30.0)
    assert first["baseline_events"] == 3
    assert (first["orders"], first["spend"]) == (1, 100.0)
    assert (first["recency_days"], first["tenure_days"]) == (8.0, 20.0)
    assert (second["orders"], second["spend"], second["region_id"]) == (0, 0.0, "north")


def test_later_events_change_nothing_known_before(engine, tmp_path):
    rows = [("a", 1.0, "order", "web", 1.0), ("a", 2.0, "order", "web", 1.0)]
    windows = {"baseline_days": 1, "outcome_days": 1}
    plain = build_mixes(engine, store(tmp_path / "a", rows), START, **windows)
    later = [*rows, ("a", 30.0, "order", "app", 9.0), ("a", 31.0, "view", "app", None)]
    moved = build_mixes(engine, store(tmp_path / "b", later), START, **windows)
    known = [name for name in plain if name not in ("orders", "spend")]
    pd.testing.assert_frame_equal(plain[known], moved[known])
    assert moved["spend"].tolist() == [9.0]


def test_what_cannot_be_asked_is_refused(engine, tmp_path):
    workspace = store(tmp_path, [("a", 0.0, "order", "web", 1.0)])
    with pytest.raises(FeatureError, match="a pause above 0 minutes"):
        build_transitions(engine, workspace, START, END, gap_minutes=0.0)
    with pytest.raises(FeatureError, match="a window above 0 days"):
        build_first_to_order(engine, workspace, START, END, window_days=-1.0)
    with pytest.raises(FeatureError, match="windows of 1 day or more"):
        build_mixes(engine, workspace, START, baseline_days=0, outcome_days=1)
    with pytest.raises(NotEnoughData, match="expected a table of events"):
        build_mixes(engine, Workspace(tmp_path / "x"), START, baseline_days=1, outcome_days=1)
