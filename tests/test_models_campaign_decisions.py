"""The record of a campaign: its columns, its ids, and what it refuses to write down."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from features.errors import DuplicateKey, OutOfRange, TableError
from features.schema import DECISIONS
from models.campaign.decisions import (
    NOT_WORTH_IT,
    Campaign,
    Chosen,
    build_decisions,
    check_decisions,
    write_candidates,
)
from models.campaign.eligibility import Reason
from models.campaign.exploration import choose_explored, choose_uniform

CAMPAIGN = Campaign("spring", "v3", datetime(2024, 6, 9, 14, tzinfo=timezone(timedelta(hours=2))))


def texts(*values):
    return np.array(values, dtype=object)


def moments(*values):
    return np.array(values, dtype="datetime64[s]")


CHOSEN = Chosen(
    customer_id=texts("ann", "bob", "cleo"),
    arm=texts("optimised", "holdout", "random"),
    promotion_id=texts("p", None, None),
    channel=texts("email", None, None),
    send_at=moments("2024-06-10T09:00", "NaT", "NaT"),
    propensity=np.array([0.25, 1.0, 1.0]),
    reason=texts("", "holdout", NOT_WORTH_IT),
    candidates=texts('[["a",0.25]]', "[]", "[]"),
)


def test_one_row_per_customer_with_or_without_a_message():
    table = build_decisions(CAMPAIGN, CHOSEN)
    canonical = [column.name for column in DECISIONS.columns]
    assert list(table.columns) == [*canonical, "reason", "words", "candidates"]
    assert table["customer_id"].tolist() == ["ann", "bob", "cleo"]
    assert (table["decided_at"] == pd.Timestamp("2024-06-09T12:00")).all()  # in UTC
    assert table["send_at"].tolist() == [pd.Timestamp("2024-06-10T09:00"), pd.NaT, pd.NaT]
    assert table["channel"].isna().tolist() == [False, True, True]
    assert table["propensity"].tolist() == [0.25, 1.0, 1.0]
    assert table["words"].tolist()[1:] == [
        "the customer is in the holdout arm, which is never written to",
        "no permitted message is worth its cost within the campaign's limits",
    ]
    assert pd.isna(table["words"][0])
    assert table["message_id"].isna().all()
    assert str(table["decided_at"].dtype) == str(table["send_at"].dtype) == "datetime64[us]"


def test_ids_follow_from_campaign_customer_and_moment_alone():
    ids = build_decisions(CAMPAIGN, CHOSEN)["decision_id"]
    assert ids.is_unique
    assert build_decisions(CAMPAIGN, CHOSEN)["decision_id"].tolist() == ids.tolist()
    at_once = replace(CAMPAIGN, model_version="v4")
    assert build_decisions(at_once, CHOSEN)["decision_id"].tolist() == ids.tolist()
    for other in (
        replace(CAMPAIGN, campaign_id="summer"),
        replace(CAMPAIGN, decided_at=datetime(2024, 6, 9, 12, 1)),  # noqa: DTZ001
    ):
        assert not set(build_decisions(other, CHOSEN)["decision_id"]) & set(ids)


def test_every_reason_has_a_sentence_in_the_record():
    for reason in [*Reason, NOT_WORTH_IT]:
        chosen = replace(CHOSEN, reason=texts("", "holdout", str(reason)))
        assert build_decisions(CAMPAIGN, chosen)["words"][2]


def test_all_held_out_and_nobody_at_all():
    held = Chosen(
        texts("a", "b"), texts("holdout", "holdout"), texts(None, None), texts(None, None),
        moments("NaT", "NaT"), np.ones(2), texts("holdout", "holdout"), texts("[]", "[]"),
    )  # fmt: skip
    assert build_decisions(CAMPAIGN, held)["send_at"].isna().all()
    none = Chosen(*[texts()] * 4, moments(), np.ones(0), texts(), texts())
    assert build_decisions(CAMPAIGN, none).empty


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"customer_id": texts("ann", "bob", "ann")}, DuplicateKey, "'ann' twice"),
        ({"propensity": np.array([0.0, 1, 1])}, OutOfRange, "above 0 and at most 1, got '0.0'"),
        ({"propensity": np.array([1.01, 1, 1])}, OutOfRange, "above 0 and at most 1"),
        ({"propensity": np.array([0.5, np.nan, 1])}, OutOfRange, "customer 'bob'"),
        ({"arm": texts("control", "holdout", "random")}, OutOfRange, "one of holdout, random"),
        ({"arm": texts("holdout", "holdout", "random")}, OutOfRange, "no message in the holdout"),
        ({"channel": texts("fax", None, None)}, OutOfRange, "got 'fax'"),
        ({"channel": texts("email", "sms", None)}, TableError, "nothing where no message"),
        ({"promotion_id": texts("p", "p", None)}, TableError, "nothing where no message"),
        (
            {"send_at": moments("2024-06-09T11:59", "NaT", "NaT")},
            OutOfRange,
            "not before the decision",
        ),
        ({"reason": texts("holdout", "holdout", NOT_WORTH_IT)}, TableError, "and only where"),
        ({"reason": texts("", "", NOT_WORTH_IT)}, TableError, "and only where"),
        ({"reason": texts("", "holdout", "because")}, OutOfRange, "got 'because'"),
    ],
)
def test_what_could_not_be_judged_later_is_refused(more, error, words):
    with pytest.raises(error, match=words):
        build_decisions(CAMPAIGN, replace(CHOSEN, **more))


def test_a_record_that_was_changed_is_checked_again():
    table = build_decisions(CAMPAIGN, CHOSEN)
    check_decisions(table)
    with pytest.raises(OutOfRange):
        check_decisions(table.assign(propensity=2.0))


def test_candidates_tell_the_likeliest_and_sum_to_one():
    mean = np.array([[1.0, 3.0, 2.0, 0.0], [1.0, 3.0, 2.0, 0.0]])
    permitted = np.array([[True, True, True, True], [True, False, False, False]])
    choice = choose_explored(
        mean, np.zeros((2, 4)), permitted, floor=0.1, rng=np.random.default_rng(0)
    )
    one, other = write_candidates(choice, ["9h", "10h", "11h", "12h"])
    assert json.loads(one) == [["10h", 0.7], ["3 others", 0.3]]
    assert json.loads(other) == [["9h", 1.0]]
    wide = choose_explored(
        mean, np.ones((2, 4)), permitted, floor=0.01, rng=np.random.default_rng(0)
    )
    told = json.loads(write_candidates(wide, ["9h", "10h", "11h", "12h"], best=2)[0])
    assert [name for name, _ in told] == ["10h", "11h", "2 others"]
    assert sum(share for _, share in told) == pytest.approx(1.0)
    assert told[0][1] == pytest.approx(wide.probabilities[0, 1], abs=1e-6)


def test_candidates_of_the_random_arm_are_all_alike():
    permitted = np.array([[True, True, False], [False, False, False]])
    choice = choose_uniform(permitted, rng=np.random.default_rng(0))
    assert write_candidates(choice, ["a", "b", "c"]).tolist() == ['[["2 others",1.0]]', "[]"]
