"""What a customer will buy next: how often, when, for how much, and whether at all.

`ValueModel` holds BG/NBD, Gamma-Gamma and, where trees earned their place, LightGBM on top. It is
fitted to one window, calibrated on a later one (`calibrate`), and answers for any later cut-off.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from features.customer.purchases import Purchases
from models.receptivity.calibration import IDENTITY, Calibration, fit_calibration
from models.value.advice import add_advice
from models.value.bg_nbd import BGNBD, fit_bg_nbd
from models.value.counts import fit_count_shape, predict_count_interval
from models.value.curve import OrderCurve, make_days
from models.value.gamma_gamma import GammaGamma
from models.value.habits import Habits
from models.value.histories import PurchaseHistories, PurchaseOutcomes
from models.value.next_purchase import FEATURES, NextPurchase, make_spans

BG_NBD, LIGHTGBM = "bg_nbd", "lightgbm"
MODELS = (BG_NBD, LIGHTGBM)
"""Names of value models, simplest first."""
MODEL_FILE = "value.json"
HAZARD_FILE, ORDERS_FILE = "value_hazard.txt", "value_orders.txt"
FORMAT = 1


@dataclass(frozen=True)
class ValueModel:
    """A fitted model of purchases to come.

    Attributes
    ----------
    n_days : int
        The window it was fitted and calibrated on.
    bg : BGNBD
        In weeks.
    value : GammaGamma or None
        None where no order has a value.
    trees : NextPurchase or None
        None for plain BG/NBD.
    habits : Habits
    calibration : Calibration
        Of P(an order in the window).
    scale : float
        Purchases that came per purchase expected, on the window of the calibration.
    margin : float
        How near to 0 and 1 a predicted probability comes at most.
    count_shape : float
        Of the negative binomial around the expected purchases.
    """

    n_days: int
    bg: BGNBD
    value: GammaGamma | None
    trees: NextPurchase | None
    habits: Habits
    calibration: Calibration = IDENTITY
    scale: float = 1.0
    margin: float = 0.0
    count_shape: float = 1.0

    LEVEL: ClassVar[float] = 0.8
    """Of every interval."""

    @property
    def name(self) -> str:
        """One of `MODELS`."""
        return BG_NBD if self.trees is None else LIGHTGBM

    def calibrate(self, histories: PurchaseHistories, outcomes: PurchaseOutcomes) -> ValueModel:
        """Return the model calibrated on a window later than the one it was fitted on."""
        rows = histories.has_bought
        some, after = histories.take(rows), outcomes.take(rows)
        if len(some) == 0:
            return self
        bare = replace(self, calibration=IDENTITY, scale=1.0, margin=0.0)
        raw = bare.predict_curve(some).at(after.n_days)
        calibration = fit_calibration(raw, after.has_bought)
        orders = bare.predict_orders(some, after.n_days)
        scale = max(float(after.orders.sum()), 0.5) / max(float(orders.sum()), 1e-9)
        # with n customers of evidence nothing is surer than the rule of succession allows
        margin = 1 / (len(some) + 2)
        calibrated = replace(bare, calibration=calibration, scale=scale, margin=margin)
        mean = calibrated.predict_orders(some, after.n_days)
        return replace(calibrated, count_shape=fit_count_shape(mean, after.orders))

    def refit(self, histories: PurchaseHistories) -> ValueModel:
        """Return the model with BG/NBD fitted to later histories: it needs no outcomes for that.

        What was learned from outcomes (trees, calibration, scale) stays.
        """
        bought = histories.take(histories.has_bought)
        return replace(self, bg=fit_bg_nbd(*bought.statistics))

    def predict_curve(self, histories: PurchaseHistories) -> OrderCurve:
        """Return P(next order within t days) of every customer."""
        days = make_days(self.n_days)
        first = -np.expm1(np.log1p(-self.habits.first_probability) * days / self.n_days)
        within = np.tile(first, (len(histories), 1))
        rows = histories.has_bought
        if rows.any():
            curve = OrderCurve(days, self._predict_within(histories.take(rows), days))
            sure = self.calibration.predict(curve.at(self.n_days))
            within[rows] = curve.calibrate(self.n_days, sure).probability
        return OrderCurve(days, within)

    def predict_orders(self, histories: PurchaseHistories, days: float) -> np.ndarray:
        """Return the expected purchases in `days` to come, shape (n,)."""
        orders = np.full(len(histories), self.habits.first_orders * days / self.n_days)
        rows = histories.has_bought
        if rows.any():
            some = histories.take(rows)
            expected = self.bg.predict_orders(*some.statistics, days / 7)
            if self.trees is not None:
                window = self.bg.predict_orders(*some.statistics, self.n_days / 7)
                trees = self.trees.predict_orders(some, self.bg)
                expected = expected / np.maximum(window, 1e-9) * trees
            orders[rows] = self.scale * expected
        return orders

    def predict(self, purchases: pd.DataFrame, *, days: int = 28) -> pd.DataFrame:
        """Return what each customer will buy, and whether to write now.

        Parameters
        ----------
        purchases : DataFrame
            From `features.customer.purchases.build_purchases`.
        days : int
            Days ahead; also in the names of the columns.

        Returns
        -------
        DataFrame
            One row per row of `purchases`, in its order (for 28 days):

            - `customer_id`;
            - `expected_orders_28d` (purchase days), `expected_orders_28d_low`, `_high` (the
              counts that hold the outcome with `LEVEL`), `order_probability_28d`;
            - `days_to_next_order`, `_low`, `_high`: the days by which the order is there with
              probability 0.5, 0.1 and 0.9, NaN where that is never;
            - `churn_risk`: P(no order within `habits.churn_days`), calibrated; not 1 − P(alive),
              which is 0 for whoever bought once;
            - `expected_order_value`, `expected_value_28d`, NaN where no order has a value;
            - `advice`, `wait_days`, `reason` of `models.value.advice`.
        """
        histories = PurchaseHistories.from_table(purchases)
        curve, tail = self.predict_curve(histories), (1 - self.LEVEL) / 2
        probability = np.clip(curve.at(days), self.margin, 1 - self.margin)
        # more than one order is possible: as many are expected as one is likely, or more
        orders = np.maximum(self.predict_orders(histories, days), probability)
        low, high = predict_count_interval(orders, self.count_shape, self.LEVEL)
        value = self._predict_value(histories)
        kept = curve.at(self.habits.churn_days)
        table = pd.DataFrame(
            {
                "customer_id": histories.customer_id,
                f"expected_orders_{days}d": orders,
                f"expected_orders_{days}d_low": low,
                f"expected_orders_{days}d_high": high,
                f"order_probability_{days}d": probability,
                "days_to_next_order": curve.quantile(0.5),
                "days_to_next_order_low": curve.quantile(tail),
                "days_to_next_order_high": curve.quantile(1 - tail),
                "churn_risk": 1 - np.clip(kept, self.margin, 1 - self.margin),
                "expected_order_value": value,
                f"expected_value_{days}d": orders * value,
            }
        )
        return add_advice(table, purchases, usual_gap_days=self.habits.gap_days)

    def explain(self, purchases: pd.DataFrame, *, top: int = 3) -> pd.DataFrame:
        """Return what moves each customer's expected orders most, by TreeSHAP.

        Returns
        -------
        DataFrame
            `customer_id, feature, value, factor`, `top` rows a customer, strongest first: the
            expected orders are those of BG/NBD times the factors of all features and one shared by
            all. Without rows for plain BG/NBD and for who never bought.
        """
        histories = PurchaseHistories.from_table(purchases)
        histories = histories.take(histories.has_bought)
        if self.trees is None or len(histories) == 0:
            empty: dict[str, list[float]] = {"value": [], "factor": []}
            return pd.DataFrame({"customer_id": [], "feature": [], **empty})
        moved = self.trees.explain_orders(histories, self.bg)[:, :-1]
        best = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, :top]
        rows = np.arange(len(moved))[:, None]
        return pd.DataFrame(
            {
                "customer_id": np.repeat(histories.customer_id, best.shape[1]),
                "feature": np.array(FEATURES)[best].ravel(),
                "value": self.trees.design(histories, self.bg)[rows, best].ravel(),
                "factor": np.exp(moved[rows, best]).ravel(),
            }
        )

    def to_files(self) -> dict[str, bytes]:
        """Return the model's files by name; equal models give equal bytes."""
        document = {
            "format": FORMAT,
            "n_days": self.n_days,
            "bg_nbd": self.bg.to_json(),
            "gamma_gamma": None if self.value is None else self.value.to_json(),
            "habits": asdict(self.habits),
            "calibration": self.calibration.to_json(),
            "scale": self.scale,
            "margin": self.margin,
            "count_shape": self.count_shape,
        }
        files = {MODEL_FILE: json.dumps(document, indent=1, sort_keys=True).encode()}
        if self.trees is not None:
            files[HAZARD_FILE] = self.trees.hazard.model_to_string().encode()
            files[ORDERS_FILE] = self.trees.orders.model_to_string().encode()
        return files

    def _predict_within(self, histories: PurchaseHistories, days: np.ndarray) -> np.ndarray:
        """Return P(order within each of `days`) before calibration, of who has bought."""
        within = self.bg.predict_order_probability(*histories.statistics, days[:, None] / 7).T
        if self.trees is None:
            return np.asarray(within)
        spans = make_spans(self.n_days)
        near = self.trees.predict_within(histories, self.bg)
        known = OrderCurve(spans.astype(np.float64), near)
        end = int(np.searchsorted(days, self.n_days))
        head = np.column_stack([known.at(day) for day in days[: end + 1]])
        # after the window the hazard goes on as that of BG/NBD
        later = (1 - within[:, end + 1 :]) / np.maximum(1 - within[:, [end]], 1e-12)
        return np.concatenate([head, 1 - (1 - head[:, [-1]]) * later], axis=1)

    def _predict_value(self, histories: PurchaseHistories) -> np.ndarray:
        if self.value is None:
            return np.full(len(histories), np.nan)
        return self.value.predict_value(
            histories.column(Purchases.VALUED_DAYS), histories.column(Purchases.MEAN_VALUE)
        )
