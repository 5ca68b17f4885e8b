"""What the simulated people did in half a year: messages, responses, orders. Simulated.

Past campaigns were not sent at random. The loyal, who respond more at any hour, got theirs in the
evening; most others at ten; a tool copied the hour of past opens, machine opens among them; one
send in ten went out at a permitted hour drawn by lot. Privacy proxies open messages by themselves,
mail gateways click every link of some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from benchmarks.promotion_world_days import DRAWS, Days, draw_days, find_situations
from benchmarks.promotion_world_inbox import WINDOW_HOURS, respond
from benchmarks.promotion_world_orders import Organic, scale_events, shop
from benchmarks.promotion_world_people import People

N_DAYS = 182
PERMITTED = np.arange(8, 21)
"""Local hours in which a message may be sent: from 8:00 to 21:00."""
EXPLORATION = 0.10
LOYAL, TOOL, OTHERS = range(3)
_HABITS = {LOYAL: {18: 0.25, 19: 0.5, 20: 0.25}, OTHERS: {9: 0.2, 10: 0.6, 11: 0.2}}
TOOL_STARTS_AT = 10
_FATIGUE = 0.15
"""How much less is acted on per message of the last week: factor 1 / (1 + this × messages)."""
_OFFER_SD = 0.2
OFFER_DAYS = 14
_PROXY_SHARE, _GATEWAY_SHARE, _GATEWAY_SCANS = 0.30, 0.02, 0.3
_LEAVES = 0.12
LINKS = 6


@dataclass(frozen=True)
class Senders:
    """What the retailer does with each customer; arrays of shape (n,) or (n, n_sends).

    Attributes
    ----------
    segment : array of int
        LOYAL, TOOL or OTHERS: whose hours the past campaigns took.
    days : array of int, shape (n, n_sends)
        Days on which a message is sent, rising, at least two apart.
    is_proxied, is_scanned : array of bool
        Whose messages a privacy proxy opens, and whose a mail gateway sometimes clicks.
    left_on : array of int
        Day on which a customer stops being one; `N_DAYS` or later if they stay.
    """

    segment: np.ndarray
    days: np.ndarray
    is_proxied: np.ndarray
    is_scanned: np.ndarray
    left_on: np.ndarray


@dataclass(frozen=True)
class Sends:
    """One row a message; times are local hours since the first day's midnight, NaN = never.

    `engaged` (whether the person clicked within the window) and `factor` (fatigue and offer,
    relative to the reference of the truth) are known to the simulation alone; `probabilities`, of
    shape (n_sends, 24), are those that the hour was drawn with, given the day.
    """

    customer: np.ndarray
    sent: np.ndarray
    opened: np.ndarray
    clicked: np.ndarray
    ordered: np.ndarray
    machine_opened: np.ndarray
    scanned: np.ndarray
    is_explored: np.ndarray
    probabilities: np.ndarray
    factor: np.ndarray

    @property
    def engaged(self) -> np.ndarray:
        """Whether the person clicked within the window, shape (n_sends,)."""
        return np.asarray(self.clicked - self.sent <= WINDOW_HOURS)

    @property
    def hour(self) -> np.ndarray:
        """Local hour of the day of sending, shape (n_sends,)."""
        return np.asarray(np.floor(self.sent) % 24).astype(np.int64)

    @property
    def slot(self) -> np.ndarray:
        """Local hour of the week of sending, shape (n_sends,)."""
        return np.asarray(np.floor(self.sent) % 168).astype(np.int64)

    @property
    def propensity(self) -> np.ndarray:
        """Probability of the hour that was drawn, given the day, shape (n_sends,)."""
        chosen = self.probabilities[np.arange(len(self.sent)), self.hour]
        return np.asarray(chosen, dtype=np.float64)


def draw_senders(people: People, n_sends: int, rng: np.random.Generator) -> Senders:
    """Decide whom the retailer treats how, and on which days; never at which hour."""
    n = len(people)
    liking = np.log(people.interest) / 0.8 + rng.normal(0, 0.7, n)
    segment = np.where(rng.random(n) < 0.2, TOOL, OTHERS)
    segment[liking > np.quantile(liking, 0.65)] = LOYAL
    span = N_DAYS / n_sends
    # the last day of each part stays free, so that two messages are two days apart
    inside = rng.random((n, n_sends)) * (span - 1.0)
    days = np.floor(np.arange(n_sends) * span + inside).astype(np.int64)
    return Senders(
        segment=segment,
        days=np.minimum(days, N_DAYS - 2),
        is_proxied=rng.random(n) < _PROXY_SHARE,
        is_scanned=rng.random(n) < _GATEWAY_SHARE,
        left_on=np.where(rng.random(n) < _LEAVES, rng.integers(20, N_DAYS, n), 10 * N_DAYS),
    )


def plan_hours(segment: np.ndarray, opens: np.ndarray) -> np.ndarray:
    """Return how likely the past campaigns chose each hour, where the lot did not, (k, 24).

    Parameters
    ----------
    segment : array of int, shape (k,)
    opens : array of shape (k, 24)
        Past opens by hour, of machines too.
    """
    planned = np.zeros((len(segment), 24))
    for name, habit in _HABITS.items():
        for hour, share in habit.items():
            planned[segment == name, hour] = share
    copied = opens[:, PERMITTED].argmax(axis=1) + PERMITTED[0]
    copied[opens[:, PERMITTED].sum(axis=1) == 0] = TOOL_STARTS_AT
    tool = np.flatnonzero(segment == TOOL)
    planned[tool, copied[tool]] = 1.0
    return planned


def explore(planned: np.ndarray) -> np.ndarray:
    """Return the probability of each hour once the lot is counted in, shape (k, 24)."""
    by_lot = np.isin(np.arange(24), PERMITTED) * EXPLORATION / len(PERMITTED)
    return np.asarray((1 - EXPLORATION) * planned + by_lot)


def choose_hours(planned: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choose the hour of each message as the past campaigns did.

    Returns
    -------
    hour, is_explored : arrays of shape (k,)
        The hour, and whether the lot decided.
    """
    k = len(planned)
    is_explored = rng.random(k) < EXPLORATION
    hour = (rng.random((k, 1)) > np.cumsum(planned, axis=1) - 1e-12).sum(axis=1)
    return np.where(is_explored, rng.choice(PERMITTED, k), hour), is_explored


