"""What is usual among customers, where one's own history says nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.customer.purchases import Purchases
from models.value.bg_nbd import BGNBD
from models.value.histories import PurchaseHistories, PurchaseOutcomes

LONGEST_GAP_DAYS = 364


@dataclass(frozen=True)
class Habits:
    """What is usual among customers, where one's own history says nothing.

    Attributes
    ----------
    gap_days : float
        Median over customers of their mean gap between purchase days.
    churn_days : int
        Silence after which a customer counts as lost: the 90th percentile of the last gap, at
        least the window of the model, at most a year.
    first_probability, first_orders : float
        P(a purchase) and expected purchases in the window, of who has never bought.
    """

    gap_days: float
    churn_days: int
    first_probability: float
    first_orders: float


def fit_habits(histories: PurchaseHistories, outcomes: PurchaseOutcomes, bg: BGNBD) -> Habits:
    """Measure what is usual.

    Parameters
    ----------
    histories : PurchaseHistories
        As of a cut-off; at least one customer with two purchase days.
    outcomes : PurchaseOutcomes
        The same customers, in the window after it.
    bg : BGNBD
        Stands for one customer among those who have never bought, so that none of them is as much
        as one who bought once, as long ago as customers are old on average.
    """
    gaps = histories.column(Purchases.MEAN_GAP)
    last = histories.column(Purchases.LAST_GAP)
    weeks = -(-float(np.nanquantile(last, 0.9)) // 7)
    churn_days = int(min(max(7 * weeks, outcomes.n_days), LONGEST_GAP_DAYS))
    strangers = ~histories.has_bought
    # where nobody is without a purchase, they are taken for one who bought once, long ago
    age = np.array([np.nanmean(histories.column(Purchases.AGE))])
    once = (np.zeros(1), np.zeros(1), age)
    probability = bg.predict_order_probability(*once, outcomes.n_days / 7)[0]
    orders = bg.predict_orders(*once, outcomes.n_days / 7)[0]
    n = strangers.sum() + 1.0
    return Habits(
        gap_days=float(np.nanmedian(gaps)),
        churn_days=churn_days,
        first_probability=float((outcomes.has_bought[strangers].sum() + probability) / n),
        first_orders=float((outcomes.orders[strangers].sum() + orders) / n),
    )
