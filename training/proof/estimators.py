"""What a policy would have earned, estimated from sends that another policy made.

Every estimate is a ratio of sums over rows, so that customers can be resampled without fitting
anything again. A policy is a matrix of shape (n, k): the probability of each action in each row.
It must come from data before the sends that it is valued on: a policy picked on the same sends is
flattered by their noise, and no interval here accounts for that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.proof.logged import LoggedSends

DOUBLY_ROBUST = "doubly robust"
SELF_NORMALISED = "self-normalised"
DIRECT = "direct method"


@dataclass(frozen=True)
class RowEstimate:
    """An estimator of one policy, row by row.

    Attributes
    ----------
    numerator, denominator : array of shape (n,)
        The value is sum(numerator) ÷ sum(denominator).
    """

    numerator: np.ndarray
    denominator: np.ndarray

    @property
    def value(self) -> float:
        """Reward a send; NaN where no row counts."""
        whole = self.denominator.sum()
        return float(self.numerator.sum() / whole) if whole > 0 else float("nan")

    @property
    def influence(self) -> np.ndarray:
        """What each row adds to the error of the value, shape (n,); the mean is 0.

        The value's variance is that of the mean of this, rows of one customer summed first.
        """
        share = self.denominator / self.denominator.mean()
        return np.asarray(self.numerator / self.denominator.mean() - self.value * share)


def weigh_sends(
    policy: np.ndarray, sends: LoggedSends, propensity: np.ndarray, *, most_weight: float
) -> np.ndarray:
    """Return how much more often the policy would have done what was done, shape (n,).

    policy ÷ propensity of the logged action, cut at `most_weight`. Their mean is the share of the
    policy's sends that the log covers: 1 where nothing is cut and all that the policy does could
    have been logged.
    """
    chosen = policy[np.arange(len(sends)), sends.action]
    return np.asarray(np.minimum(chosen / propensity, most_weight))


def estimate_self_normalised(weight: np.ndarray, reward: np.ndarray) -> RowEstimate:
    """Return the self-normalised inverse-propensity estimate, sum(w·r) ÷ sum(w).

    References
    ----------
    .. [1] Swaminathan & Joachims (2015), "The self-normalized estimator for counterfactual
       learning", NeurIPS.
    """
    return RowEstimate(weight * reward, weight)


def estimate_doubly_robust(
    policy: np.ndarray, weight: np.ndarray, reward: np.ndarray, predicted: np.ndarray,
    action: np.ndarray,
) -> RowEstimate:  # fmt: skip
    """Return the doubly robust estimate: the reward model, mended by its weighted errors.

    Right on average if either the propensities or the reward model are.

    Parameters
    ----------
    policy, predicted : array of shape (n, k)
        Probabilities, and the cross-fitted reward of each action.
    weight, reward, action : array of shape (n,)

    References
    ----------
    .. [1] Dudik, Erhan, Langford & Li (2014), "Doubly robust policy evaluation and optimization",
       Statistical Science 29.
    .. [2] Chernozhukov et al. (2018), "Double/debiased machine learning for treatment and
       structural parameters", Econometrics Journal 21 (cross-fitting).
    """
    error = reward - predicted[np.arange(len(action)), action]
    rows = (policy * predicted).sum(axis=1) + weight * error
    return RowEstimate(rows, np.ones(len(rows)))


def estimate_direct(policy: np.ndarray, predicted: np.ndarray) -> RowEstimate:
    """Return the reward model's own opinion: shown as a warning, never the ground of a verdict.

    It flatters a policy that picks the greatest prediction, as errors of the model are picked too.
    """
    return RowEstimate((policy * predicted).sum(axis=1), np.ones(len(policy)))


def estimate_on_policy(reward: np.ndarray) -> RowEstimate:
    """Return what the log itself earned: the mean reward."""
    return RowEstimate(reward.astype(np.float64), np.ones(len(reward)))


def count_effective_sends(weight: np.ndarray) -> float:
    """Return Kish's effective sample size, sum(w)² ÷ sum(w²); 0 where no send is matched.

    References
    ----------
    .. [1] Kish (1965), "Survey Sampling", 8.2.

    Examples
    --------
    >>> count_effective_sends(np.array([2.0, 2.0, 0.0, 0.0]))
    2.0
    """
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0
