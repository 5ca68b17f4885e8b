"""What every ranking of customers by uplift has in common: fit, predict, files."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self

import lightgbm as lgb
import numpy as np

from models.offers.trees import Trees, predict_trees
from models.offers.trial import Trial

LEARNER_FILE = "learner.json"


class UpliftLearner:
    """What every ranking of customers has in common: fit, predict, files.

    Parameters
    ----------
    trees : Trees
        How its trees are grown.

    Attributes
    ----------
    boosters_ : dict of str to lightgbm.Booster
        Set by `fit`.
    """

    name: ClassVar[str]
    boosters_: dict[str, lgb.Booster]

    def __init__(self, trees: Trees | None = None) -> None:
        self.trees = trees or Trees()

    @abstractmethod
    def fit(self, trial: Trial) -> Self:
        """Fit to a trial."""

    @abstractmethod
    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the uplift of every row, float64 of shape (n,), in units of the outcome."""

    def to_files(self) -> dict[str, bytes]:
        """Return the fitted learner as plain files."""
        document = {"learner": self.name, "trees": asdict(self.trees), "fitted": self._to_json()}
        files = {LEARNER_FILE: json.dumps(document, sort_keys=True).encode()}
        for name, booster in self.boosters_.items():
            files[f"{name}.txt"] = booster.model_to_string().encode()
        return files

    def restore(self, files: Mapping[str, bytes]) -> Self:
        """Take over the fitted state that `to_files` wrote."""
        self.boosters_ = {
            name.removesuffix(".txt"): lgb.Booster(model_str=text.decode())
            for name, text in sorted(files.items())
            if name.endswith(".txt")
        }
        self._from_json(json.loads(files[LEARNER_FILE])["fitted"])
        return self

    def _to_json(self) -> dict[str, Any]:
        return {}

    def _from_json(self, fitted: Mapping[str, Any]) -> None: ...

    def _mean(self, booster: str, features: np.ndarray) -> np.ndarray:
        return predict_trees(self.boosters_[booster], features, threads=self.trees.threads)
