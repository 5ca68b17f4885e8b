"""From probabilities by slot to moments to send at: windows, quiet hours, time zones.

Pure functions, used by the service and by batch alike. A send slot is one local hour. The walk
over a window goes by elapsed time, so daylight saving needs no rule of its own: an hour that the
clock skips is never met, and one that it repeats is met twice, as two slots with different
offsets and the same probability.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

from features.errors import InvalidRequest, UnknownName
from features.schema import SLOTS_PER_WEEK

HOUR = timedelta(hours=1)
MINUTES_PER_DAY = 24 * 60
MAX_WINDOW = timedelta(days=31)
MIN_USABLE = timedelta(minutes=30)
"""How much of a local hour must lie in the window for the hour to be a send slot."""


@dataclass(frozen=True)
class QuietHours:
    """Local times of day at which nothing may be sent, each day; may run over midnight.

    Attributes
    ----------
    start, end : int
        Minutes after midnight, 0 to 1439; the start is quiet, the end no longer.
    """

    start: int
    end: int

    @classmethod
    def parse(cls, start: str, end: str) -> QuietHours:
        """Read two times such as '21:00' and '08:00'.

        Raises
        ------
        InvalidRequest
            If one is not a time of day, or both are the same.

        Examples
        --------
        >>> QuietHours.parse("21:00", "08:00")
        QuietHours(start=1260, end=480)
        """
        quiet = cls(_read_minute(start), _read_minute(end))
        if quiet.start == quiet.end:
            raise InvalidRequest(
                f"quiet hours: expected a start and an end that differ, got {start} to {end}; "
                "leave them out to allow every hour"
            )
        return quiet

    def touches_hour(self, hour: int) -> bool:
        """Tell whether any minute of the local hour (0 to 23) is quiet."""
        first, last = hour * 60, hour * 60 + 59
        length = (self.end - self.start) % MINUTES_PER_DAY
        starts_inside = (self.start - first) % MINUTES_PER_DAY <= last - first
        return starts_inside or (first - self.start) % MINUTES_PER_DAY < length


@dataclass(frozen=True)
class SendSlot:
    """One moment to send at.

    Attributes
    ----------
    start : datetime
        With the customer's local offset: the start of the local hour, or of the window where that
        opens inside the hour.
    slot : int
        Hour of the customer's local week, 0 to 167; 0 = Monday 00:00.
    probability : float
        That the customer is active in this slot.
    """

    start: datetime
    slot: int
    probability: float


def build_window(
    start: datetime, end: datetime, time_zone: str, quiet: QuietHours | None = None
) -> tuple[list[datetime], np.ndarray]:
    """Return every permitted send slot of a window, in one time zone, earliest first.

    Parameters
    ----------
    start, end : datetime
        With a zone or offset; the end is not part of the window.
    time_zone : str
        IANA name.
    quiet : QuietHours, optional
        A local hour is left out if any minute of it is quiet.

    Returns
    -------
    starts : list of datetime
        In `time_zone`; all at or after `start` and before `end`.
    slots : array of int64, shape (n_slots,)
        Hour of the local week of each.

    Raises
    ------
    InvalidRequest
        If the window is naive, shorter than an hour, or longer than 31 days.
    UnknownName
        If there is no such time zone.
    """
    _check_window(start, end)
    zone = _read_zone(time_zone)
    moment, stop = start.astimezone(UTC), end.astimezone(UTC)
    starts: list[datetime] = []
    slots: list[int] = []
    while moment < stop:
        local = moment.astimezone(zone)
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        following = moment + HOUR - into
        is_quiet = quiet is not None and quiet.touches_hour(local.hour)
        if min(following, stop) - moment >= MIN_USABLE and not is_quiet:
            starts.append(local)
            slots.append(local.weekday() * 24 + local.hour)
        moment = following
    return starts, np.array(slots, dtype=np.int64)


def choose_send_slots(
    probability: np.ndarray,
    time_zones: Sequence[str],
    *,
    start: datetime,
    end: datetime,
    quiet: QuietHours | None = None,
    top_k: int = 3,
) -> list[tuple[SendSlot, ...]]:
    """Choose each customer's most probable send slots within a window.

    Parameters
    ----------
    probability : array of shape (n, 168)
        P(active) by slot of the customer's local week.
    time_zones : sequence of str, length n
        IANA name per customer.
    start, end : datetime
        Window, with a zone or offset; the same instants for everybody.
    quiet : QuietHours, optional
        In every customer's own local time.
    top_k : int
        Slots per customer; >= 1. A window of more than a week meets a slot more than once, and
        each time counts.

    Returns
    -------
    list of tuple of SendSlot, length n
        At most `top_k` each, most probable first, ties to the earliest. Empty for a customer in
        whose time zone quiet hours cover the whole window.

    Raises
    ------
    InvalidRequest
        If the window or `top_k` cannot be, or quiet hours cover the window for every customer.
    UnknownName
        If a time zone does not exist.
    """
    _check_request(probability, time_zones, top_k)
    _check_window(start, end)
    chosen: list[tuple[SendSlot, ...]] = [()] * len(time_zones)
    zones = np.array(time_zones, dtype=object)
    for zone in dict.fromkeys(time_zones):
        rows = np.flatnonzero(zones == zone)
        starts, slots = build_window(start, end, zone, quiet)
        for row, found in zip(rows, _pick(probability[rows], starts, slots, top_k), strict=True):
            chosen[row] = found
    if chosen and not any(chosen):
        raise InvalidRequest(
            f"window {start.isoformat()} to {end.isoformat()}: expected at least one hour outside "
            "quiet hours, got none in any customer's time zone; widen the window or shorten the "
            "quiet hours"
        )
    return chosen


def choose_best(values: np.ndarray, top_k: int) -> np.ndarray:
    """Return the columns of the largest values of each row, largest first, ties to the left.

    Parameters
    ----------
    values : array of shape (n, n_columns)
    top_k : int
        At most `n_columns` are returned.

    Examples
    --------
    >>> choose_best(np.array([[0.2, 0.9, 0.2]]), 2)
    array([[1, 0]])
    """
    taken, rows = values.copy(), np.arange(len(values))
    best = np.empty((len(values), min(top_k, values.shape[1])), dtype=np.int64)
    for rank in range(best.shape[1]):
        best[:, rank] = taken.argmax(axis=1)
        taken[rows, best[:, rank]] = -np.inf
    return best


def _pick(
    probability: np.ndarray, starts: list[datetime], slots: np.ndarray, top_k: int
) -> list[tuple[SendSlot, ...]]:
    values = probability[:, slots]
    best = choose_best(values, top_k)
    scores = np.take_along_axis(values, best, axis=1).tolist()
    hours = slots.tolist()
    return [
        tuple(SendSlot(starts[i], hours[i], p) for i, p in zip(places, found, strict=True))
        for places, found in zip(best.tolist(), scores, strict=True)
    ]


def _check_request(probability: np.ndarray, time_zones: Sequence[str], top_k: int) -> None:
    if probability.shape != (len(time_zones), SLOTS_PER_WEEK):
        raise ValueError(
            f"probability has shape {probability.shape}, "
            f"expected ({len(time_zones)}, {SLOTS_PER_WEEK}): one row per time zone given"
        )
    if top_k < 1:
        raise InvalidRequest(f"top_k: expected 1 or more send slots per customer, got {top_k}")


def _check_window(start: datetime, end: datetime) -> None:
    for name, moment in (("start", start), ("end", end)):
        if moment.utcoffset() is None:
            raise InvalidRequest(
                f"window {name}: expected a time with its offset, got {moment.isoformat()}; "
                f"add one, as in {moment.isoformat()}+00:00"
            )
        if not 1970 <= moment.year <= 9000:
            raise InvalidRequest(
                f"window {name}: expected a year from 1970 to 9000, got {moment.isoformat()}"
            )
    length = end.astimezone(UTC) - start.astimezone(UTC)
    if length < HOUR or length > MAX_WINDOW:
        raise InvalidRequest(
            f"window {start.isoformat()} to {end.isoformat()}: expected one hour to "
            f"{MAX_WINDOW.days} days, got {length}; "
            f"{'move the end back' if length > MAX_WINDOW else 'move the end on'}"
        )


def _read_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownName("time zone", name, available_timezones()) from None


def _read_minute(text: str) -> int:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if match is None:
        raise InvalidRequest(f"quiet hours: expected a time from 00:00 to 23:59, got '{text}'")
    return int(match[1]) * 60 + int(match[2])
