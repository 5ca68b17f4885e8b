"""The parts of a promotion training beside send times: responses, their proof, value, offers.

Each is left out, with a note that says why, where the data cannot teach it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import NotEnoughData
from features.progress import Progress
from features.project import Project
from features.schema import PROMOTIONS, Promotions
from models.offers.margin import Terms
from models.offers.trees import Trees
from training.config import PromotionSettings
from training.offers.backtest import OffersBacktest, backtest_offers
from training.offers.trials import OfferTrials, read_offer_trials
from training.promotion.plan import Plan
from training.promotion.send_policies import (
    PERSONAL,
    RESPONSE,
    build_policies,
    find_allowed,
    stack_scores,
)
from training.promotion.slices import SliceReader
from training.proof.gate import COUNTED
from training.proof.granularity import read_block_propensity
from training.proof.tables import FALLBACK_GAINS, build_proof_tables
from training.proof.verdict import BETTER, WORSE
from training.response.backtest import RECEPTIVITY, ResponseBacktest
from training.response.options import ResponseOptions
from training.response.steps import backtest_response, explain_missing_response
from training.value.backtest import ValueBacktest
from training.value.slices import PurchaseReader
from training.value.steps import backtest_value

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Parts:
    """What was found of each part; None where there was nothing to find it from.

    Attributes
    ----------
    response : ResponseBacktest or None
    proof : dict of str to DataFrame
        `policy_values`, `policy_gains` and the like of `training.proof.tables`; empty without
        touches that can prove anything.
    value : ValueBacktest or None
    trials : OfferTrials or None
    offers : OffersBacktest or None
    notes : tuple of str
        Of offers.
    response_notes : tuple of str
        Of responses; where there are none, why.
    """

    response: ResponseBacktest | None
    proof: Tables
    value: ValueBacktest | None
    trials: OfferTrials | None
    offers: OffersBacktest | None
    notes: tuple[str, ...] = ()
    response_notes: tuple[str, ...] = ()

    @property
    def is_response_proven(self) -> bool:
        """Whether response-based send times are proven better than every baseline that counts."""
        gains = self.proof.get("policy_gains")
        return gains is not None and is_proven(gains)

    def may_publish_response(self, *, require_proof: bool) -> bool:
        """Return whether send times may rest on responses.

        Parameters
        ----------
        require_proof : bool
            Whether they must be proven better than every baseline that counts, or only not be
            proven worse than one.
        """
        if require_proof or self.response is None or self.response.best not in PERSONAL:
            return self.is_response_proven
        gains = self.proof.get("policy_gains")
        return gains is None or not (gains["verdict"] == WORSE).any()

    def tables(self) -> Tables:
        """Return all evidence as tables, by name."""
        tables = {**(self.response.tables() if self.response else {}), **self.proof}
        for part, found in (("value", self.value), ("offer", self.offers)):
            own = found.tables() if found is not None else {}
            tables |= {f"{part}_{name}": table for name, table in own.items()}
        return tables


def backtest_parts(
    project: Project,
    settings: PromotionSettings,
    reader: SliceReader,
    plan: Plan,
    progress: Progress,
) -> Parts:
    """Backtest every part on the label windows of send times.

    Parameters
    ----------
    project : Project
    settings : PromotionSettings
    reader : SliceReader
        With its half-life settled.
    plan : Plan
    progress : Progress
    """
    seed = project.settings.seed
    options = make_response_options(project, settings)
    response = backtest_response(reader, plan, options, progress)
    proof = {} if response is None else _prove(response, reader, plan, settings, seed)
    heard = response.notes if response else explain_missing_response(reader, plan, options)
    purchases = PurchaseReader(project, reader.engine)
    value = backtest_value(purchases, plan, progress, seed=seed)
    trials, notes = read_offer_trials(
        reader.engine,
        project.workspace,
        reader.read_profiles,
        as_of=plan.final.test,
        horizon_days=settings.offers.horizon_days,
        outcome=settings.offers.outcome,
        seed=seed,
    )
    offers = None
    if trials is not None:
        offers = _compare_offers(trials, project, settings)
    for note in notes:
        progress.say(f"promotion: {note}")
    return Parts(response, proof, value, trials, offers, notes, heard)


def make_response_options(project: Project, settings: PromotionSettings) -> ResponseOptions:
    """Return how responses are learned in this project."""
    own = project.settings
    return ResponseOptions(window_hours=settings.response_hours, threads=own.threads, seed=own.seed)


def _prove(
    backtest: ResponseBacktest,
    reader: SliceReader,
    plan: Plan,
    settings: PromotionSettings,
    seed: int,
) -> Tables:
    """Value the policies on the touches of the test windows.

    The target is the response model's policy. Where it is not proven, activity decides, and
    `fallback_gains` says what that is worth.
    """
    best = backtest.best if backtest.best in PERSONAL else PERSONAL[0]
    found = read_block_propensity(
        backtest.touches["propensity"].to_numpy(dtype=np.float64),
        backtest.touches["slot"].to_numpy(dtype=np.int64),
    )
    touches = backtest.touches.assign(
        predicted=backtest.touches[f"p_{best}"],
        propensity=found.propensity,
        level=backtest.blocks[best].mean(axis=1),
    )
    allowed = find_allowed(touches)
    policies = build_policies(backtest, reader, plan.folds, allowed)

    try:
        tables = build_proof_tables(
            touches,
            policies,
            target=RESPONSE if RESPONSE in policies else RECEPTIVITY,
            fallback=RECEPTIVITY,
            rng=np.random.default_rng(seed),
            context=("fold", "channel", "level"),
            allowed=allowed,
            per_action=stack_scores(backtest.blocks, best),
            min_effective_sends=settings.gates.min_effective_sends,
        )
    except NotEnoughData as error:
        return {"policy_notes": pd.DataFrame({"note": [str(error)]})}
    if is_proven(tables["policy_gains"]):
        del tables[FALLBACK_GAINS]
    return tables


def is_proven(gains: pd.DataFrame) -> bool:
    """Return whether the response model's policy is better than every baseline that counts.

    Parameters
    ----------
    gains : DataFrame
        `policy_gains` of `training.proof.tables`.
    """
    if gains["target"].iloc[0] != RESPONSE:
        return False
    counted = gains[gains["baseline"].isin(COUNTED)]
    return len(counted) > 0 and bool((counted["verdict"] == BETTER).all())


def _compare_offers(
    trials: OfferTrials, project: Project, settings: PromotionSettings
) -> OffersBacktest | None:
    value = trials.order_value if np.isfinite(trials.order_value) else 0.0
    return backtest_offers(
        trials,
        read_terms(project, trials, settings.offers.margin),
        value,
        trees=Trees(),
        seed=project.settings.seed,
    )


def read_terms(project: Project, trials: OfferTrials, margin: float) -> Mapping[str, Terms]:
    """Return margin and discount of each offer in the trials, from the table of promotions.

    Parameters
    ----------
    project : Project
    trials : OfferTrials
    margin : float
        Of promotions that state none.
    """
    path = project.workspace.table(PROMOTIONS.name)
    columns = [Promotions.PROMOTION_ID, Promotions.MARGIN, Promotions.DISCOUNT]
    rows = pd.DataFrame(columns=columns)
    if path.exists():
        rows = pd.read_parquet(path, columns=columns)
    stated = rows.set_index(Promotions.PROMOTION_ID)
    terms = {}
    for offer, one in trials.trials.items():
        row = stated.loc[offer] if offer in stated.index else None
        own = margin if row is None or pd.isna(row[Promotions.MARGIN]) else row[Promotions.MARGIN]
        discount = 0.0 if row is None else np.nan_to_num(float(row[Promotions.DISCOUNT] or 0.0))
        terms[offer] = Terms(
            margin=float(own),
            discount=float(discount),
            orders_per_outcome=one.orders_per_outcome,
        )
    return terms
