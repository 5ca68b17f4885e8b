"""What rolling test windows show of customer value: fold by fold, then together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from models.value.fitting import fit_value_model
from models.value.model import BG_NBD, LIGHTGBM, ValueModel
from models.value.next_purchase import FEATURES, TreeSettings
from training.promotion.plan import Fold
from training.promotion.scores import compare_losses
from training.value.baselines import (
    MEAN_RATE,
    OWN_RATE,
    Prediction,
    predict_mean_rate,
    predict_own_rate,
)
from training.value.scores import (
    build_timing,
    build_value_reliability,
    build_value_scores,
    score_log_losses,
    score_poisson_deviances,
)
from training.value.slices import PurchaseReader, PurchaseSlice

LOSSES = ("log_loss", "poisson_deviance")
"""What decides: of an order in the window, and of how many."""


@dataclass(frozen=True)
class ValueBacktest:
    """What the rolling test windows showed, of customers who had bought before each.

    Attributes
    ----------
    scores : DataFrame
        One row per model: the scores of `build_value_scores`, averaged over folds by customers.
    folds : DataFrame
        One row per fold and model.
    reliability : DataFrame
        `model` and the columns of `build_value_reliability`, averaged over the folds.
    timing : DataFrame
        `model, level, observed, customers`: the next order against the quantiles of its day.
    gains : DataFrame
        `loss, model, baseline` and the fields of `PairedGain`, of each model over each simpler one.
    importance : DataFrame
        `feature, gain` of the expected orders' trees of the last fold, largest first.
    best : str
        'lightgbm' where its log-loss gain over BG/NBD is above 0 with its whole interval and its
        deviance gain not below 0 with its whole interval; else 'bg_nbd'.
    notes : tuple of str
        What was reduced because the history is short.
    """

    scores: pd.DataFrame
    folds: pd.DataFrame
    reliability: pd.DataFrame
    timing: pd.DataFrame
    gains: pd.DataFrame
    importance: pd.DataFrame
    best: str
    notes: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return all evidence as tables, by name."""
        names = ("scores", "folds", "reliability", "timing", "gains", "importance")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class ValueFold:
    """What one test window showed: scores, reliability, timing, losses per customer, importance."""

    scores: pd.DataFrame
    reliability: pd.DataFrame
    timing: pd.DataFrame
    losses: pd.DataFrame
    importance: pd.DataFrame


def fit_on_fold(
    fold: Fold, n_days: int, reader: PurchaseReader, *, trees: TreeSettings
) -> dict[str, ValueModel]:
    """Fit and calibrate every model on the windows of one fold.

    BG/NBD is what the trees start from, so it is fitted once.

    Raises
    ------
    NotEnoughData
        If too few customers came back before the first window.
    """
    fitted = reader.read_slice(fold.fit, n_days)
    later = reader.read_slice(fold.calibration, n_days)
    model = fit_value_model(fitted.histories, fitted.outcomes, trees=trees)
    return {
        name: variant.calibrate(later.histories, later.outcomes)
        for name, variant in ((BG_NBD, replace(model, trees=None)), (LIGHTGBM, model))
    }


def score_value_fold(
    number: int, fold: Fold, n_days: int, reader: PurchaseReader, *, trees: TreeSettings
) -> ValueFold:
    """Fit, calibrate and test every model and baseline on the windows of one fold."""
    tested = _take_buyers(reader.read_slice(fold.test, n_days))
    before = _take_buyers(reader.read_slice(fold.calibration, n_days))
    models = {
        name: model.refit(tested.histories)
        for name, model in fit_on_fold(fold, n_days, reader, trees=trees).items()
    }
    predictions = {
        MEAN_RATE: predict_mean_rate(before.outcomes, len(tested.histories)),
        OWN_RATE: predict_own_rate(tested.histories, n_days),
    } | {name: _predict(model, tested.table, n_days) for name, model in models.items()}
    outcomes, about = tested.outcomes, {"fold": number, **asdict(fold)}
    losses = {"customer_id": tested.histories.customer_id}
    for name, found in predictions.items():
        losses[f"log_loss {name}"] = score_log_losses(found.probability, outcomes.has_bought)
        losses[f"poisson_deviance {name}"] = score_poisson_deviances(found.orders, outcomes.orders)
    scores = [
        {**about, "model": name, **build_value_scores(found, outcomes)}
        for name, found in predictions.items()
    ]
    reliability = [
        build_value_reliability(found, outcomes).assign(model=name)
        for name, found in predictions.items()
    ]
    timing = [
        build_timing(model.predict_curve(tested.histories), outcomes).assign(model=name)
        for name, model in models.items()
    ]
    return ValueFold(
        pd.DataFrame(scores),
        pd.concat(reliability, ignore_index=True),
        pd.concat(timing, ignore_index=True),
        pd.DataFrame(losses),
        _build_importance(models[LIGHTGBM]),
    )


