"""What simulated people buy by themselves, on the web, in the app and in stores. Simulated."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.promotion_world_days import DRAWS, draw_days, find_situations
from benchmarks.promotion_world_people import (
    COMMUTE,
    LATE,
    MORNING,
    OUT,
    PAUSE,
    REGIONS,
    STEP_HOURS,
    STEPS,
    People,
)


@dataclass(frozen=True)
class Organic:
    """What people did by themselves: customer, local hour since the start, and where."""

    customer: np.ndarray
    at: np.ndarray
    is_store: np.ndarray
    is_app: np.ndarray


def scale_events(
    people: People, rng: np.random.Generator, events_per_customer: float, n_days: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return P(order in a step) by situation, on the web or app and in an open store, (n, 10).

    They are scaled to `events_per_customer` orders in `n_days` days, of the average person.
    """
    wanted = people.activity * events_per_customer / (n_days / 7)
    online, store = people.looks * people.shops, people.visits.copy()
    totals = np.zeros((2, len(people)))
    days = [draw_days(people, d % 7, rng.random((DRAWS, len(people)))) for d in range(-1, 7)]
    rows = np.arange(len(people))[:, None]
    for day, (before, today) in enumerate(pairwise(days)):
        found = find_situations(today, before)
        totals[0] += online[rows, found].sum(axis=1)
        totals[1] += (store[rows, found] * _is_open(people, day)).sum(axis=1)
    online *= (wanted * (1 - people.store_share) / np.maximum(totals[0], 0.1))[:, None]
    store *= (wanted * people.store_share / np.maximum(totals[1], 0.1))[:, None]
    return online.astype(np.float32), store.astype(np.float32)


def _is_open(people: People, day: int) -> np.ndarray:
    """Return how busy stores are in each step of a day, shape (n, 96); 0 = closed."""
    hours = np.arange(STEPS) * STEP_HOURS
    by_region = np.zeros((len(REGIONS), STEPS), dtype=np.float32)
    for index, region in enumerate(REGIONS):
        if day % 7 < 6 or region.is_open_on_sunday:
            by_region[index] = ((hours >= 9) & (hours < 20)) * (2.0 if day % 7 == 5 else 1.0)
    return np.asarray(by_region[people.region])


def shop(
    people: People,
    situations: np.ndarray,
    day: int,
    probabilities: tuple[np.ndarray, np.ndarray],
    left_on: np.ndarray,
    rng: np.random.Generator,
) -> Organic:
    """Let people order on one day; `probabilities` are those of `scale_events`."""
    rows = np.arange(len(people))[:, None]
    online, store = (table[rows, situations] for table in probabilities)
    store = store * _is_open(people, day)
    draw = rng.random(situations.shape, dtype=np.float32)
    customer, step = np.nonzero((draw < online + store) & (left_on > day)[:, None])
    is_store = draw[customer, step] >= online[customer, step]
    on_the_way = np.isin(situations[customer, step], [MORNING, COMMUTE, LATE, OUT, PAUSE])
    return Organic(
        customer=customer,
        at=day * 24 + (step + rng.random(len(step))) * STEP_HOURS,
        is_store=is_store,
        is_app=~is_store & (rng.random(len(step)) < np.where(on_the_way, 0.9, 0.4)),
    )
