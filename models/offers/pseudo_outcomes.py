"""Doubly robust pseudo-outcomes: per customer a noisy but unbiased word on what the offer does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.offers.trees import Trees, fit_trees, predict_trees
from models.offers.trial import Trial, assign_folds


@dataclass(frozen=True)
class PseudoOutcomes:
    """What each customer's own outcome says of both answers.

    Attributes
    ----------
    treated, control : arrays of shape (n,)
        Mean over any group is an estimate of that group's mean outcome with, without the offer.
    """

    treated: np.ndarray
    control: np.ndarray

    @property
    def effect(self) -> np.ndarray:
        """The effect of the offer, shape (n,)."""
        return np.asarray(self.treated - self.control)


def build_pseudo_outcomes(trial: Trial, trees: Trees, *, folds: int = 5) -> PseudoOutcomes:
    """Build augmented inverse-propensity outcomes, each from models that never saw the customer.

    Parameters
    ----------
    trial : Trial
    trees : Trees
        Of the outcome models; its seed also deals the folds.
    folds : int

    Returns
    -------
    PseudoOutcomes
        mu1(x) + t (y − mu1(x)) / e(x), and mu0(x) + (1 − t)(y − mu0(x)) / (1 − e(x)).

    References
    ----------
    .. [1] Robins, Rotnitzky & Zhao (1994), "Estimation of regression coefficients when some
       regressors are not always observed", JASA 89.
    .. [2] Chernozhukov et al. (2018), "Double/debiased machine learning for treatment and
       structural parameters", The Econometrics Journal 21 (cross-fitting).
    """
    fold = assign_folds(trial, folds, np.random.default_rng(trees.seed))
    mean = np.empty((2, len(trial)))
    for number in range(folds):
        held, rest = fold == number, trial.take(fold != number)
        for arm in (0, 1):
            some = rest.take(rest.treated == bool(arm))
            booster = fit_trees(some.features, some.outcome, trees)
            mean[arm, held] = predict_trees(booster, trial.features[held], threads=trees.threads)
    t, e = trial.treated, trial.propensity
    return PseudoOutcomes(
        treated=mean[1] + t * (trial.outcome - mean[1]) / e,
        control=mean[0] + ~t * (trial.outcome - mean[0]) / (1.0 - e),
    )
