"""Which offer, measured on Hillstrom's e-mail experiment: ten halves to fit on, ten to judge.

The women's e-mail (and the men's) against none, outcome a visit within two weeks. Split s, for s
of 0 to 9, is `train_test_split(test_size=0.5, random_state=s)` of scikit-learn, stratified by arm
and visit. Everything is chosen and fitted inside the first half: the columns of the cell rule, and
whether a learner ships instead of it. The second half only judges.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from benchmarks.demand_data import DATA
from benchmarks.promotion_uplift_peers import make_peers, score_as_sklift
from benchmarks.promotion_uplift_table import describe
from models.offers.cells import CellRule
from models.offers.choice import choose_recommendation
from models.offers.cuts import Cut, number_cells
from models.offers.design import fit_design
from models.offers.learners import LEARNERS
from models.offers.offer_model import RANKINGS, make_ranking
from models.offers.qini import score_qini, score_uplift_area, score_uplift_at
from models.offers.ranked import Ranked, draw_times
from models.offers.trees import Trees
from models.offers.trial import Trial, make_trial

__all__ = ["describe", "run"]

SEEDS = tuple(range(10))
ARMS = {"women's e-mail": "Womens E-Mail", "men's e-mail": "Mens E-Mail"}
JUDGED, BAR = "women's e-mail", 0.0617
"""The arm with a bar, and the mean Qini that the recommendation must reach there."""
BY_HAND, CHOSEN = "womens x mens, by hand", "chosen recommendation"
TREES = Trees()
N_RESAMPLES = 300


def run(
    *, seeds: Sequence[int] = SEEDS, arms: Mapping[str, str] = ARMS, n_resamples: int = N_RESAMPLES
) -> dict[str, Any]:
    """Judge every ranking on every split.

    Parameters
    ----------
    seeds : sequence of int
        One a split.
    arms : mapping of str to str
        Name of the arm, and what the data calls it.
    n_resamples : int
        Of the paired bootstrap.

    Returns
    -------
    dict
        versions, seeds, arms (scores, gains over the cell rule, what each split chose) and bars.
    """
    peers, versions = make_peers(TREES)
    if all(found == "not installed" for found in versions.values()):
        raise ImportError("scikit-uplift is not installed: pip install 'almanac[bench]'")
    found = {name: run_arm(load_arm(arm), seeds, peers, n_resamples) for name, arm in arms.items()}
    return {
        "seeds": list(seeds),
        "versions": versions | _versions(),
        "arms": found,
        "bars": [_judge(found[JUDGED])] if JUDGED in found else [],
    }


def load_arm(arm: str) -> Trial:
    """Load one arm and the control; a coin decided, so the share treated is the propensity."""
    rows = pd.read_parquet(DATA / "hillstrom.parquet")
    rows = rows[rows["segment"].isin([arm, "No E-Mail"])].reset_index(drop=True)
    table = pd.DataFrame(
        {
            "recency": rows["recency"],
            "history": np.log(rows["history"]),
            "history_segment": rows["history_segment"].str[0].astype("int64"),
            "mens": rows["mens"],
            "womens": rows["womens"],
            "newbie": rows["newbie"],
            "zip_code": rows["zip_code"],
            "channel": rows["channel"],
        }
    )
    design = fit_design(table)
    treated = (rows["segment"] == arm).to_numpy()
    return make_trial(design.build(table), treated, rows["visit"].to_numpy(), names=design.names)


def run_arm(
    trial: Trial, seeds: Sequence[int], peers: Mapping[str, Any], n_resamples: int
) -> dict[str, Any]:
    """Judge every ranking of one arm on every split."""
    everybody = np.arange(len(trial))
    stratum = 2 * trial.treated + trial.outcome
    splits, choices, halves, misses = [], [], [], [0.0]
    for seed in seeds:
        train, test = train_test_split(
            everybody, test_size=0.5, random_state=seed, stratify=stratum
        )
        scores, choice = rank_half(trial.take(train), trial.take(test), seed, peers)
        judged = {name: _score(trial.take(test), score) for name, score in scores.items()}
        for name, score in scores.items():
            theirs = score_as_sklift(trial.take(test), score)
            misses += [abs(judged[name][metric] - value) for metric, value in theirs.items()]
        splits.append(pd.DataFrame.from_dict(judged, orient="index"))
        choices.append({"seed": seed, **choice})
        halves.append((test, scores))
    return {
        "customers": len(trial),
        "effect": float(trial.outcome[trial.treated].mean() - trial.outcome[~trial.treated].mean()),
        "scores": _summarise(splits),
        "largest_difference_to_sklift": max(misses),
        "choices": choices,
        "gains": compare_with_rule(trial, halves, np.random.default_rng(TREES.seed), n_resamples),
    }


def rank_half(
    train: Trial, test: Trial, seed: int, peers: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Fit on one half, rank the other; the choice sees the first half alone."""
    makers = {kind.name: make_ranking(kind.name, TREES) for kind in LEARNERS}
    choice = choose_recommendation(train, makers, rng=np.random.default_rng(seed))
    rule = CellRule().fit(train)
    scores = {
        name: make_ranking(name, TREES)().fit(train).predict(test.features) for name in RANKINGS
    }
    scores[CHOSEN] = scores[choice.name]
    scores[BY_HAND] = rank_by_hand(train, test)
    scores["random"] = np.random.default_rng(seed).random(len(test))
    scores |= {name: peer(train, test.features) for name, peer in peers.items()}
    columns = " x ".join(cut.name for cut in rule.cuts_)
    return scores, {"chosen": choice.name, "words": choice.words, "cells": columns or "everybody"}


