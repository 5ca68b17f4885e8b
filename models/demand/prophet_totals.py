"""Prophet on the totals of regions, fitted side by side in worker processes."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from features.region.calendars import Place, build_holidays
from features.region.frequency import DAY, FREQUENCIES

Floats = npt.NDArray[np.float64]

YEAR_DAYS = 730
"""A yearly season is only learned from two of them."""


class ProphetTotals(BaseEstimator):  # type: ignore[misc]
    """One Prophet per region: trend with few bends, weekly and yearly season, holidays.

    A region whose history is shorter than two seasons is left out, with the reason in
    `skipped_`; forecasts are never negative. Deterministic.

    Parameters
    ----------
    frequency : str
        'day', 'week' or 'month'.
    changepoints : int
        Bends the trend may take.
    seed, jobs : int, int
        Seed of the optimiser; worker processes.

    Attributes
    ----------
    models_ : dict of region id to str
        Prophet's own JSON.
    skipped_ : dict of region id to str
        Reason.
    """

    def __init__(
        self, *, frequency: str = "day", changepoints: int = 8, seed: int = 7, jobs: int = 2
    ) -> None:
        self.frequency = frequency
        self.changepoints = changepoints
        self.seed = seed
        self.jobs = jobs

    def fit(
        self, X: pd.DataFrame, y: Floats, places: Mapping[str, Place] | None = None
    ) -> ProphetTotals:
        """Fit every region.

        Parameters
        ----------
        X : DataFrame, shape (n_rows, 2)
            region_id and date (datetime64), one row per region and period.
        y : array of shape (n_rows,)
            Units of the region's total; NaN is left to Prophet as missing.
        places : mapping of region id to Place, optional
            Whose holidays count for a region; none if absent. Daily data only, as holidays of a
            week depend on how the week is dated.
        """
        self.models_: dict[str, str] = {}
        self.skipped_: dict[str, str] = {}
        tasks = []
        rows = X.assign(y=np.asarray(y, dtype=np.float64))
        for region, history in rows.groupby("region_id", sort=True):
            reason = self._reason_to_skip(history)
            if reason:
                self.skipped_[str(region)] = reason
                continue
            place = (places or {}).get(str(region), Place())
            table = history[["date", "y"]].rename(columns={"date": "ds"})
            tasks.append((str(region), table, self._holidays(history["date"], place)))
        fitted = joblib.Parallel(n_jobs=self._jobs(len(tasks)))(
            joblib.delayed(_fit_region)(table, off, self._arguments(table), self.seed)
            for _, table, off in tasks
        )
        names = [name for name, _, _ in tasks]
        self.models_ = dict(zip(names, fitted, strict=True))
        return self

    def predict(self, X: pd.DataFrame) -> Floats:
        """Forecast totals.

        Parameters
        ----------
        X : DataFrame, shape (n_rows, 2)
            region_id and date.

        Returns
        -------
        array of shape (n_rows,)
            Units >= 0; NaN for a region that has no model.
        """
        found = np.full(len(X), np.nan)
        where = {
            str(region): rows
            for region, rows in X.groupby("region_id").indices.items()
            if str(region) in self.models_
        }
        values = joblib.Parallel(n_jobs=self._jobs(len(where)))(
            joblib.delayed(_predict_region)(self.models_[region], X["date"].iloc[rows])
            for region, rows in where.items()
        )
        for rows, value in zip(where.values(), values, strict=True):
            found[rows] = np.maximum(value, 0.0)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        return {
            "parameters": self.get_params(),
            "models": {region: json.loads(text) for region, text in self.models_.items()},
            "skipped": self.skipped_,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> ProphetTotals:
        """Remake a fitted instance from `to_json`."""
        made = cls(**state["parameters"])
        made.models_ = {region: json.dumps(model) for region, model in state["models"].items()}
        made.skipped_ = dict(state["skipped"])
        return made

    def _jobs(self, tasks: int) -> int:
        """Use worker processes only where there is something to share out."""
        return min(self.jobs, max(tasks, 1)) if tasks > 2 else 1

    def _reason_to_skip(self, history: pd.DataFrame) -> str:
        known = history["y"].notna().sum()
        season = FREQUENCIES[self.frequency].season
        if known < 2 * season:
            return f"{known} {self.frequency}s of history, two seasons are {2 * season}"
        if history["y"].max() <= 0:
            return "nothing was sold"
        return ""

    def _arguments(self, table: pd.DataFrame) -> dict[str, Any]:
        span = (table["ds"].max() - table["ds"].min()).days
        return {
            "n_changepoints": min(self.changepoints, max(len(table) // 4, 1)),
            "yearly_seasonality": bool(span >= YEAR_DAYS or self.frequency == "month"),
            "weekly_seasonality": self.frequency == DAY.name,
            "daily_seasonality": False,
            "uncertainty_samples": 0,
        }

    def _holidays(self, dates: pd.Series, place: Place) -> pd.DataFrame | None:
        if self.frequency != DAY.name:
            return None
        first, last = dates.min().date(), dates.max().date()
        # Two years beyond the history, as a model may be asked about dates far after it.
        found = build_holidays(place, first, date(last.year + 2, 12, 31))
        if found.empty:
            return None
        return pd.DataFrame({"holiday": found.to_numpy(), "ds": found.index})


def _fit_region(
    table: pd.DataFrame, off: pd.DataFrame | None, arguments: dict[str, Any], seed: int
) -> str:
    """Fit one Prophet and return its JSON; runs in a worker process."""
    with quiet_prophet():
        from prophet import Prophet
        from prophet.serialize import model_to_json

        model = Prophet(holidays=off, **arguments)
        model.fit(table, seed=seed)
        return str(model_to_json(model))


def _predict_region(text: str, dates: pd.Series) -> Floats:
    """Forecast from one Prophet's JSON; runs in a worker process."""
    with quiet_prophet():
        from prophet.serialize import model_from_json

        forecast = model_from_json(text).predict(pd.DataFrame({"ds": dates.to_numpy()}))
        return np.asarray(forecast["yhat"].to_numpy(dtype=np.float64))


@contextmanager
def quiet_prophet() -> Iterator[None]:
    """Keep the libraries' progress, and their use of old pandas calls, out of the caller's log."""
    # Prophet complains while it is imported; cmdstanpy sets its own level at the first message.
    logging.getLogger("prophet.plot").setLevel(logging.CRITICAL)
    from cmdstanpy.utils import get_logger

    for logger in (logging.getLogger("prophet"), get_logger()):
        logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            warnings.filterwarnings("ignore", category=category, module="prophet")
        yield
