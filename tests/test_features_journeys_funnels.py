"""Attempts at a funnel, against numbers worked out by hand and a plain loop."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.engine import open_engine
from features.errors import InvalidRequest, NotEnoughData
from features.journeys.funnel_query import Funnel
from features.journeys.funnels import build_attempts, build_detours
from features.project import Workspace

START = datetime(2025, 3, 1)  # noqa: DTZ001 - stored times are in UTC, without a zone
STEPS = ("view", "cart", "order")
Row = tuple[str, float, str, str]


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as opened:
        yield opened


def store(folder: Path, rows: list[Row]) -> Workspace:
    """Store rows of customer, hours after the start, type and channel; orders are worth 10."""
    workspace = Workspace(folder)
    workspace.tables.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(
        {
            "event_id": [f"e{place:04d}" for place in range(len(rows))],
            "customer_id": [row[0] for row in rows],
            "occurred_at": [START + timedelta(hours=row[1]) for row in rows],
            "type": [row[2] for row in rows],
            "channel": [row[3] for row in rows],
            "region_id": [f"r{row[0]}" for row in rows],
            "value": [10.0 if row[2] == "order" else None for row in rows],
        }
    ).to_parquet(workspace.table("events"))
    return workspace


def run(engine, tmp_path, rows, **options):
    return build_attempts(engine, store(tmp_path, rows), Funnel("f", STEPS, **options))


def test_steps_may_have_other_events_between_and_keep_their_channel(engine, tmp_path):
    rows = [("a", 0, "view", "web"), ("a", 1, "search", "web"), ("a", 2, "cart", "app"),
            ("a", 3, "order", "store")]  # fmt: skip
    (row,) = run(engine, tmp_path, rows).to_dict("records")
    assert (row["reached"], row["value"]) == (3, 10.0)
    assert [row[f"channel_{step}"] for step in (1, 2, 3)] == ["web", "app", "store"]
    assert row["at_3"] - row["at_1"] == timedelta(hours=3)


def test_what_lies_beyond_the_window_does_not_count(engine, tmp_path):
    rows = [("a", 0, "view", "web"), ("a", 1, "cart", "web"), ("a", 24, "order", "web")]
    assert run(engine, tmp_path, rows)["reached"].tolist() == [2]
    assert run(engine, tmp_path, rows, window_hours=24.1)["reached"].tolist() == [3]


def test_attempts_begin_anew_after_the_window_not_after_a_pause(engine, tmp_path):
    rows = [("a", hour, "view", "web") for hour in range(0, 60, 10)]  # 0, 10, …, 50
    starts = (run(engine, tmp_path, rows)["at_1"] - START) / timedelta(hours=1)
    assert starts.tolist() == [0.0, 30.0]


def test_an_order_counts_for_one_attempt_only(engine, tmp_path):
    rows = [("a", 0, "view", "web"), ("a", 25, "view", "web"), ("a", 26, "cart", "web"),
            ("a", 27, "order", "web")]  # fmt: skip
    assert run(engine, tmp_path, rows)["reached"].tolist() == [1, 3]


def test_strict_allows_nothing_between_and_takes_the_best_start(engine, tmp_path):
    broken = [("a", 0, "view", "web"), ("a", 1, "search", "web"), ("a", 2, "cart", "web")]
    assert run(engine, tmp_path, broken, order="strict")["reached"].tolist() == [1]
    second = [*broken, ("a", 3, "view", "app"), ("a", 4, "cart", "app"), ("a", 5, "order", "app")]
    (row,) = run(engine, tmp_path, second, order="strict").to_dict("records")
    assert (row["reached"], row["channel_1"]) == (3, "app")


def test_any_order_counts_distinct_steps(engine, tmp_path):
    rows = [("a", 0, "order", "web"), ("a", 1, "view", "app"), ("a", 2, "view", "app"),
            ("b", 0, "cart", "web")]  # fmt: skip
    attempts = run(engine, tmp_path, rows, order="any")
    assert attempts["reached"].tolist() == [2, 1]
    assert attempts["channel_2"].tolist()[0] == "app"


def test_segments_are_those_of_the_first_event(engine, tmp_path):
    workspace = store(tmp_path, [("a", 0, "view", "web")])
    attempts = build_attempts(engine, workspace, Funnel("f", STEPS), segments=("region_id",))
    assert attempts["region_id"].tolist() == ["ra"]
    pd.DataFrame({"customer_id": ["a"], "region_id": ["home"], "consent": [None],
                  "time_zone": ["UTC"]}).to_parquet(workspace.table("customers"))  # fmt: skip
    attempts = build_attempts(engine, workspace, Funnel("f", STEPS), segments=("home_region_id",))
    assert attempts["home_region_id"].tolist() == ["home"]


def test_detours_belong_to_the_step_that_was_reached_before_them(engine, tmp_path):
    rows = [("a", 0, "view", "web"), ("a", 1, "error", "web"), ("a", 1.5, "error", "web"),
            ("a", 2, "cart", "web"), ("a", 3, "error", "web"), ("a", 4, "order", "web"),
            ("a", 5, "thanks", "web"), ("a", 30, "late", "web")]  # fmt: skip
    workspace, funnel = store(tmp_path, rows), Funnel("f", STEPS)
    detours = build_detours(engine, workspace, funnel, build_attempts(engine, workspace, funnel))
    assert detours.to_dict("records") == [
        {"attempt": 0, "step": 1, "type": "error"},
        {"attempt": 0, "step": 2, "type": "error"},
    ]


def test_what_cannot_be_asked_is_refused(engine, tmp_path):
    with pytest.raises(InvalidRequest, match="two or more different event types"):
        Funnel("f", ("view", "view"))
    with pytest.raises(InvalidRequest, match="a window above 0 hours"):
        Funnel("f", STEPS, window_hours=float("nan"))
    with pytest.raises(NotEnoughData, match="expected a table of events"):
        build_attempts(engine, Workspace(tmp_path / "none"), Funnel("f", STEPS))
    workspace = store(tmp_path, [("a", 0, "order", "web")])
    with pytest.raises(NotEnoughData, match="type 'view', found none"):
        build_attempts(engine, workspace, Funnel("f", STEPS))
    with pytest.raises(InvalidRequest, match="segment 'colour' is not known"):
        build_attempts(engine, workspace, Funnel("f", STEPS), segments=("colour",))


def loop_ordered(rows: list[Row], window: float) -> list[tuple[str, int]]:
    """Walk through each customer's events, attempt by attempt."""
    found = []
    for customer in sorted({row[0] for row in rows}):
        own = sorted((row[1], row[2]) for row in rows if row[0] == customer)
        end = float("-inf")
        for at, kind in own:
            if kind != STEPS[0] or at < end:
                continue
            end, reached, last = at + window, 1, at
            for step in STEPS[1:]:
                later = [when for when, what in own if what == step and last <= when < end]
                if not later:
                    break
                reached, last = reached + 1, min(later)
            found.append((customer, reached))
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.integers(0, 80).map(float),
            st.sampled_from([*STEPS, "other"]),
            st.sampled_from(["web", "app"]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_ordered_funnels_agree_with_a_plain_loop(rows):
    rows = [*rows, ("a", 0.0, "view", "web")]
    with TemporaryDirectory() as folder, open_engine(threads=1) as engine:
        workspace = store(Path(folder), rows)
        ordered = build_attempts(engine, workspace, Funnel("f", STEPS))
        strict = build_attempts(engine, workspace, Funnel("f", STEPS, "strict"))
    assert list(zip(ordered["customer_id"], ordered["reached"], strict=True)) == loop_ordered(
        rows, 24.0
    )
    # nothing between is a harder demand: never further than with others between
    assert (strict["reached"] <= 3).all()
    assert len(strict) == len(ordered)


def test_event_types_are_data_not_sql(engine, tmp_path):
    rows = [("a", 0, "type's", "web"), ("a", 1, "type", "web")]
    for order in ("ordered", "strict", "any"):
        funnel = Funnel("f", ("type's", "type"), order)
        attempts = build_attempts(engine, store(tmp_path, rows), funnel)
        assert attempts["reached"].tolist() == [2]
