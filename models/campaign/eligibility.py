"""Which promotion may go to which customer over which channel, and if not, why not.

Every pair has one verdict: eligible, or the first reason of a fixed order that speaks against it.
What concerns the promotion comes first, then its fit to the customer, then the customer, so that a
reason is the one that is hardest to change. Reasons are stable words, each with its sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from features.errors import InvalidRequest
from features.region.hierarchy import Hierarchy
from features.schema import ALL
from models.campaign.offer_stock import IN_STOCK, NOT_KNOWN, OUT_OF_STOCK, check_stock
from models.campaign.promotion_rules import PromotionRule, read_rules


class Reason(StrEnum):
    """Why a promotion does not go to a customer; in the order in which they are looked for."""

    UNKNOWN_PROMOTION = "unknown-promotion"
    NOT_STARTED = "not-started"
    ENDED = "ended"
    OTHER_CHANNEL = "other-channel"
    UNKNOWN_REGION = "unknown-region"
    OTHER_REGION = "other-region"
    OUT_OF_STOCK = "out-of-stock"
    HOLDOUT = "holdout"
    NO_CONSENT = "no-consent"
    FREQUENCY_CAP = "frequency-cap"
    NOTHING_PERMITTED = "nothing-permitted"


SENTENCES: dict[Reason, str] = {
    Reason.UNKNOWN_PROMOTION: "there is no such promotion in the table of promotions",
    Reason.NOT_STARTED: "the promotion starts after the send window",
    Reason.ENDED: "the promotion ends before the send window",
    Reason.OTHER_CHANNEL: "the promotion is for other channels",
    Reason.UNKNOWN_REGION: "the promotion is for some regions, and the customer's is not known",
    Reason.OTHER_REGION: "the promotion is for other regions than the customer's",
    Reason.OUT_OF_STOCK: "nothing of the promotion can be had in the customer's region",
    Reason.HOLDOUT: "the customer is in the holdout arm, which is never written to",
    Reason.NO_CONSENT: "the customer has stated consent, and not for this channel",
    Reason.FREQUENCY_CAP: "the customer has had as many messages as the frequency rules allow",
    Reason.NOTHING_PERMITTED: "quiet hours cover the whole window in the customer's time zone",
}
STOCK_NOT_KNOWN = "stock-not-known"
"""Note on an eligible pair: of something on offer the stock is not known in the region."""
REASONS = tuple(Reason)
_CODES = {reason: code for code, reason in enumerate(REASONS, start=1)}


@dataclass(frozen=True)
class Audience:
    """What the verdicts need of n customers.

    Attributes
    ----------
    region_ids : array of str, shape (n,)
        Region of each; 'all' or empty = not known.
    has_consent : array of bool, shape (n, n_channels)
        Whether the customer may be written to over the channel.
    left : array of int, shape (n, n_channels)
        Messages that frequency rules leave, as `Allowance.left`.
    is_held_out : array of bool, shape (n,)
    has_hours : array of bool, shape (n,)
        Whether the window has a permitted hour in the customer's zone: `CampaignHours.has_hours`.
    """

    region_ids: np.ndarray
    has_consent: np.ndarray
    left: np.ndarray
    is_held_out: np.ndarray
    has_hours: np.ndarray


@dataclass(frozen=True)
class Places:
    """What the verdicts need of regions, products and stock; None = there is no such table."""

    regions: Hierarchy | None = None
    products: Hierarchy | None = None
    stock: pd.DataFrame | None = None


@dataclass(frozen=True)
class Eligibility:
    """The verdict on every promotion, customer and channel.

    Attributes
    ----------
    promotion_ids, channels : tuple of str
    code : array of int8, shape (n_promotions, n, n_channels)
        0 = eligible, else 1 + place of the reason in `REASONS`.
    is_stock_known : array of bool, shape (n_promotions, n)
        False where an offer is let through because its stock is not known.
    """

    promotion_ids: tuple[str, ...]
    channels: tuple[str, ...]
    code: np.ndarray
    is_stock_known: np.ndarray

    @property
    def is_eligible(self) -> np.ndarray:
        """Bool of shape (n_promotions, n, n_channels)."""
        return np.asarray(self.code == 0)

    def reasons(self) -> np.ndarray:
        """Return why each customer gets no message at all, shape (n,) of str; "" = may get one.

        Of several promotions and channels the one that came furthest tells: a customer without
        consent is told so, even if another promotion has ended.
        """
        furthest = np.where(self.is_eligible, len(REASONS) + 1, self.code).max(axis=(0, 2))
        words = np.array(["", *(reason.value for reason in REASONS), ""], dtype=object)
        return np.asarray(words[furthest])

    def count(self) -> dict[str, int]:
        """Return how many customers get no message for each reason, in the order of `REASONS`."""
        found = pd.Series(self.reasons()).value_counts()
        return {reason.value: int(found[reason]) for reason in REASONS if reason in found}


def judge_eligibility(
    promotion_ids: Sequence[str],
    promotions: pd.DataFrame,
    audience: Audience,
    *,
    channels: Sequence[str],
    start: np.datetime64,
    end: np.datetime64,
    as_of: np.datetime64,
    places: Places,
) -> Eligibility:
    """Judge every promotion for every customer and channel.

    Parameters
    ----------
    promotion_ids : sequence of str
        Asked for; one that is not in `promotions` is refused for everybody, not raised.
    promotions : DataFrame
        Canonical `promotions`.
    audience : Audience
    channels : sequence of str
        Channels of the campaign, columns of `audience.has_consent` and `left`.
    start, end : datetime64
        The send window, UTC; the end is outside. A promotion that holds for a part of it is let
        through: `find_promotion_hours` says for which.
    as_of : datetime64
        Now, UTC: what stock is known.
    places : Places

    Returns
    -------
    Eligibility

    Raises
    ------
    InvalidRequest
        If there is no promotion or no channel to judge.
    UnknownName
        If a promotion lists a channel, region or product that does not exist.
    """
    for name, given in (("promotion", promotion_ids), ("channel", channels)):
        if not given:
            raise InvalidRequest(f"eligibility: expected one {name} or more, got none; name one")
    shape = (len(promotion_ids), *audience.has_consent.shape)
    code = np.zeros(shape, dtype=np.int8)
    is_stock_known = np.ones(shape[:2], dtype=np.bool_)
    rules = read_rules(promotions, promotion_ids)
    for place, promotion_id in enumerate(promotion_ids):
        rule = rules.get(promotion_id)
        if rule is None:
            code[place] = _CODES[Reason.UNKNOWN_PROMOTION]
            continue
        verdict = _judge_stock(rule, audience.region_ids, places, as_of)
        is_stock_known[place] = verdict != NOT_KNOWN
        refusals = _judge_promotion(
            rule, audience.region_ids, channels, (start, end), places.regions
        )
        refusals[Reason.OUT_OF_STOCK] = (verdict == OUT_OF_STOCK)[:, None]
        _refuse(code[place], refusals | _judge_customers(audience))
    return Eligibility(tuple(promotion_ids), tuple(channels), code, is_stock_known)


def _refuse(code: np.ndarray, refusals: Mapping[Reason, np.ndarray]) -> None:
    """Enter reasons where there is none yet; `code` is the table under construction."""
    for reason, is_refused in refusals.items():
        code[(code == 0) & is_refused] = _CODES[reason]


def _judge_promotion(
    rule: PromotionRule,
    region_ids: np.ndarray,
    channels: Sequence[str],
    window: tuple[np.datetime64, np.datetime64],
    regions: Hierarchy | None,
) -> dict[Reason, np.ndarray]:
    is_known, is_inside = rule.find_regions(region_ids, regions)
    is_other = [bool(rule.channels) and name not in rule.channels for name in channels]
    return {
        Reason.NOT_STARTED: np.array(rule.starts_at >= window[1]),
        Reason.ENDED: np.array(rule.ends_at <= window[0]),
        Reason.OTHER_CHANNEL: np.array(is_other, dtype=np.bool_),
        Reason.UNKNOWN_REGION: ~is_known[:, None],
        Reason.OTHER_REGION: ~is_inside[:, None],
    }


def _judge_stock(
    rule: PromotionRule, region_ids: np.ndarray, places: Places, as_of: np.datetime64
) -> np.ndarray:
    if places.stock is None:
        verdict = NOT_KNOWN if rule.products else IN_STOCK
        return np.full(len(region_ids), verdict, dtype=np.int8)
    named = pd.Series(region_ids, dtype=object).fillna(ALL).replace("", ALL)
    return check_stock(
        rule.products,
        named.to_numpy(object).tolist(),
        places.stock,
        regions=places.regions,
        products=places.products,
        as_of=as_of,
        ends_at=rule.ends_at,
    )


def _judge_customers(audience: Audience) -> dict[Reason, np.ndarray]:
    return {
        Reason.HOLDOUT: audience.is_held_out[:, None],
        Reason.NO_CONSENT: ~audience.has_consent,
        Reason.FREQUENCY_CAP: audience.left <= 0,
        Reason.NOTHING_PERMITTED: ~audience.has_hours[:, None],
    }
