"""Demand from a project file: backtest it, fit it, forecast with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.engine import open_engine
from features.progress import Progress
from features.project import Project
from features.region.calendars import Place, find_places
from features.region.frequency import FREQUENCIES, build_buckets, count_days, count_periods
from features.region.panel import Panel, build_panel
from features.region.steps import WINDOWS
from features.schema import ALL
from models.demand.boosting import LightGBMDemand
from models.demand.coherent import Calibration
from models.demand.members import NODE_MEMBERS, SERIES_MEMBERS
from models.demand.model import DemandModel
from models.demand.prophet_totals import ProphetTotals
from models.demand.quantiles import QUANTILE_NAMES
from models.demand.recursive import RecursiveDemand
from models.demand.storage import make_keys
from training.config import DemandSettings
from training.demand.calibration import (
    SCORED_MODELS,
    CalibratedFold,
    calibrate_folds,
    learn,
    tabulate,
)
from training.demand.fold_runs import Recipe, fit_members, run_folds
from training.demand.scores import score_forecasts
from training.demand.tuning import choose_power
from training.folds import Folds, make_folds

FORECAST_COLUMNS = (
    "origin", "level", "region", "product", "date", "bucket", "units", "mean",
    *QUANTILE_NAMES, "model",
)  # fmt: skip
KEPT_MODELS = ("almanac", "lightgbm", "ets", "prophet", "seasonal_mean", "seasonal_naive")
"""Models whose single forecasts are kept; the others are scored and let go."""


@dataclass(frozen=True)
class DemandBacktest:
    """What a backtest found.

    Attributes
    ----------
    scores : DataFrame
        model, level, bucket, wape, bias, mase, rmsse, pinball, coverage_80, coverage_95, n_rows;
        of the scored folds together.
    fold_scores : DataFrame
        The same by origin.
    forecasts : DataFrame
        `FORECAST_COLUMNS`; forecasts of `KEPT_MODELS` at every level in the scored folds.
    weights : DataFrame
        bucket, member, weight: the blend of series that the final model uses.
    choices : DataFrame
        What else the backtest chose: choice, where, value, reason.
    notes : tuple of str
        What was given up or left out, and why.
    folds : tuple of CalibratedFold
        What the final fit calibrates from.
    recipe : Recipe
        How the members were fitted, and are to be.
    """

    scores: pd.DataFrame
    fold_scores: pd.DataFrame
    forecasts: pd.DataFrame
    weights: pd.DataFrame
    choices: pd.DataFrame
    notes: tuple[str, ...]
    folds: tuple[CalibratedFold, ...]
    recipe: Recipe


def load_panel(
    project: Project, origin: date | None = None, horizon_days: int | None = None
) -> Panel:
    """Build the panel of a project, at the end of its sales or at an earlier origin.

    Raises
    ------
    NotEnoughData
        If the origin lies outside the sales, or nothing was sold up to it.
    ProjectError
        If the dates are not of the project's frequency.
    """
    settings = project.section("demand", DemandSettings)
    with open_engine(project.settings.threads, project.settings.memory_limit) as engine:
        return build_panel(
            engine,
            project.workspace,
            origin=origin,
            horizon_days=horizon_days or settings.horizon_days,
            frequency=FREQUENCIES[settings.frequency],
            known_ahead=settings.known_ahead,
            country=project.settings.country,
            subdivision=project.settings.subdivision,
            time_zone=project.settings.time_zone,
            dead_after_days=settings.dead_after_days,
        )


def backtest_demand(
    project: Project,
    progress: Progress,
    *,
    panel: Panel | None = None,
    horizon_days: int | None = None,
) -> DemandBacktest:
    """Forecast from rolling origins, refitting at each, and score what came.

    The early folds only calibrate; every scored fold's weights and intervals come from outcomes
    that were known at its origin. All models are scored on the same rows, Prophet on the totals
    of regions only.

    Parameters
    ----------
    project : Project
    progress : Progress
        Told fold by fold.
    panel : Panel, optional
        From `load_panel`, whose origin is where the backtest ends; by default the whole sales.
    horizon_days : int, optional
        Instead of the project's.

    Returns
    -------
    DemandBacktest

    Raises
    ------
    NotEnoughData
        If the history has no room for two origins.
    """
    settings = project.section("demand", DemandSettings)
    panel = load_panel(project, horizon_days=horizon_days) if panel is None else panel
    placed = _place_folds(panel, settings, horizon_days or settings.horizon_days)
    notes = _collect_notes(panel, placed)
    for note in notes:
        progress.say(note)
    recipe = _make_recipe(project, settings, panel, horizon_days)
    recipe, power = _tune(panel, placed, recipe, settings)
    members = run_folds(panel, placed.folds, recipe, progress)
    seed = project.settings.seed
    folds = calibrate_folds(panel, placed.folds, members, progress, seed=seed)
    scores, fold_scores, kept = _score(panel, folds, progress)
    calibration = learn(panel, folds, panel.origin_period, seed=seed)
    return DemandBacktest(
        scores=scores,
        fold_scores=fold_scores,
        forecasts=kept,
        weights=_tabulate_weights(calibration),
        choices=pd.concat([power, tabulate_choices(calibration)], ignore_index=True),
        recipe=recipe,
        notes=notes,
        folds=tuple(folds),
    )


def _score(
    panel: Panel, folds: Sequence[CalibratedFold], progress: Progress
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Score one model after the other, so that only what is kept is in memory at once."""
    scores, fold_scores, kept = [], [], []
    for model in progress.track(SCORED_MODELS, "score", len(SCORED_MODELS)):
        rows = tabulate(panel, folds, model)
        if rows.empty:
            continue
        scores.append(score_forecasts(rows))
        fold_scores.append(score_forecasts(rows, by_origin=True))
        if model in KEPT_MODELS:
            kept.append(rows[list(FORECAST_COLUMNS)])
    return _join(scores), _join(fold_scores), _join(kept)


