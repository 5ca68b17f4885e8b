"""Simulated people with a clock of their own: who they are, and what each is doing at any time.

Simulated, of no real person. Somebody is a worker by day, an early, late or night shift, a
student, a parent at home or retired; wakes, commutes, works, eats, looks after children, goes out
and sleeps at times of their own, which move a little every day; looks at the inbox and shops more
in some of these situations than in others. Nothing here knows hours of the week, shares of them or
Dirichlet distributions: those are what the models make of it.

Every parameter below was fixed for plausibility before any model was measured on this world, and
is not changed afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

STEPS = 96
"""Steps of a quarter of an hour in a day."""
STEP_HOURS = 24 / STEPS

ASLEEP, MORNING, COMMUTE, WORK, LUNCH, HOME, LATE, OUT, BUSY, PAUSE = range(10)
"""What somebody can be doing; BUSY is with children or at table, PAUSE the daily time with the
phone in hand that many people keep at about the same time."""
LOOKS_PER_HOUR = np.array([0.0, 0.28, 0.35, 0.05, 0.35, 0.14, 0.21, 0.04, 0.04, 1.80])
"""Looks into the inbox by situation, of the average person: some three a day."""
MOOD = np.array([0.0, 0.50, 0.60, 0.25, 0.75, 1.00, 0.80, 0.30, 0.25, 1.10])
"""How likely something seen is acted on, relative to an hour at home."""
SHOPS = np.array([0.0, 0.40, 0.60, 0.15, 0.70, 1.00, 0.70, 0.20, 0.10, 4.00])
"""Shopping on the web or in the app by situation, relative to an hour at home."""
VISITS = np.array([0.0, 0.1, 0.3, 0.0, 0.4, 1.0, 0.0, 1.5, 0.1, 0.0])
"""Visits to a store by situation, while it is open."""

KINDS = ("day", "early", "late", "night", "student", "parent", "retired")
_KIND_TIMES = np.array(
    # wake, work starts, work ends, sleep, commute hours, evening is busy
    [
        [6.9, 8.7, 17.2, 23.1, 0.6, 0.25],
        [4.9, 6.0, 14.2, 21.8, 0.5, 0.25],
        [8.6, 14.0, 22.0, 25.3, 0.5, 0.10],
        [14.6, 22.0, 30.0, 32.0, 0.5, 0.15],
        [8.8, 10.2, 16.0, 25.2, 0.5, 0.05],
        [6.5, 8.5, 12.6, 22.6, 0.3, 0.95],
        [7.1, 10.0, 10.0, 22.7, 0.0, 0.10],
    ]
)
PAUSE_AT = np.array(
    # on days off, on days of work: the clock, not the hours awake
    [
        [18.9, 18.4],  # by day: on the way home and just after
        [15.3, 14.8],  # early shift: home, children still at school
        [11.5, 11.3],  # late shift: before going to work
        [16.6, 16.2],  # night shift: after getting up
        [14.0, 12.6],  # students: lunch
        [20.2, 20.3],  # parents: once the children sleep
        [9.4, 9.4],  # retired: with the coffee
    ]
)
"""Local hour of the daily pause, by kind; people differ from their kind by some three quarters."""
_WEEKEND_LATER = np.array([1.3, 1.6, 0.8, 0.0, 1.4, 0.6, 0.2])
NIGHT = KINDS.index("night")


@dataclass(frozen=True)
class Region:
    """A region of the simulated retailer: its clock, its customs and who lives there."""

    region_id: str
    time_zone: str
    later_hours: float
    lunch_at: float
    kind_shares: tuple[float, ...]
    is_open_on_sunday: bool


REGIONS = (
    Region(
        "station", "Europe/Berlin", 0.0, 12.3, (0.82, 0.03, 0.03, 0.02, 0.04, 0.03, 0.03), False
    ),
    Region("suburb", "Europe/London", -0.2, 12.6, (0.20, 0.03, 0.02, 0.02, 0.01, 0.67, 0.05), True),
    Region("port", "Europe/Madrid", 0.5, 13.6, (0.16, 0.10, 0.58, 0.06, 0.03, 0.04, 0.03), False),
    Region("campus", "Europe/Berlin", 0.3, 12.6, (0.15, 0.02, 0.03, 0.02, 0.74, 0.02, 0.02), False),
    Region(
        "coast", "America/New_York", 0.0, 12.4, (0.14, 0.02, 0.02, 0.01, 0.01, 0.04, 0.76), True
    ),
    Region(
        "works", "America/Chicago", -0.2, 11.8, (0.12, 0.62, 0.06, 0.12, 0.02, 0.03, 0.03), True
    ),
)
"""Catchments of stores: like live beside like."""
_REGION_SHARES = (0.27, 0.20, 0.13, 0.11, 0.14, 0.15)


@dataclass(frozen=True)
class People:
    """What does not change about n simulated customers; arrays of shape (n,) or (n, …).

    Attributes
    ----------
    region, kind : array of int
        Positions in `REGIONS` and `KINDS`.
    times : array of shape (n, 6)
        Hours after midnight of waking, work's start and end and sleep; commute in hours; the
        probability that an evening is busy.
    weekend_later, lunch_at : array
        Hours that a day off starts later; hour of lunch.
    works_on : array of bool, shape (n, 7)
        Days of work, 0 = Monday.
    out_on : array of shape (n, 7)
        Probability of going out on that day.
    restless : array
        How much the days differ; 1 is average.
    at_home : array
        Share of workdays spent at home.
    pause_at : array of shape (n, 2)
        Local hour of the pause on days off and on days of work.
    keeps_pause : array
        Share of days with a pause.
    looks, mood, shops : array of shape (n, 10)
        Looks into the inbox an hour, readiness to act and shopping, by situation.
    visits : array of shape (n, 10)
        The same for visits to a store.
    mail : array
        Messages of others that arrive in a day.
    interest : array
        Probability to act on a message that is seen at home; 0 to 0.9.
    curiosity : array
        Probability to open, without acting, a message that is seen.
    activity : array
        Relative amount of shopping; mean about 1.
    store_share : array
        Share of it in stores.
    travels : array
        Share of weeks spent away.
    away_hours : array
        Clock of the place away minus the clock at home, hours.
    """

    region: np.ndarray
    kind: np.ndarray
    times: np.ndarray
    weekend_later: np.ndarray
    lunch_at: np.ndarray
    works_on: np.ndarray
    out_on: np.ndarray
    restless: np.ndarray
    at_home: np.ndarray
    pause_at: np.ndarray
    keeps_pause: np.ndarray
    looks: np.ndarray
    mood: np.ndarray
    shops: np.ndarray
    visits: np.ndarray
    mail: np.ndarray
    interest: np.ndarray
    curiosity: np.ndarray
    activity: np.ndarray
    store_share: np.ndarray
    travels: np.ndarray
    away_hours: np.ndarray

    def __len__(self) -> int:
        return len(self.region)

    def take(self, rows: np.ndarray | slice) -> People:
        """Return the people at `rows`, in that order."""
        return People(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def draw_people(n: int, rng: np.random.Generator) -> People:
    """Draw n people; equal generators give equal people."""
    region = rng.choice(len(REGIONS), n, p=_REGION_SHARES)
    shares = np.cumsum([one.kind_shares for one in REGIONS], axis=1)
    kind = (rng.random(n)[:, None] > shares[region] / shares[region][:, -1:]).sum(axis=1)
    later = np.array([one.later_hours for one in REGIONS])[region] + rng.normal(0, 0.5, n)
    times = _KIND_TIMES[kind].copy()
    times[:, 0] += later * 0.8 + rng.normal(0, 0.5, n)
    times[:, 1:3] += 0.5 * later[:, None] + rng.normal(0, 0.5, n)[:, None]
    times[:, 3] += later + rng.normal(0, 0.6, n)
    times[:, 4] *= rng.lognormal(0, 0.5, n)
    shared = rng.normal(0, 0.45, (n, len(MOOD)))
    engaged = rng.normal(0, 1, n)
    return People(
        region=region,
        kind=kind,
        times=times,
        weekend_later=np.maximum(_WEEKEND_LATER[kind] + rng.normal(0, 0.6, n), 0),
        lunch_at=np.array([one.lunch_at for one in REGIONS])[region] + rng.normal(0, 0.5, n),
        works_on=_draw_workdays(kind, rng),
        out_on=np.clip(rng.beta(0.6, 2.0, (n, 7)) + 0.15 * (np.arange(7) >= 4), 0, 1),
        restless=rng.lognormal(0, 0.35, n),
        at_home=np.where(kind == 0, rng.beta(0.5, 1.5, n), rng.beta(0.2, 4.0, n)),
        pause_at=PAUSE_AT[kind]
        + (0.4 * later + rng.normal(0, 0.6, n))[:, None]
        + rng.normal(0, 0.4, (n, 2)),
        keeps_pause=rng.beta(5.0, 1.5, n),
        looks=LOOKS_PER_HOUR
        * np.exp(rng.normal(0, 0.35, n)[:, None] + rng.normal(0, 0.4, (n, len(MOOD)))),
        mood=MOOD * np.exp(shared + rng.normal(0, 0.25, shared.shape)),
        shops=SHOPS * np.exp(shared + rng.normal(0, 0.25, shared.shape)),
        visits=VISITS * np.exp(rng.normal(0, 0.4, shared.shape)),
        mail=np.minimum(rng.lognormal(np.log(14), 0.6, n), 80),
        interest=np.clip(0.16 * np.exp(0.8 * engaged), 0, 0.9),
        curiosity=rng.beta(2, 5, n),
        activity=np.exp(0.5 * engaged + rng.normal(0, 0.6, n) - 0.5 * (0.5**2 + 0.6**2)),
        store_share=rng.beta(1.2, 3.6, n),
        travels=np.where(rng.random(n) < 0.08, rng.beta(2, 4, n), 0.0),
        away_hours=rng.choice([-9, -6, -5, -1, 1, 3, 6], n),
    )


def _draw_workdays(kind: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Days of work: Monday to Friday by day, any five in shifts, fewer for students and parents."""
    works = np.tile(np.arange(7) < 5, (len(kind), 1))
    in_shifts = np.isin(kind, [1, 2, 3]) & (rng.random(len(kind)) < 0.6)
    some = rng.random((len(kind), 7)).argsort(axis=1) < 5
    works = np.where(in_shifts[:, None], some, works)
    off = rng.random((len(kind), 7)) < np.where(np.isin(kind, [4, 5]), 0.25, 0.04)[:, None]
    works &= ~off
    works[kind == 6] = False
    return works
