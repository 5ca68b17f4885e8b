"""Quantiles around any mean from its earlier errors: what baselines are scored with.

Residuals are divided by the node's own scale and pooled by group (level × horizon bucket), as
quantiles of parts do not add up to those of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.base import BaseEstimator

from models.demand.quantiles import QUANTILES

Floats = npt.NDArray[np.float64]

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
