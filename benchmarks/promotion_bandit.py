"""Open Bandit, small: two policies valued from each other's logs, where nothing can be claimed.

ZOZO's fashion shop showed items by a uniformly random policy and by Bernoulli Thompson sampling
(BTS) side by side, 10,000 rows a log and campaign, and published both logs. What each policy earned
is known from its own log; here each is also estimated from the other's. At this size the logs
cannot rank the two, so that any verdict but "not enough evidence" would be wrong.

The items are the actions: 80, 46 or 34 of them; the position on the page, the user's features and
the hour are the context. BTS does not look at the user: its probabilities are taken as the shares
of the items that it showed in each position, from its own log, whose clicks are not used for it.
The logs name no customers: each row stands for itself, and no interval knows of repeated visits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from training.proof.estimators import DIRECT, DOUBLY_ROBUST, SELF_NORMALISED
from training.proof.intervals import measure_standard_error
from training.proof.logged import LoggedSends
from training.proof.proof import prove
from training.proof.verdict import NOT_ENOUGH, Proof

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "open_bandit.parquet"
CAMPAIGNS = ("all", "men", "women")
POLICIES = ("random", "bts")
_SMOOTHING_ROWS = 100.0
_USER = [f"user_feature_{place}" for place in range(4)]
Result = dict[str, Any]


def run(*, seed: int = 20_251, path: Path = DATA, n_folds: int = 3) -> Result:
    """Value each policy from the other's log, per campaign.

    Parameters
    ----------
    seed : int
    path : Path
        The Parquet file of both logs.
    n_folds : int

    Returns
    -------
    dict
        `rows` (one a campaign and direction) and `bars`.
    """
    logs = pd.read_parquet(path)
    rng = np.random.default_rng(seed)
    rows = [
        _value(logs[logs["campaign"] == campaign], campaign, target, rng, n_folds)
        for campaign in CAMPAIGNS
        for target in POLICIES
    ]
    undecided = sum(row["verdict"] == NOT_ENOUGH for row in rows)
    bar = {
        "bar": "verdicts of 'not enough evidence', of 6",
        "bound": len(rows),
        "measured": undecided,
        "passed": undecided == len(rows),
    }
    return {"rows": rows, "bars": [bar]}


def describe(result: Result) -> str:
    """Return the section of the results page, in Markdown."""
    lines = [
        "## Open Bandit, small: nothing may be claimed",
        "",
        "Each policy valued from the other's log (10,000 rows), in clicks per 1,000 rows, against "
        "what it earned in its own.",
        "",
        "| campaign | target | log | on-policy truth [95 %] | doubly robust [95 %] "
        "| self-normalised [95 %] | reward model alone | effective rows | verdict over the log |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['campaign']} | {row['target']} | {row['log']} | {_write(row['truth'])} "
        f"| {_write(row['doubly_robust'])} | {_write(row['self_normalised'])} "
        f"| {1000 * row['direct']:.2f} | {row['ess']:,.0f} | {row['words']} |"
        for row in result["rows"]
    ]
    held = sum(row["is_truth_inside"] for row in result["rows"])
    bar = result["bars"][0]
    lines += [
        "",
        f"The true value lies inside {held} of {len(result['rows'])} doubly robust intervals, with "
        "the on-policy value itself known to ± its own interval. "
        f"Bar: {bar['bar']}: {bar['measured']} ({'passed' if bar['passed'] else 'FAILED'}).",
    ]
    return "\n".join(lines) + "\n"


def _value(
    logs: pd.DataFrame, campaign: str, target: str, rng: np.random.Generator, n_folds: int
) -> Result:
    other = POLICIES[1 - POLICIES.index(target)]
    log, own = logs[logs["policy"] == other], logs[logs["policy"] == target]
    n_items = int(logs["item_id"].max()) + 1
    policy = _find_policy(target, own, log, n_items)
    proof = prove(
        _read_log(log, n_items), {target: policy}, target=target, rng=rng, n_folds=n_folds
    )
    verdict = proof.verdicts[0]
    truth = _measure(own["click"].to_numpy(dtype=np.float64))
    values = {name: _find(proof, target, name) for name in (DOUBLY_ROBUST, SELF_NORMALISED)}
    low, high = values[DOUBLY_ROBUST][1:]
    return {
        "campaign": campaign,
        "target": target,
        "log": other,
        "truth": truth,
        "doubly_robust": values[DOUBLY_ROBUST],
        "self_normalised": values[SELF_NORMALISED],
        "direct": _find(proof, target, DIRECT)[0],
        "ess": verdict.effective_sends,
        "gain": [verdict.gain.value, verdict.gain.low, verdict.gain.high],
        "verdict": verdict.decision,
        "words": verdict.words,
        # Both are measured with error: they agree where the intervals meet.
        "is_truth_inside": bool(low <= truth[2] and truth[1] <= high),
    }


def _find_policy(target: str, own: pd.DataFrame, log: pd.DataFrame, n_items: int) -> np.ndarray:
    """Return the target's probability of each item, for every row of the other's log."""
    if target == "random":
        return np.full((len(log), n_items), 1 / n_items)
    n_positions = int(own["position"].max()) + 1
    shown = np.zeros((n_positions, n_items))
    np.add.at(shown, (own["position"].to_numpy(), own["item_id"].to_numpy()), 1.0)
    shown += _SMOOTHING_ROWS / n_items
    return np.asarray((shown / shown.sum(axis=1, keepdims=True))[log["position"].to_numpy()])


def _read_log(log: pd.DataFrame, n_items: int) -> LoggedSends:
    columns = [log["position"], log["timestamp"].dt.hour]
    columns += [log[name].astype("category").cat.codes for name in _USER]
    n = len(log)
    return LoggedSends(
        customer=np.arange(n),
        action=log["item_id"].to_numpy(),
        reward=log["click"].to_numpy(dtype=np.float64),
        propensity=log["propensity_score"].to_numpy(),
        context=np.column_stack(columns).astype(np.float64),
        allowed=np.ones((n, n_items), dtype=bool),
    )


def _measure(reward: np.ndarray) -> list[float]:
    mean = float(reward.mean())
    error = measure_standard_error(reward - mean, np.arange(len(reward)))
    half = float(stats.norm.ppf(0.975)) * error
    return [mean, mean - half, mean + half]


def _find(proof: Proof, policy: str, estimator: str) -> list[float]:
    for found in proof.policy_values:
        if (found.policy, found.estimator) == (policy, estimator):
            return [found.value.value, found.value.low, found.value.high]
    return [float("nan")] * 3


def _write(interval: list[float]) -> str:
    value, low, high = (1000 * end for end in interval)
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
