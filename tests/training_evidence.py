"""Evidence of trainings, small enough to work out by hand."""

from __future__ import annotations

import pandas as pd

from models.demand.quantiles import QUANTILE_NAMES
from training.demand.scores import score_forecasts

ORIGINS = ("2025-03-02", "2025-03-16")  # Sundays
SCRIPT = "<script>alert('x')</script>"
FORMULA = r"a $\frac{ b$ & c"
REGIONS = {"north": 1.0, "south": 2.0, SCRIPT: 3.0}
PRODUCTS = {FORMULA: 1.0, "tea": 10.0}
ERRORS = {"almanac": 1.0, "lightgbm": 1.5, "seasonal_mean": 2.0, "seasonal_naive": 4.0}
"""How far each model is off in every row, in units times the region's factor."""


def make_forecasts() -> pd.DataFrame:
    """Forecasts of 3 regions × 2 products × 14 days from 2 origins; each sold 10 × product a day.

    Every model forecasts too little by its error times the region's factor.
    """
    rows = []
    for origin in ORIGINS:
        for region, factor in REGIONS.items():
            for product, size in PRODUCTS.items():
                for step in range(1, 15):
                    for model, error in ERRORS.items():
                        mean = 10.0 * size - error * factor
                        rows.append(
                            {
                                "origin": pd.Timestamp(origin),
                                "level": "region/product",
                                "region": region,
                                "product": product,
                                "date": pd.Timestamp(origin) + pd.Timedelta(days=step),
                                "bucket": "1-7" if step <= 7 else "8-14",
                                "units": 10.0 * size,
                                "mean": mean,
                                "model": model,
                                "season_error": 1.0,
                                "step_error": 1.0,
                            }
                        )
    table = pd.DataFrame(rows)
    for place, name in enumerate(QUANTILE_NAMES):
        table[name] = table["mean"] + place  # 80 %: +2 to +6, 95 %: +0 to +8
    return table


def make_demand_evidence() -> dict[str, pd.DataFrame]:
    forecasts = make_forecasts()
    members = ("lightgbm", "prophet", "seasonal_mean", "seasonal_naive")
    weights = [
        {"bucket": bucket, "member": member, "weight": weight}
        for bucket in ("8-14", "1-7")
        for member, weight in zip(members, (0.6, 0.3, 0.1, 0.0), strict=True)
    ]
    return {
        "scores": score_forecasts(forecasts),
        "fold_scores": score_forecasts(forecasts, by_origin=True),
        "forecasts": forecasts,
        "weights": pd.DataFrame(weights),
        "importance": pd.DataFrame({"feature": ["units_lag_7", "price"], "gain": [3.0, 1.0]}),
        "notes": pd.DataFrame({"note": ["2 series are not forecast, such as <b>x</b>"]}),
    }


LOSSES = {
    "best_global_hour": 0.040,
    "customer_histogram": 0.030,
    "empirical_bayes": 0.026,
    "lightgbm": 0.024,
}


def make_promotion_evidence() -> dict[str, pd.DataFrame]:
    """Four models in two folds; the gain of a model is the difference of its losses ± 0.001."""
    about = {
        "customers": 100.0, "activity": 50.0, "base_rate": 0.01, "brier": 0.009,
        "calibration_error": 0.002, "slot_hit": 0.1, "hour_hit": 0.2, "block_hit": 0.4,
        "weekday_hit": 0.3,
    }  # fmt: skip
    names = list(LOSSES)
    folds = [
        {"fold": fold, "model": name, **about, "log_loss": loss + (fold - 1.5) * 0.002}
        for fold in (1, 2)
        for name, loss in LOSSES.items()
    ]
    gains = [
        {
            "model": name,
            "baseline": other,
            "gain": LOSSES[other] - LOSSES[name],
            "low": LOSSES[other] - LOSSES[name] - 0.001,
            "high": LOSSES[other] - LOSSES[name] + 0.001,
            "relative": (LOSSES[other] - LOSSES[name]) / LOSSES[other],
            "customers": 100,
        }
        for place, name in enumerate(names)
        for other in names[:place]
    ]
    bins = [
        {
            "fold": fold, "model": name, "bin": place, "cells": 1000, "predicted": predicted,
            "observed": observed, "observed_low": low, "observed_high": high,
        }
        for fold in (1, 2)
        for name in names
        for place, (predicted, observed, low, high) in enumerate(
            [(0.001, 0.0, 0.0, 0.003), (0.01, 0.02, 0.01, 0.04), (0.1, 0.1, 0.08, 0.12)]
        )
    ]  # fmt: skip
    scores = [
        {"model": name, "folds": 2, **about, "log_loss": loss} for name, loss in LOSSES.items()
    ]
    return {
        "scores": pd.DataFrame(scores),
        "folds": pd.DataFrame(folds),
        "reliability": pd.DataFrame(bins),
        "gains": pd.DataFrame(gains),
        "importance": pd.DataFrame({"feature": ["orders_30d", "spend_7d"], "gain": [0.8, 0.2]}),
        "best": pd.DataFrame({"model": ["lightgbm"]}),
        "notes": pd.DataFrame({"note": ["only 2 test windows fit"]}),
    }


