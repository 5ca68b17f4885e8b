"""The contract of campaign drafts: what may be asked, and what is told before anything is sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from features.schema import CHANNELS, SLOTS_PER_WEEK
from serving.campaigns.settings import Messages, Money
from serving.contract import Message, Window
from serving.receptivity_contract import SegmentName
from serving.spellings import CLOCK_TIME, Channel, CustomerId, Moment, Name, Probability

MAX_AUDIENCE = 20_000
MAX_NAMED = 10_000
MAX_PROMOTIONS = 20
QUIET = rf"({CLOCK_TIME}-{CLOCK_TIME})?"

CampaignName = Annotated[str, Field(pattern=r"^[\w.@ -]{1,100}$")]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0.0)]


class CampaignDraftRequest(Message):
    """A campaign to be drafted; what is not said holds as `[campaign]` of the project says."""

    name: CampaignName | None = None
    """What the log of decisions calls it; else the promotions."""
    customers: (
        Annotated[
            list[CustomerId],
            Field(min_length=1, max_length=MAX_NAMED, json_schema_extra={"uniqueItems": True}),
        ]
        | None
    ) = None
    """The audience: customer ids, each once; null for that of `segment`."""
    segment: SegmentName | None = None
    """The audience as GET /v1/receptivity/segments lists it; everyone where nobody is named."""
    promotions: list[Name] = Field(
        min_length=1, max_length=MAX_PROMOTIONS, json_schema_extra={"uniqueItems": True}
    )
    """Ids of offers to choose from, the dearest first."""
    channels: list[Channel] = Field(
        default=["email"],
        min_length=1,
        max_length=len(CHANNELS),
        json_schema_extra={"uniqueItems": True},
    )
    """Channels it may use."""
    window: Window | None = None
    """When messages may be sent; default: the seven days from `decided_at` on."""
    decided_at: Moment | None = None
    """Decide as of this moment; default: now."""
    quiet_hours: Annotated[str, Field(pattern=f"^{QUIET}$")] | None = None
    """Local times at which nothing is sent, such as 21:00-08:00; empty for none."""
    cap_messages: Messages | None = None
    """Most messages to a customer within the project's `cap_days`; at most as the project says."""
    min_gap_hours: Amount | None = None
    """Hours between two messages to a customer; at least as the project says."""
    hourly_capacity: dict[Channel, Messages] | None = None
    """Most messages an hour, by channel; at most as the project says."""
    budget: Money | None = None
    """Money for all messages."""
    random: Probability | None = None
    """Share of customers who get it at a permitted moment drawn evenly."""

    @field_validator("customers", "promotions", "channels")
    @classmethod
    def _is_without_repeats(cls, values: list[str] | None) -> list[str] | None:
        if values is not None and len(set(values)) < len(values):
            raise ValueError("some are the same; send each once")
        return values

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        if name is not None and not name.strip(". "):
            raise ValueError("must hold a letter or digit")
        return name

    @model_validator(mode="after")
    def _has_one_audience(self) -> CampaignDraftRequest:
        if self.customers is not None and self.segment is not None:
            raise ValueError("give customers or segment, not both")
        return self


class CampaignRules(Message):
    """What a campaign keeps to."""

    quiet_hours: str
    cap_messages: Messages
    cap_days: Count
    channel_caps: dict[Channel, Messages]
    min_gap_hours: Amount
    hourly_capacity: dict[Channel, Messages]
    message_cost: dict[Channel, Money]
    budget: Money | None
    holdout: Probability
    random: Probability


class ArmSize(Message):
    """How many customers an arm has, and how many of them get a message."""

    arm: Literal["optimised", "random", "holdout"]
    customers: Count
    messages: Count


class LeftOut(Message):
    """Why customers get no message, and how many."""

    reason: str
    words: str
    customers: Count


class ScheduledHour(Message):
    """Messages that start within an hour, over one channel."""

    start: Moment
    channel: Channel
    optimised: Count
    random: Count


class ExpectedResult(Message):
    """What is expected of the optimised arm, beside what other moments would bring."""

    measure: Literal["response", "reach", "activity"]
    """As in POST /v1/send-times."""
    messages: Count
    expected: Amount
    low: Amount
    high: Amount
    """90 % interval of the count, where doubts about single customers do not go together."""
    widest_low: Amount
    widest_high: Amount
    """Sums of the messages' 90 % bounds: as wide as it can be, as if all were wrong alike."""
    evenly: Amount
    """The same messages at permitted hours drawn evenly: the baseline."""
    best_slot: int = Field(ge=0, lt=SLOTS_PER_WEEK)
    """The best single hour of the local week, and what all messages in it would bring."""
    best_slot_expected: Amount
    lift: Amount
    """expected ÷ evenly."""
    lift_low: Amount
    lift_high: Amount
    """low and high ÷ evenly."""


class CampaignPlanSummary(Message):
    """What a draft decides, in counts."""

    audience: Count
    messages: Count
    arms: list[ArmSize]
    left_out: list[LeftOut]
    """The largest first."""
    schedule: list[ScheduledHour]
    """By hour and channel; hours without a message are left out."""
    slots: Annotated[list[Count], Field(min_length=SLOTS_PER_WEEK, max_length=SLOTS_PER_WEEK)]
    """Messages by hour of the customers' local week, from Monday 00:00 on."""
    expected: list[ExpectedResult]
    """By what channels' probabilities measure; empty where the optimised arm sends nothing."""
    cost: Amount
    """Money of all messages."""
    words: list[str]
    """All of it in sentences, as `almanac plan-campaign` prints it."""


class CampaignDraft(Message):
    """A campaign that was planned and not sent; kept for a day."""

    id: str
    state: Literal["planning", "ready", "failed"]
    """While it is 'planning', ask again; a draft that 'failed' says why in `problem`."""
    problem: str | None
    created_at: Moment
    expires_at: Moment
    campaign: str
    decided_at: Moment
    window: Window
    promotions: list[str]
    channels: list[Channel]
    segment: str | None
    """Null where customers were named."""
    rules: CampaignRules
    model_version: str
    data_as_of: Moment
    """When promotions, stock and past messages, which caps count, were last read in."""
    plan: CampaignPlanSummary | None
    """Null until the draft is ready."""


class CampaignDecision(Message):
    """A draft that was put down in the log of decisions."""

    campaign: str
    customers: Count
    is_new: bool
    """False where it was put down before."""


class PromotionChoice(Message):
    """A promotion that a campaign may offer."""

    promotion_id: str
    starts_at: Moment
    ends_at: Moment
    discount: float | None
    channels: list[str]
    """Those it is bound to; empty for all."""


class ChannelChoice(Message):
    """A channel, and what its probabilities are of."""

    channel: Channel
    measure: Literal["response", "reach", "activity"]


class CampaignChoices(Message):
    """What can be asked of a draft in this project."""

    model_version: str
    profiles_as_of: Moment
    time_zone: str
    promotions: list[PromotionChoice]
    """The one that ends last first."""
    channels: list[ChannelChoice]
    rules: CampaignRules
    max_audience: Count
    max_named: Count
