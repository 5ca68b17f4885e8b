"""Learners of uplift: how much more likely the outcome is with the offer than without it.

S asks one model twice, T asks two, X imputes what did not happen, and the doubly robust learner
regresses a pseudo-outcome that is right if either the outcome or the propensity model is. The
ranking by P(outcome | treated) is the baseline of everyone who has no control group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import lightgbm as lgb
import numpy as np

from models.offers.learner_base import UpliftLearner
from models.offers.pseudo_outcomes import build_pseudo_outcomes
from models.offers.trees import Trees, fit_trees
from models.offers.trial import Trial


class TreatedResponse(UpliftLearner):
    """P(outcome | treated): no uplift at all, but what many rank by; the baseline."""

    name = "treated_response"

    def fit(self, trial: Trial) -> Self:
        """Fit to the treated alone."""
        some = trial.take(trial.treated)
        self.boosters_ = {"treated": fit_trees(some.features, some.outcome, self.trees)}
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return P(outcome | treated) of every row, shape (n,)."""
        return self._mean("treated", features)


class SLearner(UpliftLearner):
    """One model with the treatment among its columns, asked with and without it."""

    name = "s"

    def fit(self, trial: Trial) -> Self:
        """Fit to all customers."""
        self.boosters_ = {"both": fit_trees(_add_arm(trial), trial.outcome, self.trees)}
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the difference that the treatment makes to the model, shape (n,)."""
        return _switch(self, "both", features)


class BaggedSLearner(UpliftLearner):
    """The mean of S-learners, each of half the customers, drawn anew.

    Parameters
    ----------
    trees : Trees
    bags : int
        How many.
    """

    name = "bagged_s"

    def __init__(self, trees: Trees | None = None, *, bags: int = 10) -> None:
        super().__init__(trees)
        self.bags = bags

    def fit(self, trial: Trial) -> Self:
        """Fit to all customers, half of them at a time."""
        rng = np.random.default_rng(self.trees.seed)
        self.boosters_ = {}
        for bag in range(self.bags):
            half = np.sort(rng.permutation(len(trial))[: len(trial) // 2])
            some = trial.take(half)
            self.boosters_[f"both_{bag}"] = fit_trees(_add_arm(some), some.outcome, self.trees)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the mean of the bags' differences, shape (n,)."""
        bags = [_switch(self, name, features) for name in self.boosters_]
        return np.asarray(np.mean(bags, axis=0))


class TLearner(UpliftLearner):
    """A model of the treated and one of the others."""

    name = "t"

    def fit(self, trial: Trial) -> Self:
        """Fit to each arm."""
        self.boosters_ = _fit_arms(trial, self.trees)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the difference of the two models, shape (n,)."""
        return np.asarray(self._mean("treated", features) - self._mean("control", features))


class XLearner(UpliftLearner):
    """Each arm's effects, imputed by the other arm's model, regressed and weighted.

    References
    ----------
    .. [1] Kuenzel, Sekhon, Bickel & Yu (2019), "Metalearners for estimating heterogeneous
       treatment effects using machine learning", PNAS 116(10), eq. 7-9.
    """

    name = "x"
    share_: float

    def fit(self, trial: Trial) -> Self:
        """Fit both arms, then the effects that they impute to each other."""
        self.boosters_ = _fit_arms(trial, self.trees)
        treated, control = trial.take(trial.treated), trial.take(~trial.treated)
        gained = treated.outcome - self._mean("control", treated.features)
        missed = self._mean("treated", control.features) - control.outcome
        self.boosters_ = {
            "effect_treated": fit_trees(treated.features, gained, self.trees),
            "effect_control": fit_trees(control.features, missed, self.trees),
        }
        self.share_ = float(trial.propensity.mean())
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the effects of both arms, weighted by the mean propensity, shape (n,)."""
        of_control = self._mean("effect_control", features)
        of_treated = self._mean("effect_treated", features)
        return np.asarray(self.share_ * of_control + (1.0 - self.share_) * of_treated)

    def _to_json(self) -> dict[str, Any]:
        return {"share": self.share_}

    def _from_json(self, fitted: Mapping[str, Any]) -> None:
        self.share_ = float(fitted["share"])


class DRLearner(UpliftLearner):
    """A regression of cross-fitted doubly robust pseudo-outcomes.

    Parameters
    ----------
    trees : Trees
    folds : int
        Of the cross-fitting.

    References
    ----------
    .. [1] Kennedy (2023), "Towards optimal doubly robust estimation of heterogeneous causal
       effects", Electronic Journal of Statistics 17(2), algorithm 1.
    """

    name = "dr"

    def __init__(self, trees: Trees | None = None, *, folds: int = 5) -> None:
        super().__init__(trees)
        self.folds = folds

    def fit(self, trial: Trial) -> Self:
        """Fit outcomes fold by fold, then the pseudo-outcomes of all."""
        pseudo = build_pseudo_outcomes(trial, self.trees, folds=self.folds)
        self.boosters_ = {"effect": fit_trees(trial.features, pseudo.effect, self.trees)}
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the regression of the pseudo-outcomes, shape (n,)."""
        return self._mean("effect", features)


class MeanLearner(UpliftLearner):
    """The mean of the bagged S-learner's and the X-learner's uplift."""

    name = "s_and_x"

    def fit(self, trial: Trial) -> Self:
        """Fit both."""
        self.parts_: tuple[UpliftLearner, ...] = self._make_parts()
        self.boosters_ = {}
        for part in self.parts_:
            part.fit(trial)
            self.boosters_ |= {f"{part.name}-{k}": b for k, b in part.boosters_.items()}
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the mean of both, shape (n,)."""
        return np.asarray(np.mean([part.predict(features) for part in self.parts_], axis=0))

    def _make_parts(self) -> tuple[UpliftLearner, ...]:
        return BaggedSLearner(self.trees), XLearner(self.trees)

    def _to_json(self) -> dict[str, Any]:
        return {part.name: part._to_json() for part in self.parts_}

    def _from_json(self, fitted: Mapping[str, Any]) -> None:
        self.parts_ = self._make_parts()
        for part in self.parts_:
            part._from_json(fitted[part.name])
            start = f"{part.name}-"
            part.boosters_ = {
                name.removeprefix(start): booster
                for name, booster in self.boosters_.items()
                if name.startswith(start)
            }


LEARNERS: tuple[type[UpliftLearner], ...] = (
    TreatedResponse,
    SLearner,
    BaggedSLearner,
    TLearner,
    XLearner,
    DRLearner,
    MeanLearner,
)


def _add_arm(trial: Trial) -> np.ndarray:
    return np.column_stack([trial.features, trial.treated.astype(np.float64)])


def _switch(learner: UpliftLearner, booster: str, features: np.ndarray) -> np.ndarray:
    n = len(features)
    with_offer = learner._mean(booster, np.column_stack([features, np.ones(n)]))
    without = learner._mean(booster, np.column_stack([features, np.zeros(n)]))
    return np.asarray(with_offer - without)


def _fit_arms(trial: Trial, trees: Trees) -> dict[str, lgb.Booster]:
    arms = {"treated": trial.take(trial.treated), "control": trial.take(~trial.treated)}
    return {name: fit_trees(arm.features, arm.outcome, trees) for name, arm in arms.items()}
