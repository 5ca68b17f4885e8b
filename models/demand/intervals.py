"""Quantiles that cover what they say: conformal corrections learned from earlier forecasts.

Bottom series: conformalised quantile regression, pooled by group (horizon bucket × volume class).
Upper levels: quantiles of residuals that were divided by the node's own scale, pooled by group
(level × horizon bucket), as quantiles of parts do not add up to those of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.base import BaseEstimator

from models.demand.quantiles import QUANTILES, complete_quantiles

Floats = npt.NDArray[np.float64]

_PAIRS = {0.8: (1, 3), 0.95: (0, 4)}
_POOL = ""
"""Name of the pool of all groups."""


def conformal_quantile(scores: Floats, level: float) -> float:
    """Return the value that a new exchangeable score stays below with probability `level`.

    Parameters
    ----------
    scores : array of shape (n,)
        Past scores; n >= 1.
    level : float
        Probability in (0, 1).

    Returns
    -------
    float
        The ⌈(n + 1)·level⌉-th smallest score, the largest one if n is too small for that.

    References
    ----------
    .. [1] Romano, Patterson & Candès (2019), "Conformalized Quantile Regression", theorem 1.

    Examples
    --------
    >>> conformal_quantile(np.array([1.0, 2.0, 3.0, 4.0]), 0.5)
    3.0
    """
    rank = min(math.ceil((len(scores) + 1) * level - 1e-9), len(scores))
    return float(np.partition(scores, rank - 1)[rank - 1])


class ConformalIntervals(BaseEstimator):  # type: ignore[misc]
    """Widen or narrow modelled intervals until they cover as much as they say, group by group.

    The 80 % and the 95 % interval each move by one multiple of their own width. A lower end at
    zero stays there: no sale can fall below it, so all of the error is at the upper end.

    Parameters
    ----------
    min_rows : int
        A group with fewer rows uses the pool of all groups.

    References
    ----------
    .. [1] Romano, Patterson & Candès (2019), "Conformalized Quantile Regression".
    """

    def __init__(self, *, min_rows: int = 200) -> None:
        self.min_rows = min_rows

    def fit(self, nodes: Floats, y: Floats, groups: npt.NDArray[Any]) -> ConformalIntervals:
        """Learn the multiples.

        Parameters
        ----------
        nodes : array of shape (n_rows, 5)
            Forecast values at `NODES`, made before `y` was known.
        y : array of shape (n_rows,)
            What came, same unit, no NaN.
        groups : array of str, shape (n_rows,)
            Pool of each row.
        """
        ordered = np.sort(np.maximum(nodes, 0.0), axis=1)
        scores = {pair: _interval_scores(ordered, y, places) for pair, places in _PAIRS.items()}
        self.multiples_: dict[str, dict[str, float]] = {}
        for group in [_POOL, *np.unique(groups)]:
            member = np.ones(len(y), bool) if group == _POOL else groups == group
            if group == _POOL or member.sum() >= self.min_rows:
                self.multiples_[str(group)] = {
                    str(pair): conformal_quantile(values[member], pair) if member.any() else 0.0
                    for pair, values in scores.items()
                }
        return self

    def predict_quantiles(self, nodes: Floats, groups: npt.NDArray[Any]) -> Floats:
        """Return corrected quantiles.

        Parameters
        ----------
        nodes : array of shape (n_rows, 5)
        groups : array of str, shape (n_rows,)

        Returns
        -------
        array of shape (n_rows, 9)
            At `QUANTILES`, ascending, >= 0. The median is the model's own.
        """
        corrected = np.sort(np.maximum(nodes, 0.0), axis=1)
        ordered = corrected.copy()
        for pair, (low, high) in _PAIRS.items():
            factor = self._factors(groups, str(pair))
            width = _width(ordered[:, low], ordered[:, high])
            lower = ordered[:, low] - factor * width
            corrected[:, low] = np.where(ordered[:, low] > 0, np.maximum(lower, 0.0), 0.0)
            corrected[:, high] = np.maximum(ordered[:, high] + factor * width, 0.0)
        median = ordered[:, 2]
        corrected[:, :2] = np.minimum(corrected[:, :2], median[:, None])
        corrected[:, 3:] = np.maximum(corrected[:, 3:], median[:, None])
        return complete_quantiles(corrected)

    def _factors(self, groups: npt.NDArray[Any], pair: str) -> Floats:
        names, places = np.unique(groups, return_inverse=True)
        pooled = self.multiples_[_POOL]
        found = [self.multiples_.get(str(name), pooled)[pair] for name in names]
        return np.array(found, dtype=np.float64)[places]

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        return {"min_rows": self.min_rows, "multiples": self.multiples_}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> ConformalIntervals:
        """Remake a fitted instance from `to_json`."""
        made = cls(min_rows=state["min_rows"])
        made.multiples_ = {name: dict(value) for name, value in state["multiples"].items()}
        return made


class ResidualIntervals(BaseEstimator):  # type: ignore[misc]
    """Quantiles around a mean, from residuals in units of each row's own scale, by group.

    Parameters
    ----------
    min_rows : int
        With fewer residuals a group uses Student's t around zero with their root mean square, and
        as many degrees of freedom as twice the origins: errors of one origin go together.
    """

    def __init__(self, *, min_rows: int = 150) -> None:
        self.min_rows = min_rows

    def fit(
        self,
        mean: Floats,
        y: Floats,
        scale: Floats,
        groups: npt.NDArray[Any],
        origins: npt.NDArray[np.int64],
    ) -> ResidualIntervals:
        """Learn the residuals' quantiles.

        Parameters
        ----------
        mean, y, scale : arrays of shape (n_rows,)
            Forecast, what came, and the row's scale (> 0), all in units; no NaN.
        groups : array of str, shape (n_rows,)
            Pool of each row.
        origins : array of int, shape (n_rows,)
            When each forecast was made.
        """
        residuals = (y - mean) / scale
        self.offsets_: dict[str, list[float]] = {}
        for group in [_POOL, *np.unique(groups)]:
            member = np.ones(len(y), bool) if group == _POOL else groups == group
            self.offsets_[str(group)] = self._offsets(
                residuals[member], len(np.unique(origins[member]))
            )
        return self

    def predict_quantiles(self, mean: Floats, scale: Floats, groups: npt.NDArray[Any]) -> Floats:
        """Return quantiles of shape (n_rows, 9) at `QUANTILES`, ascending, >= 0."""
        names, places = np.unique(groups, return_inverse=True)
        pooled = self.offsets_[_POOL]
        found = [self.offsets_.get(str(name), pooled) for name in names]
        offsets = np.array(found).reshape(-1, len(QUANTILES))  # no rows have nine quantiles, too
        shifted = mean[:, None] + scale[:, None] * offsets[places]
        return np.asarray(np.maximum(np.sort(shifted, axis=1), 0.0))

    def _offsets(self, residuals: Floats, n_origins: int) -> list[float]:
        if len(residuals) == 0:
            return [0.0] * len(QUANTILES)
        if len(residuals) < self.min_rows:
            spread = math.sqrt(float(np.mean(residuals**2)))
            heavy = stats.t.ppf(QUANTILES, df=2 * n_origins)
            return [float(value) for value in spread * heavy]
        return [
            conformal_quantile(residuals, level)
            if level >= 0.5
            else -conformal_quantile(-residuals, 1 - level)
            for level in QUANTILES
        ]

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        return {"min_rows": self.min_rows, "offsets": self.offsets_}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> ResidualIntervals:
        """Remake a fitted instance from `to_json`."""
        made = cls(min_rows=state["min_rows"])
        made.offsets_ = {name: list(value) for name, value in state["offsets"].items()}
        return made


def find_volume_classes(volume: Floats, edges: Sequence[float]) -> npt.NDArray[np.int64]:
    """Return each row's volume class: how many of the ascending `edges` it reaches."""
    return np.searchsorted(np.asarray(edges, dtype=np.float64), volume, side="right")


def _width(lower: Floats, upper: Floats) -> Floats:
    """Return the interval's width, never below a tenth of its upper end, nor zero."""
    return np.asarray(np.maximum(upper - lower, np.maximum(0.1 * upper, 1e-3)))


def _interval_scores(nodes: Floats, y: Floats, places: tuple[int, int]) -> Floats:
    """Return by how many widths an interval has to grow to hold what came."""
    lower, upper = nodes[:, places[0]], nodes[:, places[1]]
    below = np.where(lower > 0, lower - y, -np.inf)
    return np.asarray(np.maximum(below, y - upper) / _width(lower, upper))
