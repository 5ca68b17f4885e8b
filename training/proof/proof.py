"""From logged sends and policies to verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.errors import InvalidRequest, UnknownName
from training.chapters import write_number, write_percent
from training.palette import name_of
from training.proof.intervals import Resampled
from training.proof.logged import LoggedSends
from training.proof.nuisance import draw_customer_folds, predict_propensities, predict_rewards
from training.proof.policies import LOGGED
from training.proof.valuation import (
    ValuedPolicy,
    complete_propensities,
    gather_evidence,
    list_values,
    resample_policies,
    value_log,
    value_policy,
)
from training.proof.verdict import (
    MIN_EFFECTIVE_SENDS,
    Proof,
    judge_gain,
    refuse_verdict,
)

LEAST_PROPENSITY = 0.005


def prove(
    logged: LoggedSends,
    policies: Mapping[str, np.ndarray],
    *,
    target: str,
    rng: np.random.Generator,
    min_effective_sends: float = MIN_EFFECTIVE_SENDS,
    least_propensity: float = LEAST_PROPENSITY,
    n_folds: int = 5,
    n_resamples: int = 2000,
    threads: int = 1,
) -> Proof:
    """Value policies on logged sends and say what may be claimed of the target over each other.

    Parameters
    ----------
    logged : LoggedSends
        Where propensities are missing they are estimated from the context, cross-fitted by
        customer; then what the context does not hold can bias every value, and the notes say so.
    policies : mapping of name to array of shape (n, k)
        Fixed before the first of these sends: picked on them, a policy is flattered by their
        noise. The logged policy is always compared too, by what it earned.
    target : str
        Which of them is to be proven.
    rng : numpy.random.Generator
        Draws the folds, the models' seed and the resamples.
    min_effective_sends : float
        See `judge_gain`.
    least_propensity : float
        Weights are cut at 1 ÷ this; where propensities are estimated, less likely actions count
        as not in the log.
    n_folds, n_resamples, threads : int

    Returns
    -------
    Proof
        Without variation in the log: verdicts 'no evidence possible'. With fewer than 20 customers:
        'not enough evidence', without intervals.

    Raises
    ------
    UnknownName
        If the target is not among the policies.
    InvalidRequest
        If a policy is not a matrix of probabilities, or is named as the logged policy.
    """
    if target not in policies:
        raise UnknownName("policy", target, policies)
    valued = value_policies(
        logged, policies, rng=rng, least_propensity=least_propensity, n_folds=n_folds,
        n_resamples=n_resamples, threads=threads,
    )  # fmt: skip
    return judge_target(valued, target, min_effective_sends=min_effective_sends)


@dataclass(frozen=True)
class ValuedPolicies:
    """Policies on logged sends, from which any of them can be judged against the others.

    Attributes
    ----------
    logged : LoggedSends
    names : tuple of str
        Of the policies, without the logged one.
    valued : mapping of name to ValuedPolicy
        With the logged one; empty where no evidence is possible.
    drawn : Resampled or None
        None with too few customers.
    least_propensity : float
    why_impossible : str
        '' where evidence is possible.
    """

    logged: LoggedSends
    names: tuple[str, ...]
    valued: Mapping[str, ValuedPolicy]
    drawn: Resampled | None
    least_propensity: float
    why_impossible: str


def value_policies(
    logged: LoggedSends,
    policies: Mapping[str, np.ndarray],
    *,
    rng: np.random.Generator,
    least_propensity: float = LEAST_PROPENSITY,
    n_folds: int = 5,
    n_resamples: int = 2000,
    threads: int = 1,
) -> ValuedPolicies:
    """Value every policy once; parameters and errors are those of `prove`."""
    if LOGGED in policies:
        raise InvalidRequest(
            f"policies: expected no '{LOGGED}', got one; what the log earned is always compared"
        )
    names, why = tuple(policies), _find_why_impossible(logged)
    if why:
        return ValuedPolicies(logged, names, {}, None, least_propensity, why)
    folds = draw_customer_folds(logged.customer, min(n_folds, logged.n_customers), rng)
    seed = int(rng.integers(2**31))
    predicted = predict_rewards(logged, folds, seed=seed, threads=threads)
    propensity, allowed = logged.propensity, logged.allowed
    if logged.is_estimated:
        estimated = predict_propensities(logged, folds, seed=seed, threads=threads)
        propensity, allowed = complete_propensities(logged, estimated, least_propensity)
    valued = {
        name: value_policy(policy, logged, propensity, allowed, predicted, 1 / least_propensity)
        for name, policy in policies.items()
    }
    valued[LOGGED] = value_log(logged)
    drawn = resample_policies(valued, logged, rng, n_resamples)
    return ValuedPolicies(logged, names, valued, drawn, least_propensity, "")


def judge_target(
    found: ValuedPolicies, target: str, *, min_effective_sends: float = MIN_EFFECTIVE_SENDS
) -> Proof:
    """Say what may be claimed of one of the valued policies over each other; see `prove`."""
    baselines = (*(name for name in found.names if name != target), LOGGED)
    logged, valued, drawn = found.logged, found.valued, found.drawn
    if found.why_impossible:
        why = found.why_impossible
        verdicts = tuple(refuse_verdict(name, why) for name in baselines)
        return Proof(target, (), verdicts, (f"Of {write_number(len(logged), 0)} sends, {why}.",))
    verdicts = tuple(
        judge_gain(
            name,
            gather_evidence(valued[target], valued[name], (target, name), drawn, logged),
            min_effective_sends=min_effective_sends,
        )
        for name in baselines
    )
    values = list_values(valued, drawn, logged.n_customers)
    notes = _write_notes(logged, valued, target, found.least_propensity)
    return Proof(target, values, verdicts, notes)


def _find_why_impossible(logged: LoggedSends) -> str:
    if len(np.unique(logged.action)) == 1:
        return "every message was sent at one hour"
    if (logged.propensity >= 1).all():
        return "every message was sent at the one hour that its rule chose"
    return ""


def _write_notes(
    logged: LoggedSends, valued: Mapping[str, ValuedPolicy], target: str, least: float
) -> tuple[str, ...]:
    own = valued[target]
    notes = [
        f"Weights are cut at {write_number(1 / least, 0)}; "
        f"{write_percent(own.clipped)} of those of {name_of(target)} were."
    ]
    if logged.is_estimated:
        share = float(np.isnan(logged.propensity).mean())
        notes.append(
            f"The probability of the send time was not logged for {write_percent(share, 0)} of the "
            "sends: it was estimated from what was known before them. If something else moved both "
            "the send time and the response, every value here is biased by it."
        )
        notes.append(
            f"{write_percent(own.outside)} of what {name_of(target)} would send lies in blocks "
            f"that the log holds with a probability below {write_percent(least)}; those sends were "
            "moved to blocks that it holds."
        )
    elif own.outside > 0:
        notes.append(
            f"{write_percent(own.outside)} of what {name_of(target)} would send was not allowed in "
            "the log; those sends were moved to blocks that were."
        )
    return tuple(notes)
