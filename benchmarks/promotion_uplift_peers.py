"""What others make of the same experiment: scikit-uplift, and EconML where it is installed.

All read the same columns and grow the same trees as the project's own learners.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.linear_model import LogisticRegression

from models.offers.trees import Trees
from models.offers.trial import Trial

Peer = Callable[[Trial, np.ndarray], np.ndarray]
"""From a trial and the columns of other customers to their uplift."""


def make_peers(trees: Trees) -> tuple[dict[str, Peer], dict[str, str]]:
    """Return the peers by name, and the versions of their packages or that they are missing."""
    peers: dict[str, Peer] = {}
    versions = {}
    for package, make in (("scikit-uplift", _make_sklift), ("econml", _make_econml)):
        try:
            peers |= make(_parameters(trees))
            versions[package] = importlib.metadata.version(package)
        except ImportError:
            versions[package] = "not installed"
    return peers, versions


def score_as_sklift(trial: Trial, score: np.ndarray) -> dict[str, float]:
    """Return what scikit-uplift's own metrics say of a ranking, by our names; none without it."""
    try:
        metrics = importlib.import_module("sklift.metrics")
    except ImportError:
        return {}
    given = trial.outcome, score, trial.treated.astype(int)
    with _quiet():
        return {
            "qini": float(metrics.qini_auc_score(*given)),
            "auuc": float(metrics.uplift_auc_score(*given)),
            "uplift_at_30": float(metrics.uplift_at_k(*given, strategy="overall", k=0.3)),
        }


def _parameters(trees: Trees) -> dict[str, Any]:
    return {
        "n_estimators": trees.rounds,
        "learning_rate": trees.learning_rate,
        "num_leaves": trees.leaves,
        "min_child_samples": trees.min_rows_in_leaf,
        "n_jobs": trees.threads,
        "random_state": trees.seed,
        "verbose": -1,
    }


def _make_sklift(parameters: dict[str, Any]) -> dict[str, Peer]:
    models = importlib.import_module("sklift.models")

    def classify() -> LGBMClassifier:
        return LGBMClassifier(**parameters)

    makers = {
        "SoloModel": lambda: models.SoloModel(classify()),
        "TwoModels": lambda: models.TwoModels(classify(), classify()),
        "TwoModels, ddr_control": lambda: models.TwoModels(classify(), classify(), "ddr_control"),
        "ClassTransformation": lambda: models.ClassTransformation(classify()),
    }
    return {f"scikit-uplift {name}": _ask_sklift(make) for name, make in makers.items()}


def _ask_sklift(make: Callable[[], Any]) -> Peer:
    def predict(trial: Trial, features: np.ndarray) -> np.ndarray:
        with _quiet():
            model = make()
            model.fit(trial.features, trial.outcome, trial.treated.astype(int))
            return np.asarray(model.predict(features), dtype=np.float64)

    return predict


def _make_econml(parameters: dict[str, Any]) -> dict[str, Peer]:
    with _quiet():
        meta = importlib.import_module("econml.metalearners")
        robust = importlib.import_module("econml.dr")
        forest = importlib.import_module("econml.dml")

    def regress() -> LGBMRegressor:
        return LGBMRegressor(**parameters)

    coin, seed = LogisticRegression, parameters["random_state"]
    makers = {
        "SLearner": lambda: meta.SLearner(overall_model=regress()),
        "TLearner": lambda: meta.TLearner(models=regress()),
        "XLearner": lambda: meta.XLearner(models=regress(), propensity_model=coin()),
        "DRLearner": lambda: robust.DRLearner(
            model_regression=regress(),
            model_propensity=coin(),
            model_final=regress(),
            cv=5,
            random_state=seed,
        ),
        "CausalForestDML": lambda: forest.CausalForestDML(
            model_y=LGBMClassifier(**parameters),
            model_t=coin(),
            discrete_outcome=True,
            discrete_treatment=True,
            n_estimators=100,
            min_samples_leaf=parameters["min_child_samples"],
            cv=5,
            random_state=seed,
            n_jobs=1,
        ),
    }
    return {f"EconML {name}": _ask_econml(make) for name, make in makers.items()}


def _ask_econml(make: Callable[[], Any]) -> Peer:
    def predict(trial: Trial, features: np.ndarray) -> np.ndarray:
        with _quiet():
            model = make()
            model.fit(trial.outcome, trial.treated.astype(int), X=trial.features)
            return np.asarray(model.effect(features), dtype=np.float64).ravel()

    return predict


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what peers warn of: their own calls to their own dependencies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
