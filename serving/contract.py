"""The contract: every request and response of the service, as pydantic models.

The OpenAPI document is generated from these models, requests are decoded by them (strictly: no
coercion, no unknown fields), and the tests validate what the service really answers against them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from features.schema import CHANNELS, SLOTS_PER_WEEK
from serving.spellings import (
    Channel,
    ClockTime,
    Count,
    CustomerId,
    Day,
    Flag,
    Moment,
    Name,
    Probability,
    Quantiles,
)

MAX_CUSTOMERS = 10_000
MAX_TOP_K = 24
MAX_WINDOW_DAYS = 31
MAX_FORECASTS = 1_000


class Message(BaseModel):
    """What goes over the wire: strict, and a field it does not know is an error."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True
    )


class Window(Message):
    """When a message may start: from `start` until before `end`."""

    start: Moment = Field(examples=["2026-11-27T00:00:00-05:00"])
    end: Moment = Field(examples=["2026-11-30T00:00:00-05:00"])

    @model_validator(mode="after")
    def _is_ahead(self) -> Window:
        if not (2000 <= self.start.year < 2200 and 2000 <= self.end.year < 2200):
            raise ValueError("must lie between the years 2000 and 2199")
        if self.end <= self.start:
            raise ValueError("end must be after start")
        if self.end - self.start < timedelta(hours=1):
            raise ValueError("must be at least one hour long")
        if self.end - self.start > timedelta(days=MAX_WINDOW_DAYS):
            raise ValueError(f"must be at most {MAX_WINDOW_DAYS} days long")
        return self


class QuietHours(Message):
    """Local hours in which nothing is sent: from `start` until before `end`, over midnight too."""

    start: ClockTime = "21:00"
    end: ClockTime = "08:00"

    @model_validator(mode="after")
    def _is_some_time(self) -> QuietHours:
        if self.start == self.end:
            raise ValueError("start and end must differ; send null for no quiet hours")
        return self


class SendTimesRequest(Message):
    """Whom to send to, within which window, over which channels."""

    customers: list[CustomerId] = Field(
        min_length=1,
        max_length=MAX_CUSTOMERS,
        examples=[["1", "13"]],
        json_schema_extra={"uniqueItems": True},
    )
    """Customer ids, each once."""
    window: Window | None = None
    """Default: the seven days that start now."""
    channels: list[Channel] = Field(
        default=["email"],
        min_length=1,
        max_length=len(CHANNELS),
        examples=[["email", "push"]],
        json_schema_extra={"uniqueItems": True},
    )
    """In order of preference; a customer gets the first one with consent."""
    quiet_hours: QuietHours | None = QuietHours()
    """Local quiet hours; null for none."""
    top_k: int = Field(default=3, ge=1, le=MAX_TOP_K)
    """How many slots per customer, the likeliest first."""
    all_slots: bool = False
    """Whether to add the probability of each of the 168 hours of the local week."""
    reasons: bool = False
    """Whether to add the most telling habit in counts, and what moves the activity."""

    @field_validator("customers", "channels")
    @classmethod
    def _is_without_repeats(cls, values: list[str]) -> list[str]:
        if len(set(values)) == len(values):
            return values
        seen: dict[str, int] = {}
        for index, value in enumerate(values):
            if value in seen:
                raise ValueError(f"entries {seen[value]} and {index} are the same; send each once")
            seen[value] = index
        return values


class Slot(Message):
    """One hour in which to send."""

    start: Moment
    """Start of the hour, with the customer's offset at that time."""
    slot: int = Field(ge=0, lt=SLOTS_PER_WEEK)
    """Hour of the customer's local week; 0 = Monday 00:00."""
    probability: Probability
    """Calibrated, of what `measure` says."""
    low: Probability
    high: Probability
    """90 % interval of the probability."""
    lift: float = Field(ge=0.0)
    """Probability ÷ the customer's mean probability over the permitted slots of the window."""
    channel: Channel


