"""A campaign from end to end: who may get what, what it is worth, what is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.schema import Promotions
from models.campaign.arms import OPTIMISED
from models.campaign.assignment import Assignment
from serving.campaigns.champion import CampaignModels
from serving.campaigns.decide import decide
from serving.campaigns.draws import Drawn
from serving.campaigns.messages import Messages, value_messages
from serving.campaigns.options import OptionMaker
from serving.campaigns.people import People, judge_people
from serving.campaigns.query import CampaignQuery
from serving.campaigns.scores import AudienceScores
from serving.campaigns.tables import CampaignTables
from serving.campaigns.worth import Worth, choose_by_experiment, choose_first


@dataclass(frozen=True)
class CampaignPlan:
    """What was decided for n customers.

    Attributes
    ----------
    query : CampaignQuery
    people : People
    worth : Worth
    options : OptionMaker
    drawn : Drawn
    messages : Messages
    assignment : Assignment or None
        What the shared limits cost; None where there were none.
    """

    query: CampaignQuery
    people: People
    worth: Worth
    options: OptionMaker
    drawn: Drawn
    messages: Messages
    assignment: Assignment | None


def plan_campaign(
    query: CampaignQuery, models: CampaignModels, tables: CampaignTables, rng: np.random.Generator
) -> CampaignPlan:
    """Decide a campaign.

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
    people = judge_people(query, models.predictor.profiles, tables)
    worth = _choose_offers(query, models, tables, people)
    options = _make_options(query, models, tables, people, worth)
    drawn, assignment = decide(query, options, people.arm, rng)
    messages = value_messages(options, drawn, people.arm == OPTIMISED)
    return CampaignPlan(query, people, worth, options, drawn, messages, assignment)


def _choose_offers(
    query: CampaignQuery, models: CampaignModels, tables: CampaignTables, people: People
) -> Worth:
    """Choose the offer of each customer: by experiment where one covers what is asked for."""
    is_possible = np.asarray(people.is_possible.any(axis=2))
    first, offers = choose_first(is_possible), models.offers
    known = np.flatnonzero(people.rows >= 0)
    if offers is None or not set(offers.offers) & set(query.promotions) or len(known) == 0:
        return first
    some = choose_by_experiment(
        offers,
        models.profiles.iloc[people.rows[known]],
        query.promotions,
        tables.promotions,
        models.order_value[people.rows[known]],
        is_possible[:, known],
    )
    return first.replace(known, some)


def _make_options(
    query: CampaignQuery,
    models: CampaignModels,
    tables: CampaignTables,
    people: People,
    worth: Worth,
) -> OptionMaker:
    place, everybody = np.maximum(worth.place, 0), np.arange(len(people.rows))
    rows = tables.promotions.drop_duplicates(Promotions.PROMOTION_ID)
    discounts = rows.set_index(Promotions.PROMOTION_ID)[Promotions.DISCOUNT]
    discount = discounts.reindex(query.promotions).to_numpy(dtype=np.float64)
    scores = AudienceScores(
        scorer=models.predictor.scorer,
        rows=people.rows,
        discount=np.where(worth.place >= 0, discount[place], np.nan),
        slots=np.unique(people.hours.slot[people.hours.permitted]).astype(np.int64),
        has_spread=query.settings.thompson > 0.0,
    )
    return OptionMaker(
        scores=scores,
        hours=people.hours,
        channels=query.channels,
        is_open=people.is_possible[place, everybody] & (worth.place >= 0)[:, None],
        free_from=people.allowance.free_from,
        holds=people.holds,
        promotion=worth.place,
        money=worth.money,
        response_value=query.settings.response_value,
        costs=query.costs,
    )
