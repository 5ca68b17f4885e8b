"""The days of simulated people: when they wake, work, pause, go out and sleep, and so what they do.

Simulated. Every day moves a little around the person's own times, by draws that are inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from benchmarks.promotion_world_people import (
    ASLEEP,
    BUSY,
    COMMUTE,
    HOME,
    LATE,
    LUNCH,
    MORNING,
    NIGHT,
    OUT,
    PAUSE,
    STEP_HOURS,
    STEPS,
    WORK,
    People,
)

_CLOCK = ((np.arange(STEPS) + 0.5) * STEP_HOURS).astype(np.float32)
DRAWS = 11
"""Draws that move one day of one person."""


@dataclass(frozen=True)
class Days:
    """One day of each person, as planned by fate: hours after its midnight, shape (n,) each."""

    wake: np.ndarray
    leave: np.ndarray
    start: np.ndarray
    lunch: np.ndarray
    end: np.ndarray
    back: np.ndarray
    busy: np.ndarray
    out: np.ndarray
    pause: np.ndarray
    sleep: np.ndarray


def draw_days(
    people: People, weekday: int, uniforms: np.ndarray, is_away: np.ndarray | bool = False
) -> Days:
    """Draw one day of each person.

    Parameters
    ----------
    people : People
        n of them.
    weekday : int
        0 = Monday.
    uniforms : array of shape (11, n)
        What fate is made of, each uniform on (0, 1).
    is_away : array of bool, shape (n,)
        Who is travelling: they live by the clock of the place, and the times returned are still
        those of the clock at home.

    Returns
    -------
    Days
        Where something does not take place it begins at infinity.
    """
    z = ndtri(np.clip(uniforms[:6], 1e-4, 1 - 1e-4)) * people.restless
    wake, start, end, sleep, commute, busy = people.times.T
    works = people.works_on[:, weekday] & (uniforms[6] > 0.06)
    free = np.where(works, 0.0, people.weekend_later)
    wake = wake + free + np.where(works, 0.3, 0.8) * z[0]
    start = np.where(works, np.maximum(start + 0.25 * z[1], wake + 0.5), np.inf)
    end = np.where(works, np.maximum(end + 0.6 * z[2], start), np.inf)
    commute = np.where(works & (uniforms[7] > people.at_home), commute, 0.0)
    sleep = np.maximum(sleep + 0.4 * free + 0.6 * z[3], wake + 12)
    # what somebody does beside work depends on the same day's mood: one draw decides both
    is_out = uniforms[8] < people.out_on[:, weekday]
    is_busy = ~is_out & (uniforms[8] > 1 - busy)
    is_short = works & (people.times[:, 2] - people.times[:, 1] < 5)
    lunch = np.where(is_short, np.inf, people.lunch_at + 0.35 * z[4])
    out = np.where(works, np.maximum(end + commute, wake + 2), np.maximum(wake + 4, 13)) + 0.5
    moments = {
        "wake": wake,
        "leave": start - commute,
        "start": start,
        "lunch": np.where(people.kind == NIGHT, start + 4 + 0.35 * z[4], lunch),
        "end": end,
        "back": end + commute,
        "busy": np.where(is_busy, 17.8 + 0.5 * z[5], np.inf),
        "out": np.where(is_out, out + 0.7 * np.abs(z[5]), np.inf),
        "pause": _draw_pause(people, works, uniforms[9:]),
        "sleep": sleep,
    }
    shift = np.where(is_away, people.away_hours, 0)
    return Days(**{name: moment - shift for name, moment in moments.items()})


def _draw_pause(people: People, works: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    at = np.where(works, people.pause_at[:, 1], people.pause_at[:, 0])
    moved = at + 0.3 * people.restless * ndtri(np.clip(uniforms[0], 1e-4, 1 - 1e-4))
    return np.where(uniforms[1] < people.keeps_pause, moved, np.inf)


def find_situations(today: Days, yesterday: Days) -> np.ndarray:
    """Return what each person is doing in every step of a day, uint8 of shape (n, 96).

    Until somebody wakes, the day before goes on: a night shift, a late evening, sleep.
    """
    before = _situations_of(yesterday, _CLOCK + 24)
    is_up = today.wake.astype(np.float32)[:, None] <= _CLOCK
    return np.where(is_up, _situations_of(today, _CLOCK), before)


def _situations_of(day: Days, clock: np.ndarray) -> np.ndarray:
    found = np.full((len(day.wake), len(clock)), HOME, dtype=np.uint8)

    def between(first: np.ndarray, last: np.ndarray, situation: int) -> None:
        low, high = (side.astype(np.float32)[:, None] for side in (first, last))
        found[(clock >= low) & (clock < high)] = situation

    between(day.wake, day.wake + 1.1, MORNING)
    between(day.busy, day.busy + 2.6, BUSY)
    between(day.out, day.out + 2.5, OUT)
    between(day.sleep - 1.3, day.sleep, LATE)
    between(day.leave, day.back, COMMUTE)
    between(day.start, day.end, WORK)
    between(day.lunch, day.lunch + 0.7, LUNCH)
    between(day.pause, day.pause + 1.0, PAUSE)
    between(day.sleep, np.full_like(day.sleep, np.inf), ASLEEP)
    return found
