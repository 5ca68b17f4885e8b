"""Stock-outs: censored, not zero, and reported with the least that demand can have been."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.engine import open_engine
from features.region.design import build_censored_design, build_training_design
from features.region.frequency import DAY, Bucket
from features.region.panel import build_panel
from tests.sales_tables import write_tables


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as engine:
        yield engine


def rows_of(product: str, units: list[float | None], outs: list[int]) -> pd.DataFrame:
    dates = pd.date_range("2024-01-01", periods=len(units)).date
    is_out = np.isin(np.arange(len(units)), outs)
    rows = pd.DataFrame({"region_id": "r", "product_id": product, "date": dates, "units": units})
    return rows.assign(is_stock_out=is_out)


@pytest.fixture
def panel(engine, tmp_path):
    sales = pd.concat(
        [
            rows_of("a", [4.0, 1.0, 6.0, 0.0, 5.0, None, 7.0, 8.0], [1, 3, 5]),
            rows_of("b", [2.0, 3.0, 2.0, 3.0, 2.0, 3.0, 2.0, 3.0], [7]),
        ]
    )
    return build_panel(
        engine, write_tables(tmp_path, sales), origin=None, horizon_days=2, frequency=DAY
    )


def test_units_are_missing_and_what_sold_is_kept(panel):
    nan = np.nan
    np.testing.assert_array_equal(panel.units[:10], [4, nan, 6, nan, 5, nan, 7, 8, nan, nan])
    np.testing.assert_array_equal(panel.sold[:10], [4, 1, 6, 0, 5, 0, 7, 8, nan, nan])
    assert np.flatnonzero(panel.is_out).tolist() == [1, 3, 5, 17]


def test_the_censored_design_is_the_rows_that_training_leaves_out(panel):
    bucket = Bucket(1, 1)
    censored = build_censored_design(panel, panel.origin_period, bucket)
    trained = build_training_design(panel, panel.origin_period, bucket)
    assert censored.units.tolist() == [1.0, 0.0, 0.0, 3.0]
    assert censored.features.columns.tolist() == trained.features.columns.tolist()
    assert censored.features.dtypes.tolist() == trained.features.dtypes.tolist()
    assert censored.features["units_lag_0"].tolist()[0] == 4.0
    both = set(zip(censored.series, censored.periods, strict=True)) & set(
        zip(trained.series, trained.periods, strict=True)
    )
    assert not both
    assert len(censored.units) + len(trained.units) == 14  # all but the first of each series


def test_the_censored_design_ends_at_the_origin(panel):
    early = build_censored_design(panel, panel.first_period + 3, Bucket(1, 1))
    assert early.units.tolist() == [1.0, 0.0]


def test_without_stock_outs_it_is_empty(engine, tmp_path):
    sales = rows_of("a", [1.0] * 9, []).drop(columns="is_stock_out")
    panel = build_panel(
        engine, write_tables(tmp_path, sales), origin=None, horizon_days=2, frequency=DAY
    )
    assert not panel.is_out.any()
    assert len(build_censored_design(panel, panel.origin_period, Bucket(1, 7)).units) == 0
