from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.campaign.send_slots import QuietHours, choose_best, choose_send_slots
from models.receptivity.histories import Histories
from models.receptivity.reach import find_reach
from serving.profiles import Profiles
from serving.send_times import SendTimePredictor, SendTimeQuery, count_evidence, default_window
from serving.slots import choose_slots

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
QUIET = QuietHours.parse("21:00", "08:00")


@pytest.fixture(scope="module")
def predictor(send_time_model, profile_files):
    profiles = Profiles(profile_files["profiles.parquet"], profile_files["profiles.json"])
    return SendTimePredictor(send_time_model, profiles)


def ask(customers, **changes) -> SendTimeQuery:
    usual = {
        "start": MONDAY,
        "end": MONDAY + timedelta(days=7),
        "channels": ("email",),
        "quiet_hours": QUIET,
        "top_k": 3,
        "has_all_slots": False,
    }
    return SendTimeQuery(customers=customers, **{**usual, **changes})


def test_probabilities_are_the_models(predictor, send_time_model, customer_table):
    offline = send_time_model.predict(Histories.from_table(customer_table))
    everybody = [f"c{i}" for i in range(240)]
    for channel, expected, measure in (
        ("store", offline, "activity"),
        ("email", find_reach(offline), "reach"),
    ):
        answers = predictor.answer(ask(everybody, channels=(channel,), has_all_slots=True))
        served = np.array([answer.probabilities for answer in answers])
        assert np.abs(served - expected).max() <= 1e-12
        assert {answer.measure for answer in answers} == {measure}


def test_intervals_hold_the_probability_and_widen_with_reach(predictor):
    for channel in ("store", "email"):
        for answer in predictor.answer(ask(["c0", "c1", "nobody"], channels=(channel,))):
            for slot in answer.slots:
                assert 0 <= slot.low <= slot.probability <= slot.high <= 1
                assert slot.high - slot.low > 0


def test_slots_are_those_of_the_batch_schedule(predictor, send_time_model, customer_table):
    customers = ["c0", "c1", "c2", "c48"]  # of three zones; all may be sent e-mail
    rows = [0, 1, 2, 48]
    offline = find_reach(send_time_model.predict(Histories.from_table(customer_table.iloc[rows])))
    window = {"start": MONDAY, "end": MONDAY + timedelta(days=3, minutes=40)}
    expected = choose_send_slots(
        offline, customer_table["time_zone"].iloc[rows].tolist(), quiet=QUIET, top_k=5, **window
    )
    answers = predictor.answer(ask(customers, top_k=5, **window))
    assert [[(slot.start, slot.slot) for slot in answer.slots] for answer in answers] == [
        [(slot.start.isoformat(), slot.slot) for slot in slots] for slots in expected
    ]


def test_start_slot_and_zone_agree(predictor):
    for answer in predictor.answer(ask(["c0", "c1", "c2"], top_k=24)):
        for slot in answer.slots:
            local = datetime.fromisoformat(slot.start)
            assert slot.slot == local.weekday() * 24 + local.hour
            assert 8 <= local.hour < 21
            assert MONDAY <= local < MONDAY + timedelta(days=7)


def test_lift_is_against_the_mean_permitted_slot():
    values = np.array([[0.1, 0.4, 0.1]])

    def bound(slots):
        return slots / 1000, slots / 10

    hours = np.array([7, 8, 9])
    ((best, second),) = choose_slots(values, ["a", "b", "c"], hours, "sms", 2, bound)
    assert (best.low, best.high, second.low) == (0.008, 0.8, 0.007)
    assert (best.start, best.slot, best.probability, best.channel) == ("b", 8, 0.4, "sms")
    assert best.lift == pytest.approx(2.0)
    assert (second.start, second.lift) == ("a", pytest.approx(0.5))  # the earlier of equals


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), min_size=4, max_size=4), min_size=1)
)
def test_best_columns_are_a_stable_descending_sort(rows):
    expected = [sorted(range(4), key=lambda at: -row[at])[:3] for row in rows]
    assert choose_best(np.array(rows), 3).tolist() == expected


def test_an_unknown_customer_gets_everybodys_week_labelled(predictor):
    (answer,) = predictor.answer(ask(["nobody"], has_all_slots=True))
    assert not answer.is_known
    assert answer.evidence.label == "global"
    assert "nothing is known" in answer.evidence.words
    assert (answer.time_zone, answer.time_zone_source) == ("America/Chicago", "project")
    assert len(answer.slots) == 3
    assert len(answer.probabilities) == 168


def test_evidence_of_a_known_customer_names_events_and_region(predictor):
    answers = predictor.answer(ask(["c0", "c1", "nobody"]))
    assert "of their own" in answers[0].evidence.words
    assert "region r0" in answers[0].evidence.words
    counts = count_evidence(answers)
    assert sum(counts.values()) == 3
    assert counts["global"] >= 1


def test_channels_without_consent_are_excluded_and_the_next_one_is_used(predictor):
    # c4 has agreed to email, c8 to sms and push, c12 to nothing; c0 has stated nothing.
    answers = predictor.answer(ask(["c0", "c4", "c8", "c12"], channels=("push", "email")))
    assert [{slot.channel for slot in answer.slots} for answer in answers] == [
        {"push"},
        {"email"},
        {"push"},
        set(),
    ]
    assert [[(e.channel, e.reason) for e in answer.exclusions] for answer in answers] == [
        [],
        [("push", "no-consent")],
        [("email", "no-consent")],
        [("push", "no-consent"), ("email", "no-consent")],
    ]


def test_a_window_within_quiet_hours_excludes_the_customer_alone(predictor):
    # 12:00 to 14:00 UTC: 7 and 8 o'clock in New York, 13 and 14 o'clock in Berlin.
    noon = MONDAY + timedelta(hours=12)
    new_york, berlin = predictor.answer(
        ask(["c0", "c1"], start=noon, end=noon + timedelta(hours=1))
    )
    assert new_york.slots == []
    assert [(e.channel, e.reason) for e in new_york.exclusions] == [(None, "no-permitted-slot")]
    assert [slot.start for slot in berlin.slots] == ["2026-11-02T13:00:00+01:00"]
    assert berlin.slots[0].lift == pytest.approx(1.0)


@settings(max_examples=20, deadline=None)
@given(st.permutations([*range(0, 60, 5), -1]), st.integers(1, 12))
def test_order_and_batches_change_nothing(predictor, order, split):
    customers = [f"c{i}" for i in order]
    whole = predictor.answer(ask(customers, has_all_slots=True))
    parts = predictor.answer(ask(customers[:split], has_all_slots=True))
    parts += predictor.answer(ask(customers[split:], has_all_slots=True))
    assert [answer.customer_id for answer in whole] == customers
    for one, other in zip(whole, parts, strict=True):
        assert np.abs(np.array(one.probabilities) - other.probabilities).max() <= 1e-12
        assert [slot.start for slot in one.slots] == [slot.start for slot in other.slots]
        assert (one.evidence, one.exclusions) == (other.evidence, other.exclusions)


def test_the_default_window_is_seven_days_from_the_minute():
    start, end = default_window(datetime(2026, 11, 4, 15, 30, 20, 7, tzinfo=UTC))
    assert start == datetime(2026, 11, 4, 15, 30, tzinfo=UTC)
    assert end - start == timedelta(days=7)
