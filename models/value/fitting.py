"""Fitting a value model to one window."""

from __future__ import annotations

from features.customer.purchases import Purchases
from features.errors import NotEnoughData
from models.value.bg_nbd import fit_bg_nbd
from models.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from models.value.habits import fit_habits
from models.value.histories import PurchaseHistories, PurchaseOutcomes
from models.value.model import LIGHTGBM, ValueModel
from models.value.next_purchase import TreeSettings, fit_next_purchase

MIN_REPEATS = 20
"""Customers with two purchase days or more that a fit needs."""


def fit_value_model(
    histories: PurchaseHistories,
    outcomes: PurchaseOutcomes,
    *,
    name: str = LIGHTGBM,
    trees: TreeSettings | None = None,
) -> ValueModel:
    """Fit a value model to histories as of a cut-off and to the purchases that followed.

    Parameters
    ----------
    histories : PurchaseHistories
        Customers as of the cut-off.
    outcomes : PurchaseOutcomes
        The same customers, in the window after it.
    name : str
        'bg_nbd', or 'lightgbm' for trees on top; too few customers for trees leave BG/NBD.
    trees : TreeSettings, optional

    Raises
    ------
    NotEnoughData
        If fewer than `MIN_REPEATS` customers have two purchase days or more.
    """
    repeats = histories.column(Purchases.FREQUENCY) > 0
    if repeats.sum() < MIN_REPEATS:
        raise NotEnoughData(
            f"customer value: expected at least {MIN_REPEATS} customers with two purchase days or "
            f"more, found {int(repeats.sum())}; give a longer history"
        )
    rows = histories.has_bought
    some, after = histories.take(rows), outcomes.take(rows)
    bg = fit_bg_nbd(*some.statistics)
    habits = fit_habits(histories, outcomes, bg)
    fitted = None
    if name == LIGHTGBM:
        fitted = fit_next_purchase(some, after, bg, trees or TreeSettings())
    return ValueModel(outcomes.n_days, bg, _fit_value(some), fitted, habits)


def _fit_value(histories: PurchaseHistories) -> GammaGamma | None:
    try:
        return fit_gamma_gamma(
            histories.column(Purchases.VALUED_DAYS), histories.column(Purchases.MEAN_VALUE)
        )
    except NotEnoughData:
        return None