def make_parts_evidence() -> dict[str, pd.DataFrame]:
    """All that a promotion training may leave beside send times."""
    return {
        "half_life": make_half_life(),
        "published": pd.DataFrame(
            {
                "part": ["response", "value", "offers"],
                "is_published": [True, True, False],
                "words": [
                    "lightgbm, proven better than every baseline that counts",
                    "bg_nbd",
                    "offers: 7 customers are too few",
                ],
            }
        ),
        "week": pd.DataFrame({"slot": range(168), "value": [0.001] * 167 + [0.169]}),
        **make_proof_evidence(),
        **make_response_evidence(),
        **make_value_evidence(),
        **make_offer_evidence(),
    }


def make_half_life() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "half_life_days": [30.0, 3650.0],
            "log_loss": [0.0301, 0.03],
            "block_loss": [1.6, 1.5],
            "is_chosen": [False, True],
        }
    )


def make_proof_evidence() -> dict[str, pd.DataFrame]:
    """Better than the best global hour by 0.02 [0.01, 0.03]; of the log not enough is known."""
    baselines = ["best_global_hour", "logged_policy"]
    values = [
        {
            "policy": policy, "estimator": estimator, "value": 0.1, "low": 0.08, "high": 0.12,
            "ess": 1200.0, "customers": 300, "covered": 1.0, "clipped": 0.0, "outside": 0.0,
        }
        for policy in ("response", *baselines)
        for estimator in ("doubly robust", "self-normalised")
    ]  # fmt: skip
    gains = pd.DataFrame(
        {
            "target": "response", "baseline": baselines, "gain": [0.02, 0.01],
            "low": [0.01, -0.01], "high": [0.03, 0.03], "claim_low": [0.005, -0.02],
            "claim_high": [0.035, 0.04], "relative": [0.2, 0.1], "check_gain": [0.02, 0.01],
            "check_low": [0.0, -0.02], "check_high": [0.04, 0.04], "ess": [1200.0, 1200.0],
            "covered": [1.0, 1.0], "verdict": ["better", "not enough evidence"],
            "words": [
                "better by 0.02 than the best global hour",
                "not enough evidence: about 2,000 more sends needed",
            ],
            "more_sends": [0.0, 2000.0],
        }
    )  # fmt: skip
    groups = {"kind": ["channel", "hours"], "group": ["email", "06–12"]}
    return {
        "policy_values": pd.DataFrame(values),
        "policy_gains": gains,
        "policy_notes": pd.DataFrame({"note": ["Weights are cut at 20."]}),
        "touch_reliability": pd.DataFrame(
            {
                **groups, "bin": 0, "sends": 400, "predicted": 0.1, "observed": 0.12,
                "low": 0.09, "high": 0.15,
            }
        ),
        "touch_scores": pd.DataFrame(
            {
                **groups, "sends": 400, "predicted": 0.1, "observed": 0.12, "brier": 0.1,
                "calibration_error": 0.02, "log_loss": 0.35,
            }
        ),
    }  # fmt: skip


def make_response_evidence() -> dict[str, pd.DataFrame]:
    """LightGBM saves 0.03 of 0.30 nats, 0.015 to 0.045, over everybody's hour."""
    about = {"touches": 400.0, "base_rate": 0.12, "predicted": 0.1, "brier": 0.1,
             "calibration_error": 0.02}  # fmt: skip
    losses = {"global_hour": 0.30, "lightgbm": 0.27}
    scores = [{"model": name, **about, "log_loss": loss} for name, loss in losses.items()]
    parts = ("all", "night", "morning", "afternoon", "evening")
    return {
        "response_scores": pd.DataFrame(scores),
        "response_groups": pd.DataFrame(
            [
                {**row, "by": by, "group": group}
                for row in scores
                for by, group in (("channel", "email"), ("hours", "06-12"))
            ]
        ),
        "response_reliability": pd.DataFrame(
            {
                "model": list(losses), "bin": 0, "touches": 400, "predicted": [0.1, 0.11],
                "observed": 0.12, "observed_low": 0.09, "observed_high": 0.15,
            }
        ),
        "response_gains": pd.DataFrame(
            [{"model": "lightgbm", "baseline": "global_hour", "gain": 0.03, "low": 0.015,
              "high": 0.045, "relative": 0.1, "customers": 300}]
        ),
        "response_delays": pd.DataFrame(
            [
                {"channel": channel, "part": part, "opened_1h": 0.1, "opened_24h": 0.2,
                 "opened_7d": 0.25, "delay_hours": hours + place}
                for channel, hours in (("email", 5.0), ("push", 1.0))
                for place, part in enumerate(parts)
            ]
        ),
        "response_importance": pd.DataFrame({"feature": ["activity"], "gain": [1.0]}),
    }  # fmt: skip


