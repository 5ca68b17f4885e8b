from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from training.config import DemandGates, PromotionGates
from training.gates import check_above, check_at_most, judge_demand, judge_promotion


def demand_scores(
    *,
    wape: float = 0.8,
    pinball: float = 0.25,
    bias: float = 0.02,
    coverage_80: float = 0.81,
    coverage_95: float = 0.94,
) -> pd.DataFrame:
    """Scores at two levels; the total would pass anything, the finest level is as asked."""
    own = {
        "wape": wape, "pinball": pinball, "bias": bias, "coverage_80": coverage_80,
        "coverage_95": coverage_95,
    }  # fmt: skip
    fine = {"level": "store/category", "bucket": "all", "n_rows": 1000}
    coarse = {"level": "all/all", "bucket": "all", "n_rows": 10}
    perfect = {"wape": 0.0, "pinball": 0.0, "bias": 0.0, "coverage_80": 0.8, "coverage_95": 0.95}
    return pd.DataFrame(
        [
            {"model": "almanac", **fine, **own},
            {"model": "almanac", **fine, **perfect, "bucket": "1-7"},
            {"model": "seasonal_naive", **fine, **own, "wape": 1.2, "pinball": 0.4},
            {"model": "seasonal_mean", **fine, **own, "wape": 1.0, "pinball": 0.3},
            {"model": "almanac", **coarse, **perfect},
            {"model": "seasonal_naive", **coarse, **perfect},
            {"model": "seasonal_mean", **coarse, **perfect},
        ]
    )


def failed(verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.is_passed]


@pytest.mark.parametrize(
    ("scores", "names"),
    [
        (demand_scores(), []),
        (demand_scores(wape=1.01), ["wape"]),
        (demand_scores(pinball=0.31), ["pinball"]),
        (demand_scores(bias=-0.06), ["bias"]),
        (demand_scores(coverage_80=0.74), ["coverage_80"]),
        (demand_scores(coverage_95=0.89), ["coverage_95"]),
        (demand_scores(wape=math.nan), ["wape"]),
    ],
)
def test_demand_is_judged_at_the_finest_level_over_all_horizons(scores, names):
    assert failed(judge_demand(DemandGates(), scores, None)) == names


def test_demand_must_not_be_worse_than_the_champion():
    judged = judge_demand(DemandGates(), demand_scores(wape=0.8), demand_scores(wape=0.79))
    assert failed(judged) == ["champion"]
    judged = judge_demand(DemandGates(), demand_scores(wape=0.8), demand_scores(wape=0.8))
    assert judged.is_passed


def promotion_tables(*, low: float = 0.001, calibration_error: float = 0.002, loss: float = 0.03):
    return {
        "best": pd.DataFrame({"model": ["lightgbm"]}),
        "scores": pd.DataFrame(
            [
                {"model": "lightgbm", "log_loss": loss, "calibration_error": calibration_error},
                {"model": "best_global_hour", "log_loss": 0.04, "calibration_error": 0.5},
            ]
        ),
        "gains": pd.DataFrame(
            [
                {"model": "lightgbm", "baseline": "best_global_hour", "low": 0.01},
                {"model": "lightgbm", "baseline": "customer_histogram", "low": low},
                {"model": "lightgbm", "baseline": "empirical_bayes", "low": -1.0},
                {"model": "empirical_bayes", "baseline": "best_global_hour", "low": -1.0},
            ]
        ),
    }


@pytest.mark.parametrize(
    ("tables", "names"),
    [
        (promotion_tables(), []),
        (promotion_tables(low=0.0), ["log_loss/customer_histogram"]),
        (promotion_tables(calibration_error=0.011), ["calibration"]),
        (promotion_tables(calibration_error=math.nan), ["calibration"]),
    ],
)
def test_send_times_must_beat_both_baselines_with_the_whole_interval(tables, names):
    assert failed(judge_promotion(PromotionGates(), tables, None)) == names


def test_send_times_must_not_be_worse_than_the_champion():
    judged = judge_promotion(PromotionGates(), promotion_tables(), promotion_tables(loss=0.029))
    assert failed(judged) == ["champion"]


def test_a_verdict_says_what_failed_in_words_and_in_json():
    verdict = judge_demand(DemandGates(), demand_scores(bias=0.06), None)
    assert verdict.failures == "|bias| at the finest level: 0.06, at most 0.05"
    told = json.loads(verdict.to_json())
    assert told["is_passed"] is False
    assert {check["name"] for check in told["checks"]} >= {"wape", "bias", "coverage_80"}


def test_a_bound_is_within_for_at_most_and_without_for_above():
    assert check_at_most("x", 1.0, 1.0, "x").is_passed
    assert not check_above("x", 1.0, 1.0, "x").is_passed
