"""How long until a message is opened: a discrete-time hazard, censored at seven days.

Time from the send is cut into bins. The hazard of a bin is the chance that a message which was not
opened before it is opened within it; a message that was observed for less than a whole bin says
nothing about that bin. Hazards of a group (a part of the day within a channel) are shrunk to those
of the channel, and these to everybody's, by beta-binomial chains.

References
----------
.. [1] Singer & Willett (1993), "It's about time: using discrete-time survival analysis to study
   duration and the timing of events", J. Educ. Stat. 18.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy.special import betaln

from models.receptivity.fitting import maximise_posterior

EDGES = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 24.0, 48.0, 96.0, 168.0])
"""Ends of the bins, in hours: fine where most opens are."""
N_BINS = len(EDGES) - 1
DAY_PARTS = ("night", "morning", "afternoon", "evening")
HOURS_PER_PART = 24 // len(DAY_PARTS)
STRENGTH_PRIOR = np.array([[np.log(50.0), 2.0], [np.log(50.0), 2.0]])
"""Centre and deviation of the log-normal priors: strength above a channel and above a part."""
GRAIN = np.array([0.5, 50.0])
"""A grain of prior opens and messages in every bin, so that no hazard is 0 or 1."""


@dataclass(frozen=True)
class TimeToOpen:
    """Hazards of being opened, by channel and part of the local day of the send.

    Attributes
    ----------
    channels : tuple of str
    overall : array of shape (n_bins,)
        Hazard of everybody.
    of_channel : array of shape (n_channels, n_bins)
    of_part : array of shape (n_channels, 4, n_bins)
        Hazard by channel and part of the day: night from 0, morning from 6, afternoon from 12,
        evening from 18 hours.
    channel_strength, part_strength : float
        Strength of the priors above them, in messages at risk.
    """

    channels: tuple[str, ...]
    overall: np.ndarray
    of_channel: np.ndarray
    of_part: np.ndarray
    channel_strength: float
    part_strength: float

    def hazards(self, channel: str, hour: int | None = None) -> np.ndarray:
        """Return the hazard of every bin, shape (n_bins,), sent at a local hour of the day.

        A channel that was not seen has everybody's; without an hour the channel's own.
        """
        if channel not in self.channels:
            return self.overall
        code = self.channels.index(channel)
        if hour is None:
            return np.asarray(self.of_channel[code])
        return np.asarray(self.of_part[code, hour // HOURS_PER_PART])

    def opened_within(self, hours: float, channel: str, hour: int | None = None) -> float:
        """Return P(opened within `hours` of the send); what comes after seven days is not known."""
        return float(opened_within(self.hazards(channel, hour), np.array([hours]))[0])

    def expected_delay(self, channel: str, hour: int | None = None) -> float:
        """Return the mean hours to the open of a message that is opened within seven days."""
        return expected_delay(self.hazards(channel, hour))

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON; `from_json` makes the same of it, bit by bit."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return {**asdict(self), **arrays}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        arrays = {name: np.array(values[name], dtype=np.float64) for name in _ARRAYS}
        n = len(values["channels"])
        arrays["of_channel"] = arrays["of_channel"].reshape(n, N_BINS)
        arrays["of_part"] = arrays["of_part"].reshape(n, len(DAY_PARTS), N_BINS)
        return cls(**{**values, **arrays, "channels": tuple(values["channels"])})


_ARRAYS = ("overall", "of_channel", "of_part")


def opened_within(hazards: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Return P(opened within `hours`), with a constant rate within each bin.

    Parameters
    ----------
    hazards : array of shape (n_bins,)
        Chance of being opened in each bin of `EDGES`, if not before; in [0, 1).
    hours : array
        Hours after the send; beyond seven days nothing more is added.

    Returns
    -------
    array of the shape of `hours`
        1 − Π (1 − hazard) over the bins passed, the last of them in part.

    Examples
    --------
    >>> half = np.array([0.5, 0.5, 0, 0, 0, 0, 0, 0])
    >>> opened_within(half, np.array([0.0, 1.0, 2.0, 500.0])).round(4).tolist()
    [0.0, 0.5, 0.75, 0.75]
    """
    passed = np.concatenate([[0.0], np.cumsum(-np.log1p(-hazards))])
    return np.asarray(-np.expm1(-np.interp(hours, EDGES, passed)))


