"""The audience of a campaign: arms, hours, and all that speaks against a message to somebody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.schema import ALL, HOLDOUT
from models.campaign.arms import assign_arms
from models.campaign.eligibility import Audience, Eligibility, judge_eligibility
from models.campaign.frequency import Allowance, count_allowance
from models.campaign.hours import CampaignHours, build_hours
from models.campaign.promotion_rules import find_promotion_hours
from serving.campaigns.query import CampaignQuery
from serving.campaigns.tables import CampaignTables
from serving.profiles import Profile, Profiles


@dataclass(frozen=True)
class People:
    """The audience of a campaign, n customers, and what may be done with each.

    Attributes
    ----------
    rows : array of int64, shape (n,)
        Row of each customer in the profiles; -1 = not known.
    profiles : list of Profile, length n
    arm : array of str, shape (n,)
    hours : CampaignHours
    allowance : Allowance
    eligibility : Eligibility
    holds : array of bool, shape (n_promotions, n_zones, n_hours)
        Whether each promotion holds at each moment.
    is_possible : array of bool, shape (n_promotions, n, n_channels)
        Eligible, with an hour left between quiet hours, the promotion's dates and the frequency
        rules.
    """

    rows: np.ndarray
    profiles: list[Profile]
    arm: np.ndarray
    hours: CampaignHours
    allowance: Allowance
    eligibility: Eligibility
    holds: np.ndarray
    is_possible: np.ndarray


def judge_people(query: CampaignQuery, known: Profiles, tables: CampaignTables) -> People:
    """Say of every customer, promotion and channel what speaks against a message."""
    rows = known.find_rows(query.customers)
    profiles = [known.profile(row) for row in rows.tolist()]
    hours = build_hours(
        [profile.time_zone for profile in profiles],
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
        region_ids=_find_regions(known, rows),
        has_consent=_find_consents(profiles, query.channels),
        left=allowance.left,
        is_held_out=arm == HOLDOUT,
        has_hours=hours.has_hours,
    )
    eligibility = _judge_promotions(query, tables, audience)
    holds = find_promotion_hours(query.promotions, tables.promotions, hours.send_at)
    is_possible = eligibility.is_eligible & _find_room(holds, hours, allowance)
    return People(rows, profiles, arm, hours, allowance, eligibility, holds, is_possible)


def _judge_promotions(
    query: CampaignQuery, tables: CampaignTables, audience: Audience
) -> Eligibility:
    start, end = query.window
    return judge_eligibility(
        query.promotions,
        tables.promotions,
        audience,
        channels=query.channels,
        start=start,
        end=end,
        as_of=query.now,
        places=tables.places,
    )


def _find_room(holds: np.ndarray, hours: CampaignHours, allowance: Allowance) -> np.ndarray:
    """Return whether any hour is left, bool of shape (n_promotions, n, n_channels)."""
    moments = np.where(holds & hours.permitted, hours.send_at, np.datetime64("NaT"))
    last = np.fmax.reduce(moments, axis=2)[:, hours.zone_codes]
    return np.asarray(last[:, :, None] >= allowance.free_from)


def _find_consents(profiles: list[Profile], channels: tuple[str, ...]) -> np.ndarray:
    """Return who may be written to over which channel; what is not stated allows all."""
    kinds = {profile: place for place, profile in enumerate(dict.fromkeys(profiles))}
    allowed = [
        [kind.consent is None or name in kind.consent for name in channels] for kind in kinds
    ]
    return np.array(allowed, dtype=np.bool_)[[kinds[profile] for profile in profiles]]


def _find_regions(known: Profiles, rows: np.ndarray) -> np.ndarray:
    histories = known.histories
    names = np.array([*histories.segment_names, ALL], dtype=object)
    codes = np.append(histories.segment_codes, -1)
    return np.asarray(names[codes[rows]])
