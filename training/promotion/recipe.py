"""How promotion timing is trained, judged and shown: what the way of every model asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.progress import Progress
from features.project import Project
from features.schema import SLOTS_PER_WEEK
from models.receptivity.histories import Histories
from training.config import PromotionGates, PromotionSettings
from training.evidence import tell_promotion
from training.gates import Check, Verdict, check_at_most, judge_promotion
from training.lifecycle import Recipe, Tables, Trained
from training.palette import name_of
from training.plots import plot_promotion
from training.promotion.fitting import add_parts
from training.promotion.model import PromotionModel
from training.promotion.parts import Parts, backtest_parts
from training.promotion.steps import (
    PromotionBacktest,
    backtest_promotion,
    fit_promotion,
    make_plan,
    open_reader,
)
from training.proof.evidence import Interval, write_interval
from training.proof.gate import COUNTED, judge_policy_value
from training.proof.tables import FALLBACK_GAINS
from training.proof.verdict import WORSE
from training.tracking import FoldRecord

WEEK_CUSTOMERS = 20_000
"""Customers that everybody's week is averaged over, at most."""
PUBLISHED = "published"
"""Evidence table of what the artifact holds: `part, is_published, words`."""
_LOST = "the last windows hold too little to fit it on"


def _train(project: Project, progress: Progress) -> Trained:
    settings = project.section("promotion", PromotionSettings)
    with open_reader(project, settings) as reader:
        backtest = backtest_promotion(project, progress, settings=settings, reader=reader)
        plan = make_plan(reader, settings, None)
        parts = backtest_parts(project, settings, reader, plan, progress)
        timed = fit_promotion(project, None, progress, model=backtest.best, reader=reader)
        model = add_parts(timed, parts, project, settings, reader, plan, progress)
    chosen = backtest.folds[backtest.folds["model"] == backtest.best]
    best = backtest.scores[backtest.scores["model"] == backtest.best].iloc[0]
    return Trained(
        files=model.to_files(),
        metrics=_numbers(best) | _measure_parts(parts),
        folds=tuple(
            FoldRecord(f"fold {row['fold']}", {"test": str(row["test"])}, _numbers(row))
            for _, row in chosen.iterrows()
        ),
        tables={
            **_tabulate(backtest, parts),
            PUBLISHED: list_published(model, parts),
            "week": _describe_week(model),
        },
    )