def summarise_value(
    results: Sequence[ValueFold], notes: tuple[str, ...], rng: np.random.Generator
) -> ValueBacktest:
    """Put folds together; the bootstrap of the gains draws from `rng`."""
    folds = pd.concat([result.scores for result in results], ignore_index=True)
    losses = pd.concat([result.losses for result in results], ignore_index=True)
    gains = _build_gains(losses, list(dict.fromkeys(folds["model"])), rng)
    return ValueBacktest(
        scores=_average_scores(folds),
        folds=folds,
        reliability=_average_by([result.reliability for result in results], ["model", "bin"]),
        timing=_average_by([result.timing for result in results], ["model", "level"]),
        gains=gains,
        importance=results[-1].importance,
        best=_choose(gains),
        notes=notes,
    )


def _take_buyers(found: PurchaseSlice) -> PurchaseSlice:
    rows = found.histories.has_bought
    table = found.table[rows].reset_index(drop=True)
    return PurchaseSlice(table, found.histories.take(rows), found.outcomes.take(rows))


def _predict(model: ValueModel, table: pd.DataFrame, n_days: int) -> Prediction:
    found = model.predict(table, days=n_days)
    orders = f"expected_orders_{n_days}d"
    return Prediction(
        found[f"order_probability_{n_days}d"].to_numpy(),
        found[orders].to_numpy(),
        found[f"{orders}_low"].to_numpy(),
        found[f"{orders}_high"].to_numpy(),
    )


def _build_importance(model: ValueModel) -> pd.DataFrame:
    if model.trees is None:
        return pd.DataFrame({"feature": [], "gain": []})
    gain = model.trees.orders.feature_importance("gain")
    table = pd.DataFrame({"feature": FEATURES, "gain": gain / max(gain.sum(), 1e-12)})
    return table.sort_values(["gain", "feature"], ascending=[False, True], ignore_index=True)


def _build_gains(losses: pd.DataFrame, names: list[str], rng: np.random.Generator) -> pd.DataFrame:
    customers = losses["customer_id"].to_numpy()
    rows = []
    for loss in LOSSES:
        for place, name in enumerate(names):
            for baseline in names[:place]:
                own = losses[f"{loss} {name}"].to_numpy()
                other = losses[f"{loss} {baseline}"].to_numpy()
                gain = compare_losses(own, other, customers, rng)
                rows.append({"loss": loss, "model": name, "baseline": baseline, **asdict(gain)})
    return pd.DataFrame(rows)


def _choose(gains: pd.DataFrame) -> str:
    over = gains[(gains["model"] == LIGHTGBM) & (gains["baseline"] == BG_NBD)]
    low = over.loc[over["loss"] == "log_loss", "low"].to_numpy()
    high = over.loc[over["loss"] == "poisson_deviance", "high"].to_numpy()
    return LIGHTGBM if (low > 0).all() and (high >= 0).all() else BG_NBD


def _average_scores(folds: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name, table in folds.groupby("model", sort=False):
        first = list(table.columns).index("log_loss")
        row: dict[str, object] = {"model": name, "folds": len(table)}
        for column in table.columns[first:]:
            row[column] = float(np.average(table[column], weights=table["customers"]))
        rows.append(row | table[["customers", "orders"]].sum().astype(float).to_dict())
    return pd.DataFrame(rows)


def _average_by(parts: Sequence[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Average tables over folds, weighted by their customers, whose number is summed."""
    table = pd.concat(parts, ignore_index=True)
    names = [name for name in table.columns if name not in (*keys, "customers")]
    weighted = table[names].mul(table["customers"], axis=0).fillna(0.0)
    sums = weighted.assign(customers=table["customers"]).groupby(
        [table[key] for key in keys], sort=False
    )
    total = sums.sum()
    means = total[names].div(total["customers"], axis=0)
    return means.assign(customers=total["customers"]).reset_index()
