"""The contract of `GET /v1/insight/omnichannel`: customers across channels, in sums over many."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from serving.contract import Message
from serving.spellings import Day, Moment

Share = float | None
"""A fraction; null where nothing is there to be counted."""


class ChannelMix(Message):
    """Customers by the channels of their orders in the baseline window, and what came after."""

    mix: str
    """Such as "web only", or "several"."""
    customers: int = Field(ge=0)
    baseline_orders: float | None
    """A customer, in the baseline window."""
    orders: float | None
    """A customer, after it."""
    spend: float | None
    """A customer, after it."""
    order_value: float | None


class ChannelEffect(Message):
    """Several channels against one: relative differences, 0.06 is 6 % more, 95 % intervals."""

    outcome: str
    """Such as "spend"."""
    raw: Share
    raw_low: Share
    raw_high: Share
    adjusted: Share
    """Among like customers."""
    low: Share
    high: Share
    e_value: float | None
    """How strong something unknown must be to explain the adjusted difference away."""
    e_value_limit: float | None
    """The same, to reach an interval that holds no difference."""


class ChannelLift(Message):
    """What several channels are worth, and what that rests on."""

    effects: list[ChannelEffect]
    compared: int = Field(ge=0)
    """Customers."""
    left_out: int = Field(ge=0)
    """Of these, who have nobody like them in the other group."""
    effective_several: float | None
    effective_one: float | None
    """As how many customers the weighted ones count."""
    worst_balance: float | None
    """Largest standardised difference after weighting; below 0.1 is good."""


class ChannelValue(Message):
    """Value by mix of channels."""

    baseline_from: Day
    baseline_days: int
    outcome_days: int
    mixes: list[ChannelMix]
    lift: ChannelLift | None
    missing: str | None
    """Why there is no lift."""


class ChannelJourney(Message):
    """From one channel to another."""

    from_channel: str
    to_channel: str
    count: int = Field(ge=0)
    customers: int = Field(ge=0)
    share: Share
    """Of all from that channel."""
    low: Share
    high: Share
    median_hours: float | None


class FunnelStep(Message):
    """Conversion from a step to the next, with its 95 % interval."""

    channel: str | None
    """At the step; null for all together."""
    step: int = Field(ge=1)
    name: str
    reached: int = Field(ge=0)
    went_on: int = Field(ge=0)
    conversion: Share
    low: Share
    high: Share
    dropped: int = Field(ge=0)
    customers_dropped: int = Field(ge=0)
    median_minutes: float | None


class GroupKey(Message):
    """One of the things that all of a group have in common."""

    column: str
    value: str


class FrictionGroup(Message):
    """A group that goes on less often than the rest, and what that costs."""

    step: int = Field(ge=1)
    name: str
    group: list[GroupKey]
    """Empty for everybody."""
    attempts: int = Field(ge=0)
    conversion: Share
    conversion_elsewhere: Share
    q_value: float | None
    """The least rate of false discoveries at which it is still reported."""
    lost_orders: float | None
    revenue: float | None
    """At stake; in orders where no order value is known."""
    revenue_low: float | None
    revenue_high: float | None


class FrictionIncident(FrictionGroup):
    """A run of days on which something broke."""

    kind: Literal["drop", "surge"]
    event: str | None
    """Of a surge: the event that was met more often."""
    first_day: Day
    last_day: Day
    beside: str | None
    """What else stood out on those days."""


class FunnelFriction(Message):
    """Where and when customers are lost, most revenue at stake first."""

    tests: int = Field(ge=0)
    order_value: float | None
    incidents: list[FrictionIncident]
    groups: list[FrictionGroup]


class ChannelFunnel(Message):
    """One way to an order."""

    name: str
    steps: list[str]
    order: str
    """Of the steps: "ordered", "strict" or "any"."""
    window_hours: float
    missing: str | None
    """Why there is nothing to tell."""
    begun: int = Field(ge=0)
    ordered: int = Field(ge=0)
    conversions: list[FunnelStep]
    friction: FunnelFriction | None


class OmnichannelNumbers(Message):
    """What `almanac report omnichannel` leaves in the workspace."""

    first: Moment
    last: Moment
    """Of the events that were looked at."""
    events: int = Field(ge=0)
    customers: int = Field(ge=0)
    currency: str | None
    value: ChannelValue
    visit_gap_minutes: float
    visits: list[ChannelJourney]
    """From one visit to the next."""
    orders: list[ChannelJourney]
    """From where a journey began to where the order was made."""
    false_discovery_rate: float
    funnels: list[ChannelFunnel]


class OmnichannelInsight(OmnichannelNumbers):
    """Customers across channels, as they were found last."""

    made_at: Moment
    """When `almanac report omnichannel` ran."""
