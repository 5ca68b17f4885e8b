import json
import random
from datetime import datetime, timedelta

import pytest

from features.customer.activity import enrich
from features.customer.customers import customer_features
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
from features.customer.fold import Fold
from features.customer.statistics import when
from features.errors import FeatureError

at = datetime.fromisoformat
ORDER = when(type="order")


def event(moment, event_id="e", **columns):
    known = {"event_id": event_id, "customer_id": "a", "type": "order", "occurred_at": at(moment)}
    return enrich(known | columns, time_zone="UTC", category_id=columns.get("category_id"))


def fold_all(fold, events):
    state = fold.zero()
    for row in events:
        state = fold.add(state, row)
    return state


def test_figures_worked_out_by_hand():
    slots = Histogram("slots", "slot", 2.0, ORDER)
    orders, spend = Count("n", ORDER, windows_days=(1, 7)), Sum("s", "value", ORDER)
    fold = Fold(
        FeatureSet(
            "hand",
            (
                orders,
                spend,
                Share("mean", spend, Count("filled", ORDER, "value")),
                Recency("r", ORDER),
                Tenure("t", ORDER),
                Last("last", "channel"),
                Weeks("w", ORDER, windows_days=(7, 14)),
                slots,
                Weight("weight", slots),
            ),
        )
    )
    state = fold_all(
        fold,
        [
            event("2024-03-11T12:00", "3", value=4.0, channel="web"),  # a Monday
            event("2024-03-04T12:00", "1", value=8.0, channel="app"),
            event("2024-03-11T12:00", "2", channel="store"),
            event("2024-03-12T00:00", "4", type="view"),
        ],
    )
    assert fold.read(state, at("2024-03-13T12:00")) == {
        "n_1d": 0.0,
        "n_7d": 2.0,
        "s": 12.0,
        "mean": 6.0,
        "r": 2.0,
        "t": 9.0,
        "last": "web",
        "w_7d": 1.0,
        "w_14d": 2.0,
        "slots": [{"slot": 12, "weight": 0.5 + 0.5 + 2**-4.5}],
        "weight": 1.0 + 2**-4.5,
    }


def test_weeks_end_with_the_day_of_the_last_instant():
    fold = Fold(FeatureSet("t", (Weeks("w", windows_days=(7, 14, 21)),)))
    state = fold_all(fold, [event("2024-03-04"), event("2024-03-10T23:59"), event("2024-03-03")])
    # as of Monday the 11th the last week is 4 to 10 March; an hour later it is 5 to 11 March
    assert list(fold.read(state, at("2024-03-11")).values()) == [1.0, 2.0, 2.0]
    assert list(fold.read(state, at("2024-03-11T01:00")).values()) == [1.0, 2.0, 2.0]
    assert list(fold.read(state, at("2024-03-18")).values()) == [0.0, 1.0, 2.0]
    assert list(fold.read(state, at("2024-03-17T23:00")).values()) == [0.0, 1.0, 2.0]
    assert list(fold.read(state, at("2024-03-12")).values()) == [1.0, 2.0, 2.0]
    alone = fold_all(fold, [event("2024-03-04")])
    assert list(fold.read(alone, at("2024-03-11")).values()) == [1.0, 1.0, 1.0]
    assert list(fold.read(alone, at("2024-03-11T01:00")).values()) == [0.0, 1.0, 1.0]


def test_of_a_customer_without_events_nothing_is_known():
    fold = Fold(customer_features(30.0))
    reading = fold.read(fold.zero(), at("2024-01-01"))
    assert reading["orders_7d"] == reading["spend_365d"] == reading["active_weeks_28d"] == 0.0
    assert reading["active_slots"] == reading["categories"] == []
    assert reading["last_channel"] is None
    assert reading["tenure_days"] is None
    assert reading["basket_value_30d"] is None
    assert tuple(reading) == customer_features(30.0).columns


def test_adding_leaves_the_state_it_was_given():
    fold = Fold(customer_features(30.0))
    before = fold.add(fold.zero(), event("2024-03-01", channel="web", value=1.0))
    text = fold.to_json(before)
    fold.add(before, event("2024-03-02", channel="app", value=2.0))
    fold.merge(before, before)
    assert fold.to_json(before) == text
    assert fold.zero() == Fold(customer_features(30.0)).zero()


