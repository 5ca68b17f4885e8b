"""How good purchases to come were predicted: who orders, how often, and when."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from models.value.curve import OrderCurve
from models.value.histories import PurchaseOutcomes
from training.value.baselines import Prediction

SMALLEST = 1e-9
TIMING_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def score_log_losses(probability: np.ndarray, has_bought: np.ndarray) -> np.ndarray:
    """Return each customer's negative log-likelihood in nats, shape (n,); lower is better."""
    p = np.clip(probability, SMALLEST, 1 - SMALLEST)
    return np.asarray(-np.where(has_bought, np.log(p), np.log1p(-p)))


def score_poisson_deviances(expected: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return each customer's Poisson deviance, shape (n,); lower is better, 0 is perfect."""
    mean = np.maximum(expected, SMALLEST)
    ratio = np.where(orders > 0, orders, 1.0) / mean
    return np.asarray(2 * (np.where(orders > 0, orders * np.log(ratio), 0.0) - orders + mean))


def score_auc(score: np.ndarray, happened: np.ndarray) -> float:
    """Return P(one with is ranked above one without); ties count half, NaN without both kinds.

    Examples
    --------
    >>> score_auc(np.array([0.9, 0.4, 0.4, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    positives = int(happened.sum())
    negatives = len(happened) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    ranks = rankdata(score)[happened].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def score_order_calibration(
    probability: np.ndarray, has_bought: np.ndarray, *, n_bins: int = 10
) -> float:
    """Return the expected calibration error over bins of equally many customers.

    Mean of |mean probability − observed frequency|, in probability; lower is better.
    """
    order = np.argsort(probability, kind="stable")
    gaps = np.concatenate([[0.0], np.cumsum((probability - has_bought)[order])])
    edges = np.linspace(0, len(order), n_bins + 1).astype(np.int64)
    return float(np.abs(np.diff(gaps[edges])).sum() / len(order))


def build_value_scores(prediction: Prediction, outcomes: PurchaseOutcomes) -> dict[str, float]:
    """Return every score of one model on one window.

    Returns
    -------
    dict
        `log_loss`, `auc`, `calibration_error` of an order in the window; `mean_absolute_error`,
        `poisson_deviance`, `rank_correlation` (Spearman; NaN where all are the same) and
        `predicted_over_actual` (total, 1 is perfect) of purchase days; `coverage` (share of
        customers inside the interval, NaN without one), `customers`, `orders`.
    """
    has_bought, orders = outcomes.has_bought, outcomes.orders
    is_flat = np.ptp(prediction.orders) == 0 or np.ptp(orders) == 0
    coverage = float("nan")
    if prediction.low is not None and prediction.high is not None:
        coverage = float(((orders >= prediction.low) & (orders <= prediction.high)).mean())
    return {
        "log_loss": float(score_log_losses(prediction.probability, has_bought).mean()),
        "auc": score_auc(prediction.probability, has_bought),
        "calibration_error": score_order_calibration(prediction.probability, has_bought),
        "mean_absolute_error": float(np.abs(prediction.orders - orders).mean()),
        "poisson_deviance": float(score_poisson_deviances(prediction.orders, orders).mean()),
        "rank_correlation": (
            float("nan") if is_flat else float(spearmanr(prediction.orders, orders).statistic)
        ),
        "predicted_over_actual": float(prediction.orders.sum() / max(orders.sum(), SMALLEST)),
        "coverage": coverage,
        "customers": float(len(outcomes)),
        "orders": float(orders.sum()),
    }


def build_value_reliability(
    prediction: Prediction, outcomes: PurchaseOutcomes, *, n_bins: int = 10
) -> pd.DataFrame:
    """Return what was predicted and what came, by tenths of the expected purchases.

    Returns
    -------
    DataFrame
        `bin` (1 = fewest expected), `customers`, `probability` and `frequency` of an order,
        `expected_orders` and `orders` (mean purchase days).
    """
    order = np.argsort(prediction.orders, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    table = pd.DataFrame(
        {
            "bin": place * n_bins // max(len(order), 1) + 1,
            "probability": prediction.probability,
            "frequency": outcomes.has_bought.astype(np.float64),
            "expected_orders": prediction.orders,
            "orders": outcomes.orders,
        }
    )
    groups = table.groupby("bin")
    means = groups.mean()
    means.insert(0, "customers", groups.size())
    return means.reset_index()


def build_timing(curve: OrderCurve, outcomes: PurchaseOutcomes) -> pd.DataFrame:
    """Return how often the next order was there by the predicted quantiles of its day.

    Only customers whose quantile lies within the window count, as only theirs is known. An order
    of day d came between d − 1 and d: it is there by a quantile in between with the share of that
    day that has passed.

    Returns
    -------
    DataFrame
        `level`, `observed` (share of customers; the level is perfect), `customers`.
    """
    first = np.nan_to_num(outcomes.days_to_first, nan=np.inf)
    rows = []
    for level in TIMING_LEVELS:
        day = curve.quantile(level)
        is_inside = np.nan_to_num(day, nan=np.inf) <= outcomes.n_days
        passed = np.clip(day[is_inside] - (first[is_inside] - 1), 0.0, 1.0)
        observed = float(passed.mean()) if is_inside.any() else float("nan")
        rows.append({"level": level, "observed": observed, "customers": int(is_inside.sum())})
    return pd.DataFrame(rows)