def make_value_evidence() -> dict[str, pd.DataFrame]:
    """BG/NBD saves 0.02 of the own rate's 0.40 nats, ± 0.01; of the deviance nothing is sure."""
    losses = {"mean_rate": 0.5, "own_rate": 0.4, "bg_nbd": 0.38, "lightgbm": 0.37}
    scores = [
        {
            "model": name, "folds": 2, "log_loss": loss, "auc": 0.8, "calibration_error": 0.02,
            "mean_absolute_error": 1.5, "poisson_deviance": 4 * loss, "rank_correlation": 0.7,
            "predicted_over_actual": 0.97, "coverage": 0.88, "customers": 600.0, "orders": 1500.0,
        }
        for name, loss in losses.items()
    ]  # fmt: skip
    pair = {"model": "bg_nbd", "baseline": "own_rate", "customers": 300}
    levels = (0.1, 0.5, 0.9)
    return {
        "value_scores": pd.DataFrame(scores),
        "value_folds": pd.DataFrame(
            {"calibration": ["2025-01-01"], "test": ["2025-01-29"], "model": ["bg_nbd"]}
        ),
        "value_gains": pd.DataFrame(
            [
                {"loss": "log_loss", **pair, "gain": 0.02, "low": 0.01, "high": 0.03,
                 "relative": 0.05},
                {"loss": "poisson_deviance", **pair, "gain": 0.08, "low": -0.16, "high": 0.32,
                 "relative": 0.05},
            ]
        ),
        "value_reliability": pd.DataFrame(
            [
                {"model": name, "bin": place, "probability": p, "frequency": p + 0.1,
                 "expected_orders": 2 * p, "orders": 2 * p + 0.3, "customers": 60}
                for name in losses
                for place, p in ((1, 0.2), (2, 0.6))
            ]
        ),
        "value_timing": pd.DataFrame(
            [
                {"model": name, "level": level, "observed": level + 0.05, "customers": 500}
                for name in ("bg_nbd", "lightgbm")
                for level in levels
            ]
        ),
        "value_importance": pd.DataFrame({"feature": ["overdue", "age"], "gain": [0.75, 0.25]}),
    }  # fmt: skip


def make_offer_evidence() -> dict[str, pd.DataFrame]:
    """Of offer 'ten' a tie; offer 'mug' is ranked better by the X-learner, and loses money."""
    scores = [
        ("ten", "s", 0.03, 0.01, -0.02, 0.04), ("ten", "cell_rule", 0.02, 0.0, 0.0, 0.0),
        ("mug", "x", 0.09, 0.07, 0.01, 0.12), ("mug", "cell_rule", 0.02, 0.0, 0.0, 0.0),
    ]  # fmt: skip
    policies = [
        ("ten", "nobody", 0.0, 0.0, 0.0, 0.0), ("ten", "everybody", 1.0, 0.5, -0.2, 1.2),
        ("ten", "cell_rule", 0.4, 0.9, 0.3, 1.5), ("mug", "nobody", 0.0, 0.0, 0.0, 0.0),
        ("mug", "everybody", 1.0, -2.0, -2.5, -1.5), ("mug", "x", 0.1, 0.1, -0.1, 0.3),
    ]  # fmt: skip
    told = ["cell_rule: the best learner, s: a tie", "x: better than the cell rule."]
    return {
        "offer_scores": pd.DataFrame(
            scores, columns=["offer", "ranking", "qini", "gain", "low", "high"]
        ),
        "offer_choices": pd.DataFrame(
            {"offer": ["ten", "mug"], "ranking": ["cell_rule", "x"], "words": told}
        ),
        "offer_cells": pd.DataFrame(
            {
                "offer": ["ten", "ten", "mug"],
                "band": ["is_new and orders <= 3", "not is_new", "band 1 of 1 by x"],
                "customers": [400, 600, 1000],
                "control": [0.1, 0.2, 0.15],
                "effect": [0.05, -0.01, 0.02],
                "low": [0.02, -0.05, -0.01],
                "high": [0.08, 0.03, 0.05],
            }
        ),
        "offer_policies": pd.DataFrame(
            policies, columns=["offer", "policy", "share_offered", "margin", "low", "high"]
        ),
        "offer_notes": pd.DataFrame(
            {"note": [f"ten: {told[0]}", f"mug: {told[1]}", "propensities were estimated"]}
        ),
    }
