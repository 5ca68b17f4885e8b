"""A campaign from end to end: who may get what, what it is worth, what is drawn, what is logged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.schema import ALL, Promotions
from models.campaign.arms import HOLDOUT, OPTIMISED, RANDOM, assign_arms
from models.campaign.assignment import Assignment, assign_blocks
from models.campaign.decisions import write_candidates
from models.campaign.eligibility import Audience, Eligibility, judge_eligibility
from models.campaign.exploration import Choice, choose_explored, choose_uniform
from models.campaign.frequency import Allowance, count_allowance
from models.campaign.hours import CampaignHours, build_hours
from models.campaign.promotion_rules import find_promotion_hours
from models.offers.offer_model import OfferModel
from serving.campaigns.draws import Drawn, Limits, draw_within
from serving.campaigns.options import OptionMaker
from serving.campaigns.query import CampaignQuery
from serving.campaigns.tables import CampaignTables
from serving.campaigns.worth import Worth, choose_by_experiment, choose_first
from serving.send_times import SendTimePredictor

BLOCK_ROWS = 4096
"""Customers whose options are valued at once."""
MAX_CELLS = 200_000_000
"""Values that are kept in memory, as float32; of larger audiences they are made again each time."""


@dataclass(frozen=True)
class CampaignModels:
    """What a campaign is decided by.

    Attributes
    ----------
    predictor : SendTimePredictor
    offers : OfferModel or None
        From experiments; None where there were none.
    profiles : DataFrame
        Customer feature table of the predictor's profiles, in their order.
    order_value : array of shape (n_profiles,)
        Expected value of an order of each of them.
    version : str
        Of the champion.
    """

    predictor: SendTimePredictor
    offers: OfferModel | None
    profiles: pd.DataFrame
    order_value: np.ndarray
    version: str


@dataclass(frozen=True)
class CampaignPlan:
    """What was decided for n customers.

    Attributes
    ----------
    query : CampaignQuery
    rows : array of int64, shape (n,)
        Row of each customer in the profiles; -1 = not known.
    arm : array of str, shape (n,)
    hours : CampaignHours
    eligibility : Eligibility
    allowance : Allowance
    worth : Worth
    options : OptionMaker
    drawn : Drawn
    assignment : Assignment or None
        What the shared limits cost; None where there were none.
    """

    query: CampaignQuery
    rows: np.ndarray
    arm: np.ndarray
    hours: CampaignHours
    eligibility: Eligibility
    allowance: Allowance
    worth: Worth
    options: OptionMaker
    drawn: Drawn
    assignment: Assignment | None


def plan_campaign(
    query: CampaignQuery, models: CampaignModels, tables: CampaignTables, rng: np.random.Generator
) -> CampaignPlan:
    """Decide a campaign.

    The random arm is drawn first, evenly over what is permitted. For the optimised arm a linear
    programme finds what full hours and the budget cost; then each customer's option is drawn by
    how likely it is the best after these prices, with a floor under every permitted one.

    Parameters
    ----------
    query : CampaignQuery
    models : CampaignModels
    tables : CampaignTables
    rng : numpy Generator

    Raises
    ------
    InvalidRequest
        If quiet hours cover the window for everybody, or a promotion's terms are missing.
    UnknownName
        If a promotion names a channel, region or product that does not exist.
    """
    profiles = models.predictor.profiles
    rows = profiles.find_rows(query.customers)
    known = [profiles.profile(row) for row in rows.tolist()]
    hours = build_hours(
        [profile.time_zone for profile in known],
        start=query.start,
        end=query.end,
        quiet=query.quiet,
    )
    start, end = query.window
    allowance = count_allowance(
        query.customers,
        tables.touches,
        query.frequency,
        channels=query.channels,
        start=start,
        end=end,
    )
    settings = query.settings
    arm = assign_arms(
        query.customers, salt=query.salt, holdout=settings.holdout, random=settings.random
    )
    audience = Audience(
        region_ids=_find_regions(models, rows),
        has_consent=np.array(
            [
                [profile.consent is None or name in profile.consent for name in query.channels]
                for profile in known
            ]
        ),
        left=allowance.left,
        is_held_out=arm == HOLDOUT,
        has_hours=hours.has_hours,
    )
    eligibility = judge_eligibility(
        query.promotions,
        tables.promotions,
        audience,
        channels=query.channels,
        start=start,
        end=end,
        as_of=np.datetime64(query.decided_at.replace(tzinfo=None), "s"),
        places=tables.places,
    )
    worth = _choose_offers(query, models, tables, rows, eligibility)
    options = _make_options(query, models, tables, rows, hours, allowance, eligibility, worth)
    drawn, assignment = _decide(query, options, arm, rng)
    return CampaignPlan(
        query, rows, arm, hours, eligibility, allowance, worth, options, drawn, assignment
    )


def _find_regions(models: CampaignModels, rows: np.ndarray) -> np.ndarray:
    histories = models.predictor.profiles.histories
    names = np.array([*histories.segment_names, ALL], dtype=object)
    codes = np.append(histories.segment_codes, -1)
    return np.asarray(names[codes[rows]])


def _choose_offers(
    query: CampaignQuery,
    models: CampaignModels,
    tables: CampaignTables,
    rows: np.ndarray,
    eligibility: Eligibility,
) -> Worth:
    """Choose the offer of each customer: by experiment where one covers what is asked for."""
    is_eligible = np.asarray(eligibility.is_eligible.any(axis=2))
    first = choose_first(is_eligible)
    offers = models.offers
    if offers is None or not set(offers.offers) & set(query.promotions):
        return first
    known = np.flatnonzero(rows >= 0)
    if len(known) == 0:
        return first
    some = choose_by_experiment(
        offers,
        models.profiles.iloc[rows[known]],
        query.promotions,
        tables.promotions,
        models.order_value[rows[known]],
        is_eligible[:, known],
    )
    return first.replace(known, some)


def _make_options(
    query: CampaignQuery,
    models: CampaignModels,
    tables: CampaignTables,
    rows: np.ndarray,
    hours: CampaignHours,
    allowance: Allowance,
    eligibility: Eligibility,
    worth: Worth,
) -> OptionMaker:
    place = np.maximum(worth.place, 0)
    is_open = eligibility.is_eligible[place, np.arange(len(rows))] & (worth.place >= 0)[:, None]
    discounts = tables.promotions.drop_duplicates(Promotions.PROMOTION_ID).set_index(
        Promotions.PROMOTION_ID
    )[Promotions.DISCOUNT]
    discount = discounts.reindex(query.promotions).to_numpy(dtype=np.float64)
    return OptionMaker(
        scorer=models.predictor.scorer,
        rows=rows,
        hours=hours,
        channels=query.channels,
        is_open=is_open,
        free_from=allowance.free_from,
        holds=find_promotion_hours(query.promotions, tables.promotions, hours.send_at),
        promotion=worth.place,
        discount=discount[place],
        money=worth.money,
        response_value=query.settings.response_value,
        costs=query.costs,
    )


def _decide(
    query: CampaignQuery, options: OptionMaker, arm: np.ndarray, rng: np.random.Generator
) -> tuple[Drawn, Assignment | None]:
    """Draw the random arm, price what is left, and draw the optimised arm."""
    n_hours = len(options.hours.hours)
    budget = query.settings.budget
    limits = Limits(
        capacity=np.tile(query.capacity, n_hours),
        cost=np.tile(query.costs, n_hours),
        budget=np.inf if budget is None else budget,
    )
    labels = _label_options(options)
    drawn = Drawn.empty(len(arm))

    def write(choice: Choice) -> np.ndarray:
        return write_candidates(choice, labels)

    def draw_evenly(customers: np.ndarray, is_open: np.ndarray) -> Choice:
        permitted = options.permit(customers).reshape(len(customers), -1)
        return choose_uniform(permitted & is_open, rng=rng)

    draw_within(np.flatnonzero(arm == RANDOM), draw_evenly, write, limits, drawn, rng)
    rest = np.flatnonzero((arm == OPTIMISED) & (options.promotion >= 0))
    assignment = _price(rest, options, limits) if len(rest) else None
    prices = np.zeros(len(limits.cost)) if assignment is None else _list_prices(assignment, limits)

    def draw_best(customers: np.ndarray, is_open: np.ndarray) -> Choice:
        made = options.make(customers)
        # One option more than there are hours and channels: no message, which is worth nothing.
        permitted = np.column_stack([made.permitted & is_open, np.ones(len(customers), bool)])
        nothing = np.zeros(len(customers))
        return choose_explored(
            np.column_stack([made.value - prices, nothing]),
            np.column_stack([query.settings.thompson * made.sd, nothing]),
            permitted,
            floor=query.settings.exploration / np.maximum(permitted.sum(axis=1), 1),
            rng=rng,
        )

    draw_within(rest, draw_best, write, limits, drawn, rng)
    return drawn, assignment


def _price(rest: np.ndarray, options: OptionMaker, limits: Limits) -> Assignment | None:
    """Return what full hours and the budget cost; None where nothing is limited."""
    if np.isinf(limits.capacity).all() and np.isinf(limits.budget):
        return None
    shape = (len(options.hours.hours), len(options.channels))

    def make_blocks() -> list[np.ndarray]:
        return [
            _value_block(options, rest[first : first + BLOCK_ROWS], shape)
            for first in range(0, len(rest), BLOCK_ROWS)
        ]

    kept = make_blocks() if len(rest) * shape[0] * shape[1] <= MAX_CELLS else None
    return assign_blocks(
        lambda: kept if kept is not None else make_blocks(),
        shape=shape,
        capacity=limits.capacity.reshape(shape),
        cost=limits.cost[: shape[1]],
        budget=None if np.isinf(limits.budget) else limits.budget,
        most_per_customer=np.ones(len(rest), dtype=np.int64),
    )


def _value_block(options: OptionMaker, customers: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    made = options.make(customers)
    value = np.where(made.permitted, made.value, np.nan)
    return value.reshape(len(customers), *shape).astype(np.float32)


def _list_prices(assignment: Assignment, limits: Limits) -> np.ndarray:
    """Return the price of each option, shape (k,): of its hour, its channel and its money."""
    by_hour = assignment.prices + assignment.channel_prices
    return np.asarray(by_hour.ravel() + assignment.budget_price * limits.cost)


def _label_options(options: OptionMaker) -> list[str]:
    hours = np.datetime_as_string(options.hours.hours, unit="m").tolist()
    named = [f"{hour}Z {channel}" for hour in hours for channel in options.channels]
    return [*named, "no message"]
