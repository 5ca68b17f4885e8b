"""Why an offer, or none: the effect, the money and the verdict in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.offers.margin import NOTHING, Recommendation
from models.offers.offer_model import OfferModel

_VERBS = {"ordered": "to order", "visited": "to visit"}


def explain_offers(
    model: OfferModel,
    table: pd.DataFrame,
    recommendation: Recommendation,
    rows: Sequence[int],
    *,
    permitted: np.ndarray | None = None,
) -> tuple[str, ...]:
    """Explain what was recommended to some customers.

    Parameters
    ----------
    model : OfferModel
    table : DataFrame
        Customer features, n rows.
    recommendation : Recommendation
        Of the same n customers.
    rows : sequence of int
        Positions of the customers to explain; written one by one, so for some, not for a million.
    permitted : bool array of shape (n, k), optional
        As it was given to `recommend`.

    Returns
    -------
    tuple of str
        One sentence a row: of the recommended offer, or of the one that comes closest.
    """
    places = np.asarray(rows, dtype=np.int64)
    some = table.iloc[places]
    uplift = model.predict_uplift(some, level=recommendation.level)
    features = model.design.build(some)
    bands = [effect.place(features) for effect in model.effects]
    words = [effect.describe_bands() for effect in model.effects]
    verb = _VERBS.get(model.outcome, f"of '{model.outcome}'")
    reasons = []
    for number, row in enumerate(places):
        offer = _find_offer(recommendation, int(row), permitted)
        if offer < 0:
            reasons.append("no offer is permitted: offer nothing")
            continue
        band = int(bands[offer][number])
        customers = int(model.effects[offer].bands.customers[band])
        mean, low, high = (_round(100.0 * float(part[number, offer]), 1) for part in uplift)
        effect = (
            f"{model.offers[offer]}: {mean:+.1f} points [{low:.1f}, {high:.1f}] more likely {verb} "
            f"({customers:,} customers alike in the experiment: {words[offer][band]})"
        )
        reasons.append(f"{effect}; {_describe_money(recommendation, int(row), offer)}")
    return tuple(reasons)


def _find_offer(recommendation: Recommendation, row: int, permitted: np.ndarray | None) -> int:
    if recommendation.place[row] >= 0:
        return int(recommendation.place[row])
    worth = recommendation.margins.mean[row].copy()
    if permitted is not None:
        worth[~permitted[row]] = -np.inf
    return int(worth.argmax()) if np.isfinite(worth).any() else -1


def _describe_money(recommendation: Recommendation, row: int, offer: int) -> str:
    margins = recommendation.margins
    cost = float(margins.contact_cost[offer])
    contact = f" - contact {cost:.2f}" if cost else ""
    verdict = f"offer {NOTHING}"
    if recommendation.place[row] >= 0:
        verdict = f"offer {margins.offers[offer]}"
    values = (margins.gained, margins.discount_cost, margins.mean)
    gained, given, mean = (_round(float(value[row, offer]), 2) for value in values)
    low, high = (_round(float(x[row, offer]), 2) for x in (recommendation.low, recommendation.high))
    return (
        f"margin {gained:.2f} - discount cost {given:.2f}{contact} = {mean:+.2f} "
        f"[{low:.2f}, {high:.2f}]: {verdict}"
    )


def _round(value: float, digits: int) -> float:
    """Round, without a minus before zero."""
    return round(value, digits) + 0.0
