"""The options of a campaign: every hour and channel for every customer, with its value.

An option is one absolute hour and one channel: hour * n_channels + channel. Values are made for
some customers at a time and never held for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.campaign.hours import CampaignHours
from serving.campaigns.scores import AudienceScores

SUREST_FIRST = ("response", "reach", "activity")
"""What scores measure, from what a campaign is for to what only hints at it."""


@dataclass(frozen=True)
class Options:
    """Values and chances of m customers' k options.

    Attributes
    ----------
    value, sd : arrays of float64, shape (m, k)
        Money that a message earns, its cost taken off, and its standard deviation.
    probability : array of float64, shape (m, k)
        Of what the channel's scores measure.
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
    scores : AudienceScores
        At the slots of `hours`.
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
    money : array of float64, shape (n,)
        What it earns at an average moment; NaN = what `response_value` says of a response.
    response_value : float
    costs : array of float64, shape (c,)
    """

    scores: AudienceScores
    hours: CampaignHours
    channels: tuple[str, ...]
    is_open: np.ndarray
    free_from: np.ndarray
    holds: np.ndarray
    promotion: np.ndarray
    money: np.ndarray
    response_value: float
    costs: np.ndarray

    @cached_property
    def is_comparable(self) -> np.ndarray:
        """Whether a channel's scores measure the surest of what the channels measure, (c,)."""
        ranks = [SUREST_FIRST.index(self.scores.measure(channel)) for channel in self.channels]
        return np.equal(ranks, min(ranks))

    @cached_property
    def _columns(self) -> np.ndarray:
        """Column in the scores of each zone and hour; any where nothing may be sent."""
        found = np.searchsorted(self.scores.slots, self.hours.slot)
        return np.asarray(np.minimum(found, len(self.scores.slots) - 1))

    def permit(self, customers: np.ndarray) -> np.ndarray:
        """Return which options some customers have, bool of shape (m, n_hours, c)."""
        send_at = self.hours.send_at[self.hours.zone_codes[customers]]
        is_free = send_at[:, :, None] >= self.free_from[customers][:, None, :]
        is_open = self.is_open[customers][:, None, :]
        return np.asarray(self._find_hours(customers)[:, :, None] & is_free & is_open)

    def make(self, customers: np.ndarray) -> Options:
        """Return the options of some customers, channels within hours."""
        permitted = self.permit(customers)
        probability = np.empty(permitted.shape)
        spread = np.empty(permitted.shape, dtype=np.float32)
        columns = self._columns[self.hours.zone_codes[customers]]
        for place, channel in enumerate(self.channels):
            scores, doubt = self.scores.read(customers, channel)
            probability[:, :, place] = np.take_along_axis(scores, columns, axis=1)
            spread[:, :, place] = np.take_along_axis(doubt, columns, axis=1)
        money = self._value_probability(customers, probability, permitted)[:, None, :]
        flat = (len(customers), -1)
        return Options(
            value=(money * probability - self.costs).reshape(flat),
            sd=(money * spread).reshape(flat),
            probability=probability.reshape(flat),
            permitted=permitted.reshape(flat),
        )

    def _find_hours(self, customers: np.ndarray) -> np.ndarray:
        """Return when the offer holds outside quiet hours, whatever the channel, (m, n_hours)."""
        zone, promotion = self.hours.zone_codes[customers], self.promotion[customers]
        holds = self.holds[np.maximum(promotion, 0), zone] & (promotion >= 0)[:, None]
        return np.asarray(holds & self.hours.permitted[zone])

    def _value_probability(
        self, customers: np.ndarray, probability: np.ndarray, permitted: np.ndarray
    ) -> np.ndarray:
        """Return the money per unit of probability over each channel, shape (m, c).

        What the offer earns ÷ its mean chance over what is permitted; or what a response is worth.
        """
        scale = self._compare_channels(customers, probability)
        money = self.money[customers]
        if np.isnan(money).all():
            return self.response_value * scale
        count = np.maximum(permitted.sum(axis=(1, 2)), 1)
        total = (np.where(permitted, probability, 0.0).sum(axis=1) * scale).sum(axis=1)
        by_moment = money / np.where(total > 0.0, total / count, 1.0)
        return scale * np.where(np.isnan(money), self.response_value, by_moment)[:, None]

    def _compare_channels(self, customers: np.ndarray, probability: np.ndarray) -> np.ndarray:
        """Return what makes the chances of channels comparable, shape (m, c).

        A channel whose scores measure something else than the surest ones says which hours are
        good, and nothing of how good the channel is: it is put on the level of the others.
        """
        if self.is_comparable.all():
            return np.ones((len(customers), len(self.channels)))
        in_time = self._find_hours(customers)[:, :, None]
        mean = np.where(in_time, probability, 0.0).sum(axis=1)  # over the same hours in all
        level = mean[:, self.is_comparable].mean(axis=1, keepdims=True)
        ratio = level / np.where(mean > 0.0, mean, 1.0)
        return np.where(self.is_comparable, 1.0, ratio)
