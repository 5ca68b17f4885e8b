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
