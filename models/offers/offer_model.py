"""The fitted model of offers: what each does to each customer, and which one is worth making."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeGuard

import numpy as np
import pandas as pd

from features.errors import InvalidRequest, UnknownName
from models.artifact import refuse_damage
from models.offers.bands import Bands, cut_bands, measure_bands
from models.offers.cells import CellRule
from models.offers.choice import MakeLearner, predict_crossed
from models.offers.design import Design
from models.offers.learner_base import LEARNER_FILE, UpliftLearner
from models.offers.learners import LEARNERS
from models.offers.margin import (
    Effects,
    Recommendation,
    Terms,
    build_margins,
    choose_offers,
)
from models.offers.pseudo_outcomes import build_pseudo_outcomes
from models.offers.trees import Trees
from models.offers.trial import Trial, assign_folds

MODEL_FILE = "offers.json"
_KINDS: tuple[type[UpliftLearner], ...] = (CellRule, *LEARNERS)
RANKINGS = {kind.name: kind for kind in _KINDS}
"""Every way to order customers, by name."""


@dataclass(frozen=True)
class OfferEffect:
    """What one offer does.

    Attributes
    ----------
    offer : str
    ranking : UpliftLearner
        Fitted; orders customers.
    bands : Bands
        What the offer did to customers of each part of that order.
    why : str
        Why this ranking.
    """

    offer: str
    ranking: UpliftLearner
    bands: Bands
    why: str = ""

    def place(self, features: np.ndarray) -> np.ndarray:
        """Return the band of every row, int of shape (n,)."""
        if has_own_bands(self.ranking):
            return self.ranking.cells(features)
        return self.bands.place(self.ranking.predict(features))

    def describe_bands(self) -> tuple[str, ...]:
        """Return in words who is in each band."""
        if has_own_bands(self.ranking):
            return self.ranking.describe()
        n = len(self.bands.effect)
        return tuple(f"band {band + 1} of {n} by {self.ranking.name}" for band in range(n))


class OfferModel:
    """What each offer does to each customer.

    Parameters
    ----------
    design : Design
        Reads customer feature tables.
    effects : sequence of OfferEffect
        Of each offer, fitted.
    outcome : str
        What the effects are on, such as 'ordered' or 'visited'.
    """

    def __init__(self, design: Design, effects: Sequence[OfferEffect], outcome: str) -> None:
        self.design = design
        self.effects = tuple(effects)
        self.outcome = outcome

    @property
    def offers(self) -> tuple[str, ...]:
        """Names of the k offers, in the order of every array."""
        return tuple(effect.offer for effect in self.effects)

    def predict_effects(self, table: pd.DataFrame) -> Effects:
        """Return what each offer does to each customer of a feature table of n rows.

        Raises
        ------
        MissingColumn
            If the table lacks a column that the model was fitted on.
        """
        features = self.design.build(table)
        columns: list[list[np.ndarray]] = []
        for effect in self.effects:
            band, of = effect.place(features), effect.bands
            values = (of.effect, of.effect_sd, of.control, of.control_sd, of.covariance)
            columns.append([value[band] for value in values])
        stacked = np.array(columns).reshape(len(self.effects), 5, len(table)).transpose(1, 2, 0)
        return Effects(self.offers, *stacked)

    def predict_uplift(
        self, table: pd.DataFrame, *, level: float = 0.9
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how much likelier each offer makes the outcome.

        Parameters
        ----------
        table : DataFrame
            Customer features, n rows.
        level : float
            Of the interval, within (0, 1).

        Returns
        -------
        mean, low, high : arrays of shape (n, k)
            Mean effect among customers alike in the experiment, and its interval.
        """
        effects = self.predict_effects(table)
        half = _quantile(level) * effects.sd
        return effects.mean, effects.mean - half, effects.mean + half

    def recommend(
        self,
        table: pd.DataFrame,
        terms: Mapping[str, Terms],
        order_value: np.ndarray,
        *,
        permitted: np.ndarray | None = None,
        level: float = 0.9,
    ) -> Recommendation:
        """Recommend an offer, or nothing, for every customer.

        Parameters
        ----------
        table : DataFrame
            Customer features, n rows.
        terms : mapping of offer to Terms
        order_value : array of shape (n,)
            Expected value of an order at full price, in money.
        permitted : bool array of shape (n, k), optional
            Who may get which offer; by default everybody all of them.
        level : float
            Of the interval whose lower bound must be above 0.

        Returns
        -------
        Recommendation

        Raises
        ------
        InvalidRequest
            If an offer has no terms, or an order value is negative or empty.
        """
        margins = build_margins(self.predict_effects(table), terms, order_value)
        return choose_offers(margins, quantile=_quantile(level), level=level, permitted=permitted)

    def to_files(self) -> dict[str, bytes]:
        """Return the model as plain files; `load_offers` makes the same model of them."""
        files, described = {}, []
        for number, effect in enumerate(self.effects):
            about = {"offer": effect.offer, "why": effect.why, "ranking": effect.ranking.name}
            described.append({**about, "bands": effect.bands.to_json()})
            for name, content in effect.ranking.to_files().items():
                files[f"offer_{number}.{name}"] = content
        document = {
            "outcome": self.outcome,
            "design": self.design.to_json(),
            "effects": described,
        }
        return {MODEL_FILE: json.dumps(document, sort_keys=True).encode(), **files}


