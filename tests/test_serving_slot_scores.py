"""Scores of requests, files and campaigns: one source, whoever is asked for and in what company."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import ArtifactError
from models.receptivity.histories import Histories
from models.receptivity.reach import find_reach
from models.receptivity.send_time import BestGlobalHour
from models.response.customer_context import build_context
from models.response.message_counts import MessageCounts
from models.response.response import EBResponse
from models.response.response_base import MODEL_FILE
from serving.campaigns.scores import SD_PER_WIDTH, AudienceScores
from serving.message_memory import FATIGUE_FILE, MESSAGES_FILE, MessageMemory
from serving.slot_scores import SlotScorer
from tests.response_world import make_world

ROWS = np.array([3, -1, 0, 21, -1, 7])
DISCOUNT = np.array([0.1, 0.3, np.nan, 0.1, 0.1, 0.2])
EVERY = np.tile(np.arange(168), (len(ROWS), 1))


@pytest.fixture(scope="module")
def histories(customer_table):
    """Customers with an hour of the day of their own, as those have whose answers were learned."""
    slots = [
        [
            {"slot": 24 * day + (7 + place + hour) % 24, "weight": 1.0}
            for day in range(7)
            for hour in range(place % 5 + 1)
        ]
        for place in range(len(customer_table))
    ]
    return Histories.from_table(customer_table.assign(active_slots=slots))


@pytest.fixture(scope="module")
def response_files():
    """A response model of e-mail; c0 had messages, and many of late."""
    world = make_world(300, seed=2)
    model = EBResponse().fit(world.windows[:2], channels=["email"]).calibrate(world.windows[2])
    counts = [("c0", "email", slot, 2.0, 1.0, 2.0, 1.0) for slot in (9, 33, 57)]
    names = ["customer_id", "channel", "slot", "sent", "answered", "n_sent", "n_answered"]
    fatigue = pd.DataFrame(
        {
            "customer_id": ["c0"], "channel": ["email"], "touches_1d": [3.0], "touches_7d": [9.0],
            "touches_30d": [20.0], "hours_since_touch": [1.0], "channel_touches_7d": [9.0],
        }
    )  # fmt: skip
    return {
        **model.to_files(),
        MESSAGES_FILE: pd.DataFrame(counts, columns=names).to_parquet(index=False),
        FATIGUE_FILE: fatigue.to_parquet(index=False),
    }


@pytest.fixture(scope="module")
def memory(response_files, histories):
    return MessageMemory.from_files(response_files, histories)


@pytest.fixture(scope="module")
def active(send_time_model, histories):
    return SlotScorer(send_time_model, histories)


@pytest.fixture(scope="module")
def answered(send_time_model, histories, memory):
    return SlotScorer(send_time_model, histories, memory)


def test_what_is_measured_and_from_what(active, answered):
    measures = [[one.measure(name) for name in ("email", "sms", "store")] for one in
                (active, answered)]  # fmt: skip
    assert measures == [["reach", "reach", "activity"], ["response", "reach", "activity"]]
    assert active.find_source("email") == active.find_source("sms")
    assert answered.find_source("email") != answered.find_source("sms")
    assert answered.find_source("sms") != answered.find_source("store")


def test_channels_of_one_source_have_the_same_scores(active):
    for found in (
        [active.score(ROWS, name).probability for name in ("email", "sms")],
        [active.bound(ROWS, name, EVERY)[1] for name in ("email", "sms")],
    ):
        np.testing.assert_array_equal(*found)


def test_activity_and_reach_are_the_models(active, send_time_model, histories):
    known = ROWS[ROWS >= 0]
    offline = send_time_model.predict(histories.take(known))
    for channel, expected in (("store", offline), ("email", find_reach(offline))):
        found = active.score(known, channel).probability
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


def test_answers_are_the_response_models(answered, memory, send_time_model, histories):
    known = ROWS[ROWS >= 0]
    context = build_context(
        histories.take(known), send_time_model, memory.messages.take(known),
        fatigue=None, discount=0.1,
    )  # fmt: skip
    expected = memory.model.predict(context, "email")
    found = answered.score(known, "email", discount=0.1).probability
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)
    no_messages = replace(context, messages=MessageCounts((), (), len(known)))
    alike = memory.model.predict(no_messages, "email")
    assert list((np.abs(alike - expected) > 1e-6).any(axis=1)) == [row == 0 for row in known]
    lately = memory.context(known, histories.take(known), send_time_model, 0.1)
    assert lately.fatigue[:, :3].tolist() == [
        [3, 9, 20] if row == 0 else [0, 0, 0] for row in known
    ]
    assert lately.own_channel_fatigue("email").tolist() == [9 * (row == 0) for row in known]


@pytest.mark.parametrize("channel", ["email", "sms", "store"])
@pytest.mark.parametrize("name", ["active", "answered"])
def test_company_changes_nobodys_score(name, channel, request):
    scorer = request.getfixturevalue(name)
    whole = scorer.score(ROWS, channel, discount=DISCOUNT).probability
    low, high = scorer.bound(ROWS, channel, EVERY, discount=DISCOUNT)
    assert ((low <= whole + 1e-12) & (whole <= high + 1e-12)).all()
    assert ((low >= 0) & (high <= 1)).all()
    slots = np.array([[5, 0], [20, 167], [167, 1], [90, 91], [3, 3], [100, 166]])
    some = scorer.bound(ROWS, channel, slots, discount=DISCOUNT)
    for place, row in enumerate(ROWS):
        own, offer = np.array([row]), DISCOUNT[place]
        alone = scorer.score(own, channel, discount=offer).probability
        np.testing.assert_allclose(alone[0], whole[place], rtol=0, atol=1e-12)
        bounds = scorer.bound(own, channel, slots[[place]], discount=offer)
        for part, every, one in zip(some, (low, high), bounds, strict=True):
            np.testing.assert_allclose(part[place], every[place, slots[place]], atol=1e-12)
            np.testing.assert_allclose(one[0], part[place], rtol=0, atol=1e-12)


def test_bounds_are_the_models_of_reach_where_messages_wait(active, send_time_model, histories):
    slots, known = np.array([[0, 50, 167]]), histories.take([3])
    for channel, hours in (("email", 3), ("store", 1)):
        expected = send_time_model.predict_interval(known, slots, channel=channel, ahead=hours)
        for found, bound in zip(active.bound(np.array([3]), channel, slots), expected, strict=True):
            np.testing.assert_allclose(found, bound, rtol=0, atol=1e-15)


def test_those_who_are_not_known_are_scored_once_for_each_offer(active, monkeypatch):
    seen = []
    predict = active.model.predict_channel
    monkeypatch.setattr(
        active.model, "predict_channel",
        lambda histories, channel: seen.append(len(histories)) or predict(histories, channel),
    )  # fmt: skip
    found = active.score(np.full(5000, -1), "email", discount=np.tile([0.1, np.nan], 2500))
    assert seen == [2]
    assert (found.probability == found.probability[0]).all()


def test_nobody_asked_for_is_nobody_scored(active):
    none = np.zeros(0, dtype=np.int64)
    assert active.score(none, "email").probability.shape == (0, 168)
    assert active.bound(none, "email", np.zeros((0, 3), dtype=np.int64))[0].shape == (0, 3)


def test_memory_is_refused_where_a_part_is_missing(response_files, histories):
    assert MessageMemory.from_files({}, histories) is None
    for name in (MESSAGES_FILE, FATIGUE_FILE):
        files = {key: value for key, value in response_files.items() if key != name}
        with pytest.raises(ArtifactError, match=f"{name}: not there"):
            MessageMemory.from_files(files, histories)
    bad = pd.DataFrame({"customer_id": ["c0"]}).to_parquet(index=False)
    with pytest.raises(ArtifactError, match=MESSAGES_FILE):
        MessageMemory.from_files({**response_files, MESSAGES_FILE: bad}, histories)


def test_responses_rest_on_a_chain_of_shares(memory, histories):
    class Flat(BestGlobalHour):
        name = "flat"

    with pytest.raises(ArtifactError, match=f"{MODEL_FILE}: rests on shares.*flat"):
        memory.context(np.array([0]), histories.take([0]), Flat())


def test_who_is_not_known_had_no_message(answered, memory):
    context = memory.context(
        np.array([-1]), Histories.unknown([""]), answered.model, np.array([0.2])
    )
    assert len(context) == 1
    assert context.messages.of("email").sent.nnz == 0
    assert isinstance(context.messages, MessageCounts)
    assert np.isnan(context.fatigue[0, -1])
    assert context.discount.tolist() == [0.2]


def make_scores(scorer, *, has_spread=True, max_cells=10**9):
    return AudienceScores(scorer, ROWS, DISCOUNT, np.array([8, 9, 20, 167]), has_spread, max_cells)


@pytest.mark.parametrize("name", ["active", "answered"])
def test_what_is_kept_is_what_would_be_made_again(name, request):
    scorer = request.getfixturevalue(name)
    kept, fresh = make_scores(scorer), make_scores(scorer, max_cells=0)
    for customers in (np.array([1, 3]), np.array([3, 0, 4]), np.arange(6)):
        for channel in ("email", "push", "store"):
            for one, other in zip(
                kept.read(customers, channel), fresh.read(customers, channel), strict=True
            ):
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-7)
    chance, spread = kept.read(np.arange(6), "email")
    expected = scorer.score(ROWS, "email", discount=DISCOUNT).probability[:, kept.slots]
    np.testing.assert_allclose(chance, expected, rtol=0, atol=1e-12)
    low, high = scorer.bound(ROWS, "email", EVERY, discount=DISCOUNT)
    widths = (high - low)[:, kept.slots]
    np.testing.assert_allclose(spread, widths / 3.289707, rtol=1e-5, atol=1e-9)
    assert pytest.approx(1 / 3.289707, rel=1e-6) == SD_PER_WIDTH


def test_each_is_scored_once_and_channels_of_one_source_share(active, monkeypatch):
    seen = []
    predict = active.model.predict_channel
    monkeypatch.setattr(
        active.model, "predict_channel",
        lambda histories, channel: seen.append(len(histories)) or predict(histories, channel),
    )  # fmt: skip
    scores = make_scores(active, has_spread=False)
    for customers in (np.array([0, 2]), np.array([2, 3]), np.array([0, 2, 3])):
        for channel in ("email", "sms"):
            assert (scores.read(customers, channel)[1] == 0).all()
    assert sum(seen) == 3