def test_days_that_no_window_can_reach_are_forgotten():
    fold = Fold(FeatureSet("t", (Count("n", windows_days=(2, 7)), Count("ever"))))
    days = [event((at("2024-01-01") + timedelta(days=d)).isoformat()) for d in range(100)]
    state = fold_all(fold, days)
    ((ever, kept),) = json.loads(fold.to_json(state))["parts"]
    assert ever == 100.0
    assert len(kept) == 7
    assert fold.add(state, event("2024-01-01")).parts[0].days == state.parts[0].days
    assert fold.read(state, at("2024-04-09T12:00")) == {"n_2d": 2.0, "n_7d": 7.0, "ever": 100.0}
    only_ever = Fold(FeatureSet("t", (Count("ever"),)))
    assert fold_all(only_ever, days).parts[0].days == {}


def test_decades_of_a_short_half_life_neither_overflow_nor_vanish():
    fold = Fold(FeatureSet("t", (Histogram("slots", "slot", 0.01),)))
    state = fold_all(fold, [event("2024-03-01"), event("1995-03-01"), event("2024-03-01T06:00")])
    reading = fold.read(state, at("2024-03-01T06:00:00.000001"))["slots"]
    assert [pair["slot"] for pair in reading] == [48, 96, 102]
    assert reading[0]["weight"] == 0.0
    assert reading[2]["weight"] == pytest.approx(1.0)


@pytest.mark.parametrize("as_of", ["2024-03-01T12:00", "2024-02-01"])
def test_a_state_does_not_look_back(as_of):
    fold = Fold(FeatureSet("t", (Count("n"),)))
    state = fold.add(fold.zero(), event("2024-03-01T12:00"))
    with pytest.raises(FeatureError, match="a cut-off after the newest event"):
        fold.read(state, at(as_of))
    assert fold.read(state, at("2024-03-01T13:00:00.000001+01:00")) == {"n": 1.0}


def test_a_stored_state_is_the_same_state():
    fold = Fold(customer_features(30.0))
    rows = [
        event("2024-03-01", "1", channel="web", value=0.1, category_id="cheese"),
        event("2024-03-02", "2", type="open", channel="email"),
    ]
    state = fold_all(fold, rows)
    stored = fold.from_json(fold.to_json(state))
    assert stored == state
    late = event("2023-12-31", "3", value=0.2)
    assert fold.add(stored, late) == fold.add(state, late)


def test_a_state_of_other_features_is_refused():
    text = Fold(customer_features(30.0)).to_json(Fold(customer_features(30.0)).zero())
    with pytest.raises(FeatureError, match="declared otherwise"):
        Fold(customer_features(31.0)).from_json(text)
    windows = Fold(FeatureSet("t", (Count("n", windows_days=(7,)),)))
    longer = Fold(FeatureSet("t", (Count("n", windows_days=(8,)),)))
    with pytest.raises(FeatureError, match="build the states again"):
        longer.from_json(windows.to_json(windows.zero()))


def test_a_state_stays_small():
    """A busy customer of two years takes some kilobytes, not a copy of every event."""
    fold = Fold(customer_features(30.0))
    first = at("2022-01-01")
    rows = [
        event((first + timedelta(hours=7 * i)).isoformat(), f"{i}", channel="web", value=1.5)
        for i in range(2500)
    ]
    assert len(fold.to_json(fold_all(fold, rows))) < 60_000


@pytest.mark.parametrize("seed", range(5))
def test_many_events_at_once_make_the_state_that_one_by_one_they_make(seed):
    rng = random.Random(seed)
    fold, start = Fold(customer_features(20.0)), at("2023-01-01")
    events = [
        event(
            (start + timedelta(minutes=rng.randrange(800_000))).isoformat(),
            f"e{n}",
            type=rng.choice(["order", "item", "page_view", "touch", "open", "redemption"]),
            channel=rng.choice(["web", "app", "store", None]),
            value=rng.choice([None, rng.random() * 100]),
            quantity=rng.choice([None, 1.0, 3.0]),
            category_id=rng.choice([None, "c1", "c2"]),
        )
        for n in range(rng.randrange(1, 120))
    ]
    as_of = at("2024-08-01")
    one_by_one = fold.read(fold_all(fold, events), as_of)
    cut = rng.randrange(len(events))
    halves = fold.merge(fold.collect(events[:cut]), fold.collect(events[cut:]))
    for state in (fold.collect(events), halves):
        assert state.newest == fold_all(fold, events).newest
        for column, value in fold.read(state, as_of).items():
            expected = one_by_one[column]
            if isinstance(value, list):
                value, expected = (
                    {next(iter(pair.values())): pair["weight"] for pair in pairs}
                    for pairs in (value, expected)
                )
            is_exact = expected is None or isinstance(expected, str)
            told = expected if is_exact else pytest.approx(expected, rel=1e-9)
            assert value == told, column
    assert fold.collect([]) == fold.zero()
