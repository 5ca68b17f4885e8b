"""P(next order within t days), from which probabilities and days are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

NEAR = (1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 28)
FAR = (35, 42, 56, 84, 112, 168, 252, 364, 546, 728)
SURE = 1 - 1e-12


def make_days(n_days: int) -> np.ndarray:
    """Return the days at which curves are known: fine at first, `n_days` among them."""
    return np.array(sorted({*NEAR, n_days, *FAR}), dtype=np.float64)


@dataclass(frozen=True)
class OrderCurve:
    """When n customers are expected to order next.

    Attributes
    ----------
    days : array of shape (k,)
        Days from the cut-off, rising.
    probability : array of shape (n, k)
        P(an order within that many days); does not fall from left to right.
    """

    days: np.ndarray
    probability: np.ndarray

    def at(self, days: float) -> np.ndarray:
        """Return P(an order within `days`), shape (n,); between known days the hazard is even."""
        total = self._cumulative_hazard()
        place = int(np.clip(np.searchsorted(self._grid, days), 1, len(self._grid) - 1))
        left, right = self._grid[place - 1], self._grid[place]
        share = min((days - left) / (right - left), 1.0)
        hazard = (1 - share) * total[:, place - 1] + share * total[:, place]
        return np.asarray(-np.expm1(-hazard))

    def quantile(self, level: float) -> np.ndarray:
        """Return the day by which an order is there with that probability, shape (n,).

        NaN where the last day of the curve does not reach it: perhaps never.
        """
        total, wanted = self._cumulative_hazard(), -np.log1p(-level)
        place = np.argmax(total >= wanted, axis=1)  # 0 only where none reaches it
        rows = np.arange(len(total))
        left = np.maximum(place - 1, 0)
        low, high = total[rows, left], total[rows, place]
        share = (wanted - low) / np.where(high > low, high - low, 1.0)
        found = self._grid[left] + share * (self._grid[place] - self._grid[left])
        return np.asarray(np.where(place > 0, found, np.nan))

    def calibrate(self, days: float, probability: np.ndarray) -> Self:
        """Return the curve with hazards scaled so that P(order within `days`) is as given."""
        raw = np.log1p(-np.clip(self.at(days), 1e-12, SURE))
        power = np.log1p(-np.clip(probability, 1e-12, SURE)) / raw
        hazard = self._cumulative_hazard()[:, 1:] * power[:, None]
        return type(self)(self.days, -np.expm1(-hazard))

    @property
    def _grid(self) -> np.ndarray:
        return np.concatenate([[0.0], self.days])

    def _cumulative_hazard(self) -> np.ndarray:
        known = -np.log1p(-np.minimum(self.probability, SURE))
        return np.concatenate([np.zeros((len(known), 1)), known], axis=1)
