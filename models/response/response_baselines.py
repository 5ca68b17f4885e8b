"""The response model that anybody would try first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from features.schema import SLOTS_PER_WEEK
from models.response.context import ResponseContext
from models.response.response_base import ResponseModel
from models.response.sent_touches import SentTouches

HOUR_FILE = "hours.json"
PSEUDO_TOUCHES = 200.0
"""Touches at the channel's rate that every hour starts with."""
_HOUR = np.arange(SLOTS_PER_WEEK) % 24


class GlobalHour(ResponseModel):
    """Baseline: a channel's rate of answers by local hour of the day, the same for everybody."""

    name = "global_hour"
    answered_: dict[str, np.ndarray]
    sent_: dict[str, np.ndarray]

    def _fit(self, windows: Sequence[SentTouches], weights: Sequence[np.ndarray]) -> None:
        channel = np.concatenate([window.channel for window in windows])
        hour = np.concatenate([window.slot for window in windows]) % 24
        engaged = np.concatenate([window.is_engaged for window in windows])
        weight = np.concatenate(weights)
        self.answered_, self.sent_ = {}, {}
        for name in self.channels_:
            own = channel == name
            answered = np.bincount(hour[own], (weight * engaged)[own], 24)
            sent = np.bincount(hour[own], weight[own], 24)
            rate = (answered.sum() + 0.5) / (sent.sum() + 50.0)
            self.answered_[name] = answered + PSEUDO_TOUCHES * rate
            self.sent_[name] = sent + PSEUDO_TOUCHES

    def _refresh(self, context: ResponseContext) -> None:
        """Histories tell this model nothing."""

    def _predict_raw(self, context: ResponseContext, channel: str) -> np.ndarray:
        rate = self.answered_[channel] / self.sent_[channel]
        return np.tile(rate[_HOUR], (len(context), 1))

    def _relative_variance(self, context: ResponseContext, channel: str) -> np.ndarray:
        return np.tile(1 / self.answered_[channel][_HOUR], (len(context), 1))

    def _contributions(
        self, context: ResponseContext, channel: str, slot: np.ndarray
    ) -> dict[str, Any]:
        rate = -np.log1p(-self.answered_[channel] / self.sent_[channel])
        base = np.log(-np.log1p(-self.answered_[channel].sum() / self.sent_[channel].sum()))
        nothing = np.zeros(len(context))
        return {
            "base": np.full(len(context), base),
            "level": nothing,
            "fatigue": nothing,
            "offer": nothing,
            "own_activity": nothing,
            "own_responses": np.log(rate)[slot % 24] - base,
        }

    def _to_files(self) -> dict[str, bytes]:
        document = {
            name: [self.answered_[name].tolist(), self.sent_[name].tolist()]
            for name in self.channels_
        }
        return {HOUR_FILE: json.dumps(document, sort_keys=True).encode()}

    def _from_files(self, files: Mapping[str, bytes]) -> None:
        document = json.loads(files[HOUR_FILE])
        self.answered_ = {name: np.array(document[name][0]) for name in self.channels_}
        self.sent_ = {name: np.array(document[name][1]) for name in self.channels_}
