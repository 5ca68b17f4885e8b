"""Which offer each customer should get, and what it is worth in money if it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from features.errors import InvalidRequest
from features.schema import Promotions
from models.offers.margin import Terms
from models.offers.offer_model import OfferModel
from models.offers.reasons import explain_offers

MAX_EXPLAINED = 100_000
"""Customers whose offer is explained in a sentence of their own."""


@dataclass(frozen=True)
class Worth:
    """The offer of n customers and its worth.

    Attributes
    ----------
    place : array of int64, shape (n,)
        Place in the promotions asked for; -1 for none.
    money : array of float64, shape (n,)
        Expected incremental margin of the offer without the cost of the message, averaged over
        the moments at which it may be sent; NaN where no experiment tells.
    low, high : arrays of float64, shape (n,)
        90 % interval of `money`.
    is_refused : array of bool, shape (n,)
        Whether an experiment says that no permitted offer surely earns anything.
    words : array of str, shape (n,)
        Why this offer, or none.
    """

    place: np.ndarray
    money: np.ndarray
    low: np.ndarray
    high: np.ndarray
    is_refused: np.ndarray
    words: np.ndarray

    def replace(self, rows: np.ndarray, some: Worth) -> Worth:
        """Return a new one in which the customers at `rows` have what `some` says."""
        parts = {}
        for part in fields(self):
            parts[part.name] = getattr(self, part.name).copy()
            parts[part.name][rows] = getattr(some, part.name)
        return Worth(**parts)


def choose_first(is_eligible: np.ndarray) -> Worth:
    """Give each customer the first promotion that may go to them: no experiment tells more.

    Parameters
    ----------
    is_eligible : array of bool, shape (n_promotions, n)
    """
    n = is_eligible.shape[1]
    nothing = np.full(n, np.nan)
    place = np.where(is_eligible.any(axis=0), is_eligible.argmax(axis=0), -1)
    words = np.where(place >= 0, "no experiment tells what it earns: valued by responses", "")
    return Worth(
        place, nothing, nothing, nothing, np.zeros(n, dtype=np.bool_), words.astype(object)
    )


def choose_by_experiment(
    model: OfferModel,
    table: pd.DataFrame,
    promotion_ids: tuple[str, ...],
    promotions: pd.DataFrame,
    order_value: np.ndarray,
    is_eligible: np.ndarray,
) -> Worth:
    """Give each customer the offer that earns most, or none where no gain is sure.

    Parameters
    ----------
    model : OfferModel
    table : DataFrame
        Customer features of the n customers.
    promotion_ids : tuple of str
        Asked for; those the model does not know are not offered.
    promotions : DataFrame
        Canonical `promotions`, for margin and discount.
    order_value : array of shape (n,)
        Expected value of an order.
    is_eligible : array of bool, shape (n_promotions, n)

    Raises
    ------
    InvalidRequest
        If a promotion of the experiment has no margin.
    """
    terms = _read_terms(model.offers, promotion_ids, promotions)
    places = np.array([_find(promotion_ids, offer) for offer in model.offers])
    permitted = np.stack(
        [is_eligible[place] if place >= 0 else np.zeros(len(table), bool) for place in places],
        axis=1,
    )
    found = model.recommend(table, terms, order_value, permitted=permitted)
    chosen = np.maximum(found.place, 0)[:, None]
    money, low, high = (
        np.where(found.place >= 0, np.take_along_axis(values, chosen, axis=1)[:, 0], np.nan)
        for values in (found.margins.mean, found.low, found.high)
    )
    rows = np.arange(min(len(table), MAX_EXPLAINED))
    words = np.full(len(table), "", dtype=object)
    words[rows] = explain_offers(model, table, found, rows.tolist(), permitted=permitted)
    return Worth(
        place=np.where(found.place >= 0, places[chosen[:, 0]], -1),
        money=money,
        low=low,
        high=high,
        is_refused=(found.place < 0) & permitted.any(axis=1),
        words=words,
    )


def _read_terms(
    offers: tuple[str, ...], promotion_ids: tuple[str, ...], promotions: pd.DataFrame
) -> Mapping[str, Terms]:
    """Read margins and discounts; an offer that is not asked for needs none."""
    rows = promotions.drop_duplicates(Promotions.PROMOTION_ID).set_index(Promotions.PROMOTION_ID)
    terms = {}
    for offer in offers:
        if offer not in promotion_ids or offer not in rows.index:
            terms[offer] = Terms(margin=0.0)
            continue
        row = rows.loc[[offer], [Promotions.MARGIN, Promotions.DISCOUNT]]
        margin, discount = row.to_numpy(dtype=np.float64)[0].tolist()
        if np.isnan(margin):
            raise InvalidRequest(
                f"promotion '{offer}': expected a margin, as an experiment tells what it does, got "
                "none; give promotions.margin, the margin of an order at full price as a fraction"
            )
        terms[offer] = Terms(margin, 0.0 if np.isnan(discount) else discount)
    return terms


def _find(promotion_ids: tuple[str, ...], offer: str) -> int:
    return promotion_ids.index(offer) if offer in promotion_ids else -1
