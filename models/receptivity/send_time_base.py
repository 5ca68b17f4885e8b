"""What a send-time model is: one question, one unit, calibration, chunks, evidence and files.

Every model answers the same question in the same units: P(active at least once in local slot s of
a week), s = 0 to 167. It is built as 1 − exp(−level × share): how many slots of a week a customer
is active in, times how that spreads over the week, then calibrated on weeks later than those the
model was fitted on. What does not depend on the slot is evaluated once per customer.

Asked for a channel it answers P(active in slot in that channel), where the channel has been used
enough to have a week of its own. Elsewhere, as in e-mail, where nobody acts by themselves, the
answer is that of any channel: when the customer is there to be reached at all.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from features.errors import NotEnoughData
from features.schema import SLOTS_PER_WEEK
from models.receptivity.calibration import IDENTITY, Calibration, fit_calibration
from models.receptivity.counts import columns_of
from models.receptivity.doubt import bound_probability
from models.receptivity.evidence import describe_evidence
from models.receptivity.histories import Histories, Outcomes

CHUNK_ROWS = 8192
"""Customers that are scored at once: 168 probabilities each, some 11 MB a chunk and array."""
MODEL_FILE = "send_time.json"
MAX_CALIBRATION_CUSTOMERS = 20_000
"""Customers that the calibration is fitted on: 3.4 million cells."""


class SendTimeModel(BaseEstimator):  # type: ignore[misc]
    """What all send-time models share: calibration, chunks, evidence and files.

    A subclass has `_fit`, `_predict_raw`, `weights` and its fitted state as JSON; and, if it knows
    channels apart, `channels` and `_predict_channel_raw`.
    """

    name: ClassVar[str]
    is_fitted_: bool
    calibration_: Calibration
    channel_calibrations_: dict[str, Calibration]

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that are answered apart; any other gets the answer of any channel."""
        return ()

    def fit(self, histories: Histories, outcomes: Outcomes) -> Self:
        """Fit to histories as of a cut-off and to the activity that followed them.

        Parameters
        ----------
        histories : Histories
            n customers as of a cut-off.
        outcomes : Outcomes
            The same customers in the same order, in the weeks after it.

        Raises
        ------
        NotEnoughData
            If there is no customer, or none was active.
        """
        check_pair(histories, outcomes)
        if len(histories) == 0 or histories.events.sum() == 0:
            raise NotEnoughData(
                f"send times: expected at least one customer with activity before the cut-off, "
                f"got {len(histories)} customers without any; give more history"
            )
        self._fit(histories, outcomes)
        return self._finish()

    def _check_fitted(self) -> None:
        if not hasattr(self, "is_fitted_"):  # the check of scikit-learn looks through all it holds
            check_is_fitted(self)

    def _finish(self) -> Self:
        """Leave the model fitted, and not yet calibrated."""
        self.calibration_ = IDENTITY
        self.channel_calibrations_ = dict.fromkeys(self.channels, IDENTITY)
        self.is_fitted_ = True
        return self

    def calibrate(self, histories: Histories, outcomes: Outcomes) -> Self:
        """Fit the isotonic calibrations on a slice later than the one the model was fitted on.

        One of any channel and one of each of `channels`.
        """
        check_pair(histories, outcomes)
        self._check_fitted()
        step = max(1, -(-len(histories) // MAX_CALIBRATION_CUSTOMERS))
        some, after = (
            histories.take(slice(None, None, step)),
            outcomes.take(slice(None, None, step)),
        )
        self.calibration_ = fit_calibration(
            self._predict_raw(some), after.weeks_active.toarray(), n_trials=after.n_weeks
        )
        self.channel_calibrations_ = {
            channel: fit_calibration(
                self._predict_channel_raw(some, channel),
                after.of_channel(channel).weeks_active.toarray(),
                n_trials=after.n_weeks,
            )
            for channel in self.channels
        }
        return self

    def predict(self, histories: Histories) -> np.ndarray:
        """Return P(active in slot) of every customer and slot, float64 of shape (n, 168)."""
        return _gather(self.predict_chunks(histories), len(histories))

    def predict_channel(self, histories: Histories, channel: str) -> np.ndarray:
        """Return P(active in slot in a channel), float64 of shape (n, 168).

        For a channel that is not one of `channels` it is what `predict` returns.

        Raises
        ------
        UnknownName
            If there is no such channel.
        """
        return _gather(self.predict_chunks(histories, channel=channel), len(histories))

    def predict_chunks(
        self, histories: Histories, *, channel: str | None = None, rows: int = CHUNK_ROWS
    ) -> Iterator[np.ndarray]:
        """Yield what `predict`, or `predict_channel`, returns, some `rows` customers at a time.

        So that memory is flat.
        """
        self._check_fitted()
        if channel is not None:
            columns_of(channel)
        for start in range(0, len(histories), rows):
            part = histories.take(slice(start, start + rows))
            if channel is not None and channel in self.channels:
                raw = self._predict_channel_raw(part, channel)
                yield self.channel_calibrations_[channel].predict(raw)
            else:
                yield self.calibration_.predict(self._predict_raw(part))

    def predict_interval(
        self,
        histories: Histories,
        slots: np.ndarray,
        *,
        channel: str | None = None,
        level: float = 0.9,
        ahead: int = 1,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds between which the probability of some slots lies with `level`.

        The doubt is that of the model's posterior, see `models.receptivity.doubt`; a model without
        one, as the baselines are, has none.

        Parameters
        ----------
        histories : Histories
            n customers.
        slots : array of int64, shape (n, k)
            Which slots of each customer.
        channel : str, optional
            As for `predict_channel`; any channel by default.
        level : float
            Within (0, 1).
        ahead : int
            Hours from the start of each slot on in any of which activity counts; 1 is the slot.

        Returns
        -------
        low, high : arrays of float64, shape (n, k)
        """
        self._check_fitted()
        own = channel if channel in self.channels else None
        calibration = self.calibration_ if own is None else self.channel_calibrations_[own]
        raw = (
            self._predict_raw(histories)
            if own is None
            else self._predict_channel_raw(histories, own)
        )
        hours = (slots[:, :, None] + np.arange(ahead)) % SLOTS_PER_WEEK
        variance = self._relative_variance(histories, hours, own)
        at_hours = take_hours(raw, hours)
        if ahead > 1:
            together = -np.expm1(np.log1p(-calibration.predict(at_hours)).sum(axis=2))
            return bound_probability(together, variance, level=level)
        low, high = bound_probability(at_hours[:, :, 0], variance, level=level)
        return calibration.predict(low), calibration.predict(high)

    def explain(self, histories: Histories, *, segment_word: str = "region") -> pd.DataFrame:
        """Return what each customer's hours rest on, by `models.receptivity.evidence`."""
        self._check_fitted()
        return describe_evidence(
            histories,
            self.weights(histories),
            self.likeness(histories),
            segment_word=segment_word,
        )

    def to_files(self) -> dict[str, bytes]:
        """Return the fitted model as plain files; `load_send_time` makes the same model of them."""
        self._check_fitted()
        document = {
            "model": self.name,
            "parameters": self.get_params(),
            "calibration": self.calibration_.to_json(),
            "channel_calibrations": {
                name: found.to_json() for name, found in self.channel_calibrations_.items()
            },
            "fitted": self._to_json(),
        }
        return {MODEL_FILE: json.dumps(document, sort_keys=True).encode()}

    def restore(self, files: Mapping[str, bytes]) -> Self:
        """Take over the fitted state that `to_files` wrote."""
        document = json.loads(files[MODEL_FILE])
        self._from_json(document["fitted"])
        self.calibration_ = Calibration.from_json(document["calibration"])
        self.channel_calibrations_ = {
            name: Calibration.from_json(document["channel_calibrations"][name])
            for name in self.channels
        }
        self.is_fitted_ = True
        return self

    @abstractmethod
    def weights(self, histories: Histories) -> np.ndarray:
        """Return what the hours rest on, shape (n, 3): own history, segment, global."""

    def likeness(self, histories: Histories) -> np.ndarray:
        """Return how much customers with a like week move what others let expect, shape (n,)."""
        return np.zeros(len(histories))

    @abstractmethod
    def _fit(self, histories: Histories, outcomes: Outcomes) -> None: ...

    @abstractmethod
    def _predict_raw(self, histories: Histories) -> np.ndarray: ...

    def _predict_channel_raw(self, histories: Histories, channel: str) -> np.ndarray:
        raise NotImplementedError(f"{self.name} does not tell {channel} from other channels")

    def _relative_variance(
        self,
        histories: Histories,  # noqa: ARG002
        hours: np.ndarray,
        channel: str | None,  # noqa: ARG002
    ) -> np.ndarray:
        """Return the relative variance of the rate over some hours, (n, k, h), shape (n, k)."""
        return np.zeros(hours.shape[:2])

    @abstractmethod
    def _to_json(self) -> dict[str, Any]: ...

    @abstractmethod
    def _from_json(self, fitted: Mapping[str, Any]) -> None: ...


def to_probability(level: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return P(active in slot) of a Poisson week.

    Parameters
    ----------
    level : array of shape (n,)
        Expected active slots a week.
    share : array of shape (n, 168)
        How they spread; rows sum to 1.

    Returns
    -------
    array of shape (n, 168)
        1 − exp(−level × share).
    """
    return np.asarray(-np.expm1(-level[:, None] * share))


def take_hours(week: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Return the values of a week, shape (n, 168), at hours of shape (n, k, h)."""
    flat = hours.reshape(len(hours), -1)
    return np.asarray(np.take_along_axis(week, flat, axis=1).reshape(hours.shape))


def _gather(chunks: Iterator[np.ndarray], n: int) -> np.ndarray:
    probability = np.empty((n, SLOTS_PER_WEEK))
    done = 0
    for chunk in chunks:
        probability[done : done + len(chunk)] = chunk
        done += len(chunk)
    return probability


def check_pair(histories: Histories, outcomes: Outcomes) -> None:
    """Raise ValueError if histories and outcomes are not of the same customers."""
    if outcomes.weeks_active.shape != (len(histories), SLOTS_PER_WEEK):
        raise ValueError(
            f"outcomes have shape {outcomes.weeks_active.shape}, "
            f"expected ({len(histories)}, {SLOTS_PER_WEEK}) as the histories; "
            "make them with Outcomes.from_table(…, histories.customer_id)"
        )
