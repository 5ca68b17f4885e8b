"""Policies on logged sends: every estimate of each, and their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.proof.estimators import (
    DIRECT,
    DOUBLY_ROBUST,
    SELF_NORMALISED,
    RowEstimate,
    count_effective_sends,
    estimate_direct,
    estimate_doubly_robust,
    estimate_on_policy,
    estimate_self_normalised,
    weigh_sends,
)
from training.proof.evidence import Evidence, Interval, PolicyValue
from training.proof.intervals import Resampled, resample_customers
from training.proof.logged import LoggedSends
from training.proof.policies import restrict_policy

MIN_CUSTOMERS = 20
CLAIM_LEVEL = 0.99


@dataclass(frozen=True)
class ValuedPolicy:
    """One policy on the logged sends.

    Attributes
    ----------
    rows : mapping of estimator to RowEstimate
    effective_sends, covered, clipped, outside : float
        See `PolicyValue`.
    """

    rows: Mapping[str, RowEstimate]
    effective_sends: float
    covered: float
    clipped: float
    outside: float

    @property
    def covered_at_most(self) -> float:
        """Upper end of what the log may cover: the mean weight and two of its errors, at most 1.

        The variance of a mean weight is that of the weights ÷ n, at most mean² ÷ effective sends.
        """
        if self.effective_sends == 0:
            return 0.0
        return min(self.covered * (1 + 2 / math.sqrt(self.effective_sends)), 1.0)


def complete_propensities(
    logged: LoggedSends, estimated: np.ndarray, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return every row's propensity, and the actions that the log holds for it."""
    own = estimated[np.arange(len(logged)), logged.action]
    propensity = np.where(np.isnan(logged.propensity), own, logged.propensity)
    allowed = logged.allowed & (estimated >= least)
    allowed[np.arange(len(logged)), logged.action] = True
    return propensity, allowed


def value_policy(
    policy: np.ndarray,
    logged: LoggedSends,
    propensity: np.ndarray,
    allowed: np.ndarray,
    predicted: np.ndarray,
    most_weight: float,
) -> ValuedPolicy:
    """Value a policy by every estimator, moved to the actions that are allowed.

    Parameters
    ----------
    policy, allowed, predicted : array of shape (n, k)
    logged : LoggedSends
    propensity : array of shape (n,)
        Without gaps.
    most_weight : float
    """
    restricted = restrict_policy(policy, allowed)
    weight = weigh_sends(restricted.policy, logged, propensity, most_weight=most_weight)
    rows = {
        DOUBLY_ROBUST: estimate_doubly_robust(
            restricted.policy, weight, logged.reward, predicted, logged.action
        ),
        SELF_NORMALISED: estimate_self_normalised(weight, logged.reward),
        DIRECT: estimate_direct(restricted.policy, predicted),
    }
    return ValuedPolicy(
        rows,
        effective_sends=count_effective_sends(weight),
        covered=float(weight.mean()),
        clipped=float((weight >= most_weight).mean()),
        outside=restricted.outside,
    )


def value_log(logged: LoggedSends) -> ValuedPolicy:
    """Return what the log earned: its mean, whichever the estimator."""
    mean = estimate_on_policy(logged.reward)
    rows = {DOUBLY_ROBUST: mean, SELF_NORMALISED: mean}
    return ValuedPolicy(rows, float(len(logged)), covered=1.0, clipped=0.0, outside=0.0)


def _name(policy: str, estimator: str) -> str:
    return f"{policy}/{estimator}"


def resample_policies(
    valued: Mapping[str, ValuedPolicy],
    logged: LoggedSends,
    rng: np.random.Generator,
    n_resamples: int,
) -> Resampled | None:
    """Return the values in every resample; None where customers are too few for it."""
    if logged.n_customers < MIN_CUSTOMERS:
        return None
    rows = {
        _name(policy, estimator): estimate
        for policy, own in valued.items()
        for estimator, estimate in own.rows.items()
    }
    return resample_customers(rows, logged.customer, rng, n_resamples=n_resamples)


def list_values(
    valued: Mapping[str, ValuedPolicy], drawn: Resampled | None, customers: int
) -> tuple[PolicyValue, ...]:
    """Return the value of every policy by every estimator, with its interval where there is one."""
    values = []
    for policy, own in valued.items():
        for estimator, estimate in own.rows.items():
            ends = drawn.interval(_name(policy, estimator)) if drawn else (math.nan, math.nan)
            values.append(
                PolicyValue(
                    policy,
                    estimator,
                    Interval(estimate.value, *ends),
                    own.effective_sends,
                    customers,
                    own.covered,
                    own.clipped,
                    own.outside,
                )
            )
    return tuple(values)


def gather_evidence(
    target: ValuedPolicy,
    baseline: ValuedPolicy,
    names: tuple[str, str],
    drawn: Resampled | None,
    logged: LoggedSends,
) -> Evidence:
    """Return what a verdict on two policies is drawn from; `names` are those of the two."""

    def compare(estimator: str, level: float = 0.95) -> Interval:
        gain = target.rows[estimator].value - baseline.rows[estimator].value
        if drawn is None:
            return Interval(gain, math.nan, math.nan)
        own, other = (_name(name, estimator) for name in names)
        return Interval(gain, *drawn.interval(own, other, level=level))

    return Evidence(
        sends=len(logged),
        customers=logged.n_customers,
        gain=compare(DOUBLY_ROBUST),
        claim=compare(DOUBLY_ROBUST, CLAIM_LEVEL),
        check=compare(SELF_NORMALISED),
        baseline_value=baseline.rows[DOUBLY_ROBUST].value,
        effective_sends=min(target.effective_sends, baseline.effective_sends),
        # A baseline may be moved to where the log is; the target is to be proven as it is.
        covered=min(target.covered_at_most * (1 - target.outside), baseline.covered_at_most),
    )
