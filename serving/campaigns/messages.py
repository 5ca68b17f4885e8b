"""What stands behind the messages of a plan, and what others would have made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.schema import SLOTS_PER_WEEK
from serving.campaigns.decide import BLOCK_ROWS
from serving.campaigns.draws import Drawn
from serving.campaigns.options import OptionMaker, Options


@dataclass(frozen=True)
class Messages:
    """What stands behind the option of each of n customers; NaN without a message.

    Attributes
    ----------
    probability, low, high : arrays of float64, shape (n,)
        Of what the channel's scores measure, with its 90 % interval.
    value : array of float64, shape (n,)
        Expected money, the cost of the message taken off.
    mean : array of float64, shape (n,)
        Mean probability over the hours permitted in the same channel: what a moment drawn evenly
        would have.
    slot : array of int64, shape (n,)
        Local hour of the week; -1 without a message.
    week : array of float64, shape (n_channels, 168)
        Sum over the optimised arm's messages of the probability in each slot, by channel: what
        would come of sending all of them in that slot. NaN in slots of no hour of the campaign.
    """

    probability: np.ndarray
    low: np.ndarray
    high: np.ndarray
    value: np.ndarray
    mean: np.ndarray
    slot: np.ndarray
    week: np.ndarray


def value_messages(options: OptionMaker, drawn: Drawn, is_optimised: np.ndarray) -> Messages:
    """Value what was drawn, some customers at a time.

    Parameters
    ----------
    options : OptionMaker
        Of the n customers.
    drawn : Drawn
    is_optimised : array of bool, shape (n,)
        Whose messages `week` is of.
    """
    n, channels = len(drawn.option), options.channels
    found = {name: np.full(n, np.nan) for name in ("probability", "low", "high", "value", "mean")}
    week = np.full((len(channels), SLOTS_PER_WEEK), np.nan)
    week[:, options.scores.slots] = 0.0
    hour, place = np.divmod(drawn.option, len(channels))
    slot = np.where(drawn.option >= 0, options.hours.slot[options.hours.zone_codes, hour], -1)
    for number, channel in enumerate(channels):
        own = np.flatnonzero((drawn.option >= 0) & (place == number))
        for first in range(0, len(own), BLOCK_ROWS):
            customers = own[first : first + BLOCK_ROWS]
            made, at = options.make(customers), np.arange(len(customers))
            found["probability"][customers] = made.probability[at, drawn.option[customers]]
            found["value"][customers] = made.value[at, drawn.option[customers]]
            found["mean"][customers] = _find_mean(made, number, len(channels))
            found["low"][customers], found["high"][customers] = options.scores.bound(
                customers, channel, slot[customers]
            )
            scores = options.scores.read(customers, channel)[0][is_optimised[customers]]
            week[number, options.scores.slots] += scores.sum(axis=0)
    return Messages(**found, slot=slot.astype(np.int64), week=week)


def _find_mean(made: Options, place: int, n_channels: int) -> np.ndarray:
    """Return the mean probability over what is permitted in one channel, shape (m,)."""
    permitted = made.permitted[:, place::n_channels]
    chances = np.where(permitted, made.probability[:, place::n_channels], 0.0)
    return np.asarray(chances.sum(axis=1) / np.maximum(permitted.sum(axis=1), 1))
