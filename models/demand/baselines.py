"""The honest baselines of demand, which every other model has to beat."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from models.demand.quantiles import QUANTILES

Floats = npt.NDArray[np.float64]


class _Baseline(BaseEstimator):  # type: ignore[misc]
    """A column of the design as the mean, its past errors in units of spread as the interval."""

    column: ClassVar[str]

    def fit(self, X: pd.DataFrame, y: Floats) -> _Baseline:
        """Learn the spread of past errors.

        Parameters
        ----------
        X : DataFrame, shape (n_rows, 3)
            `Design.baselines`.
        y : array of shape (n_rows,)
            Units, no NaN.
        """
        errors = (np.asarray(y) - X[self.column].to_numpy()) / X["spread"].to_numpy()
        self.offsets_ = np.quantile(errors, QUANTILES) if len(errors) else np.zeros(len(QUANTILES))
        return self

    def predict(self, X: pd.DataFrame) -> Floats:
        """Return the mean, shape (n_rows,)."""
        return X[self.column].to_numpy(dtype=np.float64, copy=True)

    def predict_quantiles(self, X: pd.DataFrame) -> Floats:
        """Return quantiles at `QUANTILES`, shape (n_rows, 9), ascending, >= 0."""
        spread = X["spread"].to_numpy()[:, None] * self.offsets_
        return np.asarray(np.maximum(self.predict(X)[:, None] + spread, 0.0))


class SeasonalNaive(_Baseline):
    """As many units as one season before, or as many seasons as the horizon needs."""

    column: ClassVar[str] = "naive"


class SeasonalMean(_Baseline):
    """As many units as on average on the last places of the season: the last four Mondays, say."""

    column: ClassVar[str] = "slot_mean"
