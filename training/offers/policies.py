"""What a policy of offering adds in money, judged on customers that it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from models.offers.margin import Effects, Terms, build_margins, choose_offers
from models.offers.offer_model import OfferEffect, fit_offer_effect
from models.offers.pseudo_outcomes import build_pseudo_outcomes
from models.offers.ranked import draw_times
from models.offers.trees import Trees
from models.offers.trial import Trial, assign_folds

LEVEL, QUANTILE = 0.9, 1.6448536269514722
"""Of the intervals that "offer nothing" rests on, and its standard deviations to either side."""
NOBODY, EVERYBODY = "nobody", "everybody"


def value_policies(
    offer: str,
    trial: Trial,
    rankings: Sequence[str],
    terms: Mapping[str, Terms],
    order_value: float,
    *,
    trees: Trees,
    rng: np.random.Generator,
    n_folds: int = 5,
    n_resamples: int = 400,
) -> pd.DataFrame:
    """Value offering where a ranking is sure of a gain, to everybody, and to nobody.

    A policy is fitted without the fold that it decides on. What it adds is the mean, over
    customers, of doubly robust money where it offers: right if the propensities are.

    Parameters
    ----------
    offer : str
    trial : Trial
        Each customer once, so that resampling rows is resampling customers.
    rankings : sequence of str
        Names of learners, or 'cell_rule'.
    terms : mapping of offer to Terms
    order_value : float
        Expected value of an order, in money.
    trees : Trees
    rng : numpy.random.Generator
    n_folds, n_resamples : int

    Returns
    -------
    DataFrame
        `offer, policy, share_offered, margin, low, high`: per customer, with 95 % intervals from
        resamples that all policies share.

    Raises
    ------
    InvalidRequest
        If the offer has no terms, or the order value is negative or NaN.
    """
    folds = assign_folds(trial, n_folds, rng)
    n = len(trial)
    offered = {NOBODY: np.zeros(n, dtype=bool), EVERYBODY: np.ones(n, dtype=bool)}
    for name in rankings:
        offered[name] = np.zeros(n, dtype=bool)
        for number in range(n_folds):
            held = folds == number
            effect = fit_offer_effect(offer, trial.take(~held), name, trees)
            offered[name][held] = decide(effect, trial.features[held], terms, order_value)
    money = build_money(trial, terms[offer], order_value, trees)
    worth = np.column_stack([np.where(is_offered, money, 0.0) for is_offered in offered.values()])
    drawn = np.array([draw_times(n, rng) @ worth / n for _ in range(n_resamples)])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return pd.DataFrame(
        {
            "offer": offer,
            "policy": list(offered),
            "share_offered": [float(is_offered.mean()) for is_offered in offered.values()],
            "margin": worth.mean(axis=0),
            "low": low,
            "high": high,
        }
    )


def decide(
    effect: OfferEffect, features: np.ndarray, terms: Mapping[str, Terms], order_value: float
) -> np.ndarray:
    """Return to whom the offer is worth making, bool of shape (n,)."""
    band, of = effect.place(features), effect.bands
    columns = (of.effect, of.effect_sd, of.control, of.control_sd, of.covariance)
    effects = Effects((effect.offer,), *(column[band][:, None] for column in columns))
    margins = build_margins(effects, terms, np.full(len(features), order_value))
    return np.asarray(choose_offers(margins, quantile=QUANTILE, level=LEVEL).place >= 0)


def build_money(trial: Trial, terms: Terms, order_value: float, trees: Trees) -> np.ndarray:
    """Return each customer's doubly robust margin with the offer − without it, shape (n,)."""
    pseudo = build_pseudo_outcomes(trial, trees)
    money = order_value * terms.orders_per_outcome
    with_offer = money * (terms.margin - terms.discount) * pseudo.treated
    return np.asarray(with_offer - money * terms.margin * pseudo.control - terms.contact_cost)
