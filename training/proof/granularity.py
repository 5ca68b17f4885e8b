"""What a logged propensity is the probability of: a block, an hour of the day, or of the week.

A policy is valued by three-hour blocks of the day, the weekday held as it was. Senders log the
chance of whatever they drew: `almanac plan-campaign` that of an hour of the week. Inverse
propensities average to the number of options that were drawn from, so they tell what was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.proof.logged import BLOCK_HOURS, N_BLOCKS

BLOCK, HOUR, WEEK_HOUR = "block of the day", "hour of the day", "hour of the week"
_DAYS, _HOURS = 7, 24


@dataclass(frozen=True)
class BlockPropensity:
    """Propensities of blocks of the day, and what they were made of.

    Attributes
    ----------
    propensity : array of shape (n,)
        Of the block given the weekday; NaN where none was logged. Of an hour it is the hour's times
        the hours of its block, so that a policy is to draw evenly within a block: above 1 where
        the log prefers one hour to its neighbours.
    granularity : str
        What the logged ones are of; '' where none was logged.
    """

    propensity: np.ndarray
    granularity: str


def read_block_propensity(propensity: np.ndarray, slot: np.ndarray) -> BlockPropensity:
    """Turn logged propensities into those of blocks of the day.

    Parameters
    ----------
    propensity : array of shape (n,)
        As logged; NaN = not logged.
    slot : array of int, shape (n,)
        Local hour of the week of each send.

    Examples
    --------
    Two of three hours a day were drawn evenly, in one block each.

    >>> found = read_block_propensity(np.array([0.5, 0.5]), np.array([9, 36]))
    >>> found.granularity, found.propensity.tolist()
    ('block of the day', [0.5, 0.5])
    """
    is_logged = np.isfinite(propensity) & (propensity > 0)
    if not is_logged.any():
        return BlockPropensity(np.full(len(propensity), np.nan), "")
    day, hour = np.divmod(slot, _HOURS)
    block = hour // BLOCK_HOURS
    in_use = np.bincount(hour[is_logged], minlength=_HOURS) > 0
    hours = in_use.reshape(N_BLOCKS, BLOCK_HOURS).sum(axis=1)
    n_days = len(np.unique(day[is_logged]))
    n_options = {
        BLOCK: float((hours > 0).sum()),
        HOUR: float(in_use.sum()),
        WEEK_HOUR: float(in_use.sum() * n_days),
    }
    mean_inverse = float((1.0 / propensity[is_logged]).mean())
    granularity = min(n_options, key=lambda name: abs(np.log(n_options[name] / mean_inverse)))
    whole = np.where(is_logged, propensity, np.nan)
    if granularity != BLOCK:
        whole = whole * np.maximum(hours, 1)[block]
    if granularity == WEEK_HOUR:
        inverse = np.bincount(day[is_logged], 1.0 / propensity[is_logged], minlength=_DAYS)
        sends = np.bincount(day[is_logged], minlength=_DAYS)
        # Within a weekday inverse chances average to its hours ÷ the chance of the weekday.
        of_day = n_options[HOUR] * sends / np.where(inverse > 0, inverse, 1.0)
        whole = whole / np.where(of_day > 0, of_day, 1.0)[day]
    return BlockPropensity(np.minimum(whole, float(BLOCK_HOURS)), granularity)
