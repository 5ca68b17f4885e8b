"""Training of response models: the backtest, and the model that is published.

The label windows are those of send times (`training.promotion.plan`): models are fitted on the
touches of several windows, each as of its start, calibrated on the next and tested on the one
after. A touch counts only once its answer had seven days to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from features.progress import Progress
from models.receptivity.send_time import EmpiricalBayes
from models.response.response import EBResponse, GlobalHour, LightGBMResponse, SentTouches
from models.response.response_base import ResponseModel
from training.promotion.plan import Fold, Plan
from training.promotion.slices import SliceReader
from training.response.backtest import (
    ResponseBacktest,
    ResponseFold,
    foresee,
    summarise_response,
)
from training.response.options import ResponseOptions
from training.response.weights import weigh_windows
from training.response.windows import TouchReader

__all__ = ["FittedResponse", "ResponseBacktest", "ResponseOptions", "backtest_response",
           "explain_missing_response", "fit_response", "make_response_models"]  # fmt: skip

MIN_ANSWERED = 20
"""Answered touches that windows to fit on need together; with fewer nothing is fitted."""

NOTHING_TESTED = "no test window holds touches after enough others: nothing was tested"


@dataclass(frozen=True)
class FittedResponse:
    """A response model that is ready to be published.

    Attributes
    ----------
    model : ResponseModel
        Fitted and calibrated. Its contexts need the shares of the send-time model that is
        published with it.
    configuration : dict
        What made it.
    notes : tuple of str
    """

    model: ResponseModel
    configuration: dict[str, Any]
    notes: tuple[str, ...]


def make_response_models(options: ResponseOptions) -> list[ResponseModel]:
    """Return the models that are compared, unfitted, simplest first."""
    return [
        GlobalHour(window_hours=options.window_hours),
        EBResponse(window_hours=options.window_hours),
        LightGBMResponse(
            window_hours=options.window_hours,
            rounds=options.rounds,
            learning_rate=options.learning_rate,
            leaves=options.leaves,
            min_rows_in_leaf=options.min_rows_in_leaf,
            members=options.members,
            threads=options.threads,
            seed=options.seed,
        ),
    ]


def backtest_response(
    reader: SliceReader, plan: Plan, options: ResponseOptions, progress: Progress
) -> ResponseBacktest | None:
    """Score every response model on rolling test windows, point in time.

    Parameters
    ----------
    reader : SliceReader
        Of a project whose canonical tables have been built.
    plan : Plan
        Label windows, as the send-time models have them.
    options : ResponseOptions
    progress : Progress
        Told after every fold, and everything that is reduced or ignored.

    Returns
    -------
    ResponseBacktest or None
        None where touches cannot teach any channel's hours; `progress` was told why.
    """
    touches = TouchReader(reader, options)
    found = touches.find_channels(plan.final.test)
    notes = list(found.notes)
    folds: list[ResponseFold] = []
    if found.channels:
        for number, fold in enumerate(progress.track(plan.folds, "Backtest responses"), start=1):
            result = _test_fold(number, fold, plan, touches, found.channels, notes)
            folds += [result] if result else []
        if not folds:
            notes.append(NOTHING_TESTED)
    for note in dict.fromkeys(notes):
        progress.say(f"responses: {note}")
    if not folds:
        return None
    rng = np.random.default_rng(options.seed)
    return summarise_response(folds, found.channels, tuple(dict.fromkeys(notes)), rng)


def explain_missing_response(
    reader: SliceReader, plan: Plan, options: ResponseOptions
) -> tuple[str, ...]:
    """Say why `backtest_response` has no result, for the evidence of a training."""
    found = TouchReader(reader, options).find_channels(plan.final.test)
    return (*found.notes, NOTHING_TESTED) if found.channels else found.notes


def fit_response(
    reader: SliceReader,
    plan: Plan,
    options: ResponseOptions,
    progress: Progress,
    *,
    model: str = EBResponse.name,
) -> FittedResponse | None:
    """Fit and calibrate the response model that is published, on the last label windows.

    Parameters
    ----------
    reader, plan, options, progress
        As for `backtest_response`.
    model : str
        Name of the model, such as `ResponseBacktest.best`.

    Returns
    -------
    FittedResponse or None
        None where touches cannot teach any channel's hours; `progress` was told why.
    """
    touches = TouchReader(reader, options)
    found = touches.find_channels(plan.final.test)
    notes = list(found.notes)
    chosen = {made.name: made for made in make_response_models(options)}[model]
    fitted = (
        _fit([chosen], plan.final, plan, touches, found.channels, notes) if found.channels else None
    )
    for note in dict.fromkeys(notes):
        progress.say(f"responses: {note}")
    if fitted is None:
        return None
    configuration = {
        "model": model,
        "parameters": chosen.get_params(),
        "channels": list(chosen.channels),
        "calibrated_on": plan.final.calibration.isoformat(),
        "label_weeks": plan.n_weeks,
        "notes": list(dict.fromkeys(notes)),
    }
    return FittedResponse(chosen, configuration, tuple(dict.fromkeys(notes)))


def _test_fold(
    number: int,
    fold: Fold,
    plan: Plan,
    touches: TouchReader,
    channels: tuple[str, ...],
    notes: list[str],
) -> ResponseFold | None:
    models = make_response_models(touches.options)
    receptivity = _fit(models, fold, plan, touches, channels, notes)
    end = fold.test + timedelta(weeks=plan.n_weeks)
    window = touches.read_window(fold.test, end, plan.final.test, channels)
    if receptivity is None or window is None:
        notes.append(f"fold {number}: too few touches in its windows: left out")
        return None
    test = window.with_activity(receptivity)
    test = test.take(np.isin(test.channel, models[0].channels))
    return foresee(number, models, test) if len(test) else None


def _fit(
    models: Sequence[ResponseModel],
    fold: Fold,
    plan: Plan,
    touches: TouchReader,
    channels: tuple[str, ...],
    notes: list[str],
) -> EmpiricalBayes | None:
    """Fit and calibrate models for a fold; return the receptivity they rest on, None if too few."""
    options, length = touches.options, timedelta(weeks=plan.n_weeks)
    starts = [fold.fit - k * length for k in reversed(range(options.fit_windows))]
    found = [touches.read_window(start, start + length, fold.test, channels) for start in starts]
    windows = [window for window in found if window is not None]
    answered = sum(int(window.rows["is_engaged"].sum()) for window in windows)
    if answered < MIN_ANSWERED:
        return None
    receptivity = _fit_receptivity(touches.reader, fold.fit, plan.n_weeks)
    sent = [window.with_activity(receptivity) for window in windows]
    weights, whole = weigh_windows(sent, [window.rows for window in windows], options)
    notes.append(
        f"from {fold.test:%Y-%m-%d}: {len(whole.weight):,} touches, as telling as "
        f"{whole.effective_rows:,.0f} sent at random; propensities logged for "
        f"{whole.logged_share:.0%}, else estimated"
    )
    later = touches.read_window(fold.calibration, fold.test, fold.test, channels)
    calibration = _known_channels(later.with_activity(receptivity) if later else None, channels)
    simpler: ResponseModel | None = None
    for model in models:
        simpler = model.fit(sent, weights, channels=channels, like=simpler)
    for model in models:
        if calibration is not None:
            model.calibrate(calibration)
    if calibration is None:
        notes.append(f"from {fold.test:%Y-%m-%d}: no later touches to calibrate on: left as fitted")
    return receptivity


def _known_channels(touches: SentTouches | None, channels: tuple[str, ...]) -> SentTouches | None:
    if touches is None:
        return None
    own = touches.take(np.isin(touches.channel, channels))
    return own if len(own) else None


def _fit_receptivity(reader: SliceReader, as_of: datetime, n_weeks: int) -> EmpiricalBayes:
    histories, outcomes = reader.read_slice(as_of, n_weeks)
    days = reader.half_life_days
    model = EmpiricalBayes() if days is None else EmpiricalBayes(half_life_days=days)
    return model.fit(histories, outcomes)
