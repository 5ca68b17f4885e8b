"""What was wanted at an empty shelf: never less than what was sold there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.engine import open_engine
from features.region.frequency import DAY, Bucket
from features.region.panel import build_panel
from models.demand import latent
from models.demand.latent import COLUMNS, estimate_latent_demand
from tests.sales_tables import write_tables


class Constant:
    """Forecasts the same for every row."""

    def __init__(self, units: float) -> None:
        self.units = units

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        return np.full(len(features), self.units)


MODELS = {Bucket(1, 7): Constant(5.0), Bucket(8, 14): Constant(90.0)}


@pytest.fixture
def panel(tmp_path):
    dates = pd.date_range("2024-01-01", periods=8).date
    units = [4.0, 1.0, 6.0, 0.0, 5.0, 8.0, 7.0, 8.0]
    sales = pd.DataFrame({"region_id": "r", "product_id": "a", "date": dates, "units": units})
    sales["is_stock_out"] = np.isin(np.arange(8), [1, 3, 5])
    with open_engine(threads=1) as engine:
        return build_panel(
            engine, write_tables(tmp_path, sales), origin=None, horizon_days=2, frequency=DAY
        )


def test_the_nearest_model_answers_and_what_sold_is_the_least(panel):
    found = estimate_latent_demand(panel, MODELS)
    assert list(found.columns) == list(COLUMNS)
    assert [str(day)[:10] for day in found["date"]] == ["2024-01-02", "2024-01-04", "2024-01-06"]
    assert found["sold"].tolist() == [1.0, 0.0, 8.0]
    assert found["latent_demand"].tolist() == [5.0, 5.0, 8.0]


def test_beyond_the_bound_nothing_is_estimated(panel, monkeypatch):
    monkeypatch.setattr(latent, "MAX_PERIODS", 2)
    found = estimate_latent_demand(panel, MODELS)
    assert found.empty
    assert list(found.columns) == list(COLUMNS)
