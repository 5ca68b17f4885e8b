"""Every member fitted and tried at every origin.

Fitting does not depend on the order of the folds; what depends on it, the calibration, is in
`training.demand.calibration`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.progress import Progress
from features.region.calendars import Place
from features.region.design import draw_training_design
from features.region.frequency import Bucket
from features.region.nodes import Nodes, build_nodes
from features.region.panel import Panel
from features.region.steps import StepMatrix
from features.region.totals import build_node_scales
from features.schema import ALL
from models.demand.boosting import LightGBMDemand
from models.demand.members import Fitted, Members, forecast_members
from models.demand.prophet_totals import ProphetTotals
from models.demand.recursive import RecursiveDemand
from training.folds import Fold


@dataclass(frozen=True)
class Recipe:
    """How the members are fitted.

    Attributes
    ----------
    buckets : tuple of Bucket
    horizon : int
        Periods.
    make_lightgbm, make_recursive : callable
        Return an unfitted model of one thread.
    prophet : ProphetTotals or None
        Unfitted.
    places : dict of region id to Place
        Of regions at any level.
    prophet_nodes : int
        Most region totals that Prophet forecasts, whole levels at a time, the coarsest first.
    workers : int
        Folds fitted at a time. One thread each: threads of one fit wait for each other busily.
    """

    buckets: tuple[Bucket, ...]
    horizon: int
    make_lightgbm: Callable[[], LightGBMDemand]
    make_recursive: Callable[[], RecursiveDemand]
    prophet: ProphetTotals | None
    places: dict[str, Place]
    prophet_nodes: int
    workers: int


def fit_members(panel: Panel, origin: int, recipe: Recipe) -> Fitted:
    """Fit every member that is kept on all that is known at the origin."""
    prophet = fit_prophet(panel, build_nodes(panel), origin, recipe)
    with ThreadPoolExecutor(recipe.workers) as pool:
        recursive = pool.submit(_fit_recursive, panel, origin, recipe)
        direct = pool.map(lambda bucket: _fit_direct(panel, origin, bucket, recipe), recipe.buckets)
        fitted = dict(zip(recipe.buckets, direct, strict=True))
        return Fitted(fitted, recursive.result(), prophet)


def run_folds(
    panel: Panel, folds: Sequence[Fold], recipe: Recipe, progress: Progress
) -> list[Members]:
    """Fit every member at every origin and forecast the horizon after it."""
    nodes = build_nodes(panel)
    scales = build_node_scales(panel, [fold.origin for fold in folds])
    label = "backtest: Prophet on region totals"
    prophets = [
        fit_prophet(panel, nodes, fold.origin, recipe)
        for fold in (progress.track(folds, label, len(folds)) if recipe.prophet else folds)
    ]

    def run(fold: Fold, prophet: ProphetTotals | None) -> Members:
        fitted = Fitted(
            {bucket: _fit_direct(panel, fold.origin, bucket, recipe) for bucket in recipe.buckets},
            _fit_recursive(panel, fold.origin, recipe),
            prophet,
        )
        own = scales[scales["origin"] == fold.origin]
        return forecast_members(panel, fitted, fold.origin, recipe.horizon, nodes=nodes, scales=own)

    with ThreadPoolExecutor(recipe.workers) as pool:
        jobs = [pool.submit(run, *pair) for pair in zip(folds, prophets, strict=True)]
        return [job.result() for job in progress.track(jobs, "backtest: members", len(jobs))]


def fit_prophet(panel: Panel, nodes: Nodes, origin: int, recipe: Recipe) -> ProphetTotals | None:
    """Fit Prophet on the totals of the coarsest regions up to the origin, if the recipe has it."""
    if recipe.prophet is None:
        return None
    table = nodes.table
    whole = (table["product_level"] == ALL) & (table["n_series"] > 1)
    counts = table.loc[whole, "region_level"].value_counts().sort_values(kind="stable")
    levels = counts.index[counts.cumsum() <= recipe.prophet_nodes]
    chosen = np.flatnonzero(whole & table["region_level"].isin(levels))
    made = ProphetTotals(**recipe.prophet.get_params())
    matrix = StepMatrix(panel, origin, 0)
    history = matrix.history(origin - panel.first_period + 1)
    below = nodes.summing[chosen]
    totals = (below @ np.nan_to_num(history).T).T
    started = (below @ np.isfinite(history).T.astype(np.float64)).T > 0
    dates = panel.date_of(panel.first_period + np.arange(len(history)))
    period, node = np.nonzero(started)
    rows = pd.DataFrame(
        {
            "region_id": table["region_id"].to_numpy()[chosen][node],
            "date": dates[period],
        }
    )
    return made.fit(rows, totals[period, node], recipe.places)


def _fit_direct(panel: Panel, origin: int, bucket: Bucket, recipe: Recipe) -> LightGBMDemand:
    model = recipe.make_lightgbm()
    # The quantiles' rows beside those of the mean: more are never looked at.
    rows = model.max_rows + model.quantile_rows
    design = draw_training_design(panel, origin, bucket, max_rows=rows, seed=model.seed)
    return model.fit(design.features, design.units)


def _fit_recursive(panel: Panel, origin: int, recipe: Recipe) -> RecursiveDemand:
    return recipe.make_recursive().fit(StepMatrix(panel, origin, 0))
