"""One LightGBM that forecasts one step, fed with its own forecasts up to the horizon."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from features.region.steps import StepMatrix
from models.demand.boosting import constrain_directions

Floats = npt.NDArray[np.float64]

_LEAST_PERIODS = 25
"""Periods that training rows are drawn from at least, where there are as many."""


class RecursiveDemand(BaseEstimator):  # type: ignore[misc]
    """A Tweedie mean of the next period; later periods read the forecasts of earlier ones.

    Parameters
    ----------
    rounds, learning_rate, leaves, min_rows_in_leaf, tweedie_power : as in `LightGBMDemand`
    max_rows : int
        Training rows; periods are drawn if there are more, the newest always among them, and of
        each at most a twenty-fifth of the rows.
    seed, threads : int, int
    """

    def __init__(
        self,
        *,
        rounds: int = 200,
        learning_rate: float = 0.08,
        leaves: int = 31,
        min_rows_in_leaf: int = 40,
        tweedie_power: float = 1.2,
        max_rows: int = 300_000,
        seed: int = 7,
        threads: int = 1,
    ) -> None:
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.min_rows_in_leaf = min_rows_in_leaf
        self.tweedie_power = tweedie_power
        self.max_rows = max_rows
        self.seed = seed
        self.threads = threads

    def fit(self, matrix: StepMatrix) -> RecursiveDemand:
        """Fit on every known period up to the matrix's origin."""
        self.features_ = list(matrix.names)
        self.booster_: lgb.Booster | None = None
        values, target, level = self._training_rows(matrix)
        if not len(target) or target.max() <= 0:
            return self
        parameters: dict[str, Any] = {
            "objective": "tweedie",
            "tweedie_variance_power": self.tweedie_power,
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": max(1, min(self.min_rows_in_leaf, len(target) // 20)),
            "feature_fraction": 0.7,
            "max_bin": 63,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "verbosity": -1,
            "bin_construct_sample_cnt": 50_000,
            **constrain_directions(self.features_),
        }
        data = lgb.Dataset(
            values,
            target,
            # What the deviance of unscaled units would weigh.
            weight=level ** (2 - self.tweedie_power),
            feature_name=self.features_,
            categorical_feature=[0, 1],
            params=parameters,
        )
        self.booster_ = lgb.train(parameters, data, self.rounds)
        made = self._predict(values)
        self.balance_ = float((level * target).sum() / max((level * made).sum(), 1e-9))
        return self

    def predict(self, matrix: StepMatrix, horizon: int) -> Floats:
        """Forecast `horizon` periods after the matrix's origin, writing them into it.

        Returns
        -------
        array of shape (n_series, horizon)
            Units >= 0, for every series of the panel, listed at the origin or not.
        """
        everyone = np.arange(len(matrix.panel.series))
        found = np.zeros((len(everyone), horizon))
        for step in range(horizon):
            period = matrix.origin + 1 + step
            if self.booster_ is not None:
                values, level = self._rows(matrix, period, everyone)
                found[:, step] = self._predict(values) * self.balance_ * level
            matrix.write(period, found[:, step].astype(np.float32))
        return found

    def trace(
        self, matrix: StepMatrix, horizon: int, series: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], Floats]:
        """Forecast as `predict` does, and return what the trees read of some series.

        Returns
        -------
        values : float32 array of shape (n_chosen, horizon, n_features)
            In the order of `features_`.
        scale : array of shape (n_chosen, horizon)
            The forecast is scale x `booster_.predict(values)`; 0 where there is no booster.
        """
        everyone = np.arange(len(matrix.panel.series))
        found = np.zeros((len(series), horizon, len(self.features_)), np.float32)
        scale = np.zeros((len(series), horizon))
        for step in range(horizon):
            period = matrix.origin + 1 + step
            made = np.zeros(len(everyone))
            if self.booster_ is not None:
                values, level = self._rows(matrix, period, everyone)
                made = self._predict(values) * self.balance_ * level
                found[:, step], scale[:, step] = values[series], self.balance_ * level[series]
            matrix.write(period, made.astype(np.float32))
        return found, scale

    def to_files(self) -> dict[str, bytes]:
        """Return LightGBM's own text and a JSON of the rest."""
        state = {"parameters": self.get_params(), "features": self.features_}
        files = {}
        if self.booster_ is not None:
            files["step.txt"] = self.booster_.model_to_string(num_iteration=-1).encode()
            state["balance"] = self.balance_
        return files | {"step.json": json.dumps(state, sort_keys=True).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> RecursiveDemand:
        """Remake a fitted instance from `to_files`."""
        state = json.loads(files["step.json"])
        made = cls(**state["parameters"])
        made.features_ = state["features"]
        made.booster_ = None
        if "step.txt" in files:
            made.booster_ = lgb.Booster(model_str=files["step.txt"].decode())
            made.balance_ = state["balance"]
        return made

    def _predict(self, values: npt.NDArray[np.float32]) -> Floats:
        if self.booster_ is None:
            return np.zeros(len(values))
        found = self.booster_.predict(values, num_threads=self.threads)
        return np.asarray(found, dtype=np.float64)

    def _rows(
        self, matrix: StepMatrix, period: int, series: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return features, units in multiples of the series' recent level, and that level.

        Trees cannot go beyond what they saw, and sizes differ by orders of magnitude.
        """
        values = matrix.build(period, series)
        level = matrix.level(period)[series]
        units = [place for place, name in enumerate(matrix.names) if name.startswith("units_")]
        values[:, units] /= level[:, None]
        return values, level

    def _training_rows(self, matrix: StepMatrix) -> tuple[npt.NDArray[np.float32], Floats, Floats]:
        """Return features, target, and the level that a scaled target was divided by."""
        known = np.isfinite(matrix.known)
        known[0] = False
        counts = known.sum(axis=1)
        periods = np.flatnonzero(counts)
        if counts.sum() > self.max_rows:
            # Of very many series some are drawn, or all rows would be of a day or two.
            counts = np.minimum(counts, max(1, self.max_rows // _LEAST_PERIODS))
            periods = self._draw(periods, counts)
        parts, targets, levels = [], [], []
        rng = np.random.default_rng(self.seed)
        for at in periods:
            series = np.flatnonzero(known[at])
            if len(series) > counts[at]:
                series = np.sort(rng.choice(series, counts[at], replace=False))
            values, level = self._rows(matrix, matrix.panel.first_period + int(at), series)
            parts.append(values)
            targets.append(matrix.known[at, series] / level)
            levels.append(level)
        if not parts:
            return np.empty((0, len(self.features_)), np.float32), np.empty(0), np.empty(0)
        whole: Floats = np.concatenate(levels).astype(np.float64)
        return np.vstack(parts), np.concatenate(targets).astype(np.float64), whole

    def _draw(
        self, periods: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Draw periods up to `max_rows` rows: half of them the newest, the rest from all others."""
        newest = np.cumsum(counts[periods][::-1])[::-1] <= self.max_rows // 2
        rest = np.random.default_rng(self.seed).permutation(periods[~newest])
        room = self.max_rows - counts[periods[newest]].sum()
        kept = rest[np.cumsum(counts[rest]) <= room]
        return np.sort(np.concatenate([periods[newest], kept]))
