"""The options of a campaign: every hour and channel for every customer, with its value.

An option is one absolute hour and one channel: hour * n_channels + channel. Values are made for
some customers at a time and never held for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.campaign.hours import CampaignHours
from serving.slot_scores import LEVEL, SlotScorer

SD_PER_WIDTH = 1 / (2 * 1.6448536269514722)
"""Standard deviations in the width of a 90 % interval of a normal distribution."""
if LEVEL != 0.9:
    raise ValueError("the width of an interval is read as that of 90 %")


@dataclass(frozen=True)
class Options:
    """Values and chances of m customers' k options.

    Attributes
    ----------
    value, sd : arrays of float64, shape (m, k)
        Money that a message earns, its cost taken off, and its standard deviation.
    probability : array of float64, shape (m, k)
    permitted : array of bool, shape (m, k)
    """

    value: np.ndarray
    sd: np.ndarray
    probability: np.ndarray
    permitted: np.ndarray


@dataclass(frozen=True)
class OptionMaker:
    """What is needed to value the options of n customers.

    Attributes
    ----------
    scorer : SlotScorer
    rows : array of int64, shape (n,)
        Row of each customer in the profiles; -1 = not known.
    hours : CampaignHours
    channels : tuple of str, length c
    is_open : array of bool, shape (n, c)
        Whether the customer may get the offer over the channel.
    free_from : array of datetime64, shape (n, c)
        From when on, UTC.
    holds : array of bool, shape (n_promotions, n_zones, n_hours)
        Whether each promotion holds at each moment.
    promotion : array of int64, shape (n,)
        Which of them the customer would get; -1 = none.
    discount : array of float64, shape (n,)
        Its discount; NaN = none.
    money : array of float64, shape (n,)
        What it earns at an average moment; NaN = what `response_value` says of a response.
    response_value : float
    costs : array of float64, shape (c,)
    """

    scorer: SlotScorer
    rows: np.ndarray
    hours: CampaignHours
    channels: tuple[str, ...]
    is_open: np.ndarray
    free_from: np.ndarray
    holds: np.ndarray
    promotion: np.ndarray
    discount: np.ndarray
    money: np.ndarray
    response_value: float
    costs: np.ndarray

    def permit(self, customers: np.ndarray) -> np.ndarray:
        """Return which options some customers have, bool of shape (m, n_hours, c)."""
        zone = self.hours.zone_codes[customers]
        promotion = self.promotion[customers]
        holds = self.holds[np.maximum(promotion, 0), zone] & (promotion >= 0)[:, None]
        send_at = self.hours.send_at[zone]
        is_free = send_at[:, :, None] >= self.free_from[customers][:, None, :]
        in_time = (self.hours.permitted[zone] & holds)[:, :, None]
        return np.asarray(in_time & is_free & self.is_open[customers][:, None, :])

    def make(self, customers: np.ndarray) -> Options:
        """Return the options of some customers, channels within hours."""
        permitted = self.permit(customers)
        probability, spread = (np.empty(permitted.shape) for _ in range(2))
        for place, channel in enumerate(self.channels):
            probability[:, :, place], spread[:, :, place] = self._score(customers, channel)
        per_probability = self._value_probability(customers, probability, permitted)
        flat = (len(customers), -1)
        value = per_probability[:, None, None] * probability - self.costs
        return Options(
            value=value.reshape(flat),
            sd=(per_probability[:, None, None] * spread).reshape(flat),
            probability=probability.reshape(flat),
            permitted=permitted.reshape(flat),
        )

    def bound(self, customers: np.ndarray, option: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the 90 % interval of the probability of one option of each, (m,) both."""
        hour, place = np.divmod(option, len(self.channels))
        slot = self.hours.slot[self.hours.zone_codes[customers], hour].astype(np.int64)
        low, high = (np.empty(len(customers)) for _ in range(2))
        for number, channel in enumerate(self.channels):
            own = np.flatnonzero(place == number)
            if len(own):
                rows, discount = self.rows[customers[own]], self.discount[customers[own]]
                bounds = self.scorer.bound(rows, channel, slot[own, None], discount=discount)
                low[own], high[own] = bounds[0][:, 0], bounds[1][:, 0]
        return low, high

    def _score(self, customers: np.ndarray, channel: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the probability of each hour and its standard deviation, (m, n_hours) each."""
        rows, discount = self.rows[customers], self.discount[customers]
        slots = np.maximum(self.hours.slot[self.hours.zone_codes[customers]], 0).astype(np.int64)
        scores = self.scorer.score(rows, channel, discount=discount).probability
        low, high = self.scorer.bound(rows, channel, slots, discount=discount)
        return np.take_along_axis(scores, slots, axis=1), (high - low) * SD_PER_WIDTH

    def _value_probability(
        self, customers: np.ndarray, probability: np.ndarray, permitted: np.ndarray
    ) -> np.ndarray:
        """Return the money per unit of probability: what the offer earns ÷ its mean chance."""
        count = np.maximum(permitted.sum(axis=(1, 2)), 1)
        mean = np.where(permitted, probability, 0.0).sum(axis=(1, 2)) / count
        money = self.money[customers]
        by_moment = money / np.where(mean > 0.0, mean, 1.0)
        return np.where(np.isnan(money), self.response_value, by_moment)
