from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InvalidRequest, UnknownName
from models.campaign.send_slots import QuietHours, build_window, choose_send_slots

NIGHT = QuietHours.parse("21:00", "08:00")


def at(text):
    return datetime.fromisoformat(text)


def local(starts):
    return [start.isoformat() for start in starts]


def test_a_window_is_cut_into_local_hours():
    starts, slots = build_window(at("2026-01-05T10:00Z"), at("2026-01-05T13:00Z"), "Europe/Berlin")

    assert local(starts) == [f"2026-01-05T{hour}:00:00+01:00" for hour in (11, 12, 13)]
    assert slots.tolist() == [11, 12, 13]  # a Monday


def test_sunday_night_is_the_last_slot_of_the_week():
    _, slots = build_window(at("2026-01-04T23:00Z"), at("2026-01-05T01:00Z"), "UTC")

    assert slots.tolist() == [167, 0]


def test_local_hours_of_a_zone_with_half_an_hour_start_at_half_past_in_utc():
    starts, slots = build_window(at("2026-01-05T00:30Z"), at("2026-01-05T02:30Z"), "Asia/Kolkata")

    assert local(starts) == ["2026-01-05T06:00:00+05:30", "2026-01-05T07:00:00+05:30"]
    assert slots.tolist() == [6, 7]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-01-05T10:20Z", ["10:20", "11:00"]),  # 40 minutes of hour 10, 30 of hour 11
        ("2026-01-05T10:40Z", ["11:00"]),  # 20 minutes of hour 10 are too few, 50 of hour 11 not
        ("2026-01-05T10:30Z", ["10:30", "11:00"]),
    ],
)
def test_an_hour_counts_when_half_of_it_lies_in_the_window(start, expected):
    starts, _ = build_window(at(start), at(start) + timedelta(minutes=70), "UTC")

    assert [f"{moment:%H:%M}" for moment in starts] == expected


def test_an_hour_that_the_clock_skips_is_not_offered():
    start = datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Berlin"))
    starts, slots = build_window(start, start.astimezone(UTC) + timedelta(hours=4), "Europe/Berlin")

    assert local(starts) == [
        "2026-03-29T00:00:00+01:00",
        "2026-03-29T01:00:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T04:00:00+02:00",
    ]
    assert slots.tolist() == [144, 145, 147, 148]


def test_an_hour_that_the_clock_repeats_is_offered_twice_with_both_offsets():
    start = datetime(2026, 10, 25, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    starts, slots = build_window(start, start.astimezone(UTC) + timedelta(hours=4), "Europe/Berlin")

    assert local(starts) == [
        "2026-10-25T01:00:00+02:00",
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]
    assert slots.tolist() == [145, 146, 146, 147]


def test_a_clock_that_moves_by_half_an_hour_keeps_its_local_hours():
    start = datetime(2026, 10, 4, 1, tzinfo=ZoneInfo("Australia/Lord_Howe"))
    end = start.astimezone(UTC) + timedelta(hours=3)
    starts, _ = build_window(start, end, "Australia/Lord_Howe")

    assert local(starts) == [
        "2026-10-04T01:00:00+10:30",
        "2026-10-04T02:30:00+11:00",
        "2026-10-04T03:00:00+11:00",
        "2026-10-04T04:00:00+11:00",
    ]


def test_a_window_over_a_clock_change_is_measured_in_elapsed_time():
    # on the wall two hours, elapsed one: long enough; on the wall one hour, elapsed none
    zone = ZoneInfo("Europe/Berlin")
    starts, _ = build_window(
        datetime(2026, 3, 29, 1, tzinfo=zone), datetime(2026, 3, 29, 3, tzinfo=zone), zone.key
    )
    assert local(starts) == ["2026-03-29T01:00:00+01:00"]
    with pytest.raises(InvalidRequest, match="got 0:30:00"):
        build_window(
            datetime(2026, 3, 29, 1, 30, tzinfo=zone),
            datetime(2026, 3, 29, 3, 0, tzinfo=zone),
            zone.key,
        )


@pytest.mark.parametrize(
    ("quiet", "allowed"),
    [
        (("21:00", "08:00"), list(range(8, 21))),
        (("12:00", "14:00"), [*range(12), *range(14, 24)]),
        (("12:30", "12:45"), [*range(12), *range(13, 24)]),
        (("21:30", "08:15"), list(range(9, 21))),
        (("00:00", "23:59"), []),
    ],
)
def test_an_hour_with_a_quiet_minute_is_quiet(quiet, allowed):
    rule = QuietHours.parse(*quiet)

    assert [hour for hour in range(24) if not rule.touches_hour(hour)] == allowed


@given(st.integers(0, 1439), st.integers(0, 1439))
def test_quiet_hours_agree_with_a_count_of_minutes(start, end):
    if start == end:
        return
    minutes = set()
    minute = start
    while minute != end:
        minutes.add(minute)
        minute = (minute + 1) % 1440
    rule = QuietHours(start, end)
    for hour in range(24):
        assert rule.touches_hour(hour) == any(m // 60 == hour for m in minutes)


def test_the_best_slots_come_first_and_ties_go_to_the_earliest():
    probability = np.full((1, 168), 0.1)
    probability[0, [10, 14, 30]] = [0.5, 0.9, 0.5]

    (chosen,) = choose_send_slots(
        probability,
        ["UTC"],
        start=at("2026-01-05T00:00Z"),
        end=at("2026-01-07T00:00Z"),
        quiet=NIGHT,
        top_k=4,
    )

    assert [(slot.slot, slot.probability) for slot in chosen] == [
        (14, 0.9),
        (10, 0.5),
        (8, 0.1),
        (9, 0.1),
    ]  # slot 30 is Tuesday 06:00, which is quiet
    assert chosen[0].start.isoformat() == "2026-01-05T14:00:00+00:00"


def test_the_same_window_is_another_week_hour_in_every_zone():
    probability = np.tile(np.arange(168) / 168, (3, 1))
    zones = ["America/New_York", "Asia/Tokyo", "America/New_York"]

    found = choose_send_slots(
        probability, zones, start=at("2026-01-05T15:00Z"), end=at("2026-01-05T18:00Z"), top_k=1
    )

    assert [slots[0].start.isoformat() for slots in found] == [
        "2026-01-05T12:00:00-05:00",
        "2026-01-06T02:00:00+09:00",
        "2026-01-05T12:00:00-05:00",
    ]
    assert [slots[0].slot for slots in found] == [12, 26, 12]


def test_customers_whose_window_is_quiet_get_nothing_while_others_do():
    found = choose_send_slots(
        np.full((2, 168), 0.2),
        ["Asia/Tokyo", "UTC"],
        start=at("2026-01-05T14:00Z"),
        end=at("2026-01-05T16:00Z"),
        quiet=NIGHT,
    )

    assert found[0] == ()
    assert len(found[1]) == 2


def test_quiet_hours_over_the_whole_window_are_refused():
    with pytest.raises(InvalidRequest, match="at least one hour outside quiet hours"):
        choose_send_slots(
            np.full((1, 168), 0.2),
            ["UTC"],
            start=at("2026-01-05T22:00Z"),
            end=at("2026-01-06T05:00Z"),
            quiet=NIGHT,
        )


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-01-05T10:00", "2026-01-05T12:00Z", "start: expected a time with its offset"),
        ("2026-01-05T10:00Z", "2026-01-05T12:00", "end: expected a time with its offset"),
        ("2026-01-05T10:00Z", "2026-01-05T10:59Z", "one hour to 31 days, got 0:59:00"),
        ("2026-01-05T10:00Z", "2026-01-05T09:00Z", "move the end on"),
        ("2026-01-05T10:00Z", "2026-03-05T09:00Z", "move the end back"),
        ("9999-12-31T10:00Z", "9999-12-31T12:00Z", "a year from 1970 to 9000"),
    ],
)
def test_windows_that_cannot_be_are_refused(start, end, words):
    with pytest.raises(InvalidRequest, match=words):
        choose_send_slots(np.full((1, 168), 0.2), ["UTC"], start=at(start), end=at(end))


