"""Fitting what is published: send times first, then each part whose backtest allows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from features.errors import NotEnoughData
from features.messages.fatigue import build_fatigue
from features.messages.message_histories import build_message_histories
from features.progress import Progress
from features.project import Project
from models.offers.trees import Trees
from models.value.model import LIGHTGBM
from training.config import PromotionSettings
from training.offers.backtest import fit_offers
from training.promotion.model import PromotionModel, ResponsePart, ValuePart
from training.promotion.parts import Parts, make_response_options
from training.promotion.plan import Plan
from training.promotion.slices import SliceReader
from training.response.steps import fit_response
from training.value.slices import PurchaseReader
from training.value.steps import fit_value


def add_parts(
    model: PromotionModel,
    parts: Parts,
    project: Project,
    settings: PromotionSettings,
    reader: SliceReader,
    plan: Plan,
    progress: Progress,
) -> PromotionModel:
    """Return the model with every part that the backtests allow.

    A response model is published only if its send times were proven better than what anybody would
    do; until then send times rest on activity, and the evidence says how many more sends a proof
    needs.

    Parameters
    ----------
    model : PromotionModel
        Of send times.
    parts : Parts
        Their backtests, on the same plan.
    project, settings, reader, plan, progress
        As for `training.promotion.parts.backtest_parts`.
    """
    offers = None
    if parts.trials is not None:
        offers = fit_offers(parts.trials, parts.offers, trees=Trees())
    return replace(
        model,
        response=_fit_response(parts, project, settings, reader, plan, model.as_of, progress),
        value=fit_value_part(project, reader, plan, model.as_of, progress, parts=parts),
        offers=offers,
    )


def fit_value_part(
    project: Project,
    reader: SliceReader,
    plan: Plan,
    cutoff: datetime,
    progress: Progress,
    *,
    parts: Parts | None = None,
) -> ValuePart | None:
    """Fit the value model that won, and tell every customer's outlook; None with too little data.

    Without `parts` nothing was compared, and the trees are taken.
    """
    if parts is not None and parts.value is None:
        return None
    purchases = PurchaseReader(project, reader.engine)
    chosen = LIGHTGBM if parts is None or parts.value is None else parts.value.best
    try:
        fitted = fit_value(purchases, plan, cutoff, progress, model=chosen)
    except NotEnoughData as error:
        progress.say(f"customer value is left out: {error}")
        return None
    return None if fitted is None else ValuePart(fitted.model, fitted.predict())


def _fit_response(
    parts: Parts,
    project: Project,
    settings: PromotionSettings,
    reader: SliceReader,
    plan: Plan,
    cutoff: datetime,
    progress: Progress,
) -> ResponsePart | None:
    require_proof = settings.gates.require_proof
    if parts.response is None or not parts.may_publish_response(require_proof=require_proof):
        return None
    options = make_response_options(project, settings)
    fitted = fit_response(reader, plan, options, progress, model=parts.response.best)
    if fitted is None:
        return None
    messages = build_message_histories(
        reader.engine,
        project.workspace,
        cutoff,
        time_zone=project.settings.time_zone,
        window_hours=options.window_hours,
        half_life_days=options.half_life_days,
    )
    fatigue = build_fatigue(reader.engine, project.workspace, cutoff)
    return ResponsePart(fitted.model, messages, fatigue)