def live(
    people: People, senders: Senders, rng: np.random.Generator, *, events_per_customer: float
) -> tuple[Sends, Organic]:
    """Let the people live through `N_DAYS` days from a Monday on, day by day.

    Parameters
    ----------
    people, senders : People, Senders
        n customers.
    rng : numpy.random.Generator
    events_per_customer : float
        Mean number of orders that no message caused, of customers who stay.
    """
    away = rng.random((len(people), N_DAYS // 7 + 1)) < people.travels[:, None]
    online, store = scale_events(people, rng, events_per_customer, N_DAYS)
    offers = np.exp(rng.normal(0, _OFFER_SD, N_DAYS // OFFER_DAYS + 1) - _OFFER_SD**2 / 2)
    opens = np.zeros((len(people), 24))

    def draw(day: int) -> Days:
        uniforms = rng.random((DRAWS, len(people)))
        return draw_days(people, day % 7, uniforms, away[:, max(day, 0) // 7])

    today, tomorrow = draw(0), draw(1)
    here = find_situations(today, draw(-1))
    sends: list[Sends] = []
    organic: list[Organic] = []
    for day in range(N_DAYS):
        ahead = find_situations(tomorrow, today)
        organic.append(shop(people, here, day, (online, store), senders.left_on, rng))
        rows = np.flatnonzero((senders.days == day).any(axis=1))
        if len(rows):
            both = np.concatenate([here[rows], ahead[rows]], axis=1)
            found = _send(people, senders, rows, day, both, opens, offers[day // OFFER_DAYS], rng)
            sends.append(found)
            _count_opens(found, opens)
        today, tomorrow, here = tomorrow, draw(day + 2), ahead
    return _join(Sends, sends), _join(Organic, organic)


def _send(
    people: People,
    senders: Senders,
    rows: np.ndarray,
    day: int,
    situations: np.ndarray,
    opens: np.ndarray,
    offer: float,
    rng: np.random.Generator,
) -> Sends:
    """Send to the people at `rows` on one day; `situations` are those of it and the next."""
    planned = plan_hours(senders.segment[rows], opens[rows])
    hour, is_explored = choose_hours(planned, rng)
    days = senders.days[rows]
    factor = offer / (1 + _FATIGUE * ((days < day) & (days >= day - 7)).sum(axis=1))
    within = hour + rng.random(len(rows))
    seen, clicked, is_opened = respond(people.take(rows), situations, within, factor, rng)
    gone = day * 24 + seen >= senders.left_on[rows] * 24
    sent = day * 24 + within
    opened = np.where(is_opened & ~gone, day * 24 + seen, np.nan)
    clicked = np.where(clicked & ~gone, opened + rng.exponential(1 / 30, len(rows)), np.nan)
    buys = rng.random(len(rows)) < 0.25
    machine = np.where(
        senders.is_proxied[rows], sent + (1 + rng.exponential(60, len(rows))) / 3600, np.nan
    )
    scans = senders.is_scanned[rows] & (rng.random(len(rows)) < _GATEWAY_SCANS)
    return Sends(
        customer=rows,
        sent=sent,
        opened=opened,
        clicked=clicked,
        ordered=np.where(buys, clicked + 0.1 + rng.exponential(0.5, len(rows)), np.nan),
        machine_opened=machine,
        scanned=np.where(scans, sent + rng.uniform(0.3, 1.6, len(rows)) / 3600, np.nan),
        is_explored=is_explored,
        probabilities=explore(planned).astype(np.float32),
        factor=factor,
    )


def _count_opens(sends: Sends, opens: np.ndarray) -> None:
    """Add the opens of one day, of machines first, to what the tool copies from."""
    seen = np.fmin(sends.opened, sends.machine_opened)
    known = seen - sends.sent <= WINDOW_HOURS
    hours = (seen[known] % 24).astype(np.int64)
    np.add.at(opens, (sends.customer[known], hours), 1)


_Rows = TypeVar("_Rows", Sends, Organic)


def _join(kind: type[_Rows], parts: Sequence[_Rows]) -> _Rows:
    names = [field.name for field in fields(kind)]
    return kind(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
