"""Whether the off-policy interval covers the truth, and whether a worse policy is called better.

One fixed population of simulated people lives through fresh half-years of campaigns. Four policies
that were fixed before are valued on each of these logs by `training.proof`: the block of the day
that is truly best for each person, the block that is best for all, the one that is second-best for
all and all but as good (a hard case: an interval of 95 % errs upwards in 2.5 of 100 ties), and a
poor one, the second-worst for each person. The truth of a policy is what the same sends
would have earned under it: on the same days, at the hours that the log uses within a block, with
the same fatigue and offers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.promotion_world import Population, World, make_population, make_world
from benchmarks.promotion_world_log import PERMITTED
from training.proof.logged import BLOCK_HOURS, N_BLOCKS, LoggedSends, to_block
from training.proof.policies import LOGGED
from training.proof.proof import prove
from training.proof.verdict import BETTER

PERSONAL, GLOBAL, NEAR, POOR = "personal_best", "best_for_all", "second_for_all", "personal_poor"
TARGETS = (PERSONAL, NEAR, POOR)
"""Each is compared with the best block for all and with what was logged."""
GATE, NOT_PROVEN = "both, as the gate asks", "not proven"
FOLLOWS = 0.9
"""Share of sends in which a policy does what it names; the rest is spread over permitted blocks."""
MIN_COVERED, MAX_COVERED = 0.90, 0.98
_ALLOWED = np.bincount(PERMITTED // BLOCK_HOURS, minlength=N_BLOCKS) > 0


@dataclass(frozen=True)
class Trial:
    """What one log showed: per policy the true value, and by estimator value, low and high."""

    truth: dict[str, float]
    intervals: dict[tuple[str, str], tuple[float, float, float]]
    decisions: dict[tuple[str, str], str]
    effective_sends: dict[str, float]


def choose_blocks(population: Population) -> dict[str, np.ndarray]:
    """Return the fixed policies, each of shape (n people, 8); they rest on the truth, not a log."""
    by_block = _average_blocks(population.halves.mean(axis=0))
    order = np.argsort(np.where(_ALLOWED, by_block, np.inf), axis=1)
    for_all = np.argsort(np.where(_ALLOWED, by_block.mean(axis=0), -np.inf))
    named = {
        PERSONAL: order[:, int(_ALLOWED.sum()) - 1],
        GLOBAL: np.full(len(order), for_all[-1]),
        NEAR: np.full(len(order), for_all[-2]),
        POOR: order[:, 1],
    }
    return {name: _follow(block) for name, block in named.items()}


def _follow(block: np.ndarray) -> np.ndarray:
    policy = np.tile((1 - FOLLOWS) * _ALLOWED / _ALLOWED.sum(), (len(block), 1))
    policy[np.arange(len(block)), block] += FOLLOWS
    return np.asarray(policy)


def _average_blocks(truth: np.ndarray) -> np.ndarray:
    """Return the mean of the permitted hours of each block over the week, shape (n, 8)."""
    hours = truth.reshape(len(truth), 7, 24).mean(axis=1)[:, PERMITTED]
    blocks = PERMITTED // BLOCK_HOURS
    sums = np.zeros((len(truth), N_BLOCKS))
    np.add.at(sums.T, blocks, hours.T)
    return np.asarray(sums / np.maximum(np.bincount(blocks, minlength=N_BLOCKS), 1))


def value_truly(world: World, policy: np.ndarray | None) -> float:
    """Return what the sends of a world would earn under a policy (None: the log's), a send."""
    sends, truth = world.sends, world.population.halves.mean(axis=0)
    day = sends.slot // 24
    by_hour = truth.reshape(len(truth), 7, 24)[sends.customer, day]
    # a block is valued at the hours that the log uses within it, for this very send
    chances = sends.probabilities.reshape(-1, N_BLOCKS, BLOCK_HOURS).astype(np.float64)
    total = chances.sum(axis=2)
    inside = chances / np.where(total > 0, total, 1)[:, :, None]
    by_block = (inside * by_hour.reshape(chances.shape)).sum(axis=2)
    is_customer = sends.sent // 24 < world.senders.left_on[sends.customer]
    worth = sends.factor * is_customer
    chosen = total if policy is None else policy[sends.customer]
    return float(((chosen * by_block).sum(axis=1) * worth).mean())


def read_log(world: World, *, has_propensity: bool = True) -> LoggedSends:
    """Return the log as `training.proof` reads it; the context holds what the choice rested on."""
    sends = world.sends
    action = to_block(sends.slot)
    blocks = sends.probabilities.reshape(-1, N_BLOCKS, BLOCK_HOURS).sum(axis=2)
    propensity = blocks[np.arange(len(action)), action].astype(np.float64)
    people = world.population.people
    context = [
        sends.slot // 24,
        world.senders.segment[sends.customer],
        people.region[sends.customer],
        sends.sent // 24 // 14,
    ]
    return LoggedSends(
        customer=sends.customer,
        action=action,
        reward=sends.engaged.astype(np.float64),
        propensity=np.minimum(propensity, 1.0) if has_propensity else np.full(len(action), np.nan),
        context=np.column_stack(context).astype(np.float64),
        allowed=np.tile(_ALLOWED, (len(action), 1)),
    )


def try_once(population: Population, seed: int, *, n_sends: int, has_propensity: bool) -> Trial:
    """Let the population live once, and prove the fixed policies on its log."""
    world = make_world(population, seed, n_sends=n_sends)
    logged = read_log(world, has_propensity=has_propensity)
    policies = choose_blocks(population)
    by_send = {name: policy[logged.customer] for name, policy in policies.items()}
    truth = {name: value_truly(world, policy) for name, policy in policies.items()}
    truth[LOGGED] = value_truly(world, None)
    intervals: dict[tuple[str, str], tuple[float, float, float]] = {}
    decisions: dict[tuple[str, str], str] = {}
    effective: dict[str, float] = {}
    for target in TARGETS:
        chosen = {name: by_send[name] for name in (target, GLOBAL)}
        proof = prove(
            logged, chosen, target=target, rng=np.random.default_rng([seed, 9]), n_resamples=500
        )
        for found in proof.policy_values:
            value = found.value
            intervals[found.policy, found.estimator] = (value.value, value.low, value.high)
            effective[found.policy] = found.effective_sends
        decisions |= {(target, verdict.baseline): verdict.decision for verdict in proof.verdicts}
        decisions[target, GATE] = BETTER if proof.is_better() else NOT_PROVEN
    truth[GATE] = max(truth[GLOBAL], truth[LOGGED])
    return Trial(truth, intervals, decisions, effective)


def run_trials(
    n_customers: int = 2500,
    *,
    n_trials: int = 100,
    n_sends: int = 18,
    seed: int = 1,
    has_propensity: bool = True,
) -> dict[str, Any]:
    """Repeat, and count how often intervals cover and what verdicts say.

    Returns
    -------
    dict
        JSON-able: `coverage` per policy and estimator, `decisions` per target and baseline, true
        values, widths and effective sends.
    """
    population = make_population(n_customers, seed, n_weeks=32)
    trials = [
        try_once(population, 1000 + trial, n_sends=n_sends, has_propensity=has_propensity)
        for trial in range(n_trials)
    ]
    return {
        "customers": n_customers,
        "sends": n_customers * n_sends,
        "trials": n_trials,
        "has_propensity": has_propensity,
        "coverage": _count_coverage(trials),
        "decisions": _count_decisions(trials),
        "truth": {
            name: float(np.mean([trial.truth[name] for trial in trials]))
            for name in trials[0].truth
        },
        "effective_sends": {
            name: float(np.mean([trial.effective_sends[name] for trial in trials]))
            for name in trials[0].effective_sends
        },
    }


def _count_coverage(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    rows = []
    for policy, estimator in trials[0].intervals:
        true = np.array([trial.truth[policy] for trial in trials])
        value, low, high = np.array([trial.intervals[policy, estimator] for trial in trials]).T
        rows.append(
            {
                "policy": policy,
                "estimator": estimator,
                "covered": float(((low <= true) & (true <= high)).mean()),
                "half_width": float((high - low).mean() / 2),
                "bias": float((value - true).mean()),
                "error": float((value - true).std()),
            }
        )
    return rows


def _count_decisions(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    rows = []
    for target, baseline in trials[0].decisions:
        found = [trial.decisions[target, baseline] for trial in trials]
        counts = {name: found.count(name) for name in sorted(set(found))}
        gain = np.mean([trial.truth[target] - trial.truth[baseline] for trial in trials])
        rows.append(
            {"target": target, "baseline": baseline, "true_gain": float(gain), "verdicts": counts}
        )
    return rows


def count_false_better(result: Mapping[str, Any]) -> int:
    """Return how often a policy was called better than one that is truly as good or better."""
    return sum(
        row["verdicts"].get(BETTER, 0)
        for row in result["decisions"]
        if row["true_gain"] <= 0 and row["baseline"] != GATE
    )
