"""What a send was likely to bring, and how likely it was chosen: cross-fitted by customer.

No model here ever predicts a customer that it was fitted on.
"""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
from sklearn.isotonic import IsotonicRegression

from training.proof.logged import LoggedSends

_SMOOTHING = 0.01
_LIGHTGBM = {
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
_REWARD = {"objective": "regression", "learning_rate": 0.05}
_REWARD_ROUNDS = 80
_PROPENSITY = {"objective": "multiclass", "learning_rate": 0.15}
_PROPENSITY_ROUNDS = 40


def draw_customer_folds(customer: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Return the fold, 0 to n_folds − 1, of each row: whole customers, equally many in each."""
    codes, places = np.unique(customer, return_inverse=True)
    return np.asarray((rng.permutation(len(codes)) % n_folds)[places])


def predict_rewards(
    sends: LoggedSends, folds: np.ndarray, *, seed: int, threads: int = 1
) -> np.ndarray:
    """Predict the reward of every action for every row, by LightGBM fitted on the other folds.

    Parameters
    ----------
    sends : LoggedSends
    folds : array of shape (n,)
        See `draw_customer_folds`.
    seed : int
    threads : int

    Returns
    -------
    array of shape (n, k)
        Within the range of the rewards that were seen.
    """
    low, high = float(sends.reward.min()), float(sends.reward.max())
    predicted = np.full(sends.allowed.shape, sends.reward.mean())
    if low == high:
        return predicted
    parameters = {**_LIGHTGBM, **_REWARD, "seed": seed, "num_threads": threads}
    for fold in np.unique(folds):
        others, own = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(others) == 0:  # one customer: nobody to learn from
            continue
        booster = _fit(
            _describe(sends, others, sends.action[others]),
            sends.reward[others],
            parameters,
            _REWARD_ROUNDS,
        )
        for action in range(sends.n_actions):
            rows = _describe(sends, own, np.full(len(own), action))
            predicted[own, action] = booster.predict(rows, num_threads=threads)
    return np.asarray(np.clip(predicted, low, high))


def predict_propensities(
    sends: LoggedSends, folds: np.ndarray, *, seed: int, threads: int = 1
) -> np.ndarray:
    """Estimate how likely each action was for each row, by LightGBM fitted on the other folds.

    The estimate is mixed with one per cent of the actions' overall shares, so that none that was
    ever seen is impossible, and is zero where an action is not allowed. Each action's estimates
    are then set to the frequency with which it was done (isotonic, on the other folds): an
    over-confident rare action would otherwise weigh its sends too much.

    Parameters
    ----------
    sends : LoggedSends
    folds : array of shape (n,)
    seed : int
    threads : int

    Returns
    -------
    array of shape (n, k)
        Rows sum to 1.
    """
    n, k = sends.allowed.shape
    parameters = {**_LIGHTGBM, **_PROPENSITY, "num_class": k, "seed": seed, "num_threads": threads}
    estimated = np.empty((n, k))
    for fold in np.unique(folds):
        others, own = folds != fold, folds == fold
        known = sends.action[others] if others.any() else sends.action
        share = np.bincount(known, minlength=k) / len(known)
        estimated[own] = share
        if sends.context.shape[1] and others.any():
            booster = _fit(
                sends.context[others], sends.action[others], parameters, _PROPENSITY_ROUNDS
            )
            fitted = booster.predict(sends.context[own], num_threads=threads)
            estimated[own] = (1 - _SMOOTHING) * fitted + _SMOOTHING * share
    estimated = _calibrate(np.where(sends.allowed, estimated, 0.0), sends.action, folds)
    # The logged action was possible, even where no other fold has seen it.
    rows = np.arange(n)
    estimated[rows, sends.action] = np.maximum(estimated[rows, sends.action], _SMOOTHING / k)
    return np.asarray(estimated / estimated.sum(axis=1, keepdims=True))


def _calibrate(estimated: np.ndarray, action: np.ndarray, folds: np.ndarray) -> np.ndarray:
    calibrated = np.empty_like(estimated)
    for fold in np.unique(folds):
        others, own = folds != fold, folds == fold
        if not others.any():
            return estimated
        for place in range(estimated.shape[1]):
            curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
            curve.fit(estimated[others, place], action[others] == place)
            calibrated[own, place] = curve.predict(estimated[own, place])
    return calibrated


def _describe(sends: LoggedSends, rows: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Return the features of doing `action` in these rows."""
    one_hot = np.zeros((len(rows), sends.n_actions))
    one_hot[np.arange(len(rows)), action] = 1.0
    parts = [sends.context[rows], one_hot]
    if sends.per_action is not None:
        parts.append(sends.per_action[rows, action])
    return np.hstack(parts)


def _fit(
    features: np.ndarray, label: np.ndarray, parameters: dict[str, Any], rounds: int
) -> lgb.Booster:
    data = lgb.Dataset(features, label, params={"verbosity": -1, "max_bin": parameters["max_bin"]})
    return lgb.train(parameters, data, num_boost_round=rounds)
