from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.errors import UnknownName
from features.region.calendars import Place, build_calendar, build_holidays, find_places
from features.region.frequency import DAY, MONTH, QUARTER, WEEK


def days(start: str, count: int, step: int = 1) -> np.ndarray:
    return np.datetime64(start) + step * np.arange(count)


def test_holidays_differ_by_subdivision():
    texas = build_holidays(Place("US", "TX"), date(2023, 1, 1), date(2023, 12, 31))
    whole = build_holidays(Place("US"), date(2023, 1, 1), date(2023, 12, 31))
    assert pd.Timestamp("2023-07-04") in texas.index
    assert pd.Timestamp("2023-03-02") in texas.index  # Texas Independence Day
    assert pd.Timestamp("2023-03-02") not in whole.index
    assert build_holidays(Place(), date(2023, 1, 1), date(2023, 12, 31)).empty


def test_unknown_places_are_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="country 'UX' is not known"):
        build_holidays(Place("UX"), date(2023, 1, 1), date(2023, 1, 2))
    with pytest.raises(UnknownName, match="subdivision of US 'T' is not known; nearest"):
        build_holidays(Place("US", "T"), date(2023, 1, 1), date(2023, 1, 2))


def test_days_near_a_holiday_are_counted_up_to_three():
    # 4 July 2023 was a Tuesday.
    calendar = build_calendar(days("2023-06-29", 11), DAY, Place("US"))
    assert calendar["days_to_holiday"].tolist() == [4, 4, 3, 2, 1, 0, 4, 4, 4, 4, 4]
    assert calendar["days_since_holiday"].tolist() == [4, 4, 4, 4, 4, 0, 1, 2, 3, 4, 4]
    assert calendar["is_holiday"].tolist() == [0] * 5 + [1] + [0] * 5
    assert calendar["weekday"].tolist()[:5] == [3, 4, 5, 6, 0]


def test_the_day_before_new_year_knows_the_next_years_holiday():
    calendar = build_calendar(days("2023-12-31", 1), DAY, Place("US"))
    assert calendar["days_to_holiday"].tolist() == [1]


def test_weeks_count_holidays_on_both_sides_of_their_date():
    # Weeks dated on Wednesdays: 4 July 2023 lies in the week up to the 5th and from 28 June.
    calendar = build_calendar(days("2023-06-21", 3, step=7), WEEK, Place("US"))
    assert calendar["holidays_until_7d"].tolist() == [1, 0, 1]  # 19 June is Juneteenth
    assert calendar["holidays_from_7d"].tolist() == [0, 1, 0]
    assert calendar["holidays_next_7d"].tolist() == [1, 0, 0]


def test_months_count_their_days():
    months = np.array(["2024-02-01", "2024-03-01"], dtype="datetime64[D]")
    calendar = build_calendar(months, MONTH, Place("US"))
    assert calendar["days_in_month"].tolist() == [29, 31]
    assert calendar["weekend_days"].tolist() == [8, 10]
    assert calendar["holidays_in_month"].tolist() == [1, 0]


def test_quarters_count_their_days_and_holidays():
    quarters = np.array(["2024-01-01", "2024-10-01"], dtype="datetime64[D]")
    calendar = build_calendar(quarters, QUARTER, Place("US"))
    assert calendar["month"].tolist() == [1, 10]
    assert calendar["days_in_quarter"].tolist() == [91, 92]
    assert calendar["weekend_days"].tolist() == [26, 26]
    # New Year, Martin Luther King, Washington; Columbus, Veterans, Thanksgiving, Christmas.
    assert calendar["holidays_in_quarter"].tolist() == [3, 4]
    assert "week_of_year" not in calendar


def test_a_region_takes_the_place_of_its_nearest_ancestor():
    regions = pd.DataFrame(
        {
            "region_id": ["s1", "s2", "TX", "s3"],
            "parent_id": ["TX", "TX", "all", "all"],
            "country": [None, "CA", "US", None],
            "subdivision": [None, "ON", "TX", None],
        }
    )
    found = find_places(regions, ["s1", "s2", "s3"], Place("FR"))
    assert found == [Place("US", "TX"), Place("CA", "ON"), Place("FR")]
    bare = regions[["region_id", "parent_id"]]
    assert find_places(bare, ["s1"], Place("FR")) == [Place("FR")]
