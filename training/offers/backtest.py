"""What the log shows of rankings and policies, offer by offer, and the model that follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.offers.cells import CellRule
from models.offers.choice import Choice, MakeLearner, choose_recommendation
from models.offers.learners import LEARNERS
from models.offers.margin import Terms
from models.offers.offer_model import OfferEffect, OfferModel, fit_offer_effect, make_ranking
from models.offers.trees import Trees
from models.offers.trial import Trial
from training.offers.policies import QUANTILE, value_policies
from training.offers.trials import OfferTrials


@dataclass(frozen=True)
class OffersBacktest:
    """What the log showed.

    Attributes
    ----------
    scores : DataFrame
        `offer, ranking, qini, gain, low, high`: cross-validated Qini and its gain over the cell
        rule, with a paired bootstrap interval.
    choices : DataFrame
        `offer, ranking, words`: what is recommended for each offer, and why.
    cells : DataFrame
        `offer, band, customers, control, effect, low, high`: what the recommended ranking's cells
        or bands showed, in outcomes a customer.
    policies : DataFrame
        `offer, policy, share_offered, margin, low, high`: money per customer that a policy adds
        to offering nothing, judged on folds that it was not fitted on; 95 % interval.
    notes : tuple of str
    choice_scores : dict of str to array
        Cross-fitted uplift of the recommended ranking, by offer; not a table.
    """

    scores: pd.DataFrame
    choices: pd.DataFrame
    cells: pd.DataFrame
    policies: pd.DataFrame
    notes: tuple[str, ...]
    choice_scores: dict[str, np.ndarray]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return all evidence as tables, by name."""
        names = ("scores", "choices", "cells", "policies")
        notes = pd.DataFrame({"note": list(self.notes)}, dtype="str")
        return {**{name: getattr(self, name) for name in names}, "notes": notes}


def backtest_offers(
    trials: OfferTrials,
    terms: Mapping[str, Terms],
    order_value: float,
    *,
    trees: Trees,
    seed: int,
    n_folds: int = 5,
    n_resamples: int = 400,
) -> OffersBacktest:
    """Compare rankings and policies of every offer.

    Parameters
    ----------
    trials : OfferTrials
    terms : mapping of offer to Terms
        Of every offer in `trials`.
    order_value : float
        Expected value of an order, such as `trials.order_value`; money, >= 0.
    trees : Trees
        Of all learners.
    seed : int
        Deals folds and resamples.
    n_folds, n_resamples : int

    Raises
    ------
    InvalidRequest
        If an offer has no terms, or the order value is negative or NaN.
    """
    scores, choices, cells, policies, notes = [], [], [], [], list(trials.notes)
    crossed = {}
    for number, (offer, one) in enumerate(trials.trials.items()):
        rng = np.random.default_rng([seed, number])
        choice = choose_ranking(one.trial, trees, rng, n_folds, n_resamples)
        scores.append(_list_scores(offer, choice))
        choices.append({"offer": offer, "ranking": choice.name, "words": choice.words})
        crossed[offer] = choice.scores[choice.name]
        effect = fit_offer_effect(offer, one.trial, choice.name, trees, score=crossed[offer])
        cells.append(list_cells(effect))
        policies.append(
            value_policies(
                offer,
                one.trial,
                _list_policies(choice),
                terms,
                order_value,
                trees=trees,
                rng=rng,
                n_folds=n_folds,
                n_resamples=n_resamples,
            )
        )
        notes.append(f"{offer}: {choice.words}")
    return OffersBacktest(
        scores=pd.concat(scores, ignore_index=True),
        choices=pd.DataFrame(choices),
        cells=pd.concat(cells, ignore_index=True),
        policies=pd.concat(policies, ignore_index=True),
        notes=tuple(notes),
        choice_scores=crossed,
    )


def fit_offers(
    trials: OfferTrials, backtest: OffersBacktest | None = None, *, trees: Trees
) -> OfferModel:
    """Fit the model that is published.

    Parameters
    ----------
    trials : OfferTrials
    backtest : OffersBacktest, optional
        Its recommendations are fitted; by default the cell rule.
    trees : Trees
    """
    chosen = {} if backtest is None else backtest.choices.set_index("offer").to_dict("index")
    crossed = {} if backtest is None else backtest.choice_scores
    effects = []
    for offer, one in trials.trials.items():
        about = chosen.get(offer, {"ranking": CellRule.name, "words": "not compared"})
        effects.append(
            fit_offer_effect(
                offer,
                one.trial,
                str(about["ranking"]),
                trees,
                score=crossed.get(offer),
                why=str(about["words"]),
            )
        )
    return OfferModel(trials.design, effects, trials.outcome)


def choose_ranking(
    trial: Trial, trees: Trees, rng: np.random.Generator, n_folds: int, n_resamples: int
) -> Choice:
    """Compare all learners with the cell rule inside one trial."""
    makers: dict[str, MakeLearner] = {
        kind.name: make_ranking(kind.name, trees) for kind in LEARNERS
    }
    return choose_recommendation(trial, makers, rng=rng, n_folds=n_folds, n_resamples=n_resamples)


def list_cells(effect: OfferEffect) -> pd.DataFrame:
    """Return what each cell or band of a fitted offer showed; those with customers."""
    bands = effect.bands
    table = pd.DataFrame(
        {
            "offer": effect.offer,
            "band": effect.describe_bands(),
            "customers": bands.customers,
            "control": bands.control,
            "effect": bands.effect,
            "low": bands.effect - QUANTILE * bands.effect_sd,
            "high": bands.effect + QUANTILE * bands.effect_sd,
        }
    )
    return table[table["customers"] > 0].reset_index(drop=True)


def _list_policies(choice: Choice) -> tuple[str, ...]:
    """Name the cell rule, what is recommended, and the best learner if it is another one."""
    best = next(one.name for one in choice.comparisons if one.name != CellRule.name)
    return tuple(sorted({CellRule.name, choice.name, best}))


def _list_scores(offer: str, choice: Choice) -> pd.DataFrame:
    rows: Sequence[dict[str, object]] = [
        {
            "offer": offer,
            "ranking": one.name,
            "qini": one.qini,
            "gain": one.gain,
            "low": one.low,
            "high": one.high,
        }
        for one in choice.comparisons
    ]
    return pd.DataFrame(rows)
