"""The truth of the simulated world: P(engage within 24 hours | sent in slot), per person.

Simulated. The looks of a given day are integrated exactly; days are
drawn as 64 randomly shifted points of a lattice a person, the same looks for all slots.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from benchmarks.promotion_world_days import DRAWS, draw_days, find_situations
from benchmarks.promotion_world_inbox import BURIAL, WINDOW_HOURS, act_on, build_mail, see_at_age
from benchmarks.promotion_world_people import STEP_HOURS, People

_DAYS = 8
"""Days in a week that messages are sent in, and the one that the last of them are seen in."""
_FINE_HOURS = 8
"""Ages up to which every quarter of an hour is integrated by itself."""
_CHUNK = 400


def compute_truth(people: People, rng: np.random.Generator, *, n_weeks: int = 64) -> np.ndarray:
    """Integrate P(engage within 24 hours | sent in slot) of each person who still is a customer.

    Parameters
    ----------
    people : People
        n of them.
    rng : numpy.random.Generator
        Shifts the lattices.
    n_weeks : int
        Points of the lattice: weeks that are lived through; a multiple of 8 is best.

    Returns
    -------
    array of shape (2, n, 168)
        Over the even and over the odd points: two estimates with errors of their own, whose mean
        is the truth and whose difference tells its error. In [0, 1].
    """
    halves = np.zeros((2, len(people), 168))
    for first in range(0, len(people), _CHUNK):
        rows = slice(first, first + _CHUNK)
        some = people.take(rows)
        shifts = rng.random((_DAYS + 1, DRAWS, len(some)))
        weeks_away = rng.random(len(some))
        for week in range(n_weeks):
            point = _lattice(week, n_weeks, shifts)
            away = (week / n_weeks + weeks_away) % 1 < some.travels
            found = _live_week(some, point, away)
            halves[week % 2, rows] += _engage(some, found, week // 2 % 4)
    return np.asarray(halves / (n_weeks / 2))


def _lattice(week: int, n_weeks: int, shifts: np.ndarray) -> np.ndarray:
    """Return the point of a randomly shifted rank-1 lattice that a week's days are drawn from."""
    n_days, n_draws, _ = shifts.shape
    steps = (2 * np.arange(n_days * n_draws) + 1) % n_weeks
    return np.asarray((week * steps.reshape(n_days, n_draws, 1) / n_weeks + shifts) % 1)


def _live_week(people: People, point: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Return the situations of eight days from a Monday on, shape (n, 768)."""
    days = [draw_days(people, (day - 1) % 7, one, away) for day, one in enumerate(point)]
    return np.concatenate(
        [find_situations(today, before) for before, today in pairwise(days)],
        axis=1,
    )


def _engage(people: People, situations: np.ndarray, phase: int) -> np.ndarray:
    """Return P(engage) of a message sent in step `phase` of each hour, shape (n, 168)."""
    mail = people.mail[:, None] * build_mail(_DAYS)
    kept = np.exp(-BURIAL * mail).astype(np.float32)
    rows = np.arange(len(people))[:, None]
    looks = (people.looks * STEP_HOURS).astype(np.float32)[rows, situations] * kept
    acts = act_on(people).astype(np.float32)[rows, situations]
    unburied = 1 / kept[:, phase::4][:, :168]
    unseen = np.ones_like(unburied)
    engaged = np.zeros_like(unburied)
    for age, look, act in _walk(looks, acts, phase):
        still = np.exp(look * (unburied * np.float32(-see_at_age(age))))
        still *= unseen
        engaged += (unseen - still) * act
        unseen = still
    return np.asarray(engaged)


def _walk(
    looks: np.ndarray, acts: np.ndarray, phase: int
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Yield age in hours, looks and acting after sends in step `phase` of each hour.

    In quarters of an hour at first; what is older is taken an hour at a time.
    """
    n = len(looks)
    # step t of hour h lies at [t, :, h], so that every lag reads 168 neighbours
    fine_looks, fine_acts = (
        np.ascontiguousarray(np.moveaxis(table.reshape(n, -1, 4), 2, 0)) for table in (looks, acts)
    )
    for lag in range(1, 4 * _FINE_HOURS + 1):
        hour, step = divmod(phase + lag, 4)
        hours = slice(hour, hour + 168)
        yield (lag - 0.5) * STEP_HOURS, fine_looks[step][:, hours], fine_acts[step][:, hours]
    first = phase + 4 * _FINE_HOURS + 1
    steps = slice(first, first + 4 * (168 + WINDOW_HOURS - _FINE_HOURS - 1))
    by_hour = looks[:, steps].reshape(n, -1, 4).sum(axis=2)
    acting = (looks * acts)[:, steps].reshape(n, -1, 4).sum(axis=2) / np.maximum(by_hour, 1e-30)
    for hour in range(WINDOW_HOURS - _FINE_HOURS):
        hours = slice(hour, hour + 168)
        yield _FINE_HOURS + hour + 0.5, by_hour[:, hours], acting[:, hours]
