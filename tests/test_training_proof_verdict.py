import math

import pandas as pd
import pytest

from training.proof.evidence import Evidence, Interval, PolicyValue, write_interval
from training.proof.gate import COUNTED, judge_policy_value
from training.proof.tables import tabulate_proof
from training.proof.verdict import (
    BETTER,
    IMPOSSIBLE,
    NOT_ENOUGH,
    WORSE,
    Proof,
    count_sends_needed,
    judge_gain,
    refuse_verdict,
)

SPACE = "\N{NARROW NO-BREAK SPACE}"
NAN = math.nan


def make_evidence(**changes):
    values = {
        "sends": 10_000,
        "customers": 900,
        "gain": Interval(0.012, 0.004, 0.020),
        "check": Interval(0.010, 0.001, 0.019),
        "baseline_value": 0.133,
        "effective_sends": 2000.0,
        "covered": 1.0,
    }
    given = {**values, **changes}
    return Evidence(**{"claim": given["gain"], **given})


def judge(**changes):
    return judge_gain("best_global_hour", make_evidence(**changes))


def test_a_gain_is_claimed_in_words():
    verdict = judge()

    assert verdict.decision == BETTER
    assert verdict.more_sends == 0
    assert verdict.relative == pytest.approx(0.012 / 0.133)
    said = verdict.words.replace(SPACE, " ")
    assert said == "better by 0.0120 [0.0040, 0.0200] (9 %) than the best global hour"


def test_a_loss_is_claimed_in_words():
    verdict = judge(gain=Interval(-0.3, -0.5, -0.1), check=Interval(-0.2, -0.5, 0.1))

    assert verdict.decision == WORSE
    assert verdict.words.startswith("worse by 0.30 [0.10, 0.50]")


@pytest.mark.parametrize(
    ("changes", "more", "why"),
    [
        # 10,000 × (0.024 ÷ 0.012)² = 40,000 are needed in all
        ({"gain": Interval(0.012, -0.012, 0.036)}, 30_000, "the interval spans 0"),
        # half of the effective sends: as many sends again
        ({"effective_sends": 500.0}, 10_000, "500 effective sends, of 1,000"),
        ({"effective_sends": 999.99}, 1_000, "1,000 effective sends, of 1,000"),
        # the other estimator needs 10,000 × (0.036 ÷ 0.012)²
        ({"check": Interval(-0.001, -0.037, 0.035)}, 80_000, "disagree on the sign"),
        # a gain of a thousandth is not waited for: that of 2 % of 0.133 is
        ({"gain": Interval(0.0001, -0.0265, 0.0267)}, 990_000, "the interval spans 0"),
        ({"covered": 0.62, "effective_sends": 500.0}, NAN, "the log covers only 62 %"),
        ({"covered": 0.0, "effective_sends": 0.0}, NAN, "the log covers only 0 %"),
        ({"gain": Interval(0.001, -0.001, 0.002)}, NAN, "they are alike within 2 %"),
        ({"gain": Interval(0.001, -0.001, 0.002), "covered": 0.5}, NAN, "covers only 50 %"),
        ({"gain": Interval(0.0, 0.0, 0.0), "baseline_value": 0.0}, NAN, "in 10,000 sends"),
        ({"gain": Interval(1e-17, 1e-18, 2e-17)}, NAN, "nothing tells the two apart"),
        (
            {"gain": Interval(0.1, NAN, NAN), "customers": 3},
            NAN,
            "too few customers for an interval (3)",
        ),
        ({"gain": Interval(0.1, NAN, NAN), "covered": 0.1}, NAN, "too few"),
    ],
)
def test_what_is_not_enough_says_what_is_missing(changes, more, why):
    verdict = judge(**changes)

    assert verdict.decision == NOT_ENOUGH
    assert verdict.words.startswith("not enough evidence: ")
    assert why in verdict.words.replace(SPACE, " ")
    assert verdict.more_sends == pytest.approx(more, nan_ok=True)
    assert math.isnan(more) or f"about {more:,} more sends needed" in verdict.words


def test_conditions_may_be_met_exactly():
    assert judge(effective_sends=1000.0, covered=0.9).decision == BETTER
    assert judge(gain=Interval(0.012, 0.0, 0.02)).decision == NOT_ENOUGH


