"""How often sales are counted: day, week, month or quarter, and what follows from it.

The step, the season, the windows and the horizon buckets of a panel all follow from the
frequency, so nothing below has to ask which one it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.errors import ProjectError

Periods = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bucket:
    """Steps ahead that one model forecasts directly, in periods after the origin.

    Attributes
    ----------
    first, last : int
        Inclusive steps of the bucket; the model for it reads nothing newer than `last` periods
        before its target.
    """

    first: int
    last: int

    @property
    def name(self) -> str:
        """How the bucket is written in a table of scores: '8-14', or '1' for a single step."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True)
class Frequency:
    """What follows from the length of a period.

    Attributes
    ----------
    name : str
        'day', 'week', 'month' or 'quarter'.
    season : int
        Periods after which the pattern repeats, for the seasonal naive and for scaled errors.
    slot, slots : int, int
        The seasonal mean averages the last `slots` values that lie `slot` periods apart.
    year, year_window : int, int
        Periods in a year, and over how many of them last year's level is averaged.
    lags : tuple of int
        Newest values taken singly, 0 being the newest one that may be known.
    windows : tuple of int
        Trailing windows of means, ascending; the middle one also has deviation and zero share.
    price_window : int
        Trailing window of the price median: 13 weeks.
    edges : tuple of int
        Last steps of the horizon buckets.
    align : int
        Every bucket ends on a multiple of it, so that a shift keeps the place in the season.
    is_gap_zero : bool
        Whether a period without a row inside a series is a period without a sale.
    min_history : int
        Periods up to the first origin below which nothing is forecast.
    """

    name: str
    season: int
    slot: int
    slots: int
    year: int
    year_window: int
    lags: tuple[int, ...]
    windows: tuple[int, int, int]
    price_window: int
    edges: tuple[int, ...]
    align: int
    is_gap_zero: bool
    min_history: int


DAY = Frequency(
    "day", 7, 7, 4, 364, 7, (0, 1, 2, 6, 7, 13), (7, 28, 91), 91,
    (7, 14, 28, 56, 91, 182, 364), 7, True, 14,
)  # fmt: skip
WEEK = Frequency(
    "week", 52, 1, 4, 52, 3, (0, 1, 2, 3), (4, 13, 26), 13,
    (2, 4, 8, 13, 26, 52, 104), 1, True, 8,
)  # fmt: skip
MONTH = Frequency(
    "month", 12, 12, 3, 12, 3, (0, 1, 2, 11), (3, 6, 12), 3,
    (3, 12, 24), 1, False, 13,
)  # fmt: skip
QUARTER = Frequency(
    "quarter", 4, 4, 3, 4, 2, (0, 1, 2, 3), (2, 4, 8), 4,
    (4, 8, 12), 1, False, 5,
)  # fmt: skip
FREQUENCIES = {frequency.name: frequency for frequency in (DAY, WEEK, MONTH, QUARTER)}

EPOCH_MONDAY = np.datetime64("1970-01-05")
_DAYS_PER_PERIOD = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "quarter": 365.25 / 4}
_MONTHS = {"month": 1, "quarter": 3}


def build_buckets(frequency: Frequency, horizon: int) -> tuple[Bucket, ...]:
    """Cut the steps 1 to `horizon` into the frequency's horizon buckets.

    Parameters
    ----------
    frequency : Frequency
        Whose `edges` and `align` are used.
    horizon : int
        Periods to forecast; >= 1.

    Returns
    -------
    tuple of Bucket
        Ascending and without gaps; the last one ends at `horizon` rounded up to `align`.

    Raises
    ------
    ProjectError
        If the horizon is below 1 or beyond the frequency's last edge.

    Examples
    --------
    >>> [bucket.name for bucket in build_buckets(DAY, 30)]
    ['1-7', '8-14', '15-28', '29-35']
    """
    if not 1 <= horizon <= frequency.edges[-1]:
        raise ProjectError(
            f"[demand] horizon: expected 1 to {frequency.edges[-1]} periods of a "
            f"{frequency.name}, got {horizon}. Choose a shorter horizon or a longer frequency."
        )
    end = math.ceil(horizon / frequency.align) * frequency.align
    buckets: list[Bucket] = []
    first = 1
    for edge in frequency.edges:
        buckets.append(Bucket(first, min(edge, end)))
        first = edge + 1
        if edge >= end:
            break
    return tuple(buckets)