class Evidence(Message):
    """What an answer rests on."""

    label: Literal["own history", "segment", "global"]
    words: str


class Exclusion(Message):
    """Something that was asked for and is not answered, and why."""

    channel: Channel | None
    """The channel that is excluded; null when it is the customer as a whole."""
    reason: Literal["no-consent", "no-permitted-slot"]
    words: str


class Outlook(Message):
    """When a customer will order next; null where that is not within sight."""

    advice: Literal["now", "wait", "win back"]
    wait_days: int = Field(ge=0)
    """Days to wait where the advice is to wait, else 0."""
    order_probability_28d: Probability
    """That they order within 28 days; calibrated."""
    days_to_next_order: float | None
    """Days by which the order is there with probability 0.5; low and high with 0.1 and 0.9."""
    days_to_next_order_low: float | None
    days_to_next_order_high: float | None
    churn_risk: Probability
    """That no order comes for several times the usual gap; calibrated."""
    words: str


class CustomerSendTimes(Message):
    """The slots of one customer."""

    customer_id: CustomerId
    is_known: bool
    as_of: Moment
    """Nothing that happened to the customer from then on is known to the answer."""
    time_zone: str
    time_zone_source: str
    """How the time zone is known: stated, device, region, inferred from activity, or project."""
    measure: Literal["response", "reach", "activity"]
    """What the probabilities are of: `response`, that a message sent in the hour is answered within
    the model's window; `reach`, where that is not learned and messages wait: that the customer is
    active within three hours from its start; `activity`: that they are in this hour itself."""
    evidence: Evidence
    outlook: Outlook | None = None
    """Now or later, in days; null where nothing is known of the customer's orders."""
    slots: list[Slot]
    """The likeliest first; empty when everything is excluded."""
    exclusions: list[Exclusion]
    reasons: list[str] | None = None
    """In words; only if `reasons` was asked for."""
    probabilities: (
        Annotated[list[Probability], Field(min_length=SLOTS_PER_WEEK, max_length=SLOTS_PER_WEEK)]
        | None
    ) = None
    """By slot of the local week; only if `all_slots` was asked for."""
    decision_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{22}$")
    """Tell it to /v1/outcomes with what came of the message; absent where nothing is logged."""
    explored: bool = False
    """True where the first slot was drawn evenly over the permitted ones, to learn from it; absent
    elsewhere."""
    model_version: str | None = None
    """Of the challenger that answered in the champion's place; only where one did."""


class SendTimes(Message):
    """The answer to a request for send times, customers in the order of the request."""

    model_version: str
    profiles_as_of: Moment
    """Nothing that happened from then on is known to the answer."""
    window: Window
    degraded: bool
    """Whether something that normally answers did not."""
    customers: list[CustomerSendTimes]


class ForecastsQuery(Message):
    """Which forecasts; every parameter is optional."""

    region: Name | None = None
    """Id of a region; 'all' is the whole."""
    product: Name | None = None
    """Id of a product; 'all' is the whole."""
    level: Name | None = None
    """Region level / product level, such as 'store/category'; see /v1/forecasts/levels."""
    from_date: Day | None = Field(default=None, alias="from")
    """First day."""
    to_date: Day | None = Field(default=None, alias="to")
    """Last day, inclusive."""
    quantiles: Quantiles = Field(default="0.1,0.5,0.9", max_length=200, examples=["0.1,0.5,0.9"])
    """Which of the published quantiles, separated by commas."""
    limit: Count = Field(default=100, ge=1, le=MAX_FORECASTS)
    """Most rows in the page."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """`next_cursor` of the page before."""
    reasons: Flag = False
    """Whether to say what each mean is made of."""

    @model_validator(mode="after")
    def _is_ordered(self) -> ForecastsQuery:
        if self.from_date and self.to_date and self.to_date < self.from_date:
            raise ValueError("'to' must not be before 'from'")
        return self

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The quantiles asked for, ascending, each once."""
        return tuple(sorted({float(part) for part in self.quantiles.split(",")}))