def test_a_quarter_of_the_width_takes_sixteen_times_the_sends():
    assert count_sends_needed(500, half=0.04, effect=0.01) == 8000
    assert math.isnan(count_sends_needed(500, half=0.04, effect=0.0))


def test_nothing_is_relative_to_nothing():
    verdict = judge(baseline_value=0.0)

    assert math.isnan(verdict.relative)
    assert "%" not in verdict.words


def test_intervals_have_two_digits_of_their_half_width():
    assert write_interval(Interval(123.456, 100.0, 147.0)) == "123 [100, 147]"
    assert write_interval(Interval(-0.5, -0.504, -0.496)) == "−0.5000 [−0.5040, −0.4960]"


def make_proof(*verdicts):
    value = PolicyValue("t", "doubly robust", Interval(0.1, 0.0, 0.2), 50.0, 7, 1.0, 0.0, 0.25)
    return Proof("t", (value,), verdicts, ("a note",))


def test_a_policy_has_to_be_better_than_every_baseline_that_counts():
    better = judge()
    lost = judge_gain("random_block", make_evidence(effective_sends=1.0))

    assert make_proof(better).is_better()
    assert make_proof(better, lost).is_better()
    assert not make_proof(better, lost).is_better(uncounted=())
    assert not make_proof(lost).is_better()
    assert not make_proof().is_better()


def test_tables_hold_what_the_proof_does():
    tables = tabulate_proof(make_proof(judge(), refuse_verdict("logged_policy", "because")))

    assert tables["policy_values"].to_dict("records") == [
        {
            "policy": "t", "estimator": "doubly robust", "value": 0.1, "low": 0.0, "high": 0.2,
            "ess": 50.0, "customers": 7, "covered": 1.0, "clipped": 0.0, "outside": 0.25,
        }
    ]  # fmt: skip
    gains = tables["policy_gains"]
    assert gains["verdict"].tolist() == [BETTER, IMPOSSIBLE]
    assert gains["words"].iloc[1] == "no evidence possible: because"
    assert gains[["target", "baseline"]].iloc[1].tolist() == ["t", "logged_policy"]
    assert gains[["gain", "check_high", "ess"]].iloc[0].tolist() == [0.012, 0.019, 2000.0]
    assert tables["policy_notes"]["note"].tolist() == ["a note"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"effective_sends": 1000.0, "covered": 0.9},
        {"effective_sends": 999.0},
        {"covered": 0.89},
        {"gain": Interval(0.012, 0.0, 0.02)},
        {"gain": Interval(0.012, NAN, NAN)},
        {"gain": Interval(-0.2, -0.3, -0.1)},
        {"check": Interval(-0.1, -0.2, 0.1)},
    ],
)
def test_the_gate_passes_what_is_better_and_nothing_else(changes):
    verdict = judge(**changes)
    gains = tabulate_proof(make_proof(verdict))["policy_gains"]

    checks = judge_policy_value(gains)

    assert all(check.is_passed for check in checks) == (verdict.decision == BETTER)
    assert len(checks) == 4


def test_the_gate_names_what_failed():
    rows = (judge(), judge_gain("logged_policy", make_evidence(effective_sends=10.0)))
    gains = tabulate_proof(make_proof(*rows))["policy_gains"]

    failed = [check.name for check in judge_policy_value(gains) if not check.is_passed]

    assert failed == ["effective_sends/logged_policy"]
    assert all(c.is_passed for c in judge_policy_value(gains, min_effective_sends=10))
    assert all(c.is_passed for c in judge_policy_value(gains, baselines=["best_global_hour"]))


def test_without_evidence_the_gate_does_not_pass():
    refused = tuple(refuse_verdict(name, "every message was sent at one hour") for name in COUNTED)
    gains = tabulate_proof(Proof("t", (), refused, ()))["policy_gains"]

    assert not any(check.is_passed for check in judge_policy_value(gains))
    (nothing,) = judge_policy_value(pd.DataFrame(gains[:0]))
    assert not nothing.is_passed


def test_a_claim_needs_the_wider_interval():
    verdict = judge(claim=Interval(0.012, -0.001, 0.025))

    assert verdict.decision == NOT_ENOUGH
    assert "the 99 % interval" in verdict.words
    assert verdict.more_sends > 0
