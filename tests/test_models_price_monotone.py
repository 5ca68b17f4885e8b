"""The means of both tree members never rise with price, however the data tempts them to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.region.panel import Panel
from features.region.steps import StepMatrix
from models.demand.boosting import LightGBMDemand, constrain_directions
from models.demand.recursive import RecursiveDemand
from tests.sales_tables import make_sales, write_project
from training.demand.steps import load_panel


def make_rows(n_rows: int = 2000) -> tuple[pd.DataFrame, np.ndarray]:
    """Dear days sell more, as they do where prices are raised for the season."""
    rng = np.random.default_rng(3)
    price = rng.uniform(1.0, 3.0, n_rows).astype(np.float32)
    features = pd.DataFrame(
        {
            "region": pd.Categorical(["east"] * n_rows),
            "product": pd.Categorical(["p"] * n_rows),
            "units_mean_28": np.float32(4.0),
            "units_mean_since_listing": np.float32(4.0),
            "product_mean": np.float32(4.0),
            "weekday": rng.integers(0, 7, n_rows).astype(np.float32),
            "price_planned": price,
            "price_index": price / np.float32(2.0),
            "depth_planned": np.float32(0.0),
        }
    )
    units = rng.poisson(2.0 + price + (features["weekday"] == 5)).astype(float)
    return features, units


def test_constraints_name_price_index_and_depth():
    names = ["region", "price_planned", "price_index", "depth_planned", "price_lag_0"]
    assert constrain_directions(names) == {"monotone_constraints": [0, -1, -1, 1, 0]}
    assert constrain_directions(["region", "weekday"]) == {}


def test_the_direct_mean_never_rises_with_price():
    features, units = make_rows()
    model = LightGBMDemand(rounds=40, quantile_rounds=5, min_rows_in_leaf=10).fit(features, units)
    ladder = np.linspace(0.5, 4.0, 60, dtype=np.float32)
    for weekday in range(7):
        rows = features.iloc[[0] * len(ladder)].assign(
            weekday=np.float32(weekday), price_planned=ladder, price_index=ladder / np.float32(2.0)
        )
        assert (np.diff(model.predict(rows)) <= 1e-12).all()


def test_rows_and_scale_are_what_the_mean_is_made_of():
    features, units = make_rows(500)
    model = LightGBMDemand(rounds=10, quantile_rounds=5).fit(features, units)
    values, scale = model.read_rows(features)
    made = scale * model.boosters_["mean"].predict(values)
    np.testing.assert_allclose(made, model.predict(features), rtol=1e-12)


@pytest.fixture(scope="module")
def panel(tmp_path_factory) -> Panel:
    """Two regions and products whose price is known ahead, in which dear days sell more."""
    sales = make_sales(periods=150)
    dear = sales["price"] >= sales["base_price"]
    sales["units"] = sales["units"] + 8.0 * dear
    project = write_project(
        tmp_path_factory.mktemp("monotone"),
        sales,
        'horizon_days = 7\nknown_ahead = ["price", "base_price"]',
    )
    return load_panel(project)


def test_the_recursive_step_never_rises_with_price(panel):
    matrix = StepMatrix(panel, panel.origin_period, 7)
    model = RecursiveDemand(rounds=60, min_rows_in_leaf=5).fit(matrix)
    values, _ = model.trace(StepMatrix(panel, panel.origin_period, 7), 7, np.arange(4))
    rows = np.repeat(values.reshape(-1, values.shape[2]), 40, axis=0)
    factor = np.tile(np.linspace(0.4, 1.8, 40, dtype=np.float32), len(rows) // 40)
    for name in ("price_planned", "price_index"):
        rows[:, model.features_.index(name)] *= factor
    made = model.booster_.predict(rows).reshape(-1, 40)
    assert (np.diff(made, axis=1) <= 1e-12).all()


def test_a_traced_forecast_is_the_forecast(panel):
    horizon, origin = 7, panel.origin_period
    model = RecursiveDemand(rounds=20).fit(StepMatrix(panel, origin, 0))
    plain = model.predict(StepMatrix(panel, origin, horizon), horizon)
    chosen = np.array([3, 1])
    values, scale = model.trace(StepMatrix(panel, origin, horizon), horizon, chosen)
    made = model.booster_.predict(values.reshape(-1, values.shape[2])).reshape(2, horizon) * scale
    np.testing.assert_allclose(made, plain[chosen], rtol=1e-6)