class Reasons(Message):
    """What a mean is made of, in units; the parts sum to it."""

    base: float
    """Mean of all the sales so far."""
    trend: float
    """Where the recent sales stand against that."""
    season: float
    """Time of the week and of the year."""
    price: float
    promotion: float
    """Promotion, discount, display, mailer."""
    holiday: float
    regressors: float
    """Columns of the project's own."""
    other_models: float
    """What the models without drivers, and the agreement of levels, add."""


class Forecast(Message):
    """Units of one product in one region and period."""

    region_id: str
    region_level: str
    product_id: str
    product_level: str
    level: str
    date: Day
    origin: Day
    """The last date that the forecast knew."""
    mean: float = Field(ge=0.0)
    quantiles: dict[str, Annotated[float, Field(ge=0.0)]] = Field(
        examples=[{"0.1": 3.0, "0.5": 5.0, "0.9": 9.0}]
    )
    """By probability."""
    intervals: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(
        examples=[{"0.8": [3.0, 9.0], "0.95": [2.0, 12.0]}]
    )
    """Lower and upper bound by the share of what may come that they hold: central, but from zero
    up where the lower quantile is zero, as nothing can fall below."""
    model: str
    """What made it."""
    evidence: str
    """What it rests on, in words."""
    reasons: Reasons | None = None
    """Only if they were asked for."""


class Forecasts(Message):
    """One page of forecasts, by level, region, product and date."""

    model_version: str
    degraded: bool
    forecasts: list[Forecast]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class ForecastLevel(Message):
    """One level of the two hierarchies that is forecast."""

    level: str
    regions: int = Field(ge=1)
    products: int = Field(ge=1)
    series: int = Field(ge=1)
    first_date: Day
    last_date: Day


class ForecastLevels(Message):
    """What can be asked of the forecasts."""

    model_version: str
    quantiles: list[str]
    levels: list[ForecastLevel]


class ModelStatus(Message):
    """Whether one kind of model answers, and if not, why."""

    kind: Literal["promotion", "demand"]
    state: Literal["loaded", "not-published", "refused"]
    """`loaded` whenever a version answers, though a newer one may have been refused."""
    is_required: bool
    model_version: str | None
    """Of what answers."""
    reason: str | None
    """Why nothing answers, or why `refused_version` does not."""
    proof: Literal["proven", "unproven"] | None = None
    """Whether it answered its golden rows as when it was trained, or was published without any."""
    refused_version: str | None = None
    """Published, and not taken over; what answered before goes on."""


class ChallengerStatus(Message):
    """Whether a challenger is tried beside the champion, as `[challenger]` says."""

    mode: Literal["off", "shadow", "canary"]
    state: Literal["off", "loaded", "not-published", "refused"]
    model_version: str | None = None
    reason: str | None = None


class RegistryStatus(Message):
    """Whether the registry of models answers whoever follows it; never a reason not to be ready."""

    state: Literal["off", "ok", "unreachable"]
    since: Moment | None = None
    """When it became so."""
    reason: str | None = None


class Readiness(Message):
    """Whether the service answers what it is meant to."""

    is_ready: bool
    is_draining: bool = False
    """True when it is about to end: send requests elsewhere."""
    models: list[ModelStatus]
    challenger: ChallengerStatus | None = None
    registry: RegistryStatus | None = None


class Liveness(Message):
    """The process runs and answers."""

    status: Literal["alive"]


class Landing(Message):
    """What is where."""

    name: str
    version: str
    addresses: dict[str, str]


class ProblemFault(Message):
    """One place of the request to change."""

    detail: str
    pointer: str | None = None
    """Into the body (RFC 6901)."""
    parameter: str | None = None
    """Of the query."""


class ProblemDocument(Message):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    """One sentence that says what to change."""
    request_id: str
    errors: list[ProblemFault] = Field(default=[], max_length=8)
