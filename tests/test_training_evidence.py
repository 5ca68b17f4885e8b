"""What is published of a training's evidence, and what is recorded of its gates."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from models.records import EVIDENCE_FILE, find_record
from serving.model_contract import Evidence
from training.evidence import add_evidence, pool_reliability, tell_demand, tell_promotion
from training.gates import Verdict, check_at_most
from training.records import record_training, record_verdict

NOW = datetime(2026, 11, 4, 15, 30, tzinfo=UTC)


def demand_scores() -> pd.DataFrame:
    rows = [
        (model, "store/all", bucket, wape, 0.01, 0.8, float("nan"), 0.1, 0.7, 0.9, 28)
        for model, wape in (("almanac", 0.2), ("seasonal_naive", 0.3), ("lightgbm", 0.25))
        for bucket in ("1-7", "all")
    ]
    columns = ["model", "level", "bucket", "wape", "bias", "mase", "rmsse", "pinball"]
    return pd.DataFrame(rows, columns=[*columns, "coverage_80", "coverage_95", "n_rows"])


def test_of_demand_scores_stand_beside_baselines_and_coverage_beside_what_was_promised():
    importance = pd.DataFrame({"feature": ["a", "b"], "gain": [3.0, 1.0]})
    told = tell_demand({}, {"scores": demand_scores(), "importance": importance})
    read = Evidence.model_validate_json(json.dumps(told, allow_nan=False))
    assert [(s.model, s.horizon, s.is_published, s.is_baseline) for s in read.scores] == [
        ("Almanac", "1-7", True, False),
        ("Almanac", None, True, False),
        ("seasonal naive", None, False, True),
        ("LightGBM", None, False, False),
    ]
    assert read.scores[1].measures["wape"] == 0.2
    assert read.scores[1].measures["rmsse"] is None  # NaN is no number of JSON
    assert [(c.nominal, c.measured, c.n) for c in read.coverage[:2]] == [
        (0.8, 0.7, 28),
        (0.95, 0.9, 28),
    ]
    assert [(one.feature, one.share) for one in read.importance] == [("a", 0.75), ("b", 0.25)]


def test_of_send_times_calibration_is_pooled_over_folds_with_an_interval():
    table = pd.DataFrame(
        {
            "fold": [1, 2, 1],
            "model": ["a", "a", "b"],
            "bin": [0, 0, 0],
            "cells": [100, 300, 50],
            "predicted": [0.1, 0.2, 0.9],
            "observed": [0.3, 0.1, 0.9],
        }
    )
    (row,) = pool_reliability(table, "a")
    assert row["predicted"] == pytest.approx((10 + 60) / 400)
    assert row["observed"] == pytest.approx((30 + 30) / 400)
    # Wilson's interval of 60 in 400, from tables
    assert row["low"] == pytest.approx(0.1184, abs=1e-4)
    assert row["high"] == pytest.approx(0.1883, abs=1e-4)


def test_of_send_times_gains_are_those_of_the_chosen_model_over_baselines_of_the_gates():
    reliability = pd.DataFrame(
        {"fold": [1], "model": ["x"], "bin": [0], "cells": [9], "predicted": [0.1], "observed": [0]}
    )
    gains = pd.DataFrame(
        {
            "model": ["x", "x", "y"],
            "baseline": ["best_global_hour", "y", "best_global_hour"],
            "gain": [0.5, 0.1, 0.2],
            "low": [0.4, math.nan, 0.1],
            "high": [0.6, 0.2, 0.3],
        }
    )
    scores = pd.DataFrame({"model": ["x", "best_global_hour"], "log_loss": [0.1, 0.2]})
    told = tell_promotion(
        {"profiles.json": b'{"as_of": "2026-11-01T00:00:00Z", "time_zone": "UTC"}'},
        {
            "best": pd.DataFrame({"model": ["x"]}),
            "scores": scores,
            "gains": gains,
            "reliability": reliability,
        },
    )
    read = Evidence.model_validate_json(json.dumps(told, allow_nan=False))
    assert [(g.baseline, g.low) for g in read.gains] == [("best global hour", 0.4)]
    assert str(read.data_until) == "2026-11-01"
    assert [s.is_baseline for s in read.scores] == [False, True]


def test_evidence_is_a_file_of_the_model_and_without_any_there_is_none():
    assert add_evidence({"a": b"1"}, {}) == {"a": b"1"}
    files = add_evidence({"a": b"1"}, {"format": 1})
    assert json.loads(files[EVIDENCE_FILE]) == {"format": 1}


def test_a_record_keeps_when_it_was_trained_when_its_verdict_comes(tmp_path: Path):
    verdict = Verdict((check_at_most("wape", math.nan, 1.0, "WAPE"),))
    record_training(tmp_path, "demand", "3", registered="m", evidence={"x": 1}, now=NOW)
    path = find_record(tmp_path, "demand", "3")
    assert json.loads(path.read_bytes())["outcome"] == "waiting"
    told = {"verdict": verdict, "outcome": "refused", "because": None, "now": NOW}
    record_verdict(tmp_path, "demand", "3", evidence={"x": 2}, **told)
    record = json.loads(path.read_bytes())
    assert record["outcome"] == "refused"
    assert record["trained_at"] == "2026-11-04T15:30:00+00:00"
    assert record["evidence"] == {"x": 1}
    assert record["gates"][0]["measured"] is None
    assert list(path.parent.iterdir()) == [path]


def test_a_version_without_a_record_gets_one_with_its_verdict(tmp_path: Path):
    told = {"verdict": Verdict(()), "outcome": "passed", "because": None, "now": NOW}
    record_verdict(tmp_path, "demand", "1", evidence={"x": 2}, **told)
    record = json.loads(find_record(tmp_path, "demand", "1").read_bytes())
    assert record["evidence"] == {"x": 2}
    assert "trained_at" not in record
