"""The grid of a campaign: every absolute hour in every zone, worked out by hand and by walking."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InvalidRequest, UnknownName
from models.campaign.hours import build_hours
from models.campaign.send_slots import QuietHours, build_window

at = datetime.fromisoformat
NIGHT = QuietHours.parse("21:00", "08:00")


def test_zones_share_hours_and_have_slots_of_their_own():
    """Monday 10:00 UTC is 12:00 in Paris and 15:30 in Kolkata, where hours start at half past."""
    grid = build_hours(
        ["Europe/Paris", "Asia/Kolkata", "Europe/Paris"],
        start=at("2024-06-03T10:00+00:00"),
        end=at("2024-06-03T13:00+00:00"),
    )
    assert grid.zones == ("Asia/Kolkata", "Europe/Paris")
    assert grid.zone_codes.tolist() == [1, 0, 1]
    assert grid.hours.astype("datetime64[h]").tolist() == [
        at("2024-06-03T10:00"), at("2024-06-03T11:00"), at("2024-06-03T12:00"),
    ]  # fmt: skip
    assert grid.slot.tolist() == [[16, 17, 18], [12, 13, 14]]
    # the last half hour before the window ends is enough to send in
    assert grid.send_at[0].tolist() == [
        at("2024-06-03T10:30"), at("2024-06-03T11:30"), at("2024-06-03T12:30"),
    ]  # fmt: skip
    assert grid.has_hours.all()


def test_of_two_local_hours_in_one_absolute_hour_the_longer_stands():
    """From 10:00 UTC Kolkata has half of its 15:00 hour, then all of its 16:00 hour."""
    grid = build_hours(["Asia/Kolkata"], start=at("2024-06-03T10:00Z"), end=at("2024-06-03T11:30Z"))
    assert grid.slot.tolist() == [[16, -1]]
    assert grid.send_at[0, 0] == np.datetime64("2024-06-03T10:30")


def test_window_edges_inside_an_hour():
    grid = build_hours(["UTC"], start=at("2024-06-03T10:20Z"), end=at("2024-06-03T12:20Z"))
    assert len(grid.hours) == 3
    assert grid.permitted.tolist() == [[True, True, False]]  # 20 minutes are too few
    assert grid.send_at[0, 0] == np.datetime64("2024-06-03T10:20")
    assert np.isnat(grid.send_at[0, 2])


def test_the_hour_that_is_skipped_is_never_met_and_the_repeated_one_twice():
    spring = build_hours(
        ["America/New_York"], start=at("2024-03-10T01:00-05:00"), end=at("2024-03-10T04:00-04:00")
    )
    assert (spring.slot % 24).tolist() == [[1, 3]]
    autumn = build_hours(
        ["America/New_York"], start=at("2024-11-03T00:00-04:00"), end=at("2024-11-03T03:00-05:00")
    )
    assert (autumn.slot % 24).tolist() == [[0, 1, 1, 2]]
    assert len(set(autumn.send_at[0].tolist())) == 4


def test_a_zone_that_quiet_hours_cover_has_no_hours_and_all_zones_are_an_error():
    window = {"start": at("2024-06-03T20:00Z"), "end": at("2024-06-03T23:00Z"), "quiet": NIGHT}
    grid = build_hours(["Europe/Paris", "America/New_York"], **window)
    assert grid.has_hours.tolist() == [False, True]
    with pytest.raises(InvalidRequest, match="outside quiet hours, got none"):
        build_hours(["Europe/Paris"], **window)


@pytest.mark.parametrize(
    ("zones", "hours", "error", "words"),
    [
        ([], 5, InvalidRequest, "got nobody"),
        (["Europe/Pariss"], 5, UnknownName, "nearest: 'Europe/Paris'"),
        (["UTC"], 0.5, InvalidRequest, "expected one hour to 31 days, got 0:30:00"),
        (["UTC"], -5, InvalidRequest, "expected one hour"),
    ],
)
def test_what_cannot_be_is_said(zones, hours, error, words):
    start = at("2024-06-03T10:00Z")
    with pytest.raises(error, match=words):
        build_hours(zones, start=start, end=start + timedelta(hours=hours))


def test_a_window_without_offset_is_refused():
    with pytest.raises(InvalidRequest, match="with its offset"):
        build_hours(["UTC"], start=at("2024-06-03T10:00"), end=at("2024-06-04T10:00"))


@settings(deadline=None, max_examples=60, database=None)
@given(
    zone=st.sampled_from(
        ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"]
    ),
    minutes=st.integers(0, 60 * 24 * 366),
    length=st.integers(60, 60 * 30),
    is_quiet=st.booleans(),
)
def test_every_cell_is_a_moment_of_the_window_and_no_full_hour_is_lost(
    zone, minutes, length, is_quiet
):
    start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    end = start + timedelta(minutes=length)
    quiet = NIGHT if is_quiet else None
    starts, _ = build_window(start, end, zone, quiet)
    if not starts:
        with pytest.raises(InvalidRequest):
            build_hours([zone], start=start, end=end, quiet=quiet)
        return
    grid = build_hours([zone], start=start, end=end, quiet=quiet)
    cells = zip(
        grid.hours.tolist(),
        grid.permitted[0].tolist(),
        grid.slot[0].tolist(),
        grid.send_at[0].tolist(),
        strict=True,
    )
    seen = set()
    for hour, is_permitted, slot, moment in cells:
        if not is_permitted:
            assert (slot, moment) == (-1, None)
            continue
        moment = moment.replace(tzinfo=UTC)
        local = moment.astimezone(ZoneInfo(zone))
        assert start <= moment < end
        assert hour == moment.replace(minute=0, second=0, tzinfo=None)
        assert slot == 24 * local.weekday() + local.hour
        seen.add(moment)
    # all but what shares its absolute hour with a longer one, at the edges and a half-hour jump
    lost = {moment.astimezone(UTC) for moment in starts} - seen
    assert len(lost) <= 2