def expected_delay(hazards: np.ndarray) -> float:
    """Return the mean hours to the open, of messages opened within seven days.

    An open lies in the middle of its bin, on average: the bins are narrow where most opens are.
    """
    reached = opened_within(hazards, EDGES)
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    return float(np.diff(reached) @ middle / reached[-1])


def build_life_table(
    hours_to_open: np.ndarray, observed_hours: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return in which bin each message was opened, and in how many it was at risk.

    Parameters
    ----------
    hours_to_open : array of shape (m,)
        NaN = not opened while observed.
    observed_hours : array of shape (m,)
        How long it was observed.

    Returns
    -------
    opened, at_risk : bool arrays of shape (m, n_bins)
        At risk of a bin: not opened before it, and observed to its end. An open in the bin in which
        observing ended is left out, as are the messages that waited there beside it.
    """
    opened_bin = np.searchsorted(EDGES, np.nan_to_num(hours_to_open, nan=np.inf), side="right") - 1
    whole_bins = np.searchsorted(EDGES, observed_hours, side="right") - 1
    bins = np.arange(N_BINS)[None, :]
    is_seen = bins < whole_bins[:, None]
    return is_seen & (bins == opened_bin[:, None]), is_seen & (bins <= opened_bin[:, None])


def fit_time_to_open(
    hours_to_open: np.ndarray,
    observed_hours: np.ndarray,
    channel: np.ndarray,
    hour: np.ndarray,
    channels: tuple[str, ...],
) -> TimeToOpen:
    """Fit the hazards of messages.

    Parameters
    ----------
    hours_to_open, observed_hours : arrays of shape (m,)
        See `build_life_table`.
    channel : array of str, shape (m,)
    hour : array of int, shape (m,)
        Local hour of the day of the send.
    channels : tuple of str
        Channels to tell apart.

    Returns
    -------
    TimeToOpen
        With strengths that maximise the beta-binomial likelihood under weak log-normal priors.
    """
    opened, at_risk = build_life_table(hours_to_open, observed_hours)
    n_parts = len(DAY_PARTS)
    code = np.array([channels.index(name) if name in channels else -1 for name in channel], int)
    group = code * n_parts + hour // HOURS_PER_PART
    known = code >= 0
    shape = (len(channels), n_parts, N_BINS)
    events = _sum(opened[known], group[known], len(channels) * n_parts).reshape(shape)
    risk = _sum(at_risk[known], group[known], len(channels) * n_parts).reshape(shape)
    overall = (opened.sum(axis=0) + GRAIN[0]) / (at_risk.sum(axis=0) + GRAIN[1])
    by_channel = events.sum(axis=1), risk.sum(axis=1)

    def shrink(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        above_channel, above_part = np.exp(point)
        of_channel = (by_channel[0] + above_channel * overall) / (by_channel[1] + above_channel)
        prior = of_channel[:, None, :]
        return of_channel, (events + above_part * prior) / (risk + above_part)

    def loss(point: np.ndarray) -> float:
        of_channel, _ = shrink(point)
        above = np.exp(point)
        return -_beta_binomial(*by_channel, overall, above[0]) - _beta_binomial(
            events, risk, np.broadcast_to(of_channel[:, None, :], shape), above[1]
        )

    point = maximise_posterior(loss, STRENGTH_PRIOR)
    of_channel, of_part = shrink(point)
    above_channel, above_part = np.exp(point).tolist()
    return TimeToOpen(channels, overall, of_channel, of_part, above_channel, above_part)


def _sum(flags: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    member = np.zeros((n_groups, N_BINS))
    np.add.at(member, group, flags)
    return member


def _beta_binomial(
    events: np.ndarray, risk: np.ndarray, mean: np.ndarray, strength: float
) -> float:
    a, b = strength * mean, strength * (1 - mean)
    return float((betaln(a + events, b + risk - events) - betaln(a, b)).sum())
