"""What a value model must beat: everybody's mean, and each customer's own rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.customer.purchases import Purchases
from models.value.histories import PurchaseHistories, PurchaseOutcomes

MEAN_RATE, OWN_RATE = "mean_rate", "own_rate"
SMALLEST = 1e-3


@dataclass(frozen=True)
class Prediction:
    """What one model says of n customers who have bought, in a window.

    Attributes
    ----------
    probability, orders : array of shape (n,)
        P(an order) and expected purchase days.
    low, high : array of shape (n,) or None
        Interval of the purchase days; None where the model gives none.
    """

    probability: np.ndarray
    orders: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


def predict_mean_rate(outcomes: PurchaseOutcomes, n: int) -> Prediction:
    """Predict for n customers what all of an earlier window did on average."""
    share, orders = outcomes.has_bought.mean(), outcomes.orders.mean()
    return Prediction(
        np.full(n, np.clip(share, SMALLEST, 1 - SMALLEST)), np.full(n, max(orders, SMALLEST))
    )


def predict_own_rate(histories: PurchaseHistories, n_days: int) -> Prediction:
    """Predict each customer's purchase days so far per day known, as a Poisson process.

    Half a purchase day and half a window are added, so that a customer of yesterday is no daily
    buyer and a silent one not impossible.
    """
    days = 7 * histories.column(Purchases.AGE) + 0.5 * n_days
    orders = n_days * (histories.column(Purchases.FREQUENCY) + 0.5) / days
    return Prediction(np.clip(-np.expm1(-orders), SMALLEST, 1 - SMALLEST), orders)
