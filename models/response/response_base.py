"""What a response model is: one question, one unit, calibration, chunks, intervals and files.

Every model answers the same question: P(the customer answers a message of this channel, sent in
local slot s, within the window), s = 0 to 167, calibrated per channel on touches later than those
it was fitted on.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from features.errors import NotEnoughData, UnknownName
from features.schema import SLOTS_PER_WEEK
from models.receptivity.calibration import IDENTITY, Calibration, fit_calibration
from models.receptivity.doubt import find_gamma_factor
from models.response.answer_reasons import describe_answers
from models.response.context import CHUNK_ROWS, ResponseContext
from models.response.send_time_propensity import N_BLOCKS
from models.response.sent_touches import SentTouches

MODEL_FILE = "response.json"
MAX_VARIANCE = 2.0
"""Relative variance beyond which an interval is as wide as it gets."""


@dataclass(frozen=True)
class SendPredictions:
    """What a model says of m touches.

    Attributes
    ----------
    logged : array of shape (m,)
        P(answer) in the slot in which it was sent.
    blocks : array of shape (m, 8)
        Mean P(answer) over each 3-hour block of the local day on which it was sent.
    """

    logged: np.ndarray
    blocks: np.ndarray


class ResponseModel(BaseEstimator):  # type: ignore[misc]
    """What all response models share: calibration, chunks, intervals and files.

    Parameters
    ----------
    window_hours : float
        Within how many hours of the send a click or an order is an answer; of the labels.
    """

    name: ClassVar[str]
    channels_: tuple[str, ...]
    calibrations_: dict[str, Calibration]

    def __init__(self, *, window_hours: float = 48.0) -> None:
        self.window_hours = window_hours

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels whose answers were learned."""
        check_is_fitted(self, "channels_")
        return self.channels_

    def fit(
        self,
        windows: Sequence[SentTouches],
        weights: Sequence[np.ndarray] | None = None,
        *,
        channels: Sequence[str] | None = None,
        like: ResponseModel | None = None,
    ) -> Self:
        """Fit to windows of touches, oldest first, each with its context as of its start.

        Parameters
        ----------
        windows : sequence of SentTouches
        weights : sequence of arrays of shape (m,), optional
            Of each window's touches, from `weigh_sends`; 1 by default.
        channels : sequence of str, optional
            Channels to learn; all that were used by default.
        like : ResponseModel, optional
            A model fitted to the very same and not yet calibrated, whose parts are taken over.

        Raises
        ------
        NotEnoughData
            If there is no touch of these channels, or none was answered.
        """
        used = {str(name) for window in windows for name in np.unique(window.channel)}
        chosen = tuple(sorted(used if channels is None else used & set(channels)))
        own = [window.take(np.isin(window.channel, chosen)) for window in windows]
        if sum(int(window.is_engaged.sum()) for window in own) == 0:
            raise NotEnoughData(
                f"responses: expected answered touches, got none among "
                f"{sum(len(window) for window in own):,}; give clicked_at or ordered_at"
            )
        if weights is None:
            weights = [np.ones(len(window)) for window in windows]
        kept = [
            weight[np.isin(window.channel, chosen)]
            for window, weight in zip(windows, weights, strict=True)
        ]
        self.channels_ = chosen
        self.calibrations_ = dict.fromkeys(chosen, IDENTITY)
        self._fit(own, kept, like)
        return self

    def calibrate(self, touches: SentTouches) -> Self:
        """Read what has become known since, and calibrate each channel on later touches."""
        check_is_fitted(self, "channels_")
        self._refresh(touches.context)
        self.calibrations_ = dict.fromkeys(self.channels_, IDENTITY)
        raw = self.predict_sends(touches).logged
        self.calibrations_ = {
            channel: fit_calibration(
                raw[touches.channel == channel], touches.is_engaged[touches.channel == channel]
            )
            for channel in self.channels_
        }
        return self

    def predict(self, context: ResponseContext, channel: str) -> np.ndarray:
        """Return P(answer) of every customer and slot, float64 of shape (n, 168).

        Raises
        ------
        UnknownName
            If the channel's answers were not learned.
        """
        self._check_channel(channel)
        probability = np.empty((len(context), SLOTS_PER_WEEK))
        for start in range(0, len(context), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            raw = self._predict_raw(context.take(rows), channel)
            probability[rows] = self.calibrations_[channel].predict(raw)
        return probability

    def predict_interval(
        self, context: ResponseContext, channel: str, level: float = 0.9
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds between which the probability lies with `level`, (n, 168) each.

        The doubt about a rate is that of the customer's level, of their own hours and, where the
        model is an ensemble, of its members; together they are the variance of a gamma
        distribution around the prediction.

        Raises
        ------
        UnknownName
            If the channel's answers were not learned.
        """
        self._check_channel(channel)
        low, high = (np.empty((len(context), SLOTS_PER_WEEK)) for _ in range(2))
        for start in range(0, len(context), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            part = context.take(rows)
            raw = self._predict_raw(part, channel)
            variance = np.minimum(self._relative_variance(part, channel), MAX_VARIANCE)
            rate = -np.log1p(-raw)
            for bound, tail in ((low, (1 - level) / 2), (high, (1 + level) / 2)):
                factor = find_gamma_factor(variance, tail)
                calibrated = self.calibrations_[channel].predict(-np.expm1(-rate * factor))
                bound[rows] = calibrated
            middle = self.calibrations_[channel].predict(raw)
            low[rows], high[rows] = np.minimum(low[rows], middle), np.maximum(high[rows], middle)
        return low, high

    def predict_sends(self, touches: SentTouches) -> SendPredictions:
        """Return P(answer) of touches, each from what was known at its send.

        Channels that were not learned get NaN.
        """
        logged = np.full(len(touches), np.nan)
        blocks = np.full((len(touches), N_BLOCKS), np.nan)
        for channel, index, part in touches.chunks(self.channels):
            raw = self._predict_raw(part.customers(), channel)
            probability = self.calibrations_[channel].predict(raw)
            rows = np.arange(len(index))
            logged[index] = probability[rows, part.slot]
            day = probability.reshape(len(index), 7, N_BLOCKS, 24 // N_BLOCKS)
            blocks[index] = day[rows, part.slot // 24].mean(axis=2)
        return SendPredictions(logged, blocks)

    def explain(self, context: ResponseContext, channel: str, slot: np.ndarray) -> pd.DataFrame:
        """Return why each customer's score in one slot is what it is.

        Parameters
        ----------
        context : ResponseContext
            n customers.
        channel : str
        slot : array of int, shape (n,)
            Local hour of the week that is asked about, by customer.

        Returns
        -------
        DataFrame
            `customer_id, slot, base, level, fatigue, offer, own_activity, own_responses, margin,
            sentence`: contributions that sum to `margin`, the model's score before calibration (the
            log of −log(1 − probability); of LightGBM the log odds), and counts in words.

        Raises
        ------
        UnknownName
            If the channel's answers were not learned.
        """
        self._check_channel(channel)
        parts = self._contributions(context, channel, slot)
        table = pd.DataFrame({"customer_id": context.customer_id, "slot": slot, **parts})
        table["margin"] = sum(parts.values())
        table["sentence"] = describe_answers(context.messages.of(channel), slot)
        return table

    def to_files(self) -> dict[str, bytes]:
        """Return the fitted model as plain files; `load_response` makes the same model of them."""
        check_is_fitted(self, "channels_")
        document = {
            "model": self.name,
            "parameters": self.get_params(),
            "channels": list(self.channels_),
            "calibrations": {name: c.to_json() for name, c in self.calibrations_.items()},
        }
        return {MODEL_FILE: json.dumps(document, sort_keys=True).encode(), **self._to_files()}

    def restore(self, files: Mapping[str, bytes]) -> Self:
        """Take over the fitted state that `to_files` wrote."""
        document = json.loads(files[MODEL_FILE])
        self.channels_ = tuple(document["channels"])
        self.calibrations_ = {
            name: Calibration.from_json(knots) for name, knots in document["calibrations"].items()
        }
        self._from_files(files)
        return self

    def _check_channel(self, channel: str) -> None:
        if channel not in self.channels:
            raise UnknownName("channel with learned answers", channel, self.channels)

    @abstractmethod
    def _fit(
        self,
        windows: Sequence[SentTouches],
        weights: Sequence[np.ndarray],
        like: ResponseModel | None,
    ) -> None: ...

    @abstractmethod
    def _refresh(self, context: ResponseContext) -> None: ...

    @abstractmethod
    def _predict_raw(self, context: ResponseContext, channel: str) -> np.ndarray: ...

    @abstractmethod
    def _relative_variance(self, context: ResponseContext, channel: str) -> np.ndarray: ...

    @abstractmethod
    def _contributions(
        self, context: ResponseContext, channel: str, slot: np.ndarray
    ) -> dict[str, Any]: ...

    @abstractmethod
    def _to_files(self) -> dict[str, bytes]: ...

    @abstractmethod
    def _from_files(self, files: Mapping[str, bytes]) -> None: ...
