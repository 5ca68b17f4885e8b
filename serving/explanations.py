"""Why a customer's hours are what they are: exact counts, priors and contributions, in words."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from models.receptivity.evidence import LABELS, write_sentence
from models.receptivity.habits import tell_habits
from models.receptivity.histories import Histories
from models.receptivity.level_reasons import BASE, CHAIN, LEVEL, explain_level
from models.receptivity.send_time import EmpiricalBayes, LightGBMSendTime
from models.receptivity.send_time_base import SendTimeModel
from serving.profiles import Profiles

TOLD = 3
"""Contributions that are told of a customer."""
_NAMES = {"empirical_bayes_level": "activity expected from counts alone"}
"""Features whose column says too little."""


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """What an answer rests on."""

    label: str
    words: str


class Explainer:
    """Explains customers by their row in the profiles; row -1 is somebody not known.

    Parameters
    ----------
    model : SendTimeModel
        Fitted.
    profiles : Profiles
    """

    def __init__(self, model: SendTimeModel, profiles: Profiles) -> None:
        self.model, self.profiles = model, profiles
        nobody = Histories.unknown([""])
        self._weights = np.vstack([model.weights(profiles.histories), model.weights(nobody)])
        self._events = np.append(profiles.histories.own_events, 0.0)

    def evidence(self, rows: np.ndarray) -> list[Evidence]:
        """Say whether own history, segment or everybody weighs most, and how much."""
        weights = self._weights[rows]
        labels = weights.argmax(axis=1).tolist()
        return [
            Evidence(
                LABELS[label], write_sentence(events, (own, of_segment, of_all), segment, like)
            )
            for label, events, (own, of_segment, of_all), segment, like in zip(
                labels,
                self._events[rows].tolist(),
                weights.tolist(),
                self.profiles.find_segments(rows),
                self._find_likeness(rows),
                strict=True,
            )
        ]

    def _find_likeness(self, rows: np.ndarray) -> list[float]:
        likeness, known = np.zeros(len(rows)), rows >= 0
        if known.any():
            likeness[known] = self.model.likeness(self.profiles.histories.take(rows[known]))
        return likeness.tolist()

    def reasons(self, rows: np.ndarray) -> list[list[str]]:
        """Tell the most telling habit in exact counts, and what moves the level most.

        Empty for customers who are not known, and for models without a chain.
        """
        told: list[list[str]] = [[] for _ in rows]
        known = np.flatnonzero(rows >= 0)
        if len(known) == 0 or not isinstance(self.model, EmpiricalBayes):
            return told
        histories = self.profiles.histories.take(rows[known])
        habits = tell_habits(
            histories, self.model.shape_.prior(histories), self.model.shape_.global_share
        )
        for place, sentence in zip(known.tolist(), habits["sentence"], strict=True):
            told[place].append(sentence)
        if isinstance(self.model, LightGBMSendTime):
            for place, words in zip(
                known.tolist(), _tell_level(self.model, histories), strict=True
            ):
                told[place].extend(words)
        return told


def _tell_level(model: LightGBMSendTime, histories: Histories) -> list[list[str]]:
    """Say what multiplies each customer's expected activity most, by TreeSHAP."""
    table = explain_level(model, histories)
    names = [name for name in table if name not in ("customer_id", CHAIN, BASE, LEVEL)]
    parts = table[names].to_numpy(dtype=np.float64)
    values = histories.features_in([name for name in names if name in histories.level_names])
    known = {name: values[:, place] for place, name in enumerate(
        name for name in names if name in histories.level_names)}  # fmt: skip
    best = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :TOLD]
    return [
        [_write_factor(names[at], known, row, parts[row, at]) for at in order if parts[row, at]]
        for row, order in enumerate(best.tolist())
    ]


def _write_factor(name: str, values: dict[str, np.ndarray], row: int, contribution: float) -> str:
    """Write one contribution to the log of the level as a factor of activity."""
    percent = 100.0 * np.expm1(contribution)
    value = ""
    if name in values:
        known = values[name][row]
        value = " not known" if np.isnan(known) else f" = {known:.4g}"
    return f"{_NAMES.get(name, name.replace('_', ' '))}{value}: {percent:+.0f} % activity"


def join_reasons(reasons: Sequence[str]) -> str:
    """Return reasons as one cell of a batch file."""
    return "; ".join(reasons)
