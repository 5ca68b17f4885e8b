"""From the log of decisions to one trial per offer: the offer against none, point in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
import pandas as pd

from features.customer.experiments import (
    NOTHING,
    Experiments,
    build_experiments,
    check_experiments,
    describe_experiments,
)
from features.errors import InvalidRequest, NotEnoughData
from features.project import Workspace
from features.schema import DECISIONS, EVENTS, HOLDOUT
from models.offers.design import Design, fit_design
from models.offers.propensity import estimate_propensity, is_consistent
from models.offers.trial import Trial, assign_folds, make_trial

ReadFeatures = Callable[[datetime], pd.DataFrame]
"""From a cut-off in UTC to the customer feature table as of it."""
MIN_CUSTOMERS = 200
"""With an offer, and without it, below which nothing is learned of the offer."""
OUTCOMES = (Experiments.ORDERED, Experiments.VISITED)


@dataclass(frozen=True)
class OfferTrial:
    """One offer against none.

    Attributes
    ----------
    trial : Trial
    customer_id : str array of shape (n,)
        Each customer is there once.
    orders : float array of shape (n,)
        Within the horizon.
    is_logged : bool
        Whether the propensities are the logged ones, not estimates.
    """

    trial: Trial
    customer_id: np.ndarray
    orders: np.ndarray
    is_logged: bool

    @property
    def orders_per_outcome(self) -> float:
        """Orders that one outcome stands for: about 1 if it is an order, less for a visit."""
        return float(self.orders.sum() / max(self.trial.outcome.sum(), 1.0))


@dataclass(frozen=True)
class OfferTrials:
    """All that the log teaches of offers.

    Attributes
    ----------
    design : Design
        Reads the customer features.
    trials : dict of str to OfferTrial
        By offer.
    outcome : str
        'ordered' or 'visited'.
    order_value : float
        Mean value of an order of those without an offer; NaN if there is none.
    notes : tuple of str
        What was left out or estimated.
    """

    design: Design
    trials: dict[str, OfferTrial]
    outcome: str
    order_value: float
    notes: tuple[str, ...]


def read_offer_trials(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    read_features: ReadFeatures,
    *,
    as_of: datetime,
    horizon_days: int = 14,
    outcome: str = Experiments.ORDERED,
    min_customers: int = MIN_CUSTOMERS,
    seed: int = 7,
) -> tuple[OfferTrials | None, tuple[str, ...]]:
    """Read the trials that the log of decisions holds.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
    workspace : Workspace
        Where the canonical tables lie.
    read_features : callable
        Such as `SliceReader.read_profiles`; called with each campaign's first decision.
    as_of : datetime
        The cut-off: outcomes must be complete by then.
    horizon_days : int
    outcome : str
        'ordered' or 'visited'.
    min_customers : int
        With an offer, and without.
    seed : int
        Deals the folds of estimated propensities.

    Returns
    -------
    OfferTrials or None, tuple of str
        None where there is no experiment; the notes say why.

    Raises
    ------
    TableError
        If the log contradicts itself, as `check_experiments` says.
    InvalidRequest
        If the outcome is not one that is read.
    """
    if outcome not in OUTCOMES:
        raise InvalidRequest(
            f"offers: expected one of {list(OUTCOMES)} as the outcome, got '{outcome}'; "
            "spend and margin follow from the order value"
        )
    if not all(workspace.table(table.name).exists() for table in (DECISIONS, EVENTS)):
        return None, ("offers: there is no log of decisions, so no offer's effect is known",)
    rows = build_experiments(engine, workspace, as_of, horizon_days=horizon_days)
    check_experiments(rows)
    notes = describe_experiments(rows, min_customers=min_customers)
    kept = keep_comparable(rows)
    if kept.empty:
        return None, (
            *notes,
            "offers: no complete campaign has a control group",
        )
    return build_offer_trials(
        add_features(kept, read_features),
        outcome=outcome,
        min_customers=min_customers,
        notes=notes,
        seed=seed,
    )


def keep_comparable(experiments: pd.DataFrame) -> pd.DataFrame:
    """Return each customer's first decision of every campaign that has a control group.

    Where a campaign holds customers out, these alone are its control: whoever else got nothing was
    left out for a reason, such as a cap, a missing consent or too little to gain.
    """
    keys = [Experiments.CAMPAIGN_ID, Experiments.CUSTOMER_ID]
    first = experiments.sort_values([Experiments.DECIDED_AT, Experiments.DECISION_ID])
    first = first.drop_duplicates(keys, keep="first")
    is_held_out = first[Experiments.ARM] == HOLDOUT
    holds_out = first[Experiments.CAMPAIGN_ID].isin(first.loc[is_held_out, Experiments.CAMPAIGN_ID])
    is_refused = holds_out & ~is_held_out & (first[Experiments.OFFER] == NOTHING)
    first = first[~is_refused]
    is_control = first[Experiments.OFFER] == NOTHING
    campaigns = first.loc[is_control, Experiments.CAMPAIGN_ID].unique()
    return first[first[Experiments.CAMPAIGN_ID].isin(campaigns)].reset_index(drop=True)


def add_features(experiments: pd.DataFrame, read_features: ReadFeatures) -> pd.DataFrame:
    """Add what was known of each customer at the campaign's first decision.

    Columns of the log keep their names; a feature of the same name is left out. Customers without
    any history keep empty features.
    """
    parts = []
    for _, rows in experiments.groupby(Experiments.CAMPAIGN_ID, sort=True):
        as_of = rows[Experiments.DECIDED_AT].min().to_pydatetime()
        try:
            table = read_features(as_of)
        except NotEnoughData:
            table = pd.DataFrame({Experiments.CUSTOMER_ID: pd.Series([], dtype="str")})
        own = [name for name in table.columns if name not in rows.columns]
        # a flag that some customers lack would become neither flag nor number
        flags = {name: "float64" for name in own if pd.api.types.is_bool_dtype(table[name])}
        features = table[[Experiments.CUSTOMER_ID, *own]].astype(flags)
        parts.append(rows.merge(features, on=Experiments.CUSTOMER_ID, how="left"))
    return pd.concat(parts, ignore_index=True)


def build_offer_trials(
    table: pd.DataFrame,
    *,
    outcome: str,
    min_customers: int,
    notes: tuple[str, ...] = (),
    seed: int = 7,
) -> tuple[OfferTrials | None, tuple[str, ...]]:
    """Build one trial per offer from decisions with features.

    Parameters
    ----------
    table : DataFrame
        Columns of `Experiments` and features.
    outcome : str
    min_customers : int
    notes : tuple of str
        To which this adds.
    seed : int

    Returns
    -------
    OfferTrials or None, tuple of str
    """
    found = list(notes)
    log = {value for name, value in vars(Experiments).items() if name.isupper()}
    try:
        design = fit_design(table.drop(columns=sorted(log & set(table.columns))))
    except NotEnoughData as error:
        return None, (*found, str(error))
    trials = {}
    for offer in sorted(set(table[Experiments.OFFER]) - {NOTHING}):
        rows = select_rows(table, offer)
        treated = (rows[Experiments.OFFER] == offer).to_numpy()
        fewest = min(int(treated.sum()), int((~treated).sum()))
        if fewest < min_customers:
            found.append(
                f"{offer}: {fewest} customers in the smaller arm; it needs {min_customers}"
            )
            continue
        trials[offer] = _make(table, rows, treated, design, outcome, seed)
        if not trials[offer].is_logged:
            found.append(
                f"{offer}: propensities were not logged for every decision, or not for offer "
                "against none; estimated from the customers' features, which may miss a reason"
            )
    if not trials:
        return None, (*found, "offers: no offer has enough customers with and without it")
    control = table[table[Experiments.OFFER] == NOTHING]
    orders = float(control[Experiments.ORDERS].sum())
    value = float(control[Experiments.SPEND].sum()) / orders if orders else float("nan")
    return OfferTrials(design, trials, outcome, value, tuple(found)), tuple(found)


def select_rows(table: pd.DataFrame, offer: str) -> pd.DataFrame:
    """Return decisions for `offer` or nothing in its campaigns, each customer's latest one."""
    campaigns = table.loc[table[Experiments.OFFER] == offer, Experiments.CAMPAIGN_ID].unique()
    is_ours = table[Experiments.CAMPAIGN_ID].isin(campaigns)
    rows = table[is_ours & table[Experiments.OFFER].isin([offer, NOTHING])]
    latest = rows.sort_values([Experiments.DECIDED_AT, Experiments.DECISION_ID])
    latest = latest.drop_duplicates(Experiments.CUSTOMER_ID, keep="last")
    return latest.sort_values(Experiments.CUSTOMER_ID, ignore_index=True)


