"""LightGBM as the learners use it: small, deterministic, one model of a mean at a time."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

ROWS_A_LEAF = 50
"""With fewer customers than this times `min_rows_in_leaf`, leaves may be smaller in proportion."""


@dataclass(frozen=True)
class Trees:
    """How trees are grown.

    Attributes
    ----------
    rounds, learning_rate, leaves, min_rows_in_leaf : int, float, int, int
        LightGBM's `num_iterations`, `learning_rate`, `num_leaves` and `min_data_in_leaf`.
    threads, seed : int
    """

    rounds: int = 100
    learning_rate: float = 0.05
    leaves: int = 8
    min_rows_in_leaf: int = 200
    threads: int = 1
    seed: int = 7

    def rows_in_leaf(self, n_rows: int) -> int:
        """Return the fewest rows of a leaf for a table of `n_rows`.

        Examples
        --------
        >>> Trees().rows_in_leaf(21_000), Trees().rows_in_leaf(2_500), Trees().rows_in_leaf(100)
        (200, 50, 10)
        """
        return min(self.min_rows_in_leaf, max(10, n_rows // ROWS_A_LEAF))


def fit_trees(features: np.ndarray, target: np.ndarray, trees: Trees) -> lgb.Booster:
    """Fit the mean of `target`: its log-odds where it is 0 or 1, else by least squares.

    Parameters
    ----------
    features : array of shape (n, d)
    target : array of shape (n,)
    trees : Trees
    """
    is_binary = bool(np.isin(target, (0.0, 1.0)).all()) and 0.0 < target.mean() < 1.0
    parameters = {
        "objective": "binary" if is_binary else "regression",
        "learning_rate": trees.learning_rate,
        "num_leaves": trees.leaves,
        "min_data_in_leaf": trees.rows_in_leaf(len(target)),
        "num_threads": trees.threads,
        "seed": trees.seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    data = lgb.Dataset(features, label=target, params={"verbosity": -1})
    return lgb.train(parameters, data, num_boost_round=trees.rounds)


def predict_trees(booster: lgb.Booster, features: np.ndarray, *, threads: int = 1) -> np.ndarray:
    """Return the mean of every row, float64 of shape (n,); none for no rows."""
    if len(features) == 0:
        return np.empty(0)
    return np.asarray(booster.predict(features, num_threads=threads), dtype=np.float64)
