"""How each kind of model is trained, judged and shown: what `lifecycle` needs to know of them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from features.progress import Progress
from features.project import Project
from models.demand.latent import estimate_latent_demand
from models.demand.model import DemandModel
from training.comparison.trainings import compare_with_champion
from training.config import DemandSettings, StockSettings
from training.demand.explanations import explain_demand
from training.demand.scores import SCORES
from training.demand.series_files import describe_series
from training.demand.steps import (
    DemandBacktest,
    backtest_demand,
    fit_demand,
    load_panel,
)
from training.demand.stock_files import decide_stock
from training.evidence import tell_demand
from training.gates import Verdict, judge_demand
from training.lifecycle import Recipe, Tables, Trained
from training.plots import plot_demand
from training.promotion.recipe import PROMOTION
from training.tracking import FoldRecord

FORECASTS_FILE = "forecasts.parquet"


def _train_demand(project: Project, progress: Progress) -> Trained:
    panel = load_panel(project)
    backtest = backtest_demand(project, progress, panel=panel)
    progress.say("demand: judged; fitting on the whole history")
    model = fit_demand(project, progress, backtest=backtest, panel=panel)
    content = io.BytesIO()
    made, newcomers = model.make(panel)
    model.tabulate(panel, made, newcomers).to_parquet(content, index=False)
    progress.say("demand: every level is forecast; working out stock advice")
    stock = decide_stock(project, panel, model, made, backtest)
    progress.say("demand: explaining what each forecast is made of")
    explained = explain_demand(panel, model, made, threads=project.settings.threads)
    tables = _demand_tables(backtest, (*stock.notes, *explained.notes))
    chosen = backtest.fold_scores[backtest.fold_scores["model"] == "almanac"]
    return Trained(
        files={
            **model.to_files(),
            FORECASTS_FILE: content.getvalue(),
            **stock.files,
            **explained.files,
            **describe_series(project, panel, made, backtest, stock.files),
        },
        metrics=_name_scores(backtest.scores),
        folds=tuple(
            FoldRecord(f"origin {origin:%Y-%m-%d}", {"origin": f"{origin:%Y-%m-%d}"}, metrics)
            for origin, metrics in (
                (key, _name_scores(rows)) for key, rows in chosen.groupby("origin")
            )
        ),
        tables=tables
        | {
            "importance": _average_importance(model),
            "stock_policies": stock.policies,
            "latent_demand": estimate_latent_demand(panel, model.fitted.lightgbm),
        },
    )


def _backtest_demand(
    project: Project, settings: Mapping[str, object], progress: Progress
) -> Tables:
    own = {name: value for name, value in settings.items() if name != "stock"}
    return _demand_tables(backtest_demand(_with_section(project, "demand", own), progress))


def _demand_tables(
    backtest: DemandBacktest, notes: tuple[str, ...] = ()
) -> dict[str, pd.DataFrame]:
    return {
        "scores": backtest.scores,
        "fold_scores": backtest.fold_scores,
        "forecasts": backtest.forecasts,
        "weights": backtest.weights,
        "choices": backtest.choices,
        "notes": pd.DataFrame({"note": [*backtest.notes, *notes]}),
    }


def _average_importance(model: DemandModel) -> pd.DataFrame:
    gains: dict[str, list[float]] = {}
    for row in model.importance().to_dict("records"):
        gains.setdefault(row["feature"], []).append(row["gain"])
    means = {feature: sum(values) / len(values) for feature, values in gains.items()}
    ranked = sorted(means.items(), key=lambda pair: -pair[1])
    return pd.DataFrame(ranked, columns=["feature", "gain"])


def _name_scores(scores: pd.DataFrame) -> dict[str, float]:
    """Return the scores of what is published as metrics: `wape/store/category/1-7`."""
    rows = scores[scores["model"] == "almanac"]
    return {
        f"{score}/{row['level']}/{row['bucket']}": float(row[score])
        for row in rows.to_dict("records")
        for score in SCORES
        if pd.notna(row[score])
    }


def _with_section(project: Project, name: str, settings: Mapping[str, object]) -> Project:
    merged = project.raw.get(name, {}) | dict(settings)
    return replace(project, raw=project.raw | {name: merged})


def _demand_settings(project: Project) -> Mapping[str, object]:
    demand = project.section("demand", DemandSettings).model_dump(mode="json", exclude={"gates"})
    return demand | {"stock": project.section("stock", StockSettings).model_dump(mode="json")}


def _judge_demand(project: Project, challenger: Tables, champion: Tables | None) -> Verdict:
    gates = project.section("demand", DemandSettings).gates
    rival = None if champion is None else champion["scores"]
    return judge_demand(gates, challenger["scores"], rival)


RECIPES = {
    "demand": Recipe(
        kind="demand",
        settings=_demand_settings,
        inputs=("regions", "products", "sales"),
        optional_inputs=("promotions", "stock"),
        train=_train_demand,
        backtest=_backtest_demand,
        judge=_judge_demand,
        plot=plot_demand,
        tell=tell_demand,
        compare=compare_with_champion,
    ),
    PROMOTION.kind: replace(PROMOTION, compare=compare_with_champion),
}
