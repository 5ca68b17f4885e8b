from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ProjectError
from features.region.frequency import (
    DAY,
    MONTH,
    QUARTER,
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
        (MONTH, 24, ["1-3", "4-12", "13-24"]),
        (QUARTER, 8, ["1-4", "5-8"]),
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
    assert count_periods(QUARTER, 730) == 8
    assert count_periods(QUARTER, 28) == 1


@given(st.integers(-3000, 3000), st.integers(0, 6))
def test_weeks_come_back_on_their_weekday(period, anchor):
    found = date_of(np.array([period]), WEEK, anchor)
    assert period_of(found, WEEK, anchor)[0] == period
    assert (found.astype("datetime64[D]").astype(int)[0] + 3) % 7 == anchor  # 1970-01-01: Thursday


def test_months_are_dated_on_their_first_day():
    found = date_of(period_of(np.array(["2024-02-29"], "datetime64[D]"), MONTH), MONTH)
    assert found.astype(str).tolist() == ["2024-02-01"]


def test_quarters_are_dated_on_the_first_of_the_quarter_before_1970_too():
    days = np.array(["2024-03-31", "2024-04-01", "1969-12-31"], "datetime64[D]")
    periods = period_of(days, QUARTER)
    assert periods.tolist() == [4 * 54, 4 * 54 + 1, -1]
    assert date_of(periods, QUARTER).astype(str).tolist() == [
        "2024-01-01", "2024-04-01", "1969-10-01",
    ]  # fmt: skip