def rank_by_hand(train: Trial, test: Trial) -> np.ndarray:
    """Return the raw uplift of the cells of what somebody who knows the shop would cross."""
    cuts = tuple(Cut(train.names.index(name), name, 0.5) for name in ("womens", "mens"))
    cell = number_cells(train.features, cuts)
    uplift = np.zeros(4)
    for number in np.unique(cell):
        some = train.take(cell == number)
        uplift[number] = some.outcome[some.treated].mean() - some.outcome[~some.treated].mean()
    return np.asarray(uplift[number_cells(test.features, cuts)])


def compare_with_rule(
    trial: Trial,
    halves: Sequence[tuple[np.ndarray, Mapping[str, np.ndarray]]],
    rng: np.random.Generator,
    n_resamples: int,
) -> list[dict[str, Any]]:
    """Return each ranking's mean Qini less the cell rule's, with a paired bootstrap interval.

    Customers are resampled, and each resample is the same in every split that judges them.
    """
    names = list(halves[0][1])
    ranked = []
    for test, scores in halves:
        some = trial.take(test)
        own = [Ranked.build(some, scores[name]) for name in names]
        ranked.append((test, Ranked.build_perfect(some), own))
    drawn = np.zeros((n_resamples + 1, len(names)))
    for draw in range(n_resamples + 1):
        times = draw_times(len(trial), rng) if draw else np.ones(len(trial))
        for test, perfect, own in ranked:
            areas = [one.area(times[test]) for one in own]
            drawn[draw] += np.array(areas) / perfect.area(times[test]) / len(halves)
    gains = drawn - drawn[:, [names.index(CellRule.name)]]
    low, high = np.percentile(gains[1:], [2.5, 97.5], axis=0)
    return [
        {"ranking": name, "gain": float(gains[0, k]), "low": float(low[k]), "high": float(high[k])}
        for k, name in enumerate(names)
    ]


def _judge(arm: Mapping[str, Any]) -> dict[str, Any]:
    qini = next(row["qini"] for row in arm["scores"] if row["ranking"] == CHOSEN)
    return {
        "bar": f"Hillstrom, {JUDGED}: mean Qini of the chosen recommendation over the splits",
        "bound": BAR,
        "measured": qini,
        "passed": bool(qini >= BAR),
    }


def _score(trial: Trial, score: np.ndarray) -> dict[str, float]:
    given = (trial.outcome, score, trial.treated)
    return {
        "qini": score_qini(*given),
        "auuc": score_uplift_area(*given),
        "uplift_at_30": score_uplift_at(*given, 0.3),
    }


def _summarise(splits: Sequence[pd.DataFrame]) -> list[dict[str, Any]]:
    rows = []
    for name in splits[0].index:
        values = pd.DataFrame([split.loc[name] for split in splits])
        row: dict[str, Any] = {
            "ranking": str(name),
            **{str(k): float(v) for k, v in values.mean().items()},
        }
        row["qini_sd"] = float(values["qini"].std(ddof=min(1, len(values) - 1)))
        rows.append(row)
    return sorted(rows, key=lambda row: -row["qini"])


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("lightgbm", "scikit-learn", "numpy", "causalml"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
