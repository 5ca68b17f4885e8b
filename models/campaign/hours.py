"""The hours of a campaign: absolute hours by time zone, which are permitted, and what local slot.

Throughput is counted by absolute hours, habits by local ones. Both meet in one grid: columns are
the UTC hours of the window, rows the time zones of the audience. A local hour belongs to the UTC
hour in which it starts, so half-hour zones fit; where two start in one UTC hour (at the edge of the
window, or where daylight saving moves by half an hour) the one with more of itself inside the
window stands, the later one if they tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from features.errors import InvalidRequest
from models.campaign.send_slots import HOUR, QuietHours, build_window

_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class CampaignHours:
    """A window as a grid of time zones and absolute hours.

    Attributes
    ----------
    hours : array of datetime64[s], shape (n_hours,)
        Start of each UTC hour that the window touches, in order.
    zones : tuple of str
        IANA names, each once, sorted.
    zone_codes : array of int64, shape (n,)
        Place in `zones` of each customer.
    permitted : array of bool, shape (n_zones, n_hours)
        Whether something may be sent.
    slot : array of int16, shape (n_zones, n_hours)
        Local hour of the week, 0 = Monday 00:00; -1 where not permitted.
    send_at : array of datetime64[s], shape (n_zones, n_hours)
        In UTC: the start of the local hour, or of the window where it opens inside; NaT where not
        permitted.
    """

    hours: np.ndarray
    zones: tuple[str, ...]
    zone_codes: np.ndarray
    permitted: np.ndarray
    slot: np.ndarray
    send_at: np.ndarray

    @property
    def has_hours(self) -> np.ndarray:
        """Whether each customer can be sent to at all, shape (n,)."""
        return np.asarray(self.permitted[self.zone_codes].any(axis=1))


def build_hours(
    time_zones: Sequence[str],
    *,
    start: datetime,
    end: datetime,
    quiet: QuietHours | None = None,
) -> CampaignHours:
    """Lay a window out as absolute hours for every time zone of an audience.

    Parameters
    ----------
    time_zones : sequence of str, length n
        IANA name per customer.
    start, end : datetime
        With a zone or offset; the same instants for everybody, the end outside.
    quiet : QuietHours, optional
        In every customer's own local time.

    Returns
    -------
    CampaignHours
        A zone whose window quiet hours cover has no permitted hour; its customers are to be
        excluded as 'nothing-permitted'.

    Raises
    ------
    InvalidRequest
        If there are no customers, the window cannot be (an hour to 31 days), or quiet hours cover
        it in every time zone.
    UnknownName
        If a time zone does not exist.
    """
    if len(time_zones) == 0:
        raise InvalidRequest("campaign hours: expected an audience of one or more, got nobody")
    names, codes = np.unique(np.asarray(time_zones, dtype=object), return_inverse=True)
    zones = tuple(str(name) for name in names)
    rows = [_lay_out(start, end, zone, quiet) for zone in zones]
    slot = np.stack([slots for slots, _ in rows])
    send_at = np.stack([moments for _, moments in rows])
    permitted = slot >= 0
    if not permitted.any():
        raise InvalidRequest(
            f"window {start.isoformat()} to {end.isoformat()}: expected at least one hour outside "
            "quiet hours, got none in any customer's time zone; widen the window or shorten the "
            "quiet hours"
        )
    return CampaignHours(_list_hours(start, end), zones, codes, permitted, slot, send_at)


def _list_hours(start: datetime, end: datetime) -> np.ndarray:
    first, last = (_in_seconds(moment.astimezone(UTC)) for moment in (start, end))
    count = -(-(last - first.astype("datetime64[h]")) // _HOUR)
    return np.asarray(first.astype("datetime64[h]") + np.arange(count) * _HOUR).astype(
        "datetime64[s]"
    )


def _lay_out(
    start: datetime, end: datetime, zone: str, quiet: QuietHours | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the slot and the moment of each absolute hour in one zone; -1 and NaT = none."""
    starts, slots = build_window(start, end, zone, quiet)
    hours = _list_hours(start, end)
    slot = np.full(len(hours), -1, dtype=np.int16)
    send_at = np.full(len(hours), np.datetime64("NaT"), dtype="datetime64[s]")
    moments = [moment.astimezone(UTC) for moment in starts]
    length = [_usable_seconds(moment, end.astimezone(UTC)) for moment in starts]
    # written in order of length, then of time: the longest and latest stays
    for index in sorted(range(len(moments)), key=lambda i: (length[i], moments[i])):
        at = _in_seconds(moments[index])
        place = int((at.astype("datetime64[h]") - hours[0].astype("datetime64[h]")) // _HOUR)
        slot[place], send_at[place] = slots[index], at
    return slot, send_at


def _usable_seconds(local: datetime, end: datetime) -> float:
    into = 60 * local.minute + local.second
    left = HOUR.total_seconds() - into
    return min(left, (end - local.astimezone(UTC)).total_seconds())


def _in_seconds(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "s")
