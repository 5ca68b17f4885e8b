"""Which ranking to recommend: a learner only where it is shown to beat the cell rule.

All are compared inside the given customers, by cross-validation, so that the customers on whom
the recommendation will be judged have no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from models.offers.cells import CellRule
from models.offers.learner_base import UpliftLearner
from models.offers.qini import check_binary
from models.offers.ranked import resample_qini
from models.offers.trial import Trial, assign_folds

MakeLearner = Callable[[], UpliftLearner]


@dataclass(frozen=True)
class Comparison:
    """One ranking against the cell rule, on the same customers.

    Attributes
    ----------
    name : str
    qini : float
        Cross-validated, the mean of the folds.
    gain, low, high : float
        Its Qini − the cell rule's, with a paired bootstrap interval.
    """

    name: str
    qini: float
    gain: float
    low: float
    high: float

    @property
    def is_tie(self) -> bool:
        """Whether the interval holds 0."""
        return self.low <= 0.0 <= self.high


@dataclass(frozen=True)
class Choice:
    """The recommended ranking, and why.

    Attributes
    ----------
    name : str
        Of the learner, or 'cell_rule'.
    comparisons : tuple of Comparison
        Of all, best first; the cell rule's own gain is 0.
    scores : dict of str to array of shape (n,)
        Cross-fitted uplift of each, in the order of the trial.
    words : str
    """

    name: str
    comparisons: tuple[Comparison, ...]
    scores: dict[str, np.ndarray]
    words: str


def predict_crossed(
    trial: Trial, makers: Mapping[str, MakeLearner], folds: np.ndarray
) -> dict[str, np.ndarray]:
    """Return each learner's uplift of every customer, from fits that never saw the customer.

    Parameters
    ----------
    trial : Trial
    makers : mapping of name to callable
        Each returns an unfitted learner.
    folds : int array of shape (n,)
        As from `assign_folds`.
    """
    scores = {name: np.empty(len(trial)) for name in makers}
    for number in np.unique(folds):
        held, rest = folds == number, trial.take(folds != number)
        for name, make in makers.items():
            scores[name][held] = make().fit(rest).predict(trial.features[held])
    return scores


def choose_recommendation(
    trial: Trial,
    learners: Mapping[str, MakeLearner],
    *,
    rng: np.random.Generator,
    n_folds: int = 5,
    n_resamples: int = 400,
    error: float = 0.05,
) -> Choice:
    """Choose between the cell rule and learners.

    Parameters
    ----------
    trial : Trial
        With outcomes 0 and 1.
    learners : mapping of name to callable
        What to compare with the cell rule, which is always there.
    rng : numpy.random.Generator
        Deals the folds and resamples customers.
    n_folds, n_resamples : int
    error : float
        Chance of shipping a learner that is no better, over all learners together: each interval
        covers 1 − error / number of learners.

    Returns
    -------
    Choice
        The best of the learners whose whole interval lies above the cell rule; else the cell
        rule, which is simpler, with the tie said.

    Raises
    ------
    ValueError
        If outcomes are not 0 and 1.
    NotEnoughData
        If an arm is smaller than the number of folds, or than the cell rule needs.
    """
    check_binary(trial.outcome, trial.outcome, trial.treated)
    makers: dict[str, MakeLearner] = {CellRule.name: CellRule, **learners}
    folds = assign_folds(trial, n_folds, rng)
    scores = predict_crossed(trial, makers, folds)
    drawn = resample_qini(trial, scores, folds, rng, n_resamples)
    tail = 50.0 * error / max(len(learners), 1)
    comparisons = []
    for name, qini in drawn.items():
        gains = qini - drawn[CellRule.name]
        low, high = np.percentile(gains[1:], [tail, 100.0 - tail])
        found = (float(value) for value in (qini[0], gains[0], low, high))
        comparisons.append(Comparison(name, *found))
    comparisons.sort(key=lambda one: (-one.qini, one.name))
    better = [one for one in comparisons if one.low > 0]
    name = better[0].name if better else CellRule.name
    return Choice(name, tuple(comparisons), scores, _describe(name, comparisons))


def _describe(name: str, comparisons: list[Comparison]) -> str:
    others = [one for one in comparisons if one.name != CellRule.name]
    rule = next(one for one in comparisons if one.name == CellRule.name)
    if not others:
        return f"cell_rule (Qini {rule.qini:.4f}): nothing to compare it with."
    best = others[0] if name == CellRule.name else next(o for o in others if o.name == name)
    difference = f"{best.gain:+.4f} [{best.low:+.4f}, {best.high:+.4f}]"
    about = f"Qini {best.qini:.4f} against {rule.qini:.4f} of the cell rule, {difference}"
    if name != CellRule.name:
        return f"{name}: {about}; better than the cell rule."
    verdict = "a tie" if best.is_tie else "worse"
    return f"cell_rule: the best learner, {best.name}, has {about}: {verdict}, so the rule stays."
