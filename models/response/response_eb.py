"""The response model by empirical Bayes alone: what LightGBM has to beat."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.response.context import ResponseContext
from models.response.hazard import TimeToOpen, fit_time_to_open
from models.response.response_base import ResponseModel
from models.response.response_chain import ResponseChain
from models.response.response_fit import fit_response_chain, refresh_lifts
from models.response.sent_touches import SentTouches

DELAY_FILE = "time_to_open.json"


class EBResponse(ResponseModel):
    """Level and lift of the response chain, with the customer's activity by receptivity.

    Knows neither fatigue nor the offer.

    Attributes
    ----------
    chain_ : ResponseChain
    time_to_open_ : TimeToOpen
        How long people take to open, by channel and part of the day.
    """

    name = "empirical_bayes"
    chain_: ResponseChain
    time_to_open_: TimeToOpen

    def _fit(
        self,
        windows: Sequence[SentTouches],
        weights: Sequence[np.ndarray],
        like: ResponseModel | None,
    ) -> None:
        if isinstance(like, EBResponse):
            self.chain_, self.time_to_open_ = like.chain_, like.time_to_open_
            return
        self.chain_ = fit_response_chain(
            windows, weights, self.channels_, window_hours=self.window_hours
        )
        hours, observed, channel, slot = (
            np.concatenate([getattr(window, name) for window in windows])
            for name in ("hours_to_open", "observed_hours", "channel", "slot")
        )
        self.time_to_open_ = fit_time_to_open(hours, observed, channel, slot % 24, self.channels_)

    def _refresh(self, context: ResponseContext) -> None:
        self.chain_ = refresh_lifts(self.chain_, context)

    def _predict_raw(self, context: ResponseContext, channel: str) -> np.ndarray:
        rates = self.chain_.rates(self.chain_.parts(context, channel), channel)
        return np.asarray(-np.expm1(-rates))

    def _relative_variance(self, context: ResponseContext, channel: str) -> np.ndarray:
        parts = self.chain_.parts(context, channel)
        return np.asarray(parts.level_variance[:, None] + parts.hour_variance)

    def _contributions(
        self, context: ResponseContext, channel: str, slot: np.ndarray
    ) -> dict[str, Any]:
        parts, rows = self.chain_.parts(context, channel), np.arange(len(slot))
        rate = self.chain_.rate[self.channels_.index(channel)]
        power = self.chain_.strengths.activity_power
        return {
            "base": np.full(len(context), np.log(rate)),
            "level": np.log(parts.level),
            "fatigue": np.zeros(len(context)),
            "offer": np.zeros(len(context)),
            "own_activity": power * parts.activity[rows, slot],
            "own_responses": parts.lift[rows, slot],
        }

    def _to_files(self) -> dict[str, bytes]:
        delays = json.dumps(self.time_to_open_.to_json(), sort_keys=True).encode()
        return {**self.chain_.to_files(), DELAY_FILE: delays}

    def _from_files(self, files: Mapping[str, bytes]) -> None:
        self.chain_ = ResponseChain.from_files(files)
        self.time_to_open_ = TimeToOpen.from_json(json.loads(files[DELAY_FILE]))
