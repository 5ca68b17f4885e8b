import json
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.engine import open_engine
from features.errors import ArtifactError
from features.progress import Silent
from features.project import load_project
from models.value.curve import OrderCurve
from models.value.histories import PurchaseOutcomes
from models.value.model import LIGHTGBM
from models.value.next_purchase import TreeSettings
from tests.activity_tables import write_tables
from tests.value_tables import draw_regulars
from training.promotion.plan import plan_folds
from training.value.baselines import Prediction
from training.value.scores import (
    build_timing,
    build_value_reliability,
    build_value_scores,
    score_auc,
    score_poisson_deviances,
)
from training.value.slices import PurchaseReader
from training.value.steps import FittedValue, backtest_value, fit_value

START, DAYS = datetime.fromisoformat("2024-01-01"), 300
END = START + timedelta(days=DAYS)
TREES = TreeSettings(rounds=30)


class Recorder(Silent):
    """Keeps what it is told."""

    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


def make_reader(folder, customers, engine):
    (folder / "almanac.toml").write_text('[project]\nname = "regulars"\n', encoding="utf-8")
    project = load_project(folder / "almanac.toml")
    rows = [
        {
            "event_id": f"{who}-{day}",
            "customer_id": f"c{who:04d}",
            "type": "order" if days else "view",
            "occurred_at": START + timedelta(days=day, hours=9 + who % 10),
            "value": 5.0 + who % 40,
        }
        for who, days in enumerate(customers)
        for day in (days or [3])
    ]
    write_tables(project.workspace.root, events=rows)
    return PurchaseReader(project, engine)


@pytest.fixture(scope="module")
def engine():
    with open_engine(1) as connection:
        yield connection


@pytest.fixture(scope="module")
def reader(tmp_path_factory, engine):
    customers = draw_regulars(400, n_days=DAYS, seed=4)
    return make_reader(tmp_path_factory.mktemp("regulars"), customers, engine)


@pytest.fixture(scope="module")
def plan():
    return plan_folds(START, END, label_days=28, n_folds=2)


@pytest.fixture(scope="module")
def backtest(reader, plan):
    return backtest_value(reader, plan, Silent(), trees=TREES, seed=7)


def test_regular_customers_are_told_by_trees_and_the_backtest_says_so(backtest):
    scores = backtest.scores.set_index("model")
    assert list(scores.index) == ["mean_rate", "own_rate", "bg_nbd", "lightgbm"]
    assert scores["log_loss"].idxmin() == "lightgbm"
    assert backtest.best == LIGHTGBM
    assert scores.loc["mean_rate", "auc"] == 0.5
    assert scores.loc["lightgbm", "coverage"] >= 0.8
    assert scores.loc["lightgbm", "predicted_over_actual"] == pytest.approx(1, abs=0.05)
    assert np.isnan(scores.loc["own_rate", "coverage"])


def test_the_evidence_is_tables_over_the_same_customers(backtest, reader, plan):
    tables = backtest.tables()
    assert set(tables) == {"scores", "folds", "reliability", "timing", "gains", "importance"}
    expected = [reader.read_slice(fold.test, 28).histories.has_bought.sum() for fold in plan.folds]
    by_fold = tables["folds"].groupby("fold")["customers"].unique()
    assert [found.tolist() for found in by_fold] == [[count] for count in expected]
    assert tables["importance"]["gain"].sum() == pytest.approx(1)
    median = tables["timing"].set_index(["model", "level"]).loc[("lightgbm", 0.5), "observed"]
    assert median == pytest.approx(0.5, abs=0.1)
    bins = tables["reliability"].groupby("model")["customers"].sum()
    assert set(bins) == {sum(expected)}


def test_the_fitted_model_comes_with_its_customers_and_survives_files(reader, plan):
    fitted = fit_value(reader, plan, END, Silent(), trees=TREES)
    assert fitted.configuration["model"] == LIGHTGBM
    assert fitted.configuration["calibrated_on"] == (END - timedelta(days=28)).isoformat()
    assert len(fitted.purchases) == 400
    files = fitted.to_files()
    again = FittedValue.from_files(files)
    pd.testing.assert_frame_equal(again.predict(), fitted.predict())
    assert again.to_files() == files
    with pytest.raises(ArtifactError, match="purchases"):
        FittedValue.from_files({**files, "purchases.parquet": b"no"})
    json.dumps(fitted.configuration)


def test_too_little_is_none_and_a_note(tmp_path, engine, plan):
    reader = make_reader(tmp_path, draw_regulars(15, n_days=DAYS, seed=1), engine)
    progress = Recorder()
    assert backtest_value(reader, plan, progress, seed=7) is None
    assert fit_value(reader, plan, END, progress) is None
    assert len(progress.said) == 2
    assert all("customer value is left out" in note for note in progress.said)


def make_outcomes(orders, first, n_days=28):
    orders = np.array(orders, dtype=float)
    return PurchaseOutcomes(n_days, orders, orders * 10, np.array(first, dtype=float))


def test_scores_worked_out_by_hand():
    outcomes = make_outcomes([2, 0], [3, np.nan])
    prediction = Prediction(
        np.array([0.8, 0.5]), np.array([1.0, 0.5]), np.array([0, 0]), np.array([1, 1])
    )
    scores = build_value_scores(prediction, outcomes)
    assert scores["log_loss"] == pytest.approx(-(np.log(0.8) + np.log(0.5)) / 2)
    assert scores["mean_absolute_error"] == 0.75
    assert scores["predicted_over_actual"] == 0.75
    assert scores["coverage"] == 0.5
    assert scores["auc"] == 1.0
    assert scores["calibration_error"] == pytest.approx((0.2 + 0.5) / 2)
    # 2 (2 ln 2 − 1), and 2 × 0.5 where nothing came
    np.testing.assert_allclose(
        score_poisson_deviances(prediction.orders, outcomes.orders), [4 * np.log(2) - 2, 1.0]
    )
    assert np.isnan(score_auc(np.array([1.0, 2.0]), np.array([True, True])))


def test_reliability_puts_the_fewest_expected_first():
    outcomes = make_outcomes([0, 4, 1, 3], [np.nan, 1, 20, 2])
    prediction = Prediction(np.array([0.1, 0.9, 0.2, 0.8]), np.array([0.1, 4, 0.5, 2]))
    found = build_value_reliability(prediction, outcomes, n_bins=2)
    assert found["customers"].tolist() == [2, 2]
    assert found["frequency"].tolist() == [0.5, 1.0]
    assert found["orders"].tolist() == [0.5, 3.5]
    assert found["expected_orders"].tolist() == [0.3, 3.0]


def test_a_perfect_curve_is_on_time():
    rng = np.random.default_rng(3)
    moments = rng.exponential(10.0, 40_000)  # days, within which an order is counted upwards
    first = np.where(moments <= 28, np.ceil(moments), np.nan)
    days = np.arange(1.0, 60.0)
    curve = OrderCurve(days, np.tile(-np.expm1(-days / 10), (len(first), 1)))
    timing = build_timing(curve, make_outcomes(np.isfinite(first), first))
    np.testing.assert_allclose(timing["observed"], timing["level"], atol=0.01)
    late = build_timing(OrderCurve(days, curve.probability**2), make_outcomes(first > 0, first))
    assert (late["observed"] > late["level"] + 0.05).iloc[:3].all()