def _join(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True)


def fit_demand(
    project: Project,
    progress: Progress,
    *,
    origin: date | None = None,
    horizon_days: int | None = None,
    backtest: DemandBacktest | None = None,
    panel: Panel | None = None,
) -> DemandModel:
    """Fit on everything up to the origin, calibrated from the folds of a backtest before it.

    Parameters
    ----------
    project : Project
    progress : Progress
    origin : date, optional
        By default the last date of the sales.
    horizon_days : int, optional
        Instead of the project's.
    backtest : DemandBacktest, optional
        Of the same panel and horizon; made here if there is none.
    panel : Panel, optional
        From `load_panel` with the same origin and horizon.

    Returns
    -------
    DemandModel

    Raises
    ------
    NotEnoughData
        If the history up to the origin has no room for a backtest.
    """
    settings = project.section("demand", DemandSettings)
    panel = load_panel(project, origin, horizon_days) if panel is None else panel
    if backtest is None:
        backtest = backtest_demand(project, progress, panel=panel, horizon_days=horizon_days)
    recipe = backtest.recipe
    last = panel.origin_period
    fitted = fit_members(panel, last, recipe)
    progress.say(f"fitted LightGBM for {len(fitted.lightgbm)} horizon buckets, and recursively")
    return DemandModel(
        frequency=settings.frequency,
        horizon=recipe.horizon,
        fitted=fitted,
        calibration=learn(panel, backtest.folds, last, seed=project.settings.seed),
        keys=make_keys(backtest.folds[-1].made.members),
    )


def forecast_demand(
    project: Project,
    model: DemandModel,
    *,
    origin: date | None = None,
    horizon_days: int | None = None,
) -> pd.DataFrame:
    """Forecast every level with a fitted model from the project's tables as they are now.

    Returns
    -------
    DataFrame
        The published layout, `models.demand.model.COLUMNS`.
    """
    settings = project.section("demand", DemandSettings)
    days = horizon_days or settings.horizon_days
    # The model forecasts its whole horizon, so that a shorter one is the start of it.
    reach = max(days, count_days(FREQUENCIES[settings.frequency], model.horizon))
    panel = load_panel(project, origin, reach)
    return model.forecast(panel, count_periods(panel.frequency, days))


def _place_folds(panel: Panel, settings: DemandSettings, horizon_days: int) -> Folds:
    frequency = panel.frequency
    horizon = count_periods(frequency, horizon_days)
    step = horizon if settings.step_days is None else count_periods(frequency, settings.step_days)
    return make_folds(
        panel.first_period,
        panel.origin_period,
        horizon=horizon,
        count=settings.origins,
        step=step,
        min_history=frequency.min_history,
    )


