"""How an event speaks for the hours around it, and a week of few events is made a smooth one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from features.schema import SLOTS_PER_WEEK

HOURS, DAYS = 24, 7
_SLOTS = np.arange(SLOTS_PER_WEEK)
_APART = (_SLOTS[None, :] - _SLOTS[:, None]) % SLOTS_PER_WEEK
_IS_WEEKEND = np.arange(DAYS) >= 5
_SAME_KIND = _IS_WEEKEND[:, None] == _IS_WEEKEND[None, :]


@lru_cache(maxsize=16)
def build_kernel(bandwidth_hours: float, day_sharing: float) -> np.ndarray:
    """Return for which slots an event in each slot speaks, shape (168, 168); rows sum to 1.

    The week is a circle: Sunday 23:00 is next to Monday 00:00.

    Parameters
    ----------
    bandwidth_hours : float
        Standard deviation of the spread over neighbouring hours; > 0.
    day_sharing : float
        Part of an event that is spread evenly over the seven days at its hour; 0 to 1.
    """
    distance = np.minimum(_SLOTS, SLOTS_PER_WEEK - _SLOTS)
    near = np.exp(-0.5 * (distance / bandwidth_hours) ** 2)
    near /= near.sum()
    same_hour = near.reshape(DAYS, HOURS).mean(axis=0)
    by_distance = (1 - day_sharing) * near + day_sharing * np.tile(same_hour, DAYS)
    kernel: np.ndarray = by_distance[_APART]
    kernel.flags.writeable = False  # the same one for all who ask
    return kernel


@lru_cache(maxsize=16)
def build_sharing(day_sharing: float, kind_sharing: float) -> np.ndarray:
    """Return what an event on one day counts for the hours of another, shape (7, 7); symmetric."""
    shared = day_sharing * np.where(_SAME_KIND, 1.0, kind_sharing)
    sharing = np.asarray(np.where(np.eye(DAYS) > 0, 1.0, shared))
    sharing.flags.writeable = False  # the same one for all who ask
    return sharing


_NARROW, _WIDE = build_kernel(0.5, 0.0), build_kernel(1.5, 1.0)
"""How a week of many is smoothed: finely where there are many events, else to a smooth day."""


def smooth_global(events: np.ndarray) -> np.ndarray:
    """Return the share by slot of many: their week, drawn to one smooth day, drawn to evenness.

    The smooth day comes as often on each weekday as it does there: a shop that is closed on Sundays
    expects nobody then. An event a day is spread evenly before any is seen.

    Parameters
    ----------
    events : array of shape (168,) or (k, 168)
        Events by slot, of everybody or of each of k groups.

    Returns
    -------
    array of the same shape
        Positive; rows sum to 1.
    """
    shape, n = (*events.shape[:-1], DAYS, HOURS), events.sum(axis=-1, keepdims=True)
    by_day = (events.reshape(shape).sum(axis=-1) + 1) / (n + DAYS)
    day = ((events @ _WIDE)[..., :HOURS] * DAYS + 1 / HOURS) / (n + 1)
    usual = (by_day[..., :, None] * day[..., None, :]).reshape(events.shape)
    return np.asarray((events @ _NARROW + SLOTS_PER_WEEK * usual) / (n + SLOTS_PER_WEEK))
