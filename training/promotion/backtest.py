"""What rolling test windows show of send-time models: fold by fold, then together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from models.receptivity.send_time import EmpiricalBayes, LightGBMSendTime
from models.receptivity.send_time_base import SendTimeModel
from training.promotion.plan import Fold
from training.promotion.scores import (
    build_reliability,
    build_scores,
    compare_losses,
    score_customer_log_loss,
)
from training.promotion.slices import SliceReader


@dataclass(frozen=True)
class PromotionBacktest:
    """What the rolling test windows showed.

    Attributes
    ----------
    scores : DataFrame
        One row per model: every score of `build_scores`, averaged over the folds with the
        customers (or, for hits and share losses, the activity) of each as weights.
    folds : DataFrame
        One row per fold and model: the cut-offs and the scores.
    reliability : DataFrame
        `fold, model` and the columns of `build_reliability`.
    gains : DataFrame
        `model, baseline` and the fields of `PairedGain`, of every model over each simpler one.
    importance : DataFrame
        `feature, gain` of the level model of the last fold.
    best : str
        The model to publish: LightGBM where its gain over the empirical-Bayes chain is above 0
        with its whole interval, else the chain.
    half_life : DataFrame
        `half_life_days, log_loss, block_loss, is_chosen`: how fast habits fade, and what that was
        chosen by.
    notes : tuple of str
        What was reduced because the history is short, and what was chosen.
    """

    scores: pd.DataFrame
    folds: pd.DataFrame
    reliability: pd.DataFrame
    gains: pd.DataFrame
    importance: pd.DataFrame
    best: str
    half_life: pd.DataFrame
    notes: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return all evidence as tables, by name."""
        names = ("scores", "folds", "reliability", "gains", "importance", "half_life")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class FoldResult:
    """What one test window showed: scores, reliability, losses per customer, importance."""

    scores: pd.DataFrame
    reliability: pd.DataFrame
    losses: pd.DataFrame
    importance: pd.DataFrame


def score_fold(
    number: int, fold: Fold, n_weeks: int, models: Sequence[SendTimeModel], reader: SliceReader
) -> FoldResult:
    """Fit, calibrate and test every model on the windows of one fold."""
    histories, outcomes = reader.read_slice(fold.test, n_weeks)
    about = {"fold": number, **asdict(fold)}
    scores, reliability = [], []
    losses = {"customer_id": histories.customer_id}
    importance = pd.DataFrame({"feature": [], "gain": []})
    chain: EmpiricalBayes | None = None
    for model in models:
        fitted_on = reader.read_slice(fold.fit, n_weeks)
        if isinstance(model, LightGBMSendTime) and chain is not None:
            model.fit_on(chain, *fitted_on)
        else:
            model.fit(*fitted_on)
        if isinstance(model, EmpiricalBayes):
            chain = model
        model.calibrate(*reader.read_slice(fold.calibration, n_weeks))
        probability = model.predict(histories)
        scores.append({**about, "model": model.name, **build_scores(probability, outcomes)})
        bins = build_reliability(probability, outcomes)
        bins.insert(0, "model", model.name)
        bins.insert(0, "fold", number)
        reliability.append(bins)
        losses[model.name] = score_customer_log_loss(probability, outcomes)
        if isinstance(model, LightGBMSendTime):
            importance = model.importance()
    return FoldResult(
        pd.DataFrame(scores), pd.concat(reliability), pd.DataFrame(losses), importance
    )


def summarise_folds(
    results: Sequence[FoldResult],
    notes: tuple[str, ...],
    rng: np.random.Generator,
    *,
    half_life: pd.DataFrame,
) -> PromotionBacktest:
    """Put folds together; the bootstrap of the gains draws from `rng`."""
    folds = pd.concat([result.scores for result in results], ignore_index=True)
    losses = pd.concat([result.losses for result in results], ignore_index=True)
    gains = _build_gains(losses, rng)
    over_chain = gains[
        (gains["model"] == LightGBMSendTime.name) & (gains["baseline"] == EmpiricalBayes.name)
    ]
    is_better = bool((over_chain["low"] > 0).all())
    return PromotionBacktest(
        scores=_average(folds),
        folds=folds,
        reliability=pd.concat([result.reliability for result in results], ignore_index=True),
        gains=gains,
        importance=results[-1].importance,
        best=LightGBMSendTime.name if is_better else EmpiricalBayes.name,
        half_life=half_life,
        notes=notes,
    )


def _build_gains(losses: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    names = [name for name in losses.columns if name != "customer_id"]
    customers = losses["customer_id"].to_numpy()
    rows = []
    for place, name in enumerate(names):
        for baseline in names[:place]:
            gain = compare_losses(
                losses[name].to_numpy(), losses[baseline].to_numpy(), customers, rng
            )
            rows.append({"model": name, "baseline": baseline, **asdict(gain)})
    return pd.DataFrame(rows)


def _average(folds: pd.DataFrame) -> pd.DataFrame:
    """Average the scores of each model over its folds, in the order of the models."""
    rows = []
    for name, table in folds.groupby("model", sort=False):
        row: dict[str, object] = {"model": name, "folds": len(table)}
        for column in list(table.columns)[list(table.columns).index("model") + 1 :]:
            is_timing = column.endswith(("_hit", "_loss")) and column != "log_loss"
            weights = table["activity" if is_timing else "customers"]
            row[column] = float(np.average(table[column], weights=weights))
        totals = table[["customers", "activity"]].sum()
        rows.append(row | totals.astype(float).to_dict())
    return pd.DataFrame(rows)
