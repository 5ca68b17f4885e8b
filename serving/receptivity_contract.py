"""The contract of receptivity: the 24 × 7 hours of a customer, of several, of a segment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from features.schema import SLOTS_PER_WEEK
from serving.contract import Message
from serving.spellings import Channel, CustomerId, Moment, Name, Probability

MAX_CUSTOMERS = 1_000
SEGMENT = r"everyone|region:.{1,200}|rhythm:[0-9]{1,3}"

SegmentName = Annotated[str, Field(pattern=f"^({SEGMENT})$", max_length=207)]
Lift = Annotated[float, Field(ge=0.0)]
Customers = Annotated[int, Field(ge=0)]


class ReceptivityQuery(Message):
    """Which segment, over which channel."""

    segment: SegmentName = "everyone"
    """'everyone', 'region:<id>' or 'rhythm:<number>', as GET /v1/receptivity/segments lists."""
    channel: Channel = "email"
    """Over which a message would be sent."""


class ReceptivityRequest(Message):
    """Which customers, over which channel; ids go into a body, as addresses are logged."""

    customers: list[CustomerId] = Field(
        min_length=1,
        max_length=MAX_CUSTOMERS,
        examples=[["1", "13"]],
        json_schema_extra={"uniqueItems": True},
    )
    """Customer ids, each once; one alone is told with its reasons."""
    channel: Channel = "email"

    @field_validator("customers")
    @classmethod
    def _is_without_repeats(cls, customers: list[str]) -> list[str]:
        if len(set(customers)) < len(customers):
            raise ValueError("some are the same; send each once")
        return customers


class ReceptiveSlot(Message):
    """One hour of the local week."""

    slot: int = Field(ge=0, lt=SLOTS_PER_WEEK)
    """0 = Monday 00:00."""
    probability: Probability
    """Of what `measure` says; the mean of the customers."""
    low: Probability | None
    high: Probability | None
    """90 % interval of a customer, the mean of the customers; null where nobody of them may be
    written to over the channel."""
    lift: Lift
    """Probability ÷ the mean probability of all 168 hours."""
    lift_low: Lift | None
    lift_high: Lift | None
    """At most this wide: bounds ÷ the same mean, though what is not known of a customer's activity
    as a whole moves both."""


class ReceptiveWeek(Message):
    """When customers are receptive: every hour of their local week, and what it rests on."""

    model_version: str
    profiles_as_of: Moment
    segment: str | None
    """Null for customers that were named."""
    channel: Channel
    measure: Literal["response", "reach", "activity"]
    """As in POST /v1/send-times."""
    customers: Customers
    scored: Customers
    """How many the means are of: of a large segment a fixed sample."""
    mean: Probability
    """Of all 168 hours."""
    slots: list[ReceptiveSlot] = Field(min_length=SLOTS_PER_WEEK, max_length=SLOTS_PER_WEEK)
    """By hour, from Monday 00:00 on."""
    evidence: dict[Literal["own history", "segment", "global"], Customers]
    """How many of those scored rest most on what."""
    without_consent: Customers
    """Of named customers: who may not be written to over the channel; their hours count, their
    bounds do not."""
    unknown: Customers
    """Of named customers: of whom nothing is known, so that everybody's hours are theirs."""
    time_zone: str | None
    """Of a customer who is named alone: whose local week it is."""
    words: list[str]
    """What was found, in sentences."""


class ReceptivitySegment(Message):
    """Customers who can be looked at together."""

    segment: str
    """As the parameter `segment` takes it."""
    kind: Literal["everyone", "region", "rhythm"]
    name: Name
    """Id of the region; number of the rhythm, whose customers have a like week."""
    customers: Customers
    busiest_slot: int | None = Field(ge=0, lt=SLOTS_PER_WEEK)
    """Of a rhythm: the hour of the local week that stands out most."""


class ReceptivitySegments(Message):
    """Every segment of the published profiles that has customers."""

    model_version: str
    profiles_as_of: Moment
    segments: list[ReceptivitySegment]
    """Everyone, then regions and rhythms, the largest first."""