def _make(
    table: pd.DataFrame,
    rows: pd.DataFrame,
    treated: np.ndarray,
    design: Design,
    outcome: str,
    seed: int,
) -> OfferTrial:
    features = design.build(rows)
    result = rows[outcome].to_numpy(np.float64)
    own = rows[Experiments.PROPENSITY].to_numpy(np.float64)
    chance = np.where(treated, own, 1.0 - own)
    is_logged = _has_two_answers(table, rows) and is_consistent(treated, chance)
    if not is_logged:
        share = pd.Series(treated).groupby(rows[Experiments.CAMPAIGN_ID]).transform("mean")
        unweighted = make_trial(features, treated, result)
        folds = assign_folds(unweighted, 5, np.random.default_rng(seed))
        chance = estimate_propensity(features, treated, share.to_numpy(np.float64), folds)
    trial = make_trial(features, treated, result, chance, names=design.names)
    orders = rows[Experiments.ORDERS].to_numpy(np.float64)
    return OfferTrial(trial, rows[Experiments.CUSTOMER_ID].to_numpy(), orders, is_logged)


def _has_two_answers(table: pd.DataFrame, rows: pd.DataFrame) -> bool:
    """Only there is the chance of one answer that of not giving the other."""
    campaigns = rows[Experiments.CAMPAIGN_ID].unique()
    some = table[table[Experiments.CAMPAIGN_ID].isin(campaigns)]
    return bool((some.groupby(Experiments.CAMPAIGN_ID)[Experiments.OFFER].nunique() == 2).all())
