import numpy as np
import pandas as pd
import pytest

from training.config import PromotionGates
from training.promotion.parts import Parts, is_proven
from training.promotion.published_chapter import write_published
from training.promotion.recipe import PUBLISHED, _judge_policy, list_published
from training.proof.gate import COUNTED
from training.proof.tables import FALLBACK_GAINS
from training.proof.verdict import BETTER, NOT_ENOUGH, WORSE


def make_gains(target="response", verdict=BETTER, **changes):
    rows = [
        {
            "target": target, "baseline": baseline, "gain": 0.02, "low": 0.01, "high": 0.03,
            "claim_low": 0.005, "claim_high": 0.035, "check_gain": 0.02, "ess": 2000.0,
            "covered": 1.0, "verdict": verdict,
        } | changes
        for baseline in (*COUNTED, "random_block")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def make_tables(gains, fallback=None, *, is_published=False):
    parts = pd.DataFrame({"part": ["response"], "is_published": [is_published], "words": [""]})
    tables = {"policy_gains": gains, PUBLISHED: parts}
    return tables if fallback is None else {**tables, FALLBACK_GAINS: fallback}


def names(checks):
    return [check.name for check in checks if not check.is_passed]


def test_a_proof_needs_the_verdict_over_every_baseline_that_counts():
    gains = make_gains()
    assert is_proven(gains)
    assert not is_proven(make_gains(target="receptivity"))
    for place, baseline in enumerate(gains["baseline"]):
        doubted = gains.copy()
        doubted.loc[place, "verdict"] = NOT_ENOUGH
        assert is_proven(doubted) == (baseline not in COUNTED)


def test_what_is_proven_passes_and_a_lower_bound_below_zero_does_not():
    assert (
        names(_judge_policy(make_tables(make_gains(), is_published=True), PromotionGates())) == []
    )
    failed = _judge_policy(make_tables(make_gains(claim_low=-0.01)), PromotionGates())
    assert names(failed) == [f"policy_value/{baseline}" for baseline in COUNTED]


def test_activity_may_be_unproven_but_not_proven_worse():
    unproven = make_gains(verdict=NOT_ENOUGH, low=-0.01, claim_low=-0.02)
    fine = make_gains("receptivity", NOT_ENOUGH, gain=-0.01, low=-0.03, high=0.01)
    worse = make_gains("receptivity", WORSE, gain=-0.02, low=-0.03, high=-0.01)

    assert names(_judge_policy(make_tables(unproven, fine), PromotionGates())) == []
    assert names(_judge_policy(make_tables(unproven, worse), PromotionGates())) == [
        f"policy_not_worse/{baseline}" for baseline in COUNTED
    ]


def test_without_a_required_proof_the_responses_themselves_are_judged():
    worse = make_gains(verdict=WORSE, gain=-0.02, low=-0.03, high=-0.01)
    fine = make_gains("receptivity", NOT_ENOUGH)
    tables = make_tables(worse, fine, is_published=True)

    assert len(names(_judge_policy(tables, PromotionGates(require_proof=False)))) == len(COUNTED)


def test_nothing_is_judged_where_no_message_could_prove_anything():
    nothing = make_gains("receptivity", "no evidence possible", gain=np.nan, high=np.nan)

    assert _judge_policy({}, PromotionGates()) == ()
    assert _judge_policy(make_tables(nothing, nothing), PromotionGates()) == ()


@pytest.mark.parametrize(
    ("verdict", "require_proof", "expected"),
    [
        (BETTER, True, True),
        (NOT_ENOUGH, True, False),
        (NOT_ENOUGH, False, True),
        (WORSE, False, False),
    ],
)
def test_responses_are_published_by_what_is_proven(verdict, require_proof, expected):
    class Best:
        best = "empirical_bayes"

    parts = Parts(Best(), {"policy_gains": make_gains(verdict=verdict)}, None, None, None)

    assert parts.may_publish_response(require_proof=require_proof) == expected


def test_an_interval_over_a_handful_of_sends_is_no_proof_that_activity_is_worse():
    unproven = make_gains(verdict=NOT_ENOUGH)
    few = make_gains("receptivity", NOT_ENOUGH, gain=-0.9, low=-2.7, high=-0.02, ess=5.0)
    same = make_gains("receptivity", NOT_ENOUGH, gain=0.0, low=0.0, high=0.0)

    assert names(_judge_policy(make_tables(unproven, few), PromotionGates())) == []
    assert names(_judge_policy(make_tables(unproven, same), PromotionGates())) == []


def test_a_part_that_was_proven_and_could_not_be_fitted_is_not_told_as_published():
    class Found:
        best = "empirical_bayes"

    class Model:
        response = value = offers = None

    gains = {"policy_gains": make_gains()}
    told = list_published(Model(), Parts(Found(), gains, Found(), None, None)).set_index("part")

    assert not told["is_published"].any()
    assert told.loc["response", "words"].endswith(
        "but the last windows hold too little to fit it on"
    )
    assert told.loc["value", "words"].startswith("empirical_bayes, the last windows hold too")


@pytest.mark.parametrize(
    ("is_published", "fallback", "words"),
    [
        (True, None, "proven before launch"),
        (True, make_gains("receptivity", NOT_ENOUGH), "the project file asks for no proof"),
        (False, make_gains("receptivity", NOT_ENOUGH), "was not proven"),
    ],
)
def test_the_report_calls_proven_only_what_is(is_published, fallback, words):
    tables = make_tables(make_gains(), fallback, is_published=is_published)

    (section,) = write_published(tables, "empirical_bayes")

    assert words in section.sentences[0]
