"""What trees in one feature add up to: a step function, tabulated once.

Where interaction constraints keep a feature in trees of its own, the sum of those trees depends on
that feature alone and is constant between neighbouring thresholds. So a score is one prediction for
all other features and one look-up per such feature, instead of all trees for every cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np


@dataclass(frozen=True)
class StepTable:
    """A right-closed step function that is 0 at 0.

    Attributes
    ----------
    thresholds : array of shape (k,)
        Rising; step i is of thresholds[i − 1] < value <= thresholds[i].
    values : array of shape (k + 1,)
    """

    thresholds: np.ndarray
    values: np.ndarray

    def look_up(self, feature: np.ndarray) -> np.ndarray:
        """Return the step of every value, same shape."""
        return np.asarray(self.values[np.searchsorted(self.thresholds, feature, side="left")])


def tabulate_steps(booster: lgb.Booster, alone: Sequence[int]) -> tuple[StepTable, ...]:
    """Tabulate the features of a booster that are alone in their trees.

    Parameters
    ----------
    booster : lightgbm.Booster
        Trained with interaction constraints that part each of `alone` from all others.
    alone : sequence of int
        Positions of the features.

    Returns
    -------
    tuple of StepTable
        In the order of `alone`. The raw score of a row is the booster's at the row with zeros in
        `alone`, plus the sum of the look-ups.

    Raises
    ------
    ValueError
        If a tree holds one of `alone` together with another feature.
    """
    thresholds: dict[int, set[float]] = {feature: set() for feature in alone}
    for tree in booster.dump_model()["tree_info"]:
        splits = list(_walk(tree["tree_structure"]))
        used = {feature for feature, _ in splits}
        if len(used) > 1 and used & set(alone):
            raise ValueError(
                f"step tables: a tree holds features {sorted(used)} together, expected each of "
                f"{sorted(alone)} alone; train with interaction constraints"
            )
        for feature, threshold in splits:
            if feature in thresholds:
                thresholds[feature].add(threshold)
    return tuple(_tabulate(booster, feature, thresholds[feature]) for feature in alone)


def _tabulate(booster: lgb.Booster, feature: int, found: set[float]) -> StepTable:
    edges = np.array(sorted(found), dtype=np.float64)
    # one row inside each step, as LightGBM reads what is next to 0 as 0; and last a row at 0
    ends = np.concatenate([edges[:1] - 1.0, edges, edges[-1:] + 1.0])
    inside = (ends[1:] + ends[:-1]) / 2 if len(edges) else np.zeros(1)
    rows = np.zeros((len(inside) + 1, booster.num_feature()))
    rows[:-1, feature] = inside
    score = np.asarray(booster.predict(rows, raw_score=True, num_threads=1))
    return StepTable(edges, score[:-1] - score[-1])


def _walk(node: dict[str, Any]) -> Iterator[tuple[int, float]]:
    """Yield feature and threshold of every split below a node."""
    pending = [node]
    while pending:
        inner = pending.pop()
        if "split_feature" in inner:
            yield inner["split_feature"], float(inner["threshold"])
            pending += [inner["left_child"], inner["right_child"]]