def count_periods(frequency: Frequency, days: int) -> int:
    """Return how many whole periods are needed to cover `days` days, at least one.

    Examples
    --------
    >>> count_periods(WEEK, 28), count_periods(MONTH, 365), count_periods(QUARTER, 365)
    (4, 12, 4)
    """
    return max(1, math.ceil(days / _DAYS_PER_PERIOD[frequency.name] - 1e-9))


def count_days(frequency: Frequency, periods: int) -> int:
    """Return the most days that so many periods cover.

    Examples
    --------
    >>> count_days(WEEK, 4), count_days(MONTH, 12), count_days(QUARTER, 4)
    (28, 365, 365)
    """
    return int(periods * _DAYS_PER_PERIOD[frequency.name] + 1e-9)


def period_of(dates: npt.NDArray[np.datetime64], frequency: Frequency, anchor: int = 0) -> Periods:
    """Give dates the number of their period, so that consecutive ones differ by one.

    Parameters
    ----------
    dates : array of datetime64, shape (n,)
        Dates of the data.
    frequency : Frequency
        Day, week, month or quarter.
    anchor : int
        Weekday on which weeks are dated, 0 = Monday; other frequencies ignore it.

    Returns
    -------
    array of int64, shape (n,)
        Days since 1970-01-01, weeks since the first such weekday, months or quarters since
        January 1970.
    """
    months = _MONTHS.get(frequency.name)
    if months is not None:
        return dates.astype("datetime64[M]").astype(np.int64) // months
    days = dates.astype("datetime64[D]")
    if frequency.name == "day":
        return days.astype(np.int64)
    return (days - (EPOCH_MONDAY + anchor)).astype(np.int64) // 7


def date_of(periods: Periods, frequency: Frequency, anchor: int = 0) -> npt.NDArray[np.datetime64]:
    """Return the dates of numbered periods: the inverse of `period_of`.

    Months and quarters are dated on their first day.

    Examples
    --------
    >>> date_of(np.array([0, 1]), WEEK, anchor=2).astype(str).tolist()
    ['1970-01-07', '1970-01-14']
    """
    months = _MONTHS.get(frequency.name)
    if months is not None:
        return (periods * months).astype("datetime64[M]").astype("datetime64[D]")
    if frequency.name == "day":
        return periods.astype("datetime64[D]")
    return EPOCH_MONDAY + anchor + 7 * periods


def moment_of(period: int, frequency: Frequency, anchor: int = 0) -> np.datetime64:
    """Return the last day that is over when a period has become history.

    The last day of a month or a quarter; the date of a day or of a week, as a source may date a
    week by its end or by its start, and what is not sure to be known does not count.

    Examples
    --------
    >>> str(moment_of(0, MONTH)), str(moment_of(0, WEEK))
    ('1970-01-31', '1970-01-05')
    """
    is_named_by_start = frequency.name in _MONTHS
    dates = date_of(np.array([period + is_named_by_start]), frequency, anchor)
    found: np.datetime64 = dates[0] - int(is_named_by_start)
    return found


def known_from(
    days: npt.NDArray[np.datetime64], frequency: Frequency, anchor: int = 0
) -> npt.NDArray[np.int32]:
    """Return the first period from whose moment on something is known.

    Parameters
    ----------
    days : array of datetime64, shape (n,)
        Since when it is known; NaT for always.
    frequency, anchor : Frequency, int

    Returns
    -------
    array of int32, shape (n,)
        The smallest int32 for always.
    """
    never = np.isnat(days)
    dated = np.where(never, np.datetime64("1970-01-05"), days).astype("datetime64[D]")
    # A week that began before the day was known is one too early.
    dated = dated + 6 if frequency.name == "week" else dated
    periods = period_of(dated, frequency, anchor)
    return np.where(never, np.iinfo(np.int32).min, periods).astype(np.int32)
