from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from features.engine import open_engine
from features.region.frequency import DAY
from features.region.panel import Panel, build_panel
from features.region.steps import StepMatrix
from models.demand.recursive import RecursiveDemand
from tests.sales_tables import write_tables

DAYS, AHEAD = 140, 14


def build(folder, units: dict[str, np.ndarray]) -> Panel:
    dates = pd.date_range("2024-01-01", periods=DAYS).date
    sales = pd.concat(
        [
            pd.DataFrame({"region_id": name, "product_id": "p", "date": dates, "units": values})
            for name, values in units.items()
        ],
        ignore_index=True,
    )
    with open_engine(1, "512MB") as engine:
        return build_panel(
            engine, write_tables(folder, sales), origin=None, horizon_days=AHEAD, frequency=DAY
        )


WEEK = np.array([4.0, 4, 4, 4, 8, 12, 2])


@pytest.fixture(scope="module")
def weekly(tmp_path_factory) -> Panel:
    pattern = np.tile(WEEK, DAYS // 7)
    folder = tmp_path_factory.mktemp("weekly")
    return build(folder, {"small": pattern, "large": 10 * pattern})


@pytest.fixture(scope="module")
def fitted(weekly) -> RecursiveDemand:
    model = RecursiveDemand(rounds=60, learning_rate=0.15, leaves=8, min_rows_in_leaf=3)
    return model.fit(StepMatrix(weekly, weekly.origin_period, 0))


def ahead(model: RecursiveDemand, panel: Panel) -> np.ndarray:
    return model.predict(StepMatrix(panel, panel.origin_period, AHEAD), AHEAD)


def test_a_weekly_pattern_is_learned_and_fed_on_for_two_weeks(weekly, fitted):
    found = ahead(fitted, weekly)
    expected = np.outer([10.0, 1.0], np.tile(WEEK, 2))  # large comes first
    np.testing.assert_allclose(found, expected, rtol=0.12)
    assert np.abs(found - expected).sum() / expected.sum() < 0.05


def test_a_trend_is_followed_beyond_what_was_seen(tmp_path):
    """Multiples of the recent level repeat, however high the level has come."""
    panel = build(tmp_path, {"r": 10.0 * 1.02 ** np.arange(DAYS)})
    model = RecursiveDemand(rounds=120, learning_rate=0.1, leaves=8, min_rows_in_leaf=3)
    found = ahead(model.fit(StepMatrix(panel, panel.origin_period, 0)), panel)[0]
    expected = 10.0 * 1.02 ** (DAYS + np.arange(AHEAD))
    np.testing.assert_allclose(found, expected, rtol=0.12)
    assert found[-1] > 1.1 * np.nanmax(panel.units)


def test_a_longer_horizon_begins_as_the_shorter(weekly, fitted):
    short = fitted.predict(StepMatrix(weekly, weekly.origin_period, 5), 5)
    np.testing.assert_array_equal(short, ahead(fitted, weekly)[:, :5])


def test_files_bring_back_the_same_bits(weekly, fitted):
    files = fitted.to_files()
    again = RecursiveDemand.from_files(files)
    np.testing.assert_array_equal(ahead(again, weekly), ahead(fitted, weekly))
    assert again.to_files() == files
    assert again.get_params() == fitted.get_params()


def test_the_same_seed_gives_the_same_trees_whatever_the_threads(weekly):
    one, other = (
        RecursiveDemand(rounds=8, threads=threads, max_rows=150).fit(
            StepMatrix(weekly, weekly.origin_period, 0)
        )
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(ahead(one, weekly), ahead(other, weekly))


def test_nothing_sold_is_forecast_as_nothing(tmp_path):
    sold = np.zeros(DAYS)
    sold[0] = 1.0  # the first day is no target
    panel = build(tmp_path, {"r": sold})
    model = RecursiveDemand().fit(StepMatrix(panel, panel.origin_period, 0))
    again = RecursiveDemand.from_files(model.to_files())
    for made in (model, again):
        assert (ahead(made, panel) == 0).all()


def test_estimators_can_be_cloned():
    assert clone(RecursiveDemand(leaves=9)).leaves == 9


def test_of_many_series_rows_are_drawn_over_many_periods(weekly):
    """Two series and 25 rows: one series of each period, not both of a dozen."""
    model = RecursiveDemand(rounds=1, max_rows=25)
    matrix = StepMatrix(weekly, weekly.origin_period, 0)
    model.features_ = list(matrix.names)
    values, target, _ = model._training_rows(matrix)
    assert len(target) == 25
    age = values[:, matrix.names.index("periods_since_listing")]
    assert len(np.unique(age)) == 25
    assert age.max() == DAYS - 1
    assert set(values[:, 0]) == {0.0, 1.0}
