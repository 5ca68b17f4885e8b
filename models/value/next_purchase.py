"""LightGBM on top of BG/NBD: when the next order comes, and how many come in a window.

Two models start from what BG/NBD expects and learn what it cannot see (how regular a customer is,
the last gap, the weekday, spend): a discrete-time hazard, one row per customer and span of days
they are still awaited in, and a Poisson regression of the purchases in the window.

References
----------
.. [1] Singer & Willett (1993), "It's About Time: Using Discrete-Time Survival Analysis to Study
   Duration and the Timing of Events", Journal of Educational Statistics 18(2).
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from scipy.special import expit, logit

from features.customer.purchases import WINDOW_COLUMNS, Purchases
from models.value.bg_nbd import BGNBD
from models.value.curve import NEAR
from models.value.histories import PurchaseHistories, PurchaseOutcomes

MAX_CUSTOMERS = 50_000
"""Customers that are fitted on; of more, evenly spaced ones."""
CHUNK_ROWS = 50_000
OWN = (
    Purchases.DAYS,
    Purchases.RECENCY,
    Purchases.AGE,
    Purchases.DAYS_SINCE_LAST,
    Purchases.LAST_GAP,
    Purchases.MEAN_GAP,
    Purchases.SD_GAP,
    Purchases.LAST_WEEKDAY,
    Purchases.MEAN_VALUE,
    Purchases.LAST_VALUE,
    *WINDOW_COLUMNS,
)
EXPECTED = "bg_nbd_orders"
FEATURES = (*OWN, "overdue", "bg_nbd_probability", EXPECTED)
"""What the trees see of a customer: `OWN`, days since the last order over the mean gap, BG/NBD."""
SPAN_FEATURES = (*FEATURES, "day", "overdue_then", "bg_nbd_hazard")
"""What the hazard sees besides: the last day of the span, how overdue they are then, BG/NBD."""
SMALLEST = 1e-6


@dataclass(frozen=True)
class TreeSettings:
    """LightGBM's `num_iterations`, `learning_rate`, `num_leaves`, `min_data_in_leaf`, and seed."""

    rounds: int = 60
    learning_rate: float = 0.06
    leaves: int = 7
    min_rows_in_leaf: int = 40
    threads: int = 1
    seed: int = 7


@dataclass(frozen=True)
class NextPurchase:
    """Two fitted boosters.

    Attributes
    ----------
    n_days : int
        Length of the window they were fitted to.
    hazard, orders : lightgbm.Booster
        Of the next order in each span of `make_spans(n_days)`, and of the purchases in the window.
    """

    n_days: int
    hazard: lgb.Booster
    orders: lgb.Booster

    def design(self, histories: PurchaseHistories, bg: BGNBD) -> np.ndarray:
        """Return what the trees see, shape (n, len(FEATURES))."""
        return _design(histories, bg, self.n_days)

    def predict_within(self, histories: PurchaseHistories, bg: BGNBD) -> np.ndarray:
        """Return P(an order by the end of each span), shape (n, k); all must have bought."""
        spans = make_spans(self.n_days)
        within = np.empty((len(histories), len(spans)))
        for start in range(0, len(histories), CHUNK_ROWS):
            some = histories.take(slice(start, start + CHUNK_ROWS))
            start_hazard = _bg_hazard(some, bg, spans)
            own = self.design(some, bg)
            survived = np.ones(len(some))
            for place, day in enumerate(spans):
                rows = _span_design(some, own, start_hazard[:, place], float(day))
                raw = self.hazard.predict(rows, raw_score=True, num_threads=1)
                survived = survived * (1 - expit(raw + logit(start_hazard[:, place])))
                within[start : start + len(some), place] = 1 - survived
        return within

    def predict_orders(self, histories: PurchaseHistories, bg: BGNBD) -> np.ndarray:
        """Return the expected purchases in the window, shape (n,); all must have bought."""
        rows = self.design(histories, bg)
        raw = self.orders.predict(rows, raw_score=True, num_threads=1)
        return np.asarray(np.exp(raw) * rows[:, FEATURES.index(EXPECTED)])

    def explain_orders(self, histories: PurchaseHistories, bg: BGNBD) -> np.ndarray:
        """Return TreeSHAP contributions to the logarithm of the expected purchases.

        Returns
        -------
        array of shape (n, len(FEATURES) + 1)
            The last column is what every customer has in common; a row sums to
            log(`predict_orders` / what BG/NBD expects).
        """
        rows = self.design(histories, bg)
        return np.asarray(self.orders.predict(rows, pred_contrib=True, num_threads=1))


