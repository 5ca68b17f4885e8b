"""Files of send times: the predictor's own answers as rows, over each channel its own."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from models.campaign.send_slots import QuietHours
from models.receptivity.histories import Histories
from models.receptivity.reach import find_reach
from serving import batch
from serving.batch import schedule_audience
from serving.profiles import Profiles
from serving.send_times import SendTimePredictor, SendTimeQuery

CUSTOMERS = ["c0", "nobody", "c2", "c1"]
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def predictor(send_time_model, profile_files):
    profiles = Profiles(profile_files["profiles.parquet"], profile_files["profiles.json"])
    return SendTimePredictor(send_time_model, profiles)


def ask(**changes) -> SendTimeQuery:
    usual = {
        "start": MONDAY, "end": MONDAY + timedelta(days=7), "channels": ("email", "store"),
        "quiet_hours": None, "top_k": 2, "has_all_slots": False, "has_reasons": True,
    }  # fmt: skip
    return SendTimeQuery(customers=CUSTOMERS, **{**usual, **changes})


def write(predictor, query) -> pd.DataFrame:
    return pd.concat(schedule_audience(predictor, query), ignore_index=True)


def test_a_week_over_each_channel_has_that_channels_probabilities(
    predictor, send_time_model, customer_table
):
    table = write(predictor, ask(has_all_slots=True))
    offline = send_time_model.predict(Histories.from_table(customer_table.iloc[[0, 2, 1]]))
    known = table[table["is_known"]]
    for channel, expected, measure in (
        ("store", offline, "activity"),
        ("email", find_reach(offline), "reach"),
    ):
        own = known[known["channel"] == channel]
        assert list(own["customer"]) == np.repeat(["c0", "c2", "c1"], 168).tolist()
        assert list(own["slot"]) == [*range(168)] * 3
        assert set(own["measure"]) == {measure}
        np.testing.assert_allclose(own["probability"], expected.ravel(), rtol=0, atol=1e-12)
    assert len(table) == len(CUSTOMERS) * 2 * 168
    assert list(dict.fromkeys(table["customer"])) == CUSTOMERS
    assert table["because"].str.len().gt(0).all()


def test_chosen_slots_are_those_of_the_answer(predictor):
    query = ask()
    table = write(predictor, query)
    answers = predictor.answer(query)
    assert list(table["customer"]) == np.repeat(CUSTOMERS, 2).tolist()
    assert list(table["slot_start"]) == [s.start for answer in answers for s in answer.slots]
    assert list(table["lift"]) == [s.lift for answer in answers for s in answer.slots]
    assert list(table["measure"]) == [a.measure for a in answers for _ in a.slots]
    first = answers[0]
    assert table["because"][0] == "; ".join([first.evidence.words, *first.reasons])


def test_whoever_has_no_slot_keeps_a_row_with_the_reason(predictor):
    always = QuietHours.parse("00:00", "23:59")
    table = write(predictor, ask(quiet_hours=always))
    assert list(table["customer"]) == CUSTOMERS
    assert table[["channel", "slot_start", "probability"]].isna().all(axis=None)
    assert table["because"].str.contains("quiet hours cover the whole window").all()


@pytest.mark.parametrize("has_all_slots", [False, True])
def test_chunks_change_nothing(predictor, monkeypatch, has_all_slots):
    whole = write(predictor, ask(has_all_slots=has_all_slots))
    monkeypatch.setattr(batch, "CHUNK", 3)
    parts = list(schedule_audience(predictor, ask(has_all_slots=has_all_slots)))
    assert len(parts) == 2
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
