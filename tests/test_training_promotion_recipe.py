import numpy as np
import pandas as pd
import pytest

from training.config import PromotionGates
from training.promotion.parts import FALLBACK_GAINS, Parts, is_proven
from training.promotion.recipe import PUBLISHED, _judge_policy
from training.proof.gate import COUNTED
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
