"""LightGBM through mlforecast: one recursive model of all bottom series of a dataset.

Lags, rolling means, the calendar, ids and their parents as categories and the known-ahead columns.
Counts are fitted with Tweedie loss; turnover as its standardised differences, because trees do not
follow a trend: of the transforms tried it had the lowest mean RMSE in windows before the scored
one (two of tourism, one of aus_retail), though not in each. Intervals at the bottom are
mlforecast's conformal ones; nodes above get the quantiles of their own residuals in the same
cross-validation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.demand_data import KEYS, Dataset, build_ancestors, build_grid, build_nodes
from benchmarks.demand_frames import (
    INTERVALS,
    QUANTILE_NAMES,
    QUANTILES,
    add_residual_quantiles,
    finish_forecasts,
    read_intervals,
    sum_bottom,
)

MODEL = "LGBM"
SEED = 7
WINDOWS = {"day": 4, "week": 4, "month": 5, "quarter": 4}
"""Windows of the cross-validation."""
LAGS = {
    "day": [*range(1, 15), 21, 28, 35, 42],
    "week": [1, 2, 3, 4, 5, 6, 8, 13, 26, 52],
    "month": [*range(1, 14), 24],
    "quarter": [*range(1, 9)],
}
ROLLINGS = {
    "day": {1: (7, 28, 91), 7: (28,), 28: (28,)},
    "week": {1: (4, 8, 13, 26)},
    "month": {1: (3, 12)},
    "quarter": {1: (4, 8)},
}
CALENDAR = {
    "day": ["dayofweek", "day", "month", "dayofyear"],
    "week": ["month", "week_of_year"],
    "month": ["month"],
    "quarter": ["quarter"],
}
TREES = {"n_estimators": 500, "learning_rate": 0.05, "num_leaves": 31, "min_child_samples": 20}
SAMPLING = {"subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.8}


def forecast_lightgbm(dataset: Dataset) -> pd.DataFrame:
    """Forecast every origin; rows of the gap are still in it."""
    grid = build_grid(dataset)
    nodes = build_nodes(dataset, grid, known=())
    static = _find_static(dataset)
    parts = [_forecast_origin(dataset, grid, nodes, static, at) for at in dataset.origins]
    return pd.concat(parts, ignore_index=True)


def _forecast_origin(
    dataset: Dataset,
    grid: pd.DataFrame,
    nodes: pd.DataFrame,
    static: list[pd.DataFrame],
    origin: pd.Timestamp,
) -> pd.DataFrame:
    from mlforecast.utils import PredictionIntervals

    frame = _build_frame(dataset, grid, static)
    past, ahead = frame[frame["ds"] <= origin], frame[frame["ds"] > origin]
    windows = WINDOWS[dataset.frequency]
    size = past.groupby("unique_id")["y"].transform("size")
    # what was listed after the first window opens has no residuals to learn from
    is_long = size > windows * dataset.reach
    long = past[is_long].reset_index(drop=True)
    fixed = [name for name in long if name.startswith("id_")]
    forecaster = make_forecaster(dataset)
    tried = forecaster.cross_validation(
        long, n_windows=windows, h=dataset.reach, refit=False, static_features=fixed, dropna=False
    )
    forecaster.fit(long, static_features=fixed, dropna=False)
    # what `fit(prediction_intervals=...)` would do, with the one cross-validation of above
    forecaster.prediction_intervals = PredictionIntervals(n_windows=windows, h=dataset.reach)
    errors = tried[["unique_id", "ds", MODEL]].copy()
    errors[MODEL] = (tried["y"] - tried[MODEL]).abs()
    forecaster._cs_df = errors
    made = forecaster.predict(
        dataset.reach,
        X_df=_plan(dataset, ahead, long["unique_id"].unique()),
        level=list(INTERVALS),
    )
    bottom = pd.concat(
        [read_intervals(made, MODEL), _forecast_short(past[~is_long], ahead, dataset)],
        ignore_index=True,
    )
    bottom = _add_ids(bottom)
    totals = sum_bottom(dataset, bottom, "mean")
    tried["residual"] = tried["y"] - tried[MODEL]
    residuals = sum_bottom(dataset, _add_ids(tried.rename(columns={"ds": "date"})), "residual")
    totals = add_residual_quantiles(totals, residuals, "residual")
    level = dataset.levels[0]
    bottom["unique_id"] = level + "|" + bottom["region_id"] + "|" + bottom["product_id"]
    columns = ["unique_id", "date", "mean", *QUANTILE_NAMES]
    both = pd.concat([bottom[columns], totals[columns]], ignore_index=True)
    return finish_forecasts(both, nodes, origin)


def make_forecaster(dataset: Dataset) -> Any:
    """Return an unfitted mlforecast model for the dataset's frequency and kind of units."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean
    from mlforecast.target_transforms import Differences, LocalStandardScaler

    loss = {"objective": "tweedie", "tweedie_variance_power": 1.2} if dataset.is_count else {}
    return MLForecast(
        {
            MODEL: LGBMRegressor(
                **TREES, **SAMPLING, **loss, n_jobs=1, random_state=SEED, verbosity=-1
            )
        },
        freq=dataset.freq,
        lags=LAGS[dataset.frequency],
        lag_transforms={
            lag: [RollingMean(window, min_samples=1) for window in windows]
            for lag, windows in ROLLINGS[dataset.frequency].items()
        },
        date_features=[
            week_of_year if name == "week_of_year" else name for name in CALENDAR[dataset.frequency]
        ],
        target_transforms=None if dataset.is_count else [Differences([1]), LocalStandardScaler()],
        num_threads=1,
    )


