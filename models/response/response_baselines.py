"""The response model that anybody would try first, done fairly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln

from features.schema import SLOTS_PER_WEEK
from models.receptivity.fitting import maximise_posterior
from models.response.context import ResponseContext
from models.response.response_base import ResponseModel
from models.response.sent_touches import SentTouches

HOUR_FILE = "hours.json"
LEVEL_STRENGTH = 1.0
"""Strength above a customer's level, in expected answers."""
LIFT_PRIOR = np.array([[np.log(100.0), 1.0]])
"""Centre and deviation of the log-normal prior of the strength above hours and days."""
GRAIN = np.array([0.5, 50.0])
"""A grain of prior answers and messages, so that no rate is 0 or 1."""
_HOUR, _DAY = np.arange(SLOTS_PER_WEEK) % 24, np.arange(SLOTS_PER_WEEK) // 24


@dataclass(frozen=True)
class HourRates:
    """How a channel is answered by hour of the day and by day of the week.

    Attributes
    ----------
    rate : float
        Answers per message of an average customer.
    hour, day : lists of 24 and 7 floats
        Lifts: answers over those expected, shrunk to 1.
    hour_shape, day_shape : lists of 24 and 7 floats
        Answers behind each lift, with those of its prior.
    """

    rate: float
    hour: list[float]
    day: list[float]
    hour_shape: list[float]
    day_shape: list[float]

    def log_lift(self) -> np.ndarray:
        """Return the log of the lift of every slot, shape (168,)."""
        return np.asarray(np.log(self.hour)[_HOUR] + np.log(self.day)[_DAY])


class GlobalHour(ResponseModel):
    """Baseline: a channel's rate of answers by hour and by weekday, the same for everybody.

    An hour is not good because good customers were sent to in it: answers are held against those
    that the customers' levels, as known before, and the weights of the sends lead one to expect.
    """

    name = "global_hour"
    rates_: dict[str, HourRates]

    def _fit(
        self,
        windows: Sequence[SentTouches],
        weights: Sequence[np.ndarray],
        like: ResponseModel | None,
    ) -> None:
        del like  # nothing takes long here
        level = np.concatenate([_read_levels(window, self.channels_) for window in windows])
        channel = np.concatenate([window.channel for window in windows])
        slot = np.concatenate([window.slot for window in windows])
        engaged = np.concatenate([window.is_engaged for window in windows]).astype(np.float64)
        weight = np.concatenate(weights)
        self.rates_ = {}
        for name in self.channels_:
            own = channel == name
            self.rates_[name] = fit_hour_rates(slot[own], engaged[own], level[own], weight[own])

    def _refresh(self, context: ResponseContext) -> None:
        """Histories tell this model nothing."""

    def _predict_raw(self, context: ResponseContext, channel: str) -> np.ndarray:
        rates = self.rates_[channel]
        week = -np.expm1(-rates.rate * np.exp(rates.log_lift()))
        return np.tile(week, (len(context), 1))

    def _relative_variance(self, context: ResponseContext, channel: str) -> np.ndarray:
        rates = self.rates_[channel]
        week = 1 / np.array(rates.hour_shape)[_HOUR] + 1 / np.array(rates.day_shape)[_DAY]
        return np.tile(week, (len(context), 1))

    def _contributions(
        self, context: ResponseContext, channel: str, slot: np.ndarray
    ) -> dict[str, Any]:
        rates, nothing = self.rates_[channel], np.zeros(len(context))
        return {
            "base": np.full(len(context), np.log(rates.rate)),
            "level": nothing,
            "fatigue": nothing,
            "offer": nothing,
            "own_activity": nothing,
            "own_responses": rates.log_lift()[slot],
        }

    def _to_files(self) -> dict[str, bytes]:
        document = {name: asdict(rates) for name, rates in self.rates_.items()}
        return {HOUR_FILE: json.dumps(document, sort_keys=True).encode()}

    def _from_files(self, files: Mapping[str, bytes]) -> None:
        document = json.loads(files[HOUR_FILE])
        self.rates_ = {name: HourRates(**document[name]) for name in self.channels_}


def fit_hour_rates(
    slot: np.ndarray, engaged: np.ndarray, level: np.ndarray, weight: np.ndarray
) -> HourRates:
    """Fit lifts of hours and of weekdays to the touches of one channel.

    Parameters
    ----------
    slot : array of int, shape (m,)
        Local hour of the week of each send.
    engaged : array of float, shape (m,)
        1 = answered.
    level : array of shape (m,)
        Level of the customer, known before the send; 1 = average.
    weight : array of shape (m,)
        Of the send; > 0. Weighted counts say as much as so many plain ones as Kish's effective
        size has it.
    """
    answered = weight * engaged
    rate = float((answered.sum() + GRAIN[0]) / ((weight * level).sum() + GRAIN[1]))
    worth = weight.sum() / max(float((weight**2).sum()), 1e-12)
    expected = weight * level * rate
    hour, hour_shape = _shrink(answered * worth, expected * worth, slot % 24, 24)
    expected = expected * hour[slot % 24]
    day, day_shape = _shrink(answered * worth, expected * worth, slot // 24, 7)
    return HourRates(rate, hour.tolist(), day.tolist(), hour_shape.tolist(), day_shape.tolist())


def _shrink(
    answered: np.ndarray, expected: np.ndarray, cell: np.ndarray, n_cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return gamma-Poisson lifts of cells and their shapes, by the likeliest strength."""
    seen, foreseen = np.bincount(cell, answered, n_cells), np.bincount(cell, expected, n_cells)

    def loss(point: np.ndarray) -> float:
        above = float(np.exp(point[0]))
        likely = gammaln(seen + above) - gammaln(above) + above * np.log(above)
        return -float((likely - (seen + above) * np.log(foreseen + above)).sum())

    above = float(np.exp(maximise_posterior(loss, LIFT_PRIOR)[0]))
    return (seen + above) / (foreseen + above), seen + above


def _read_levels(touches: SentTouches, channels: Sequence[str]) -> np.ndarray:
    """Return the level of each touch's customer from the messages before the window, (m,)."""
    counts = [touches.context.messages.of(channel) for channel in channels]
    answered = sum(np.asarray(count.answered.sum(axis=1)) for count in counts)
    sent = sum(np.asarray(count.sent.sum(axis=1)) for count in counts)
    rate = (np.sum(answered) + GRAIN[0]) / (np.sum(sent) + GRAIN[1])
    level = (answered + LEVEL_STRENGTH) / (sent * rate + LEVEL_STRENGTH)
    return np.asarray(level[touches.row], dtype=np.float64)
