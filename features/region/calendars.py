"""What is known of a date in advance: its place in week, month and year, and holidays near it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import holidays
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import UnknownName
from features.region.frequency import Frequency
from features.schema import Regions

REACH_DAYS = 3
"""How many days before and after a holiday still count as near it."""

Days = npt.NDArray[np.datetime64]


@dataclass(frozen=True, order=True)
class Place:
    """Where a calendar of holidays holds: ISO 3166 country and subdivision; empty = none known."""

    country: str = ""
    subdivision: str = ""


def build_holidays(place: Place, start: date, end: date) -> pd.Series:
    """List the public holidays of a place, inclusive of both ends.

    Parameters
    ----------
    place : Place
        ISO codes, such as Place('US', 'TX'); no country means no holidays.
    start, end : date
        First and last date of interest.

    Returns
    -------
    Series of str, index datetime64
        Name of the holiday by date, ascending; observed days included.

    Raises
    ------
    UnknownName
        If the `holidays` package does not know the country or the subdivision.
    """
    if not place.country:
        return pd.Series([], index=pd.DatetimeIndex([], dtype="datetime64[s]"), dtype="str")
    known = holidays.list_supported_countries(include_aliases=True)
    if place.country not in known:
        raise UnknownName("country", place.country, known)
    subdivisions = known[place.country]
    if place.subdivision and place.subdivision not in subdivisions:
        raise UnknownName(f"subdivision of {place.country}", place.subdivision, subdivisions)
    found = holidays.country_holidays(
        place.country,
        subdiv=place.subdivision or None,
        years=range(start.year, end.year + 1),
    )
    named = sorted((day, name) for day, name in found.items() if start <= day <= end)
    days = pd.DatetimeIndex(np.array([day for day, _ in named], dtype="datetime64[s]"))
    return pd.Series([name for _, name in named], index=days, dtype="str")


def build_calendar(dates: Days, frequency: Frequency, place: Place) -> pd.DataFrame:
    """Describe periods by what is known of them however far ahead they lie.

    Parameters
    ----------
    dates : array of datetime64, shape (n_periods,)
        The dates of the periods, ascending.
    frequency : Frequency
        A day is described by its own holidays and those within three days of it; a week by the
        holidays in the seven days up to its date and in the seven days from it, as a source may
        date a week by its end or by its start; a month or a quarter by its holidays and weekend
        days.
    place : Place
        Whose holidays count.

    Returns
    -------
    DataFrame of float32, shape (n_periods, n_features)
    """
    days = pd.DatetimeIndex(dates)
    columns: dict[str, npt.NDArray[np.float64]] = {
        "month": days.month.to_numpy(np.float64),
    }
    if frequency.name in ("day", "week"):
        columns["week_of_year"] = days.isocalendar().week.to_numpy(np.float64)
        columns["day_of_month"] = days.day.to_numpy(np.float64)
    if frequency.name == "day":
        columns["weekday"] = days.day_of_week.to_numpy(np.float64)
    off = _holiday_days(dates, place)
    describe: dict[str, Callable[[Days, Days], dict[str, npt.NDArray[np.float64]]]] = {
        "day": _near_holidays,
        "week": _holidays_of_weeks,
        "month": partial(_days_of_months, months=1),
        "quarter": partial(_days_of_months, months=3),
    }
    columns |= describe[frequency.name](dates.astype("datetime64[D]"), off)
    return pd.DataFrame(columns).astype(np.float32)


def find_places(regions: pd.DataFrame, ids: Sequence[str], fallback: Place) -> list[Place]:
    """Find each region's place: its own, else its nearest ancestor's, else the project's.

    Parameters
    ----------
    regions : DataFrame
        Canonical `regions`; country and subdivision may be absent or empty.
    ids : sequence of str
        Regions to look up.
    fallback : Place
        What `[project]` states.

    Returns
    -------
    list of Place, in the order of `ids`
    """
    rows = {str(row[Regions.REGION_ID]): row for row in regions.to_dict("records")}

    def find(node: str) -> Place:
        while node in rows:
            country = _text(rows[node].get(Regions.COUNTRY))
            subdivision = _text(rows[node].get(Regions.SUBDIVISION))
            if country or (subdivision and fallback.country):
                return Place(country or fallback.country, subdivision)
            node = _text(rows[node].get(Regions.PARENT_ID))
        return fallback

    return [find(node) for node in ids]


def _text(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value)  # type: ignore[call-overload]


def _holiday_days(dates: Days, place: Place) -> Days:
    """Return the holidays from a month before the first to four months after the last date."""
    first, last = (day.astype("datetime64[D]").astype(date) for day in (dates[0], dates[-1]))
    found = build_holidays(place, first - timedelta(days=31), last + timedelta(days=124))
    return found.index.to_numpy().astype("datetime64[D]")


def _count_between(off: Days, start: Days, end: Days) -> npt.NDArray[np.float64]:
    """Count the holidays in [start, end)."""
    return (np.searchsorted(off, end) - np.searchsorted(off, start)).astype(np.float64)


def _near_holidays(days: Days, off: Days) -> dict[str, npt.NDArray[np.float64]]:
    """Days to the next and since the last holiday; beyond `REACH_DAYS` all are alike."""
    far = REACH_DAYS + 1
    padded = np.concatenate([[days[0] - 1000], off, [days[-1] + 1000]])
    following = padded[np.searchsorted(padded, days, side="left")]
    previous = padded[np.searchsorted(padded, days, side="right") - 1]
    ahead = (following - days).astype(np.float64)
    behind = (days - previous).astype(np.float64)
    return {
        "is_holiday": (ahead == 0).astype(np.float64),
        "days_to_holiday": np.minimum(ahead, far),
        "days_since_holiday": np.minimum(behind, far),
    }


def _holidays_of_weeks(days: Days, off: Days) -> dict[str, npt.NDArray[np.float64]]:
    return {
        "holidays_until_7d": _count_between(off, days - 6, days + 1),
        "holidays_from_7d": _count_between(off, days, days + 7),
        "holidays_next_7d": _count_between(off, days + 7, days + 14),
    }


def _days_of_months(days: Days, off: Days, *, months: int) -> dict[str, npt.NDArray[np.float64]]:
    start = days.astype("datetime64[M]")
    first, end = start.astype("datetime64[D]"), (start + months).astype("datetime64[D]")
    name = "month" if months == 1 else "quarter"
    workdays = np.busday_count(first, end)
    length = (end - first).astype(np.int64)
    return {
        f"days_in_{name}": length.astype(np.float64),
        "weekend_days": (length - workdays).astype(np.float64),
        f"holidays_in_{name}": _count_between(off, first, end),
    }
