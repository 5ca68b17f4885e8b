"""The gate that a send-time policy has to pass before it sends."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from training.gates import Check, check_above
from training.palette import name_of
from training.proof.policies import BEST_GLOBAL_HOUR, CUSTOMER_HISTOGRAM, LOGGED, MEDIAN_HOUR
from training.proof.verdict import MIN_COVERED, MIN_EFFECTIVE_SENDS

COUNTED = (BEST_GLOBAL_HOUR, CUSTOMER_HISTOGRAM, MEDIAN_HOUR, LOGGED)
_AT_LEAST = 1e-9
"""Taken from a bound that may be met: a gate asks for more than its bound."""


def judge_policy_value(
    gains: pd.DataFrame,
    *,
    min_effective_sends: float = MIN_EFFECTIVE_SENDS,
    baselines: Collection[str] = COUNTED,
) -> tuple[Check, ...]:
    """Judge a policy by its proven value over each baseline.

    Parameters
    ----------
    gains : DataFrame
        `policy_gains` of `training.proof.tables`.
    min_effective_sends : float
        Of the policy and the baseline.
    baselines : collection of str
        Those that count, as far as they are in the table. All claims must hold, see
        `Proof.is_better`.

    Returns
    -------
    tuple of Check
        Per baseline, all that the verdict 'better' asks for: the lower bound of the doubly robust
        gain, and the self-normalised gain, are above 0; the effective sends are enough; and the
        log covers what would be sent. Without a baseline that counts, one check that fails.
    """
    counted = [row for row in gains.to_dict("records") if row["baseline"] in baselines]
    if not counted:
        words = "baselines that the policy was compared with"
        return (check_above("policy_value", 0.0, 0.0, words),)
    return tuple(check for row in counted for check in _judge(row, min_effective_sends))


def _judge(row: dict[Any, Any], min_effective_sends: float) -> list[Check]:
    baseline, name = row["baseline"], name_of(row["baseline"])
    return [
        check_above(
            f"policy_value/{baseline}",
            float(row["claim_low"]),
            0.0,
            f"lower 99 % bound of the paired doubly robust gain a send over the {name}",
        ),
        check_above(
            f"policy_value_check/{baseline}",
            float(row["check_gain"]),
            0.0,
            f"self-normalised gain a send over the {name}",
        ),
        check_above(
            f"effective_sends/{baseline}",
            float(row["ess"]),
            min_effective_sends - _AT_LEAST,
            f"effective sends of the policy and the {name}, the smaller",
        ),
        check_above(
            f"covered/{baseline}",
            float(row["covered"]),
            MIN_COVERED - _AT_LEAST,
            f"share of what the policy and the {name} would send that the log covers",
        ),
    ]
