from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ProjectError
from features.region.frequency import (
    DAY,
    MONTH,
    WEEK,
    build_buckets,
    count_periods,
    date_of,
    period_of,
)


@pytest.mark.parametrize(
    ("frequency", "horizon", "names"),
    [
        (DAY, 28, ["1-7", "8-14", "15-28"]),
        (DAY, 10, ["1-7", "8-14"]),
        (DAY, 1, ["1-7"]),
        (WEEK, 4, ["1-2", "3-4"]),
        (WEEK, 9, ["1-2", "3-4", "5-8", "9"]),
        (MONTH, 24, ["1", "2-3", "4-6", "7-12", "13-24"]),
    ],
)
def test_buckets_cover_the_horizon(frequency, horizon, names):
    assert [bucket.name for bucket in build_buckets(frequency, horizon)] == names


@pytest.mark.parametrize("horizon", [0, 365])
def test_horizons_out_of_reach_are_refused(horizon):
    with pytest.raises(ProjectError, match="expected 1 to 364 periods of a day"):
        build_buckets(DAY, horizon)


def test_days_become_whole_periods():
    assert count_periods(DAY, 28) == 28
    assert count_periods(WEEK, 29) == 5
    assert count_periods(MONTH, 28) == 1
    assert count_periods(MONTH, 730) == 24


@given(st.integers(-3000, 3000), st.integers(0, 6))
def test_weeks_come_back_on_their_weekday(period, anchor):
    found = date_of(np.array([period]), WEEK, anchor)
    assert period_of(found, WEEK, anchor)[0] == period
    assert (found.astype("datetime64[D]").astype(int)[0] + 3) % 7 == anchor  # 1970-01-01: Thursday


def test_months_are_dated_on_their_first_day():
    found = date_of(period_of(np.array(["2024-02-29"], "datetime64[D]"), MONTH), MONTH)
    assert found.astype(str).tolist() == ["2024-02-01"]
