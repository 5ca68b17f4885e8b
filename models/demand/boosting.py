"""One LightGBM over all series of a panel: a mean and quantiles, for one horizon bucket.

The mean never rises with the price of its own period, nor falls with the depth of a discount,
whatever the rest: a scenario that breaks this would be the trees' mistake. LightGBM has no such
constraint for quantiles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from features.region.design import CATEGORIES
from models.demand.quantiles import NODE_NAMES, NODES, complete_quantiles

Floats = npt.NDArray[np.float64]

DIRECTIONS = {"price_planned": -1, "price_index": -1, "depth_planned": 1}
"""Features that the mean may only fall (−1) or rise (1) with."""


def constrain_directions(features: Sequence[str]) -> dict[str, Any]:
    """Return LightGBM's parameters that hold the mean to `DIRECTIONS`; none without such features.

    Examples
    --------
    >>> constrain_directions(["units_lag_0", "price_index"])
    {'monotone_constraints': [0, -1]}
    """
    found = [DIRECTIONS.get(name, 0) for name in features]
    return {"monotone_constraints": found} if any(found) else {}


class LightGBMDemand(BaseEstimator):  # type: ignore[misc]
    """One gradient boosting for all series: a Tweedie mean and five quantiles.

    Deterministic for a seed, whatever the number of threads.

    Parameters
    ----------
    level : str
        Column of the recent mean that units, and what is learned of them, are divided by: trees
        cannot go beyond what they saw, and sizes differ by orders of magnitude.
    rounds, learning_rate, leaves, min_rows_in_leaf : int, float, int, int
        Of the trees of the mean.
    tweedie_power : float
        Variance ~ mean ** power; between 1 (Poisson) and 2 (gamma).
    quantile_rounds, quantile_leaves, quantile_rows : int, int, int
        Quantile trees are many and slow, so they are smaller and learn from a drawn part of the
        rows. With four times as many rows to draw from, the mean is not shown those drawn, and
        its forecast of them becomes a feature of the quantiles.
    max_rows : int
        The mean learns from at most so many rows, drawn from all.
    seed, threads : int, int
        One thread is the cheapest; several models are better fitted side by side.

    Attributes
    ----------
    boosters_ : dict of str to Booster
        'mean' and 'q025', 'q10', 'q50', 'q90', 'q975'; empty if nothing was ever sold.
    balance_ : float
        Factor that makes the mean sum to what was sold in training.
    features_ : list of str
    categories_ : dict of str to list of str
        Ids by code, for region and product; an id that is not there is unknown to the trees.
    """

    def __init__(
        self,
        *,
        level: str = "units_mean_28",
        rounds: int = 100,
        learning_rate: float = 0.08,
        leaves: int = 31,
        min_rows_in_leaf: int = 40,
        tweedie_power: float = 1.2,
        quantile_rounds: int = 50,
        quantile_leaves: int = 15,
        quantile_rows: int = 15_000,
        max_rows: int = 100_000,
        seed: int = 7,
        threads: int = 1,
    ) -> None:
        self.level = level
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.min_rows_in_leaf = min_rows_in_leaf
        self.tweedie_power = tweedie_power
        self.quantile_rounds = quantile_rounds
        self.quantile_leaves = quantile_leaves
        self.quantile_rows = quantile_rows
        self.max_rows = max_rows
        self.seed = seed
        self.threads = threads

    def fit(self, X: pd.DataFrame, y: Floats) -> LightGBMDemand:
        """Fit the mean and the quantiles.

        Parameters
        ----------
        X : DataFrame, shape (n_rows, n_features)
            `Design.features`.
        y : array of shape (n_rows,)
            Units, >= 0, no NaN.
        """
        self.features_ = list(X.columns)
        self.categories_ = {name: list(X[name].cat.categories) for name in CATEGORIES}
        self.boosters_: dict[str, lgb.Booster] = {}
        units = np.asarray(y, dtype=np.float64)
        sold = units[units > 0]
        self.smallest_sale_ = float(sold.min()) if len(sold) else 0.0
        if not len(sold):
            return self
        values, level = self._encode(X)
        order = np.random.default_rng(self.seed).permutation(len(units))
        drawn, rest = np.sort(order[: self.quantile_rows]), np.sort(order[self.quantile_rows :])
        self.is_stacked_ = len(rest) >= 3 * self.quantile_rows
        shown = rest if self.is_stacked_ else np.arange(len(units))
        if len(shown) > self.max_rows:
            shown = np.sort(order[-self.max_rows :])
        self._fit_mean(values[shown], units[shown], level[shown])
        self._fit_quantiles(self._stack(values[drawn]), units[drawn], level[drawn])
        return self

    def predict(self, X: pd.DataFrame) -> Floats:
        """Return the mean, shape (n_rows,), >= 0."""
        if not self.boosters_:
            return np.zeros(len(X))
        values, level = self._encode(X)
        return level * self._predict_mean(values)

    def read_rows(self, X: pd.DataFrame) -> tuple[npt.NDArray[np.float32], Floats]:
        """Return what the trees of the mean read, and what turns their answer into units.

        Returns
        -------
        values : float32 array of shape (n_rows, n_features)
            In the order of `features_`; columns in units are in multiples of the level.
        scale : array of shape (n_rows,)
            Level x balance: the mean is scale x `boosters_['mean'].predict(values)`.
        """
        values, level = self._encode(X)
        return values, level * (self.balance_ if self.boosters_ else 0.0)

    def predict_nodes(self, X: pd.DataFrame) -> Floats:
        """Return the modelled quantiles at `NODES`, shape (n_rows, 5), >= 0, ascending.

        A value below half the smallest sale ever seen is zero: trees hardly ever return it
        exactly, and an interval that starts just above zero would leave zero out.
        """
        if not self.boosters_:
            return np.zeros((len(X), len(NODES)))
        values, level = self._encode(X)
        stacked = self._stack(values)
        nodes = np.column_stack([level * self._predict(name, stacked) for name in NODE_NAMES])
        nodes[nodes < self.smallest_sale_ / 2] = 0.0
        return np.sort(nodes, axis=1)

    def predict_quantiles(self, X: pd.DataFrame) -> Floats:
        """Return quantiles at `QUANTILES`, shape (n_rows, 9), ascending, >= 0."""
        return complete_quantiles(self.predict_nodes(X))

    def importance(self) -> pd.DataFrame:
        """Return feature and gain (share of the mean's total), greatest first."""
        if not self.boosters_:
            return pd.DataFrame({"feature": self.features_, "gain": 0.0})
        gain = self.boosters_["mean"].feature_importance("gain")
        frame = pd.DataFrame({"feature": self.features_, "gain": gain / max(gain.sum(), 1e-12)})
        return frame.sort_values("gain", ascending=False, kind="stable", ignore_index=True)

    def to_files(self) -> dict[str, bytes]:
        """Return LightGBM's own text per booster, and a JSON of the rest."""
        files = {
            f"{name}.txt": booster.model_to_string(num_iteration=-1).encode()
            for name, booster in self.boosters_.items()
        }
        state = {
            "parameters": self.get_params(),
            "features": self.features_,
            "categories": self.categories_,
            "smallest_sale": self.smallest_sale_,
            "balance": self.balance_ if self.boosters_ else 1.0,
            "is_stacked": bool(self.boosters_) and self.is_stacked_,
        }
        return files | {"lightgbm.json": json.dumps(state, sort_keys=True).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> LightGBMDemand:
        """Remake a fitted instance from `to_files`."""
        state = json.loads(files["lightgbm.json"])
        made = cls(**state["parameters"])
        made.features_, made.categories_ = state["features"], state["categories"]
        made.smallest_sale_, made.is_stacked_ = state["smallest_sale"], state["is_stacked"]
        made.balance_ = state["balance"]
        made.boosters_ = {
            name: lgb.Booster(model_str=files[f"{name}.txt"].decode())
            for name in ("mean", *NODE_NAMES)
            if f"{name}.txt" in files
        }
        return made

    def _encode(self, X: pd.DataFrame) -> tuple[npt.NDArray[np.float32], Floats]:
        """Return features as one float matrix in training order, and the level of each row.

        Ids are codes, unknown ones NaN; units are in multiples of the level.
        """
        level = self._find_level(X)
        values = np.empty((len(X), len(self.features_)), dtype=np.float32)
        for place, name in enumerate(self.features_):
            if name in CATEGORIES:
                known = pd.Index(self.categories_[name], dtype="str")
                codes = known.get_indexer(X[name].cat.categories)[X[name].cat.codes]
                values[:, place] = np.where(codes >= 0, codes, np.nan)
            else:
                column = X[name].to_numpy()
                values[:, place] = column / level if _is_in_units(name) else column
        return values, level

    def _find_level(self, X: pd.DataFrame) -> Floats:
        """Return the recent mean, that of the whole history or of the product's series if none."""
        recent, own, product = (
            X[name].to_numpy(np.float64)
            for name in (self.level, "units_mean_since_listing", "product_mean")
        )
        level = np.where(np.isfinite(recent), recent, np.where(np.isfinite(own), own, product))
        floor = 0.05 * np.nan_to_num(own)
        return np.asarray(np.maximum(np.maximum(np.nan_to_num(level), floor), 1e-3))

    def _stack(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if not self.is_stacked_:
            return values
        mean = self._predict_mean(values)
        return np.column_stack([values, mean.astype(np.float32)])

    def _predict_mean(self, values: npt.NDArray[np.float32]) -> Floats:
        return self.balance_ * self._predict("mean", values)

    def _predict(self, name: str, values: npt.NDArray[np.float32]) -> Floats:
        found = self.boosters_[name].predict(values, num_threads=self.threads)
        return np.maximum(np.asarray(found, dtype=np.float64), 0.0)

    def _fit_mean(self, values: npt.NDArray[np.float32], units: Floats, level: Floats) -> None:
        parameters = self._parameters(len(units), self.leaves, self.learning_rate) | {
            "objective": "tweedie",
            "tweedie_variance_power": self.tweedie_power,
            **constrain_directions(self.features_),
        }
        # The weight that the deviance of units, not of multiples, would have.
        weight = level ** (2 - self.tweedie_power)
        data = self._dataset(values, units / level, weight, self.features_)
        self.boosters_["mean"] = lgb.train(parameters, data, self.rounds)
        # Steps on the log scale stop short of the mean: by 1 % or so, always to the same side.
        self.balance_ = 1.0
        self.balance_ = float(units.sum() / (level * self._predict_mean(values)).sum())

    def _fit_quantiles(self, values: npt.NDArray[np.float32], units: Floats, level: Floats) -> None:
        names = [*self.features_, "mean_forecast"][: values.shape[1]]
        data = self._dataset(values, units / level, level, names)
        # Fewer rounds learn as much with a longer step.
        rate = min(1.0, self.learning_rate * max(1.0, self.rounds / (1.5 * self.quantile_rounds)))
        for node, name in zip(NODES, NODE_NAMES, strict=True):
            parameters = self._parameters(len(units), self.quantile_leaves, rate) | {
                "objective": "quantile",
                "alpha": node,
            }
            self.boosters_[name] = lgb.train(parameters, data, self.quantile_rounds)

    def _dataset(
        self, values: npt.NDArray[np.float32], target: Floats, weight: Floats, names: list[str]
    ) -> lgb.Dataset:
        return lgb.Dataset(
            values,
            target,
            weight=weight,
            feature_name=names,
            categorical_feature=[names.index(name) for name in CATEGORIES],
            params=self._parameters(len(target), self.leaves, self.learning_rate),
            free_raw_data=False,
        )

    def _parameters(self, n_rows: int, leaves: int, rate: float) -> dict[str, Any]:
        return {
            "learning_rate": rate,
            "num_leaves": leaves,
            # A short history still deserves a split.
            "min_data_in_leaf": max(1, min(self.min_rows_in_leaf, n_rows // 20)),
            "feature_fraction": 0.7,
            "max_bin": 63,
            # Enough rows to place 63 bounds.
            "bin_construct_sample_cnt": 50_000,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "verbosity": -1,
        }


def _is_in_units(name: str) -> bool:
    return name.startswith("units_") and "zero_share" not in name
