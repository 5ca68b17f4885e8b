"""The contract of customers: what is taken in, and what is told of one of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from features.schema import SLOTS_PER_WEEK
from serving.contract import Evidence, Exclusion, Message, Outlook, Slot
from serving.spellings import Channel, Moment, Probability


class SegmentMessage(BaseModel):
    """One message, as Segment's HTTP API has it; members that are not known are left alone."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    messageId: str = Field(max_length=100)  # noqa: N815
    """Unique for ever; the same when the message is sent again."""
    type: Literal["identify", "track", "page", "screen", "group", "alias", "delete"] | None = None
    """In a batch or webhook; else the path says it."""
    userId: str | int | None = None  # noqa: N815
    anonymousId: str | int | None = None  # noqa: N815
    previousId: str | int | None = None  # noqa: N815
    event: str | None = None
    """Of a track: its name, such as "Order Completed"."""
    properties: dict[str, Any] | None = None
    """Of an event; here also `store_id`, `channel` and `region`."""
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    """With `consent.categoryPreferences`, `timezone`, `device`, `traits`, `externalIds`."""
    timestamp: str | None = None
    originalTimestamp: str | None = None  # noqa: N815
    sentAt: str | None = None  # noqa: N815
    receivedAt: str | None = None  # noqa: N815


class SegmentBatch(BaseModel):
    """Many messages."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    batch: list[SegmentMessage]
    context: dict[str, Any] | None = None
    """Of all of them; a message's own members win."""
    sentAt: str | None = None  # noqa: N815


class RejectedItem(Message):
    """A message that was not taken, and why; it is kept as a dead letter."""

    index: int = Field(ge=0)
    """Its place in the batch."""
    message_id: str | None
    reason: str
    """A stable code."""
    detail: str
    """What was expected, and what to change."""
    pointer: str | None
    """Where in the message, as a JSON pointer."""


class Collected(Message):
    """What became of messages; it is durable when this is answered."""

    success: bool
    accepted: int = Field(ge=0)
    duplicates: int = Field(ge=0)
    """Taken before, and not taken twice."""
    rejected: list[RejectedItem]


class KnownIdentifier(Message):
    """One identifier of a customer."""

    kind: str
    value: str
    first_seen: Moment


class ChannelUse(Message):
    """What a customer did in one channel by themselves."""

    channel: Channel
    events: int = Field(ge=0)
    last_seen: Moment


class CustomerConsent(Message):
    """What a customer agreed to."""

    is_personal: bool
    """Whether answers may rest on what is known of them."""
    preferences: dict[str, bool] | None
    """As they stated them last; null where they never did."""
    channels: str | None
    """Channels that are named in them."""


class Merge(Message):
    """Two histories that turned out to be of one person; a split takes it back."""

    merge: int
    at: Moment
    cause: str


LONGEST_NAME = 300
"""Characters of what a customer is looked up by: kind, colon and the longest identifier."""
Week = Annotated[list[Probability], Field(min_length=SLOTS_PER_WEEK, max_length=SLOTS_PER_WEEK)]


class HeatMap(Message):
    """How likely each hour of the customer's local week is, 0 = Monday 00:00."""

    channel: Channel
    measure: Literal["response", "reach", "activity"]
    probabilities: Week
    low: Week
    high: Week
    """90 % intervals."""
    best: list[Slot]
    """The likeliest moments of the next seven days, between 08:00 and 21:00 of their clock."""
    exclusions: list[Exclusion]
    """Why there are none."""


class Receptivity(Message):
    """When a customer is receptive."""

    model_version: str
    evidence: Evidence
    reasons: list[str]
    channels: list[HeatMap]


class CustomerValue(Message):
    """What a customer was worth, and is expected to be."""

    orders: int = Field(ge=0)
    spend: float | None
    """Of all orders whose value is known."""
    mean_order_value: float | None
    spend_365d: float
    expected_orders_28d: float | None = None
    expected_orders_28d_low: float | None = None
    expected_orders_28d_high: float | None = None
    """80 % interval."""
    expected_value_28d: float | None = None


class EligiblePromotion(Message):
    """A promotion of the next seven days."""

    promotion_id: str
    starts_at: Moment
    ends_at: Moment
    discount: float | None
    channels: list[Channel]
    """Over which it may be offered to them; empty where `reason` speaks against it."""
    reason: str | None
    """Why it may not be offered."""


class CustomerProfile(Message):
    """One customer across every channel, now."""

    customer_id: str
    as_of: Moment
    created_at: Moment
    identifiers: list[KnownIdentifier]
    traits: dict[str, Any]
    consent: CustomerConsent
    time_zone: str
    time_zone_source: str
    region_id: str | None
    channels: list[ChannelUse]
    """Those they used, the last one first."""
    merges: list[Merge]
    receptivity: Receptivity | None
    """Null without a send-time model, or without their agreement."""
    value: CustomerValue | None
    next_purchase: Outlook | None
    promotions: list[EligiblePromotion]
    notes: list[str]
    """Why something is not told."""


class CustomerErasure(Message):
    """What was erased of a customer; it is done when this is answered, but for files."""

    erased: dict[str, int]
    """Rows removed, by kind."""
    affected_models: list[str]
    """Published models that learned from them; `almanac purge` cleans their files."""
    files: Literal["pending"]
    """Until `almanac purge` has run."""


class CustomerExport(Message):
    """Everything that is kept of a customer."""

    customer: CustomerProfile
    events: list[dict[str, Any]]
    order_changes: list[dict[str, Any]]
    consents: list[dict[str, Any]]
    audit: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]
