"""What differs between two trainings, as tables: pure functions of their evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from training.demand.plots import sort_levels
from training.demand.scores import EVERY
from training.findings import PUBLISHED
from training.gates import DEMAND_BASELINES, PROMOTION_BASELINES

Tables = Mapping[str, pd.DataFrame]
RELATIVE = "÷ best baseline"
"""A score set against the best baseline on the same rows: comparable where the data differs."""
_DEMAND_SCORES = ("wape", "pinball", "bias", "coverage_80", "coverage_95")
_PROMOTION_SCORES = ("log_loss", "calibration_error", "hour_hit", "block_hit")
_NOMINAL = {"bias": 0.0, "coverage_80": 0.8, "coverage_95": 0.95}
_HIGHER_IS_BETTER = ("hour_hit", "block_hit", "slot_hit", "weekday_hit")
_SAME, _SAME_POINTS = 0.01, 0.005
"""Below this share of a score, or this much of a bias or a coverage, a change is no change."""


def compare_scores(before: Tables, after: Tables) -> pd.DataFrame:
    """Compare the scores of what was, or would be, published.

    Parameters
    ----------
    before, after : mapping of name to DataFrame
        Evidence of two trainings of one kind.

    Returns
    -------
    DataFrame
        level (of demand; else the model), score, before, after, change (after − before), verdict:
        'better', 'worse', or 'same' below 1 % of a score and half a point of bias and coverage.
        Scores that only one of them has are left out.
    """
    describe = _score_promotion if "best" in after else _score_demand
    old, new = describe(before), describe(after)
    shared = [key for key in new if key in old]
    rows = [
        {
            "level": level, "score": score, "before": old[level, score],
            "after": new[level, score], "change": new[level, score] - old[level, score],
            "verdict": _judge(score, old[level, score], new[level, score]),
        }
        for level, score in shared
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["level", "score", "before", "after", "change", "verdict"])


def compare_importance(before: Tables, after: Tables) -> pd.DataFrame:
    """Compare what the trees gain by: feature, before, after, change; shares of the whole gain.

    The greatest change comes first; a feature that only one of them has counts as 0 in the other.
    """
    shares = [_share_gains(tables.get("importance")) for tables in (before, after)]
    table = pd.DataFrame({"before": shares[0], "after": shares[1]}).fillna(0.0)
    table["change"] = table["after"] - table["before"]
    order = table["change"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].rename_axis("feature").reset_index()


def compare_settings(before: Mapping[str, str], after: Mapping[str, str]) -> pd.DataFrame:
    """Compare what two trainings were logged with: key, before, after, of what differs alone.

    Parameters
    ----------
    before, after : mapping of str to str
        Parameters of two runs: settings, project, data and code version. '' where one has none.
    """
    rows = [
        {"key": key, "before": before.get(key, ""), "after": after.get(key, "")}
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    return pd.DataFrame(rows, columns=["key", "before", "after"])


def find_best_baseline(tables: Tables) -> tuple[str, float]:
    """Return the best baseline and its score: WAPE at the finest level of demand, or log-loss."""
    scores = tables["scores"]
    if "best" in tables:
        rows = scores[scores["model"].isin(PROMOTION_BASELINES)].set_index("model")["log_loss"]
    else:
        level = sort_levels(scores)[0]
        at = scores[(scores["level"] == level) & (scores["bucket"] == EVERY)]
        rows = at[at["model"].isin(DEMAND_BASELINES)].set_index("model")["wape"]
    return str(rows.idxmin()), float(rows.min())


def _score_demand(tables: Tables) -> dict[tuple[str, str], float]:
    scores = tables["scores"]
    whole = scores[scores["bucket"] == EVERY]
    found: dict[tuple[str, str], float] = {}
    for level in sort_levels(scores):
        rows = whole[whole["level"] == level].set_index("model")
        if PUBLISHED not in rows.index:
            continue
        found |= {(level, name): float(rows[name][PUBLISHED]) for name in _DEMAND_SCORES}
        rivals = rows.loc[rows.index.isin(DEMAND_BASELINES), "wape"]
        if len(rivals) and rivals.min() > 0:
            found[level, f"wape {RELATIVE}"] = found[level, "wape"] / float(rivals.min())
    return found


def _score_promotion(tables: Tables) -> dict[tuple[str, str], float]:
    best = str(tables["best"]["model"].iloc[0])
    rows = tables["scores"].set_index("model")
    place = "chosen model"
    found = {(place, name): float(rows[name][best]) for name in _PROMOTION_SCORES}
    _, baseline = find_best_baseline(tables)
    found[place, f"log_loss {RELATIVE}"] = found[place, "log_loss"] / baseline
    return found


def _share_gains(importance: pd.DataFrame | None) -> pd.Series:
    if importance is None or not importance["gain"].sum() > 0:
        return pd.Series(dtype="float64")
    gains = importance.set_index("feature")["gain"]
    return gains / gains.sum()


def _judge(score: str, before: float, after: float) -> str:
    old, new = _measure_badness(score, before), _measure_badness(score, after)
    least = _SAME_POINTS if score in _NOMINAL else _SAME * abs(before)
    if math.isnan(old) or math.isnan(new) or abs(old - new) <= least:
        return "same"
    return "better" if new < old else "worse"


def _measure_badness(score: str, value: float) -> float:
    if score in _NOMINAL:
        return abs(value - _NOMINAL[score])
    return -value if score in _HIGHER_IS_BETTER else value
