"""How much of what the hour of sending is worth Almanac finds in a simulated world, and proves.

Simulated: `benchmarks.promotion_world` tells how, and how its parameters were fixed. A policy names
a slot of the week for each customer among the 91 permitted ones (8:00 to 21:00, every day) and is
worth the true probability that they engage. The bars take the weekday as free, for Almanac,
for the oracle and for the best hour for all; what each is worth where the weekday is given is told
beside it. 'Best hour for all' is the slot that is truly best, which no log tells so exactly.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.promotion_world import (
    PERMITTED_SLOTS,
    Population,
    World,
    describe_world,
    make_population,
    make_world,
)
from benchmarks.promotion_world_policies import (
    ALMANAC,
    choose_slots,
    read_log,
    score_almanac,
    score_baselines,
    value_free,
    value_held,
)
from benchmarks.promotion_world_proof import (
    MAX_COVERED,
    MIN_COVERED,
    PERSONAL,
    count_false_better,
    run_trials,
)
from benchmarks.promotion_world_report import SETTINGS
from benchmarks.promotion_world_report import describe as describe
from benchmarks.promotion_world_tables import PROJECT_ZONE, write_world
from features.project import load_project
from training.proof.estimators import DOUBLY_ROBUST

PROOF_CUSTOMERS = 2500
BARS = {"18 sends": 0.75, "2 sends": 0.50}
ORACLE, BEST_HOUR, LOGGED = "oracle", "best hour for all, truly", "as it was sent"
_PROJECT = f"""
[project]
name = "simulated"
time_zone = "{PROJECT_ZONE}"
workspace = "built"
threads = 1
"""
_N_BINS = 20


def run(
    n_customers: int = 12_000, seeds: Sequence[int] = (1, 2, 3), n_trials: int = 100
) -> dict[str, Any]:
    """Measure all policies on worlds of several seeds, and the proof on fresh logs of one.

    Returns
    -------
    dict
        JSON-able: `worlds` (one a seed and setting), `policies` (means over seeds), `proof` and
        `bars`.
    """
    worlds = []
    for seed in seeds:
        population = make_population(n_customers, seed)
        for setting in SETTINGS:
            worlds.append(measure_world(population, seed, setting))
            print(f"seed {seed}, {setting}: {worlds[-1]['policies'][ALMANAC]}", flush=True)
    policies = {setting: average_policies(worlds, setting) for setting in SETTINGS}
    n_proven = min(n_customers, PROOF_CUSTOMERS)
    proof = run_trials(n_proven, n_trials=n_trials) if n_trials else None
    return {
        "customers": n_customers,
        "seeds": list(seeds),
        "worlds": worlds,
        "policies": policies,
        "proof": proof,
        "bars": [*_judge_shares(policies), *(_judge_proof(proof) if proof else [])],
    }


def measure_world(population: Population, seed: int, setting: str) -> dict[str, Any]:
    """Let a population live once, fit everything to its tables and value it by the truth."""
    n_sends, events = SETTINGS[setting]
    world = make_world(population, seed, n_sends=n_sends, events_per_customer=events)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "almanac.toml"
        path.write_text(_PROJECT, encoding="utf-8")
        project = load_project(path)
        write_world(world, project.workspace.root)
        scores = score_baselines(read_log(world)) | score_almanac(project, world.customer_id)
    return {
        "seed": seed,
        "setting": setting,
        "world": dict(describe_world(world)),
        "oracle_gain_low": _value_split_oracle(world),
        "policies": value_policies(world, scores),
        "calibration": {
            name: score_calibration(world.truth, score)
            for name, score in scores.items()
            if name.startswith("response")
        },
    }


def value_policies(world: World, scores: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Return per policy its true value, gain over the best hour and share of the oracle's gain.

    Returns
    -------
    dict
        `value`, `gain` and `share` with the weekday free, `held_gain` and `held_share` with it
        given. What was sent in fact has only a value and a gain.
    """
    truth = world.truth
    every = {
        ORACLE: truth,
        BEST_HOUR: np.tile(truth.mean(axis=0), (len(truth), 1)),
        **scores,
    }
    free = {name: value_free(truth, score) for name, score in every.items()}
    held = {name: value_held(truth, score) for name, score in every.items()}
    found = {}
    for name in every:
        found[name] = {
            "value": free[name],
            "gain": free[name] / free[BEST_HOUR] - 1,
            "share": (free[name] - free[BEST_HOUR]) / (free[ORACLE] - free[BEST_HOUR]),
            "held_gain": held[name] / held[BEST_HOUR] - 1,
            "held_share": (held[name] - held[BEST_HOUR]) / (held[ORACLE] - held[BEST_HOUR]),
        }
    logged = float(truth[world.sends.customer, world.sends.slot].mean())
    found[LOGGED] = {"value": logged, "gain": logged / free[BEST_HOUR] - 1}
    return found


