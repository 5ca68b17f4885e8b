"""Training of send times: the backtest, and the model that is published.

Every model sees the same customers, those with activity before the cut-off, and the same three
windows: fitted on one, calibrated on the next, tested on the one after.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

import numpy as np

from features.customer.customers import IS_ACTIVE_OR_RESPONDS
from features.customer.dialect import to_utc
from features.progress import Progress
from features.project import Project
from models.receptivity.send_time import (
    BestGlobalHour,
    CustomerHistogram,
    EmpiricalBayes,
    LightGBMSendTime,
)
from models.receptivity.send_time_base import SendTimeModel
from training.config import PromotionSettings
from training.promotion.backtest import PromotionBacktest, score_fold, summarise_folds
from training.promotion.half_life import settle_half_life
from training.promotion.model import PromotionModel
from training.promotion.plan import Plan, plan_folds
from training.promotion.slices import SliceReader

__all__ = [
    "PromotionBacktest",
    "PromotionModel",
    "SliceReader",
    "backtest_promotion",
    "fit_promotion",
    "make_models",
    "make_plan",
    "open_reader",
]


def open_reader(project: Project, settings: PromotionSettings) -> SliceReader:
    """Return a reader of a project's slices, as its settings want them; to be closed."""
    return SliceReader(
        project,
        half_life_days=settings.half_life_days,
        is_response_counted=settings.is_response_activity,
    )


def make_models(
    settings: PromotionSettings, *, half_life_days: float, threads: int, seed: int
) -> list[SendTimeModel]:
    """Return the models that are compared, unfitted, simplest first.

    `half_life_days` is that of the histories they will see: as set, or as chosen.
    """
    trees, half_life = settings.lightgbm, half_life_days
    return [
        BestGlobalHour(),
        CustomerHistogram(half_life_days=half_life),
        EmpiricalBayes(half_life_days=half_life),
        LightGBMSendTime(
            rounds=trees.rounds,
            learning_rate=trees.learning_rate,
            leaves=trees.leaves,
            min_rows_in_leaf=trees.min_rows_in_leaf,
            half_life_days=half_life,
            threads=threads,
            seed=seed,
        ),
    ]


def backtest_promotion(
    project: Project,
    progress: Progress,
    *,
    settings: PromotionSettings | None = None,
    reader: SliceReader | None = None,
) -> PromotionBacktest:
    """Score every model on rolling test windows, point in time.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    progress : Progress
        Told after every fold.
    settings : PromotionSettings, optional
        By default the project's section `[promotion]`.
    reader : SliceReader, optional
        To share what was read, and the half-life that was chosen, with `fit_promotion`.

    Raises
    ------
    NotEnoughData
        If the history is shorter than four weeks, or a window is silent.
    """
    settings = settings or project.section("promotion", PromotionSettings)
    if reader is None:
        with open_reader(project, settings) as own:
            return backtest_promotion(project, progress, settings=settings, reader=own)
    plan = make_plan(reader, settings, None)
    for note in plan.notes:
        progress.say(f"promotion: {note}")
    half_life = settle_half_life(reader, plan)
    for note in reader.notes:
        progress.say(f"promotion: {note}")
    results = []
    for number, fold in enumerate(progress.track(plan.folds, "Backtest promotion"), start=1):
        models = _make_models(project, settings, half_life.days)
        results.append(score_fold(number, fold, plan.n_weeks, models, reader))
    return summarise_folds(
        results,
        (*plan.notes, *reader.notes),
        np.random.default_rng(project.settings.seed),
        half_life=half_life.table,
    )


def fit_promotion(
    project: Project,
    as_of: datetime | None,
    progress: Progress,
    *,
    model: str = LightGBMSendTime.name,
    settings: PromotionSettings | None = None,
    reader: SliceReader | None = None,
) -> PromotionModel:
    """Fit and calibrate the model that is published, on the last two label windows.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    as_of : datetime or None
        Cut-off in UTC: nothing from it on is read. None for all there is.
    progress : Progress
    model : str
        Name of the model, such as `PromotionBacktest.best`.
    settings, reader
        As for `backtest_promotion`.

    Raises
    ------
    NotEnoughData
        If the history is shorter than four weeks, or a window is silent.
    """
    settings = settings or project.section("promotion", PromotionSettings)
    if reader is None:
        with open_reader(project, settings) as own:
            return fit_promotion(
                project, as_of, progress, model=model, settings=settings, reader=own
            )
    plan = make_plan(reader, settings, as_of)
    half_life = settle_half_life(reader, plan)
    candidates = _make_models(project, settings, half_life.days)
    chosen = {candidate.name: candidate for candidate in candidates}[model]
    chosen.fit(*reader.read_slice(plan.final.fit, plan.n_weeks))
    chosen.calibrate(*reader.read_slice(plan.final.calibration, plan.n_weeks))
    cutoff = to_utc(as_of) if as_of else _next_midnight(reader.read_span()[1])
    profiles = reader.read_profiles(cutoff)
    progress.say(f"promotion: {model} fitted, with the profiles of {len(profiles):,} customers")
    configuration = {
        "model": model,
        "parameters": chosen.get_params(),
        "fitted_on": plan.final.fit.isoformat(),
        "calibrated_on": plan.final.calibration.isoformat(),
        "label_weeks": plan.n_weeks,
        "notes": [*plan.notes, *reader.notes],
    }
    return PromotionModel(
        chosen,
        profiles,
        cutoff,
        project.settings.time_zone,
        configuration,
        half_life_days=half_life.days,
        is_response_activity=reader.active is IS_ACTIVE_OR_RESPONDS,
    )


def _make_models(
    project: Project, settings: PromotionSettings, half_life_days: float
) -> list[SendTimeModel]:
    own = project.settings
    return make_models(settings, half_life_days=half_life_days, threads=own.threads, seed=own.seed)


def make_plan(reader: SliceReader, settings: PromotionSettings, as_of: datetime | None) -> Plan:
    """Lay label windows over the history that lies before a cut-off; None for all there is."""
    first, last = reader.read_span()
    end = to_utc(as_of) if as_of else datetime.combine(last.date(), time())
    return plan_folds(first, end, label_days=settings.label_days, n_folds=settings.folds)


def _next_midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time()) + timedelta(days=1)
