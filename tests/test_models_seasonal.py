from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from features.region.calendars import Place
from models.demand.prophet_totals import ProphetTotals


def totals(regions: int = 2, days: int = 120) -> tuple[pd.DataFrame, np.ndarray]:
    """Weekly shape around 50 with little noise; weekends sell 20 more."""
    dates = pd.date_range("2024-01-01", periods=days)
    rng = np.random.default_rng(4)
    rows = pd.concat(
        [pd.DataFrame({"region_id": f"r{place}", "date": dates}) for place in range(regions)],
        ignore_index=True,
    )
    return rows, 50.0 + 20 * (rows["date"].dt.day_of_week >= 5) + rng.normal(0, 1, len(rows))


def ahead(regions: int = 2, days: int = 14) -> pd.DataFrame:
    dates = pd.date_range("2024-04-30", periods=days)
    return pd.concat(
        [pd.DataFrame({"region_id": f"r{place}", "date": dates}) for place in range(regions)],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def fitted() -> ProphetTotals:
    rows, units = totals()
    return ProphetTotals(jobs=1).fit(rows, units)


def test_the_weekly_season_is_found(fitted):
    rows = ahead()
    expected = 50.0 + 20 * (rows["date"].dt.day_of_week >= 5)
    np.testing.assert_allclose(fitted.predict(rows), expected, atol=3.0)


def test_json_brings_back_the_same_bits_and_a_second_fit_is_the_same(fitted):
    rows, units = totals()
    again = ProphetTotals.from_json(json.loads(json.dumps(fitted.to_json())))
    np.testing.assert_array_equal(again.predict(ahead()), fitted.predict(ahead()))
    twice = ProphetTotals(jobs=1).fit(rows, units)
    np.testing.assert_array_equal(twice.predict(ahead()), fitted.predict(ahead()))


def test_short_histories_are_left_out_with_the_reason():
    rows, units = totals(days=13)
    model = ProphetTotals(jobs=1).fit(rows, units)
    assert model.skipped_ == dict.fromkeys(("r0", "r1"), "13 days of history, two seasons are 14")
    assert np.isnan(model.predict(ahead())).all()


def test_a_region_that_sold_nothing_is_left_out():
    rows, units = totals(regions=1)
    model = ProphetTotals(jobs=1).fit(rows, np.zeros_like(units))
    assert model.skipped_ == {"r0": "nothing was sold"}


def test_a_falling_region_is_never_negative():
    rows, _ = totals(regions=1)
    model = ProphetTotals(jobs=1).fit(rows, np.linspace(60.0, 0.5, len(rows)))
    found = model.predict(ahead(regions=1, days=60))
    assert (found >= 0).all()
    assert found[-1] == 0.0


def test_holidays_of_the_region_are_learned():
    dates = pd.date_range("2021-01-01", periods=1200)
    rows = pd.DataFrame({"region_id": "r", "date": dates})
    units = np.where((dates.month == 7) & (dates.day == 4), 200.0, 50.0)
    model = ProphetTotals(jobs=1).fit(rows, units, {"r": Place("US")})
    day = pd.DataFrame({"region_id": "r", "date": pd.to_datetime(["2024-07-04", "2024-07-10"])})
    holiday, plain = model.predict(day)
    assert holiday > plain + 60


@pytest.mark.slow
def test_worker_processes_give_the_same_forecasts():
    rows, units = totals(regions=4)
    one, many = (ProphetTotals(jobs=jobs).fit(rows, units) for jobs in (1, 2))
    np.testing.assert_array_equal(one.predict(ahead(4)), many.predict(ahead(4)))
