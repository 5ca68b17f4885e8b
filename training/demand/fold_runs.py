"""Every member fitted and tried at every origin, side by side.

Fitting does not depend on the order of the folds; what depends on it, the calibration, is in
`training.demand.calibration`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.progress import Progress
from features.region.calendars import Place
from features.region.design import build_training_design
from features.region.frequency import Bucket
from features.region.panel import Panel
from features.region.totals import build_region_totals
from models.demand.baselines import SeasonalMean, SeasonalNaive
from models.demand.boosting import LightGBMDemand
from models.demand.coherent import BottomForecast, forecast_bucket, join_buckets, sum_members
from models.demand.model import predict_prophet
from models.demand.prophet_totals import ProphetTotals
from training.folds import Fold

Floats = npt.NDArray[np.float64]

BASELINES = {"seasonal_naive": SeasonalNaive, "seasonal_mean": SeasonalMean}


@dataclass(frozen=True)
class Recipe:
    """How the members are fitted.

    Attributes
    ----------
    buckets : tuple of Bucket
    horizon : int
        Periods.
    make_lightgbm : callable
        Returns an unfitted LightGBMDemand of one thread.
    prophet : ProphetTotals or None
        Unfitted.
    places : dict of region id to Place
    workers : int
        LightGBMs fitted at a time. One thread each: threads of one fit wait for each other busily.
    """

    buckets: tuple[Bucket, ...]
    horizon: int
    make_lightgbm: Callable[[], LightGBMDemand]
    prophet: ProphetTotals | None
    places: dict[str, Place]
    workers: int


@dataclass(frozen=True)
class FoldForecast:
    """What was forecast at one origin, before calibration.

    Attributes
    ----------
    fold : Fold
    bottom : BottomForecast
    totals : DataFrame
        `sum_members` of the bottom, with Prophet's.
    quantiles : dict of model to array of shape (n_rows, 9)
        Of the bottom rows, for the models that make their own.
    """

    fold: Fold
    bottom: BottomForecast
    totals: pd.DataFrame
    quantiles: dict[str, Floats]


def fit_lightgbm(panel: Panel, origin: int, recipe: Recipe) -> dict[Bucket, LightGBMDemand]:
    """Fit one LightGBM per bucket on all that is known at the origin."""

    def fit(bucket: Bucket) -> LightGBMDemand:
        design = build_training_design(panel, origin, bucket)
        return recipe.make_lightgbm().fit(design.features, design.units)

    with ThreadPoolExecutor(recipe.workers) as pool:
        return dict(zip(recipe.buckets, pool.map(fit, recipe.buckets), strict=True))


def fit_prophet(panel: Panel, origin: int, recipe: Recipe) -> ProphetTotals | None:
    """Fit Prophet on the totals of regions up to the origin, if the recipe has it."""
    if recipe.prophet is None:
        return None
    totals = build_region_totals(panel, origin)
    made = ProphetTotals(**recipe.prophet.get_params())
    return made.fit(totals[["region_id", "date"]], totals["units"].to_numpy(), recipe.places)


def run_folds(
    panel: Panel, folds: Sequence[Fold], recipe: Recipe, progress: Progress
) -> list[FoldForecast]:
    """Fit every member at every origin and forecast the horizon after it."""
    with ThreadPoolExecutor(recipe.workers) as pool:
        jobs = {
            fold: [
                pool.submit(_run_bucket, panel, fold, bucket, recipe) for bucket in recipe.buckets
            ]
            for fold in folds
        }
        tried = [
            [job.result() for job in jobs[fold]]
            for fold in progress.track(folds, "backtest: series", len(folds))
        ]
    label = "backtest: region totals"
    pairs = progress.track(list(zip(folds, tried, strict=True)), label, len(folds))
    return [_join_fold(panel, fold, parts, recipe) for fold, parts in pairs]


def _run_bucket(
    panel: Panel, fold: Fold, bucket: Bucket, recipe: Recipe
) -> tuple[BottomForecast, dict[str, Floats]]:
    """Fit and forecast one bucket at one origin; also the models' own quantiles."""
    design = build_training_design(panel, fold.origin, bucket)
    lightgbm = recipe.make_lightgbm().fit(design.features, design.units)
    bottom = forecast_bucket(panel, fold.origin, recipe.horizon, bucket, lightgbm)
    quantiles = {"lightgbm": bottom.quantiles()}
    for name, model in BASELINES.items():
        fitted = model().fit(design.baselines, design.units)
        quantiles[name] = fitted.predict_quantiles(bottom.baselines)
    return bottom, quantiles


def _join_fold(
    panel: Panel,
    fold: Fold,
    parts: Sequence[tuple[BottomForecast, dict[str, Floats]]],
    recipe: Recipe,
) -> FoldForecast:
    bottom = join_buckets([part for part, _ in parts])
    prophet = predict_prophet(fit_prophet(panel, fold.origin, recipe), panel, bottom.frame)
    quantiles = {name: np.concatenate([made[name] for _, made in parts]) for name in parts[0][1]}
    return FoldForecast(fold, bottom, sum_members(bottom.frame, prophet), quantiles)