def _describe_week(model: PromotionModel) -> pd.DataFrame:
    """Return everybody's week: `slot` and `value`, the mean probability of activity in it."""
    histories = Histories.from_table(model.profiles)
    some = histories.take(slice(None, None, max(1, -(-len(histories) // WEEK_CUSTOMERS))))
    week = model.model.predict(some).mean(axis=0)
    return pd.DataFrame({"slot": np.arange(SLOTS_PER_WEEK), "value": week})


def _backtest(project: Project, settings: Mapping[str, object], progress: Progress) -> Tables:
    own = PromotionSettings.model_validate(project.raw.get("promotion", {}) | dict(settings))
    with open_reader(project, own) as reader:
        backtest = backtest_promotion(project, progress, settings=own, reader=reader)
        plan = make_plan(reader, own, None)
        parts = backtest_parts(project, own, reader, plan, progress)
    return _tabulate(backtest, parts)


def _tabulate(backtest: PromotionBacktest, parts: Parts) -> dict[str, pd.DataFrame]:
    notes = [*backtest.notes, *parts.response_notes, *parts.notes]
    return {
        **parts.tables(),
        **backtest.tables(),
        "best": pd.DataFrame({"model": [backtest.best]}),
        "notes": pd.DataFrame({"note": list(dict.fromkeys(notes))}),
    }


def list_published(model: PromotionModel, parts: Parts) -> pd.DataFrame:
    """Say which parts a model holds, and why the others are left out.

    Parameters
    ----------
    model : PromotionModel
        That is published: a part whose backtest allowed it is still left out where its last
        windows hold too little to fit it on.
    parts : Parts
        Their backtests.

    Returns
    -------
    DataFrame
        `part, is_published, words`.
    """
    value = parts.value.best if parts.value else "too few customers bought twice"
    offers = "learned from experiments" if parts.trials else "; ".join(parts.notes)
    rows = [
        ("response", model.response, _describe_response(parts, model.response is not None)),
        ("value", model.value, f"{value}, {_LOST}" if parts.value and not model.value else value),
        ("offers", model.offers, offers or "there is no experiment"),
    ]
    return pd.DataFrame(
        [(part, found is not None, words) for part, found, words in rows],
        columns=["part", "is_published", "words"],
    )


def _describe_response(parts: Parts, is_published: bool) -> str:
    if parts.response is None:
        return "no message of the history can teach at which hours customers answer"
    if parts.is_response_proven:
        words = f"{parts.response.best}, proven better than every baseline that counts"
        return words if is_published else f"{words}, but {_LOST}"
    standing = "not proven better than every baseline that counts"
    if is_published:
        return f"{parts.response.best}, {standing}, and published as no proof is required"
    return f"{standing}: send times rest on activity"


def _measure_parts(parts: Parts) -> dict[str, float]:
    """Return the parts' scores as metrics: `value/log_loss`, `policy_gain/best_global_hour`."""
    metrics: dict[str, float] = {}
    for name, found in (("response", parts.response), ("value", parts.value)):
        if found is not None:
            best = found.scores[found.scores["model"] == found.best].iloc[0]
            metrics |= {f"{name}/{key}": number for key, number in _numbers(best).items()}
    for row in parts.proof.get("policy_gains", pd.DataFrame()).to_dict("records"):
        if pd.notna(row["gain"]):
            metrics[f"policy_gain/{row['baseline']}"] = float(row["gain"])
    return metrics


def _numbers(row: pd.Series) -> dict[str, float]:
    numbers = {str(key): value for key, value in row.items() if isinstance(value, float)}
    return {key: float(value) for key, value in numbers.items() if pd.notna(value)}


def _judge(project: Project, challenger: Tables, champion: Tables | None) -> Verdict:
    gates = project.section("promotion", PromotionSettings).gates
    verdict = judge_promotion(gates, challenger, champion)
    return Verdict((*verdict.checks, *_judge_policy(challenger, gates)))


def _judge_policy(tables: Tables, gates: PromotionGates) -> tuple[Check, ...]:
    """Judge what is proven of the send times that are published.

    Response-based ones must be better than every baseline that counts; without a required proof,
    and for those that rest on activity, none may be proven better than they are: the verdict
    'worse', which no interval over a handful of effective sends makes.
    """
    gains, fallback = tables.get("policy_gains"), tables.get(FALLBACK_GAINS)
    if gains is None:
        return ()
    if fallback is None:
        return judge_policy_value(gains, min_effective_sends=gates.min_effective_sends)
    is_published = tables[PUBLISHED].set_index("part")["is_published"]
    rows = gains if bool(is_published["response"]) else fallback
    counted = [row for row in rows.to_dict("records") if row["baseline"] in COUNTED]
    return tuple(_judge_not_worse(row) for row in counted if not math.isnan(row["high"]))


def _judge_not_worse(row: Mapping[Any, Any]) -> Check:
    target, baseline = name_of(row["target"]), name_of(row["baseline"])
    interval = write_interval(Interval(*(float(row[name]) for name in ("gain", "low", "high"))))
    words = f"{target} proven worse than the {baseline} (gain {interval}), 1 = it is"
    is_worse = float(row["verdict"] == WORSE)
    return check_at_most(f"policy_not_worse/{row['baseline']}", is_worse, 0.0, words)


def _settings(project: Project) -> Mapping[str, object]:
    chosen = project.section("promotion", PromotionSettings)
    return chosen.model_dump(mode="json", exclude={"gates"})


PROMOTION = Recipe(
    kind="promotion",
    settings=_settings,
    inputs=("regions", "products", "customers", "events"),
    optional_inputs=("touches", "promotions", "decisions"),
    train=_train,
    backtest=_backtest,
    judge=_judge,
    plot=plot_promotion,
    tell=tell_promotion,
)
