"""Isotonic calibration of probabilities, kept as plain knots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import isotonic_regression

from features.errors import ArtifactError

SMALLEST = 1e-9
"""Probabilities stay this far from 0 and 1, so that their logarithms are finite."""


@dataclass(frozen=True)
class Calibration:
    """A strictly rising piecewise linear map from raw to calibrated probability.

    Attributes
    ----------
    x, y : array of shape (n_knots,)
        Raw and calibrated probability at the knots, both strictly rising from 0 to 1.
    """

    x: np.ndarray
    y: np.ndarray

    def predict(self, raw: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities in (0, 1), same shape as `raw`.

        Strictly rising in `raw`: calibration never makes two moments equal that were not.
        """
        return np.asarray(np.clip(np.interp(raw, self.x, self.y), SMALLEST, 1 - SMALLEST))

    def to_json(self) -> dict[str, list[float]]:
        """Return the knots; `from_json` makes the same map of them, bit by bit."""
        return {"x": self.x.tolist(), "y": self.y.tolist()}

    @classmethod
    def from_json(cls, knots: dict[str, list[float]]) -> Calibration:
        """Read the knots.

        Raises
        ------
        ArtifactError
            If they are not two rising lists of one length from 0 to 1.
        """
        try:
            x, y = np.array(knots["x"], dtype=np.float64), np.array(knots["y"], dtype=np.float64)
            is_sound = x.shape == y.shape and all(
                len(v) >= 2 and v[0] == 0 and v[-1] == 1 and bool((np.diff(v) > 0).all())
                for v in (x, y)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"calibration knots cannot be read: {error}; train again") from None
        if not is_sound:
            raise ArtifactError(
                "calibration knots: expected two lists of one length, rising from 0 to 1; "
                "train again"
            )
        return cls(x, y)


IDENTITY = Calibration(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
"""Leaves probabilities as they are."""


def fit_calibration(
    predicted: np.ndarray,
    observed: np.ndarray,
    *,
    n_trials: int = 1,
    max_bins: int = 200,
    min_positives: float = 25.0,
) -> Calibration:
    """Fit an isotonic map from predicted probabilities to observed frequencies.

    Cells are first put in bins that expect the same number of positives, so that the rare high
    probabilities, which decide what is recommended, are resolved as finely as the many low ones
    and no knot rests on a handful of cells. Pooled neighbours become one knot at their mean.

    Parameters
    ----------
    predicted : array
        Raw probabilities in [0, 1], any shape.
    observed : array
        Positives of `n_trials` in each cell, same shape.
    n_trials : int
        Trials (weeks) behind every cell.
    max_bins : int
        Upper bound of the number of knots.
    min_positives : float
        Expected positives that a bin needs; with fewer in all, the map is the identity.

    Returns
    -------
    Calibration
        With (0, 0) and (1, 1) as its ends.

    References
    ----------
    .. [1] Zadrozny & Elkan (2002), "Transforming classifier scores into accurate multiclass
       probability estimates", KDD.
    """
    raw = np.ravel(predicted).astype(np.float64)
    rate = np.ravel(observed) / n_trials
    order = np.argsort(raw, kind="stable")
    raw, rate = raw[order], rate[order]
    expected = np.cumsum(raw)
    positives = min(float(expected[-1]), float(rate.sum())) * n_trials if len(raw) else 0.0
    n_bins = min(max_bins, int(positives / min_positives))
    if n_bins < 1:
        return IDENTITY
    bins = np.minimum((expected - 0.5 * raw) / expected[-1] * n_bins, n_bins - 1).astype(np.int64)
    weight = np.bincount(bins, minlength=n_bins)
    used = weight > 0
    x = np.bincount(bins, raw, minlength=n_bins)[used] / weight[used]
    y = np.bincount(bins, rate, minlength=n_bins)[used] / weight[used]
    return _join(x, isotonic_regression(y, sample_weight=weight[used]), weight[used])


def _join(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Calibration:
    """Make one knot of every run of equal `y`, at its mean `x`, and add the ends."""
    run = np.cumsum(np.diff(y, prepend=y[:1]) > 0)
    total = np.bincount(run, weight)
    x = np.bincount(run, weight * x) / total
    y = np.bincount(run, weight * y) / total
    inside = (x > 0) & (x < 1) & (y > 0) & (y < 1)
    x = np.concatenate([[0.0], x[inside], [1.0]])
    y = np.concatenate([[0.0], y[inside], [1.0]])
    rising = np.append((np.diff(x) > 0) & (np.diff(y) > 0), True)
    return Calibration(x[rising], y[rising])