def load_offers(files: Mapping[str, bytes]) -> OfferModel:
    """Read what `OfferModel.to_files` wrote.

    Raises
    ------
    ArtifactError
        If a file is missing or is not what it should be.
    """
    with refuse_damage(MODEL_FILE, "a model of offers"):
        document = json.loads(files[MODEL_FILE])
        effects = [
            _load_effect(about, _strip(files, f"offer_{number}."))
            for number, about in enumerate(document["effects"])
        ]
        return OfferModel(Design.from_json(document["design"]), effects, document["outcome"])


def fit_offer_effect(
    offer: str,
    trial: Trial,
    ranking: str,
    trees: Trees,
    *,
    folds: int = 5,
    score: np.ndarray | None = None,
    why: str = "",
) -> OfferEffect:
    """Fit what one offer does.

    Parameters
    ----------
    offer : str
    trial : Trial
        The offer against none.
    ranking : str
        Name of a learner, or 'cell_rule'.
    trees : Trees
    folds : int
        Of the cross-fitting.
    score : array of shape (n,), optional
        Cross-fitted uplift of the ranking, if it is known.
    why : str
        Kept with the result.

    Raises
    ------
    UnknownName
        If there is no such ranking.
    NotEnoughData
        If an arm is too small.
    """
    make = make_ranking(ranking, trees)
    fitted = make().fit(trial)
    pseudo = build_pseudo_outcomes(trial, trees, folds=folds)
    if has_own_bands(fitted):
        cells = fitted.cells(trial.features)
        bands = measure_bands(pseudo, cells, len(fitted.uplift_), np.empty(0))
        return OfferEffect(offer, fitted, bands, why)
    if score is None:
        dealt = assign_folds(trial, folds, np.random.default_rng(trees.seed))
        score = predict_crossed(trial, {ranking: make}, dealt)[ranking]
    edges = cut_bands(score, trial.treated)
    placed = np.searchsorted(edges, score, side="right")
    return OfferEffect(offer, fitted, measure_bands(pseudo, placed, len(edges) + 1, edges), why)


def has_own_bands(ranking: UpliftLearner) -> TypeGuard[CellRule]:
    """Say whether the ranking's own cells may be measured on the customers that chose them.

    Cells that are not sure may not: those that look best by chance would be taken for good.
    """
    return isinstance(ranking, CellRule) and ranking.is_sure_


def make_ranking(name: str, trees: Trees) -> MakeLearner:
    """Return what makes an unfitted ranking; UnknownName if there is none of that name."""
    if name not in RANKINGS:
        raise UnknownName("ranking", name, RANKINGS)
    kind = RANKINGS[name]
    return lambda: kind(trees)


def _load_effect(about: Mapping[str, Any], files: Mapping[str, bytes]) -> OfferEffect:
    document = json.loads(files[LEARNER_FILE])
    ranking = RANKINGS[about["ranking"]](Trees(**document["trees"])).restore(files)
    return OfferEffect(about["offer"], ranking, Bands.from_json(about["bands"]), about["why"])


def _strip(files: Mapping[str, bytes], start: str) -> dict[str, bytes]:
    return {
        name.removeprefix(start): content
        for name, content in files.items()
        if name.startswith(start)
    }


def _quantile(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise InvalidRequest(
            f"interval: expected a level within (0, 1), got {level:g}; 0.9 covers nine of ten"
        )
    return NormalDist().inv_cdf(0.5 + level / 2.0)