def week_of_year(dates: pd.DatetimeIndex) -> Any:
    """ISO week of dates, 1 to 53."""
    return dates.isocalendar().week.to_numpy(np.int32)


def _find_static(dataset: Dataset) -> list[pd.DataFrame]:
    """Return region and product ids with their ancestors as numbered categories."""
    found = []
    for table, key in ((dataset.regions, "region_id"), (dataset.products, "product_id")):
        paths = build_ancestors(table, key).drop(columns="all")
        bottom = dataset.levels[0].split("/")[0 if key == "region_id" else 1]
        paths = paths[paths[bottom] == paths.index]
        codes = paths.apply(lambda ids: pd.factorize(ids, sort=True)[0]).astype("category")
        found.append(codes.add_prefix("id_").rename_axis(key).reset_index())
    return found


def _build_frame(dataset: Dataset, grid: pd.DataFrame, static: list[pd.DataFrame]) -> pd.DataFrame:
    frame = grid.assign(unique_id=grid["region_id"] + "|" + grid["product_id"])
    for table, key in zip(static, KEYS, strict=True):
        frame = frame.merge(table, on=key, how="left")
    frame = frame.rename(columns={"date": "ds", "history": "y"})
    fixed = [name for name in frame if name.startswith("id_")]
    return frame[[*KEYS, "unique_id", "ds", "y", *fixed, *dataset.known_ahead]].drop(columns=KEYS)


def _plan(dataset: Dataset, ahead: pd.DataFrame, ids: Any) -> pd.DataFrame | None:
    if not dataset.known_ahead:
        return None
    last = sorted(ahead["ds"].unique())[: dataset.reach][-1]
    rows = ahead[ahead["unique_id"].isin(ids) & (ahead["ds"] <= last)]
    return rows[["unique_id", "ds", *dataset.known_ahead]].reset_index(drop=True)


def _forecast_short(past: pd.DataFrame, ahead: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Forecast young series by the mean and the quantiles of what they sold."""
    series = past.groupby("unique_id")["y"]
    known = series.quantile(list(QUANTILES)).unstack()  # noqa: PD010 if len(past) else pd.DataFrame()
    known = known.set_axis(list(QUANTILE_NAMES), axis=1) if len(past) else known
    known = known.assign(mean=series.mean()).rename_axis("unique_id").reset_index()
    dates = sorted(ahead["ds"].unique())[: dataset.reach]
    return known.merge(pd.DataFrame({"date": dates}), how="cross")


def _add_ids(rows: pd.DataFrame) -> pd.DataFrame:
    named = rows["unique_id"].str.split("|", n=1, expand=True)
    return rows.assign(region_id=named[0], product_id=named[1])