def _value_split_oracle(world: World) -> float:
    """Return the oracle's gain where one half of the truth chooses and the other one values.

    The oracle of the bars chooses on what it is valued on, which flatters it a little; this one is
    a little too poor. The truth lies between.
    """
    stays = (world.truth.sum(axis=1) > 0)[:, None]
    first, second = (half * stays for half in world.population.halves)
    rows = np.arange(len(first))
    value = (
        second[rows, choose_slots(first)].mean() + first[rows, choose_slots(second)].mean()
    ) / 2
    return float(value / world.truth[:, PERMITTED_SLOTS].mean(axis=0).max() - 1)


def score_calibration(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the expected calibration error against the truth over permitted slots, 20 equal bins.

    The truth is of the time after the log, so all of it is held out; it is of an average offer.
    """
    p, t = (np.ravel(table[:, PERMITTED_SLOTS]) for table in (predicted, truth))
    order = np.argsort(p, kind="stable")
    parts = np.array_split(order, _N_BINS)
    apart = [abs(p[part].mean() - t[part].mean()) * len(part) for part in parts]
    return {
        "error": float(sum(apart) / len(p)),
        "predicted": float(p.mean()),
        "true": float(t.mean()),
    }


def average_policies(
    worlds: Sequence[Mapping[str, Any]], setting: str
) -> dict[str, dict[str, float]]:
    """Return mean and standard deviation over seeds of every figure of every policy."""
    own = [world for world in worlds if world["setting"] == setting]
    averaged: dict[str, dict[str, float]] = {}
    for name in own[0]["policies"]:
        averaged[name] = {}
        for figure in own[0]["policies"][name]:
            values = [world["policies"][name][figure] for world in own]
            averaged[name][figure] = float(np.mean(values))
            averaged[name][f"{figure}_sd"] = float(np.std(values, ddof=1)) if own[1:] else 0.0
    return averaged


def _judge_shares(
    policies: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> list[dict[str, Any]]:
    return [
        {
            "bar": f"simulated world, {setting} a customer: share of the oracle's gain, at least",
            "bound": BARS[setting],
            "measured": (share := policies[setting][ALMANAC]["share"]),
            "passed": share >= BARS[setting],
        }
        for setting in SETTINGS
    ]


def _judge_proof(proof: Mapping[str, Any]) -> list[dict[str, Any]]:
    covered = next(
        row["covered"]
        for row in proof["coverage"]
        if row["policy"] == PERSONAL and row["estimator"] == DOUBLY_ROBUST
    )
    wrong = count_false_better(proof)
    return [
        {
            "bar": "simulated world: the doubly robust interval covers the true value, from .90 "
            f"to .98 of {proof['trials']} logs",
            "bound": [MIN_COVERED, MAX_COVERED],
            "measured": covered,
            "passed": MIN_COVERED <= covered <= MAX_COVERED,
        },
        {
            "bar": "simulated world: a policy that is no better is called better, times in "
            f"{proof['trials']} logs",
            "bound": 0,
            "measured": wrong,
            "passed": wrong == 0,
        },
    ]
