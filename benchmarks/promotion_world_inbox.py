"""The inbox of the simulated people: whether a message is seen, opened and acted on. Simulated.

At each look after a message was sent it is seen with a probability that falls with its age and with
how much mail has come in since; what is seen for the first time is acted on, or not, by interest,
mood, offer and fatigue.
"""

from __future__ import annotations

import numpy as np

from benchmarks.promotion_world_people import STEP_HOURS, STEPS, People

WINDOW_HOURS = 24
"""To engage is to click at most so many hours after the message was sent."""
AGE_HOURS = 1.5
"""A message so old is seen half as often as a new one."""
BURIAL = 0.08
"""How much less often it is seen for each message that has come in since."""
MOST_ACTING = 0.95
_MAIL_BY_HOUR = np.array(
    [1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 13, 11, 10, 9, 9, 9, 10, 11, 11, 10, 8, 6, 3, 2], dtype=float
)
_LATE_DAYS = np.arange(1, 7)


def build_mail(n_days: int) -> np.ndarray:
    """Return the share of a day's mail of others that has come in by each step, shape (steps,)."""
    steps = np.repeat(_MAIL_BY_HOUR / _MAIL_BY_HOUR.sum() / (STEPS // 24), STEPS // 24)
    return np.cumsum(np.tile(steps, n_days))


def see_at_age(hours: float | np.ndarray) -> float | np.ndarray:
    """Return how often a message of an age is seen at a look, relative to a new one."""
    return 1 / (1 + hours / AGE_HOURS)


def act_on(people: People) -> np.ndarray:
    """Return P(acts | sees) by situation, of an average offer without fatigue, shape (n, 10)."""
    return np.asarray(np.minimum(people.interest[:, None] * people.mood, MOST_ACTING))


def respond(
    people: People,
    situations: np.ndarray,
    sent: np.ndarray,
    factor: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Let k people find a message each in their inbox.

    Parameters
    ----------
    people : People
        k of them, one a message.
    situations : array of shape (k, 192)
        Of the day of sending and the next one.
    sent : array of shape (k,)
        Local hours since the midnight before.
    factor : array of shape (k,)
        How much more likely the offer is acted on than an average one without fatigue.

    Returns
    -------
    seen, is_clicked, is_opened : arrays of shape (k,)
        Local hours since that midnight (NaN = never, at most a week), and what was done.
    """
    k, n_lags = len(sent), int(WINDOW_HOURS / STEP_HOURS)
    rows = np.arange(k)[:, None]
    first = np.floor(sent / STEP_HOURS).astype(np.int64)[:, None]
    steps = first + np.arange(1, n_lags + 1)
    mail = build_mail(2)
    new_mail = people.mail[:, None] * (mail[steps] - mail[first])
    visible = see_at_age((np.arange(n_lags) + 0.5) * STEP_HOURS) * np.exp(-BURIAL * new_mail)
    looks = people.looks[rows, situations[rows, steps]]
    notices = np.cumsum(looks * STEP_HOURS * visible, axis=1)
    # later looks are like those of the first day, at ever older mail
    old = np.exp(-BURIAL * people.mail[:, None] * (_LATE_DAYS + 0.5)) * see_at_age(
        24.0 * _LATE_DAYS + 12
    )
    later = np.cumsum(looks.sum(axis=1, keepdims=True) * STEP_HOURS * old, axis=1)
    fate = rng.exponential(size=k)
    at = (notices <= fate[:, None]).sum(axis=1)
    days_late = (notices[:, -1:] + later <= fate[:, None]).sum(axis=1)
    is_late, is_never = at == n_lags, days_late == len(_LATE_DAYS)
    shares = np.cumsum(looks, axis=1)
    again = (shares <= (rng.random(k) * shares[:, -1])[:, None]).sum(axis=1)
    lag = np.where(is_late, np.minimum(again, n_lags - 1), at)
    step = steps[np.arange(k), np.minimum(lag, n_lags - 1)]
    seen = (step + rng.random(k)) * STEP_HOURS + 24 * np.where(is_late, days_late + 1, 0)
    seen = np.where(is_late & is_never, np.nan, seen)
    mood = people.mood[np.arange(k), situations[np.arange(k), step]]
    acts = np.minimum(people.interest * mood * factor, MOST_ACTING)
    is_clicked = ~np.isnan(seen) & (rng.random(k) < acts)
    is_opened = is_clicked | (~np.isnan(seen) & (rng.random(k) < people.curiosity))
    return seen, is_clicked, is_opened
