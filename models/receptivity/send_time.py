"""Send-time models: the probability that a customer is active in each hour of their week.

The empirical-Bayes chain and LightGBM on top of it; the baselines are in
`models.receptivity.send_time_baselines`, and what they all share in
`models.receptivity.send_time_base`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import pandas as pd

from models.artifact import refuse_damage
from models.receptivity.activity_level import LevelChain, fit_level
from models.receptivity.channels import ChannelChain, fit_channels
from models.receptivity.doubt import multiply_doubts
from models.receptivity.empirical_bayes import ShapeChain, fit_shape
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.send_time_base import (
    MODEL_FILE,
    SendTimeModel,
    check_pair,
    take_hours,
    to_probability,
)
from models.receptivity.send_time_baselines import BestGlobalHour, CustomerHistogram

__all__ = [
    "BestGlobalHour",
    "CustomerHistogram",
    "EmpiricalBayes",
    "Histories",
    "LightGBMSendTime",
    "SendTimeModel",
    "load_send_time",
]

BOOSTER_FILE = "level.txt"
ROWS_PER_THREAD = 20_000
TINY_EVENTS = 1e-3
"""Least events behind a level, so that its doubt is finite."""


class EmpiricalBayes(SendTimeModel):
    """Level and shape from empirical-Bayes chains global → segment → customer → channel.

    Parameters
    ----------
    half_life_days : float
        Half-life that the counts of the histories were decayed with.

    Attributes
    ----------
    shape_ : ShapeChain
    level_ : LevelChain
    channels_ : ChannelChain
    """

    name = "empirical_bayes"
    shape_: ShapeChain
    level_: LevelChain
    channels_: ChannelChain

    def __init__(self, *, half_life_days: float = 120.0) -> None:
        self.half_life_days = half_life_days

    def weights(self, histories: Histories) -> np.ndarray:
        """Weights of the customer's own events, the segment's and everybody's in the shape."""
        return self.shape_.weights(histories)

    def likeness(self, histories: Histories) -> np.ndarray:
        """Return how much customers with a like week move what the segment lets expect, (n,)."""
        return self.shape_.likeness(histories)

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels with a week of their own."""
        return self.channels_.names

    def predict_level(self, histories: Histories) -> np.ndarray:
        """Return each customer's expected active slots a week, shape (n,)."""
        return self.level_.level(histories)

    def _fit(self, histories: Histories, outcomes: Outcomes) -> None:
        self.shape_ = fit_shape(histories, outcomes)
        self.level_ = fit_level(histories, outcomes, half_life_days=self.half_life_days)
        self.channels_ = fit_channels(histories, outcomes, self.shape_)

    def _predict_raw(self, histories: Histories) -> np.ndarray:
        return to_probability(self.predict_level(histories), self.shape_.share(histories))

    def _predict_channel_raw(self, histories: Histories, channel: str) -> np.ndarray:
        level = self.predict_level(histories) * self.channels_.part(histories, channel)
        return to_probability(level, self.channels_.spread(histories, self.shape_, channel))

    def _relative_variance(
        self, histories: Histories, hours: np.ndarray, channel: str | None
    ) -> np.ndarray:
        events = histories.keep(
            self.level_, "level events", lambda some: self.level_.posterior(some)[0]
        )
        if channel is None:
            share, strength = self.shape_.share(histories), self.shape_.strength(histories)
        else:
            share = self.channels_.spread(histories, self.shape_, channel)
            strength = self.channels_.strength(histories, channel)
            events = np.maximum(events * self.channels_.part(histories, channel), TINY_EVENTS)
        # Shares of a Dirichlet variable add up to a share of one of the same strength.
        return multiply_doubts(events, take_hours(share, hours).sum(axis=2), strength)

    def _to_json(self) -> dict[str, Any]:
        return {
            "shape": self.shape_.to_json(),
            "level": self.level_.to_json(),
            "channels": self.channels_.to_json(),
        }

    def _from_json(self, fitted: Mapping[str, Any]) -> None:
        self.shape_ = ShapeChain.from_json(fitted["shape"])
        self.level_ = LevelChain.from_json(fitted["level"])
        self.channels_ = ChannelChain.from_json(fitted["channels"])


