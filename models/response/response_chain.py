"""Empirical Bayes for responses: answers over the answers that the sends led one to expect.

The rate of answers to a message is

    rate of the channel × level of the customer × ahead(slot)^power × lift(slot),

and what is learned of each factor is a ratio: answers seen over answers *expected* of the messages
that were sent, under all factors above it. So an hour is never good because much was sent in it,
and never because good customers were sent to in it. Activity is what lies ahead of the slot, as a
message waits until the customer looks (`models.response.answer_hazard`). Every ratio is a
gamma-Poisson posterior mean, (answers + strength) / (expected + strength): the level goes from
everybody, to the customer over all channels, to the customer in the channel; the lift of a slot
from everybody, to the segment, to the customer. A message speaks for the hours around it and for
the same hour of other days, as in `models.receptivity.empirical_bayes`.

References
----------
.. [1] Clayton & Kaldor (1987), "Empirical Bayes estimates of age-standardized relative risks",
   Biometrics 43 (observed over expected, shrunk by a gamma prior).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from scipy import sparse

from features.schema import SLOTS_PER_WEEK
from models.receptivity.empirical_bayes import build_kernel
from models.response.answer_hazard import AnswerHazard
from models.response.context import ResponseContext
from models.response.looks import Looks

CHAIN_FILE, LIFT_FILE, SEGMENT_FILE = "chain.json", "lifts.npy", "segment_lifts.npy"


@dataclass(frozen=True)
class Strengths:
    """What the chain is tuned by.

    Attributes
    ----------
    any_level, channel_level : float
        Strength above a customer's level, and above that in a channel, in expected answers.
    global_lift, segment_lift, customer_lift : float
        Strength above the lift of a slot: everybody's, a segment's and a customer's, in expected
        answers after smoothing.
    activity_power : float
        How strongly answers follow what lies ahead: 0 not at all, 1 as their ages tell.
    bandwidth_hours, day_sharing : float
        Of the smoothing around the week; see `build_kernel`.
    noticing : float
        See `AnswerHazard.ahead`.
    """

    any_level: float
    channel_level: float
    global_lift: float
    segment_lift: float
    customer_lift: float
    activity_power: float
    bandwidth_hours: float
    day_sharing: float
    noticing: float


@dataclass(frozen=True)
class ResponseParts:
    """The factors of n customers' rates in one channel, as logarithms.

    Attributes
    ----------
    level, any_level : arrays of shape (n,)
        Of the customer in the channel and over all channels, relative to everybody's; > 0, no log.
    level_variance : array of shape (n,)
        Variance of the level over its square.
    activity : array of shape (n, 168)
        Log of the hazard of an answer ahead of the slot, relative to an even week.
    lift : array of shape (n, 168)
        log of global × segment × own lift.
    hour_variance : array of shape (n, 168)
        Variance of activity^power × own lift over its square.
    """

    level: np.ndarray
    any_level: np.ndarray
    level_variance: np.ndarray
    activity: np.ndarray
    lift: np.ndarray
    hour_variance: np.ndarray


@dataclass(frozen=True)
class ResponseChain:
    """How everybody, segments and customers answer, for any customer.

    Attributes
    ----------
    channels : tuple of str
    segment_names : tuple of str
    rate : array of shape (n_channels,)
        Answers per message of an average customer at an average hour.
    lift : array of shape (n_channels, 168)
        Everybody's lift by slot.
    segment_lift : array of shape (n_channels, n_segments + 1, 168)
        On top of it; the last row, of customers without a segment, is 1.
    strengths : Strengths
    looks : Looks
        When customers look at messages.
    hazard : AnswerHazard
        At what age messages are answered.
    """

    channels: tuple[str, ...]
    segment_names: tuple[str, ...]
    rate: np.ndarray
    lift: np.ndarray
    segment_lift: np.ndarray
    strengths: Strengths
    looks: Looks
    hazard: AnswerHazard

    @property
    def kernel(self) -> np.ndarray:
        """For which slots a message in each slot speaks, shape (168, 168)."""
        return build_kernel(self.strengths.bandwidth_hours, self.strengths.day_sharing)

    def parts(self, context: ResponseContext, channel: str) -> ResponseParts:
        """Return the factors of every customer in a channel that the chain knows."""
        code, share = self.channels.index(channel), self.looks.share(context)
        activity = np.log(self.hazard.ahead(share, self.strengths.noticing))
        any_level, any_answers = self._any_level(context, activity)
        counts = context.messages.of(channel)
        above = self.strengths.channel_level
        expected = self._expected(context, activity, channel)
        answers = _row_sums(counts.answered) + above * any_level
        foreseen = _row_sums(expected) + above
        level = answers / foreseen
        own, own_answers = self._own_lift(context, counts.answered, expected, level, code)
        segments = context.codes_in(self.segment_names)
        shared = np.log(self.lift[code]) + np.log(self.segment_lift[code])[segments]
        return ResponseParts(
            level=level,
            any_level=any_level,
            # of a gamma: one over its shape; the prior's own doubt counts for its part of the level
            level_variance=1 / answers + (above * any_level / answers) ** 2 / any_answers,
            activity=activity,
            lift=shared + np.log(own),
            hour_variance=1 / own_answers + self._activity_variance(context, share),
        )

    def rates(self, parts: ResponseParts, channel: str) -> np.ndarray:
        """Return the rate of answers of every customer and slot, shape (n, 168); > 0."""
        log_rate = self.strengths.activity_power * parts.activity + parts.lift
        level = self.rate[self.channels.index(channel)] * parts.level
        return np.asarray(level[:, None] * np.exp(log_rate))

    def to_files(self) -> dict[str, bytes]:
        """Return all of it as plain files; `from_files` makes the same of them, bit by bit."""
        document = {
            "channels": list(self.channels),
            "segment_names": list(self.segment_names),
            "rate": self.rate.tolist(),
            "strengths": {f.name: getattr(self.strengths, f.name) for f in fields(Strengths)},
            "looks": self.looks.to_json(),
            "hazard": self.hazard.to_json(),
        }
        return {
            CHAIN_FILE: json.dumps(document, sort_keys=True).encode(),
            LIFT_FILE: _to_bytes(self.lift),
            SEGMENT_FILE: _to_bytes(self.segment_lift),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Read what `to_files` wrote; ValueError or KeyError if it is not that."""
        document: dict[str, Any] = json.loads(files[CHAIN_FILE])
        channels, segments = tuple(document["channels"]), tuple(document["segment_names"])
        lift, segment_lift = _from_bytes(files[LIFT_FILE]), _from_bytes(files[SEGMENT_FILE])
        expected = (len(channels), len(segments) + 1, SLOTS_PER_WEEK)
        if segment_lift.shape != expected or lift.shape != (len(channels), SLOTS_PER_WEEK):
            raise ValueError(f"lifts of shape {segment_lift.shape}, expected {expected}")
        return cls(
            channels,
            segments,
            np.array(document["rate"], dtype=np.float64),
            lift,
            segment_lift,
            Strengths(**document["strengths"]),
            Looks.from_json(document["looks"]),
            AnswerHazard.from_json(document["hazard"]),
        )

    def _expected(
        self, context: ResponseContext, activity: np.ndarray, channel: str
    ) -> sparse.csr_array:
        """Return the answers expected of an average customer who was sent the same."""
        sent = context.messages.of(channel).sent
        if channel not in self.channels or sent.nnz == 0:
            return sparse.csr_array(sent.shape, dtype=np.float64)
        code, rows = self.channels.index(channel), _rows_of(sent)
        factor = np.exp(self.strengths.activity_power * activity[rows, sent.indices])
        factor *= self.rate[code] * self.lift[code, sent.indices]
        return _like(sent, sent.data * factor)

    def _any_level(
        self, context: ResponseContext, activity: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        answered, expected = np.zeros(len(context)), np.zeros(len(context))
        for channel in self.channels:
            answered += _row_sums(context.messages.of(channel).answered)
            expected += _row_sums(self._expected(context, activity, channel))
        shape = answered + self.strengths.any_level
        return shape / (expected + self.strengths.any_level), shape

    def _own_lift(
        self,
        context: ResponseContext,
        answered: sparse.csr_array,
        expected: sparse.csr_array,
        level: np.ndarray,
        code: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = _rows_of(expected)
        segments = context.codes_in(self.segment_names)[rows]
        factor = level[rows] * self.segment_lift[code, segments, expected.indices]
        kernel, above = self.kernel, self.strengths.customer_lift
        seen = np.asarray(answered @ kernel)
        foreseen = np.asarray(_like(expected, expected.data * factor) @ kernel)
        return (seen + above) / (foreseen + above), (seen + above) / self._spread

    @property
    def _spread(self) -> float:
        """How much less a smoothed count varies than a plain one of the same mean."""
        return float((self.kernel[0] ** 2).sum())

    def _activity_variance(self, context: ResponseContext, share: np.ndarray) -> np.ndarray:
        """Return the relative variance of ahead^power that comes from few events, (n, 168)."""
        events = self.looks.strength(context)
        if events is context.share_events:
            events = events / self._spread  # receptivity smooths about as answers are smoothed
        doubt = self.hazard.doubt(share, events, self.strengths.noticing)
        return np.asarray(self.strengths.activity_power**2 * doubt)


def _rows_of(cells: sparse.csr_array) -> np.ndarray:
    return np.repeat(np.arange(cells.shape[0]), np.diff(cells.indptr))


def _like(cells: sparse.csr_array, data: np.ndarray) -> sparse.csr_array:
    return sparse.csr_array((data, cells.indices, cells.indptr), shape=cells.shape)


def _row_sums(cells: sparse.csr_array) -> np.ndarray:
    return np.asarray(cells.sum(axis=1), dtype=np.float64)


def _to_bytes(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


def _from_bytes(content: bytes) -> np.ndarray:
    return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