def _collect_notes(panel: Panel, placed: Folds) -> tuple[str, ...]:
    notes = [placed.note] if placed.note else []
    if len(panel.skipped):
        first = panel.skipped.iloc[0]
        are = _count(len(panel.skipped), "series is", "series are")
        notes.append(
            f"{are} not forecast, such as {first['region_id']} / {first['product_id']}: "
            f"{first['reason']}"
        )
    if len(panel.unseen):
        pairs = _count(len(panel.unseen), "planned pair", "planned pairs")
        notes.append(f"{pairs} never sold before: siblings' patterns stand in for its own")
    return (*notes, *panel.notes)


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def _make_recipe(
    project: Project, settings: DemandSettings, panel: Panel, horizon_days: int | None
) -> Recipe:
    horizon = count_periods(panel.frequency, horizon_days or settings.horizon_days)
    seed, threads = project.settings.seed, project.settings.threads
    given = settings.lightgbm.model_dump(exclude={"is_power_tuned"})
    level = f"units_mean_{WINDOWS[panel.frequency.name].level}"
    prophet = ProphetTotals(frequency=settings.frequency, seed=seed, jobs=threads)
    regions = [*panel.regions.paths.index, ALL]
    places = find_places(
        pd.read_parquet(project.workspace.table("regions")),
        regions,
        Place(project.settings.country, project.settings.subdivision),
    )
    return Recipe(
        buckets=build_buckets(panel.frequency, horizon),
        horizon=horizon,
        make_lightgbm=lambda: LightGBMDemand(**given, level=level, seed=seed),
        # One model for all steps can afford twice the trees of one of several.
        make_recursive=lambda: RecursiveDemand(
            **given | {"rounds": 2 * settings.lightgbm.rounds}, seed=seed
        ),
        prophet=prophet if settings.use_prophet else None,
        places=dict(zip(regions, places, strict=True)),
        prophet_nodes=settings.prophet_nodes,
        workers=threads,
    )


def _tune(
    panel: Panel, placed: Folds, recipe: Recipe, settings: DemandSettings
) -> tuple[Recipe, pd.DataFrame]:
    """Choose the Tweedie power if it is to be chosen, and say so in a row of the choices."""
    rows = pd.DataFrame(columns=["choice", "where", "value", "reason"])
    if not settings.lightgbm.is_power_tuned:
        return recipe, rows
    found = choose_power(
        panel,
        placed.folds[0].origin,
        recipe.buckets[0],
        lambda power: recipe.make_lightgbm().set_params(tweedie_power=power),
    )
    made = replace(
        recipe,
        make_lightgbm=lambda: recipe.make_lightgbm().set_params(tweedie_power=found.power),
        make_recursive=lambda: recipe.make_recursive().set_params(tweedie_power=found.power),
    )
    rows.loc[0] = ["Tweedie power", "all trees", f"{found.power}", found.reason]
    return made, rows


def _tabulate_weights(calibration: Calibration) -> pd.DataFrame:
    rows = [
        {"bucket": bucket, "member": member, "weight": float(weight)}
        for bucket, values in calibration.series_weights.items()
        for member, weight in zip(SERIES_MEMBERS, values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["bucket", "member", "weight"])


def tabulate_choices(calibration: Calibration) -> pd.DataFrame:
    """Return what the backtest chose beside the blend of series: choice, where, value, reason."""
    rows = [("reconciliation", "all levels", calibration.method, calibration.reason)]
    for level in next(iter(calibration.losses.values()), {}):
        wape = {method: by[level] for method, by in calibration.losses.items()}
        best = min(wape, key=lambda method: wape[method])
        words = ", ".join(f"{method} {value:.4f}" for method, value in wape.items())
        rows.append(("reconciliation, best at a level", level, best, f"WAPE {words}"))
    for level, values in calibration.node_weights.items():
        words = _name_weights(NODE_MEMBERS, values)
        rows.append(("blend of nodes", level, words, "least squares over earlier origins"))
    marginals = calibration.marginals
    words = _name_weights(
        ("LightGBM quantiles", "past ratios", "past residuals"), marginals.weights
    )
    rows.append(("distribution of series", "all series", words, "lowest pinball loss"))
    shocks = calibration.shocks
    for level, passing, lasting in zip(shocks.levels, shocks.passing, shocks.lasting, strict=True):
        words = f"{passing:.1%} passing, {lasting:.1%} lasting"
        rows.append(("errors in common", level, words, "squared errors of all levels"))
    return pd.DataFrame(rows, columns=["choice", "where", "value", "reason"])


def _name_weights(names: Sequence[str], weights: npt.NDArray[np.float64]) -> str:
    pairs = zip(names, weights, strict=True)
    return ", ".join(f"{name} {weight:.0%}" for name, weight in pairs if weight >= 0.005)