class LightGBMSendTime(EmpiricalBayes):
    """The empirical-Bayes shape, with the level by LightGBM.

    A Poisson regression starts from the level of the empirical-Bayes chain and learns what
    recency, frequency, spend and the like add to it: one row per customer, as nothing of this
    depends on the slot. A customer without any activity keeps the chain's level, and so does
    everybody where there are too few customers for two leaves.

    Parameters
    ----------
    rounds, learning_rate, leaves, min_rows_in_leaf : int, float, int, int
        LightGBM's `num_iterations`, `learning_rate`, `num_leaves` and `min_data_in_leaf`.
    half_life_days : float
        Half-life that the counts of the histories were decayed with.
    threads, seed : int
        Of LightGBM; the same values and data give the same model, byte by byte.

    Attributes
    ----------
    shape_, level_, channels_ : ShapeChain, LevelChain, ChannelChain
    booster_ : lightgbm.Booster or None
    feature_names_ : tuple of str
    """

    name = "lightgbm"
    booster_: lgb.Booster | None
    feature_names_: tuple[str, ...]

    def __init__(
        self,
        *,
        rounds: int = 120,
        learning_rate: float = 0.06,
        leaves: int = 15,
        min_rows_in_leaf: int = 40,
        half_life_days: float = 120.0,
        threads: int = 2,
        seed: int = 7,
    ) -> None:
        super().__init__(half_life_days=half_life_days)
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.min_rows_in_leaf = min_rows_in_leaf
        self.threads = threads
        self.seed = seed

    def predict_level(self, histories: Histories) -> np.ndarray:
        """Return each customer's expected active slots a week, shape (n,)."""
        made_with = self.level_ if self.booster_ is None else self.booster_
        return histories.keep(made_with, "level", self._predict_level)

    def _predict_level(self, histories: Histories) -> np.ndarray:
        start = self.level_.level(histories)
        rows = np.flatnonzero(histories.events > 0)
        if self.booster_ is None or len(rows) == 0:
            return start
        some = histories if len(rows) == len(histories) else histories.take(rows)
        added = self.booster_.predict(
            self.build_design(some, start[rows]),
            raw_score=True,
            num_threads=self._threads_for(rows),
        )
        start[rows] *= np.exp(added)
        return start

    def importance(self) -> pd.DataFrame:
        """Return `feature, gain` (share of the whole gain of the level model), largest first."""
        gain = (
            np.zeros(len(self.feature_names_))
            if self.booster_ is None
            else self.booster_.feature_importance("gain")
        )
        table = pd.DataFrame(
            {"feature": self.feature_names_, "gain": gain / max(gain.sum(), 1e-12)}
        )
        return table.sort_values(["gain", "feature"], ascending=[False, True], ignore_index=True)

    def to_files(self) -> dict[str, bytes]:
        """Return the fitted model as plain files: JSON, and LightGBM's text of the level."""
        files = super().to_files()
        if self.booster_ is not None:
            files[BOOSTER_FILE] = self.booster_.model_to_string().encode()
        return files

    def restore(self, files: Mapping[str, bytes]) -> Self:
        """Take over the fitted state that `to_files` wrote."""
        text = files.get(BOOSTER_FILE)
        self.booster_ = None if text is None else lgb.Booster(model_str=text.decode())
        return super().restore(files)

    def fit_on(self, chain: EmpiricalBayes, histories: Histories, outcomes: Outcomes) -> Self:
        """Fit the trees on a chain that was fitted to the same histories and outcomes.

        The same as `fit`, without fitting the chain once more.
        """
        check_pair(histories, outcomes)
        self.shape_, self.level_ = chain.shape_, chain.level_
        self.channels_ = chain.channels_
        self._fit_trees(histories, outcomes)
        return self._finish()

    def _fit(self, histories: Histories, outcomes: Outcomes) -> None:
        super()._fit(histories, outcomes)
        self._fit_trees(histories, outcomes)

    def _fit_trees(self, histories: Histories, outcomes: Outcomes) -> None:
        self.feature_names_ = (*histories.level_names, "empirical_bayes_level")
        rows = np.flatnonzero(histories.events > 0)
        self.booster_ = None
        if len(rows) < 2 * self.min_rows_in_leaf:
            return
        some = histories.take(rows)
        start = self.level_.level(some)
        data = lgb.Dataset(
            self.build_design(some, start),
            label=outcomes.totals[rows],
            init_score=np.log(start * outcomes.n_weeks),
            params={"feature_pre_filter": False, "verbosity": -1},
        )
        self.booster_ = lgb.train(
            self._lightgbm_parameters(self._threads_for(rows)), data, num_boost_round=self.rounds
        )

    def _threads_for(self, rows: np.ndarray) -> int:
        # On few rows threads wait for each other longer than they work; trees are the same.
        return min(self.threads, 1 + len(rows) // ROWS_PER_THREAD)

    def _lightgbm_parameters(self, threads: int) -> dict[str, Any]:
        return {
            "objective": "poisson",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_rows_in_leaf,
            "num_threads": threads,
            "seed": self.seed,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }

    def build_design(self, histories: Histories, start: np.ndarray) -> np.ndarray:
        """Return what the trees read: the features, then the level of the chain."""
        return np.column_stack([histories.features_in(self.feature_names_[:-1]), start])

    def _to_json(self) -> dict[str, Any]:
        return {**super()._to_json(), "features": list(self.feature_names_)}

    def _from_json(self, fitted: Mapping[str, Any]) -> None:
        super()._from_json(fitted)
        self.feature_names_ = tuple(fitted["features"])


MODELS: dict[str, type[SendTimeModel]] = {
    model.name: model
    for model in (BestGlobalHour, CustomerHistogram, EmpiricalBayes, LightGBMSendTime)
}
"""Send-time models by name, simplest first."""


def load_send_time(files: Mapping[str, bytes]) -> SendTimeModel:
    """Make the model again that `SendTimeModel.to_files` wrote; predictions are equal bit by bit.

    Raises
    ------
    ArtifactError
        If a file is missing or is not what it should be.
    """
    with refuse_damage(MODEL_FILE, "a send-time model"):
        document = json.loads(files[MODEL_FILE])
        return MODELS[document["model"]](**document["parameters"]).restore(files)
