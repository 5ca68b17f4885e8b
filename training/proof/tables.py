"""The evidence of a proof as tables, which a training keeps and a report reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.errors import UnknownName
from training.proof.logged import build_logged_sends
from training.proof.proof import judge_target, value_policies
from training.proof.reliability import build_touch_reliability, score_touches
from training.proof.verdict import MIN_EFFECTIVE_SENDS, Proof

FALLBACK_GAINS = "fallback_gains"
"""Evidence table: what the fallback is worth over each other policy."""
_VALUE_COLUMNS = (
    "policy", "estimator", "value", "low", "high", "ess", "customers", "covered", "clipped",
    "outside",
)  # fmt: skip


def build_proof_tables(
    touches: pd.DataFrame,
    policies: Mapping[str, np.ndarray],
    *,
    target: str,
    fallback: str | None = None,
    rng: np.random.Generator,
    context: Sequence[str] = (),
    allowed: np.ndarray | None = None,
    per_action: np.ndarray | None = None,
    min_effective_sends: float = MIN_EFFECTIVE_SENDS,
    n_folds: int = 5,
    threads: int = 1,
) -> dict[str, pd.DataFrame]:
    """Prove a target on the touches of all test windows together.

    Parameters
    ----------
    touches : DataFrame
        A row a touch of any test window: `customer_id`, `slot`, `engaged`, the columns of
        `context`, and where there are `propensity`, `channel` and `predicted`. A customer of
        several windows is one customer.
    policies : mapping of name to array of shape (n, 8)
        In the order of the touches, each row from what was fitted before its window. See
        `training.proof.policies`.
    target : str
    fallback : str, optional
        Policy that is followed where the target is not proven, to be judged on the same values.
    rng : numpy.random.Generator
    context : sequence of str
        Columns known before the send; the window's number is a good one.
    allowed, per_action : array or None
        See `LoggedSends`.
    min_effective_sends : float
    n_folds, threads : int

    Returns
    -------
    dict of str to DataFrame
        `policy_values`, `policy_gains`, `policy_notes` of `tabulate_proof`; with a fallback its
        gains as `fallback_gains`; with predictions also
        `touch_reliability` and `touch_scores` of `training.proof.reliability`.

    Raises
    ------
    InvalidRequest, NotEnoughData, UnknownName
        As `build_logged_sends` and `prove`.
    """
    logged = build_logged_sends(touches, context=context, allowed=allowed, per_action=per_action)
    for name in (target, *([fallback] if fallback else ())):
        if name not in policies:
            raise UnknownName("policy", name, policies)
    valued = value_policies(logged, policies, rng=rng, n_folds=n_folds, threads=threads)
    tables = tabulate_proof(judge_target(valued, target, min_effective_sends=min_effective_sends))
    if fallback is not None:
        other = judge_target(valued, fallback, min_effective_sends=min_effective_sends)
        tables[FALLBACK_GAINS] = tabulate_proof(other)["policy_gains"]
    if "predicted" in touches and "channel" in touches:
        tables["touch_reliability"] = build_touch_reliability(touches)
        tables["touch_scores"] = score_touches(touches)
    return tables


def tabulate_proof(proof: Proof) -> dict[str, pd.DataFrame]:
    """Return a proof as tables.

    Returns
    -------
    dict of str to DataFrame
        `policy_values`: `policy, estimator, value, low, high, ess, customers, covered, clipped,
        outside`, empty where no evidence is possible. `policy_gains`: `target, baseline, gain, low,
        high, claim_low, claim_high, relative, check_gain, check_low, check_high, ess, covered,
        verdict, words, more_sends`, where the claim is the 99 % interval and the check the
        self-normalised estimate. `policy_notes`: `note`.
    """
    values = [
        (
            value.policy, value.estimator, value.value.value, value.value.low, value.value.high,
            value.effective_sends, value.customers, value.covered, value.clipped, value.outside,
        )
        for value in proof.policy_values
    ]  # fmt: skip
    gains = [
        {
            "target": proof.target,
            "baseline": verdict.baseline,
            "gain": verdict.gain.value,
            "low": verdict.gain.low,
            "high": verdict.gain.high,
            "claim_low": verdict.claim.low,
            "claim_high": verdict.claim.high,
            "relative": verdict.relative,
            "check_gain": verdict.check.value,
            "check_low": verdict.check.low,
            "check_high": verdict.check.high,
            "ess": verdict.effective_sends,
            "covered": verdict.covered,
            "verdict": verdict.decision,
            "words": verdict.words,
            "more_sends": verdict.more_sends,
        }
        for verdict in proof.verdicts
    ]
    return {
        "policy_values": pd.DataFrame(values, columns=list(_VALUE_COLUMNS)),
        "policy_gains": pd.DataFrame(gains),
        "policy_notes": pd.DataFrame({"note": list(proof.notes)}),
    }