def make_spans(n_days: int) -> np.ndarray:
    """Return the last days of the spans in which a next order is awaited, up to `n_days`.

    Examples
    --------
    >>> make_spans(14).tolist()
    [1, 2, 3, 4, 5, 6, 7, 10, 14]
    """
    return np.array(sorted({*(day for day in NEAR if day < n_days), n_days}))


def fit_next_purchase(
    histories: PurchaseHistories, outcomes: PurchaseOutcomes, bg: BGNBD, settings: TreeSettings
) -> NextPurchase | None:
    """Fit both boosters to what followed the histories.

    Parameters
    ----------
    histories : PurchaseHistories
        Customers who have bought, as of a cut-off.
    outcomes : PurchaseOutcomes
        The same customers, in the window after it.
    bg : BGNBD
        Fitted to the same or earlier histories; in weeks.
    settings : TreeSettings

    Returns
    -------
    NextPurchase or None
        None where there are too few customers for two leaves.
    """
    step = max(1, -(-len(histories) // MAX_CUSTOMERS))
    some, after = histories.take(slice(None, None, step)), outcomes.take(slice(None, None, step))
    if len(some) < 2 * settings.min_rows_in_leaf:
        return None
    own = _design(some, bg, after.n_days)
    start = own[:, FEATURES.index(EXPECTED)]
    orders = _train(own, after.orders, np.log(start), "poisson", FEATURES, settings)
    rows, labels, begin = _build_spans(some, after, bg, own)
    hazard = _train(rows, labels, begin, "binary", SPAN_FEATURES, settings)
    return NextPurchase(after.n_days, hazard, orders)


def _train(
    rows: np.ndarray,
    label: np.ndarray,
    start: np.ndarray,
    objective: str,
    names: tuple[str, ...],
    settings: TreeSettings,
) -> lgb.Booster:
    data = lgb.Dataset(
        rows,
        label=label,
        init_score=start,
        feature_name=list(names),
        params={"feature_pre_filter": False, "verbosity": -1},
    )
    parameters = {
        "objective": objective,
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.min_rows_in_leaf,
        "num_threads": settings.threads,
        "seed": settings.seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    return lgb.train(parameters, data, num_boost_round=settings.rounds)


def _design(histories: PurchaseHistories, bg: BGNBD, n_days: int) -> np.ndarray:
    own = [histories.column(name) for name in OWN]
    statistics, weeks = histories.statistics, n_days / 7
    overdue = histories.column(Purchases.DAYS_SINCE_LAST) / histories.column(Purchases.MEAN_GAP)
    probability = bg.predict_order_probability(*statistics, weeks)
    expected = np.maximum(bg.predict_orders(*statistics, weeks), SMALLEST)
    return np.column_stack([*own, overdue, probability, expected])


def _bg_hazard(histories: PurchaseHistories, bg: BGNBD, spans: np.ndarray) -> np.ndarray:
    """Return BG/NBD's P(order in the span | none before it), shape (n, k)."""
    within = bg.predict_order_probability(*histories.statistics, spans[:, None] / 7).T
    before = np.column_stack([np.zeros(len(within)), within[:, :-1]])
    hazard = (within - before) / np.maximum(1 - before, SMALLEST)
    return np.asarray(np.clip(hazard, SMALLEST, 1 - SMALLEST))


def _span_design(
    histories: PurchaseHistories, own: np.ndarray, hazard: np.ndarray, day: float
) -> np.ndarray:
    since = histories.column(Purchases.DAYS_SINCE_LAST) + day
    then = since / histories.column(Purchases.MEAN_GAP)
    return np.column_stack([own, np.full(len(own), day), then, hazard])


def _build_spans(
    histories: PurchaseHistories, outcomes: PurchaseOutcomes, bg: BGNBD, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a row per customer and span they are awaited in, its label and BG/NBD's log-odds."""
    spans = make_spans(outcomes.n_days)
    hazard = _bg_hazard(histories, bg, spans)
    first = np.nan_to_num(outcomes.days_to_first, nan=np.inf)
    rows, labels, starts, previous = [], [], [], 0
    for place, day in enumerate(spans):
        awaited = first > previous
        rows.append(_span_design(histories, own, hazard[:, place], float(day))[awaited])
        labels.append((first <= day)[awaited])
        starts.append(logit(hazard[awaited, place]))
        previous = day
    return np.concatenate(rows), np.concatenate(labels).astype(np.float64), np.concatenate(starts)