def test_other_requests_that_cannot_be_are_refused():
    window = {"start": at("2026-01-05T10:00Z"), "end": at("2026-01-05T12:00Z")}
    with pytest.raises(InvalidRequest, match="top_k"):
        choose_send_slots(np.full((1, 168), 0.2), ["UTC"], **window, top_k=0)
    with pytest.raises(
        UnknownName, match=r"'Europe/Berlim' is not known; nearest: 'Europe/Berlin'"
    ):
        choose_send_slots(np.full((1, 168), 0.2), ["Europe/Berlim"], **window)
    with pytest.raises(UnknownName):
        choose_send_slots(np.full((1, 168), 0.2), ["../etc/passwd"], **window)
    with pytest.raises(ValueError, match=r"shape \(2, 168\)"):
        choose_send_slots(np.full((2, 168), 0.2), ["UTC"], **window)
    with pytest.raises(InvalidRequest, match="'24:00'"):
        QuietHours.parse("24:00", "08:00")
    with pytest.raises(InvalidRequest, match="that differ"):
        QuietHours.parse("08:00", "8:00")


def test_nobody_gets_nothing():
    window = {"start": at("2026-01-05T10:00Z"), "end": at("2026-01-05T12:00Z")}
    assert choose_send_slots(np.empty((0, 168)), [], **window) == []


ZONES = ["America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]


@given(
    st.integers(0, 2 * 365 * 24 * 60).map(lambda m: at("2026-01-01T00:00Z") + timedelta(minutes=m)),
    st.integers(60, 3 * 24 * 60),
    st.sampled_from(ZONES),
    st.integers(-12, 14),
)
def test_slots_lie_in_the_window_in_order_and_tell_their_local_hour(start, minutes, zone, offset):
    end = start + timedelta(minutes=minutes)
    given_start = start.astimezone(timezone(timedelta(hours=offset)))
    starts, slots = build_window(given_start, end, zone)

    instants = [moment.astimezone(UTC) for moment in starts]
    assert starts  # an hour always holds half of some local hour
    assert start <= instants[0]
    assert instants[-1] < end
    assert instants == sorted(set(instants))
    for moment, slot in zip(starts, slots.tolist(), strict=True):
        assert moment.utcoffset() == moment.astimezone(UTC).astimezone(ZoneInfo(zone)).utcoffset()
        assert slot == moment.weekday() * 24 + moment.hour
