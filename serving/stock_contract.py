"""The contract of stock advice, allocations and assortments, as pydantic models."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from serving.contract import MAX_FORECASTS, Message
from serving.spellings import Count, Day, Name, Probability

MAX_REGIONS = 2_000
MAX_UNITS = 1e9

Money = Annotated[float, Field(ge=0.0, le=1e9, allow_inf_nan=False)]
Units = Annotated[float, Field(ge=0.0, le=MAX_UNITS, allow_inf_nan=False)]
Cursor = Annotated[str, Field(max_length=200)]


class StockQuery(Message):
    """Which stock advice; every parameter is optional."""

    region: Name | None = None
    """Id of a region of any level; 'all' is the whole."""
    product: Name | None = None
    """Id of a product of any level; 'all' is the whole."""
    limit: Count = Field(default=100, ge=1, le=MAX_FORECASTS)
    """Most rows in the page."""
    cursor: Cursor | None = None
    """`next_cursor` of the page before."""


class StockAdvice(Message):
    """What to hold of one product in one region, what to order now, and what is at risk."""

    region_id: str
    product_id: str
    origin: Day
    """The last date that the forecast knew."""
    on_hand: float | None
    """Units; null where no stock is known."""
    reserved: float
    incoming: float
    incoming_on: Day | None
    stock_as_of: Day | None
    stock_source: str
    position: float | None
    """On hand, less reserved, plus incoming."""
    reorder_point: float
    """Order at a review when the position is at or below it."""
    order_up_to: float
    safety_stock: float
    order_now: float | None
    lead_time_demand: float
    """Mean units over the lead time."""
    interval_demand: float
    """Mean units over lead time and review."""
    interval_demand_lower: float
    """Its 10 % quantile."""
    interval_demand_upper: float
    """Its 90 % quantile."""
    beyond_share: Probability
    """Share of sample paths that had to be carried on beyond the forecast."""
    service_level: Probability
    """Probability of no stock-out before the next order can arrive, or the critical ratio."""
    outlook_days: float
    stock_out_probability: Probability | None
    """Of a stock-out within the outlook if nothing more is ordered."""
    expected_lost_units: float | None
    cover_days_lower: float | None
    cover_days: float | None
    """Median days before the first stock-out; the outlook where there is none."""
    cover_days_upper: float | None
    likely_out_on: Day | None
    """First date by which a stock-out is likelier than not."""
    stock_out_by: list[Probability]
    """Probability of a stock-out by each period of the outlook; empty where no stock is known."""
    lead_time_days: float
    lead_time_sd_days: float
    review_days: float
    lost_margin: float | None
    holding_cost: float | None
    order_cost: float
    pack_size: float
    minimum_order: float
    reason: str
    """In words."""


class StockAdvicePage(Message):
    """One page of stock advice, by region and product."""

    model_version: str
    degraded: bool
    advice: list[StockAdvice]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class RegionBounds(Message):
    """A region that may get units, and how many."""

    region: Name
    """Id of a region of any level; none may lie within another of the request."""
    minimum: Units = 0.0
    """Least units, rounded up to packs."""
    maximum: Units | None = None
    """Most units, rounded down to packs; null for no bound."""
    on_hand: Units = 0.0
    """Units already there."""
    margin: Money | None = None
    """Money earned per unit sold here, instead of the request's."""


class AllocationRequest(Message):
    """Scarce units of one product, to be given to the regions where they earn most."""

    product: Name
    """Id of a product of any level."""
    units: Units = Field(examples=[500.0])
    """Units to give away."""
    regions: Annotated[list[RegionBounds], Field(min_length=1, max_length=MAX_REGIONS)] | None = (
        None
    )
    """Default: every region of the finest level that sells the product."""
    margin: Money = 1.0
    """Money earned per unit sold."""
    overage_cost: Money = 0.0
    """Money lost per unit left over at the end of the horizon: holding, markdown, transport."""
    pack_size: Annotated[float, Field(ge=0.01, le=MAX_UNITS, allow_inf_nan=False)] = 1.0
    """Units per pack."""
    horizon_days: Annotated[int, Field(ge=1, le=3_660)] | None = None
    """Days until the next delivery; the whole forecast by default, and where it is shorter."""

    @field_validator("regions")
    @classmethod
    def _is_without_repeats(cls, regions: list[RegionBounds] | None) -> list[RegionBounds] | None:
        seen: dict[str, int] = {}
        for at, bounds in enumerate(regions or ()):
            if bounds.region in seen:
                raise ValueError(f"entries {seen[bounds.region]} and {at} are the same region")
            seen[bounds.region] = at
        return regions

    @model_validator(mode="after")
    def _can_be_met(self) -> AllocationRequest:
        packs = 0
        for at, bounds in enumerate(self.regions or ()):
            least = math.ceil(bounds.minimum / self.pack_size - 1e-9)
            packs += least
            if bounds.maximum is not None and least * self.pack_size > bounds.maximum + 1e-9:
                raise ValueError(f"regions/{at}: maximum leaves no room for minimum in whole packs")
        if packs > math.floor(self.units / self.pack_size + 1e-9):
            raise ValueError("units do not reach for all minimums in whole packs; lower them")
        return self


class AllocatedRegion(Message):
    """What one region gets."""

    region_id: str
    units: float = Field(ge=0.0)
    on_hand: float
    expected_demand: float = Field(ge=0.0)
    demand_lower: float
    """10 % quantile of the demand over the horizon."""
    demand_upper: float
    """90 % quantile."""
    expected_sales: float
    """Of what is there and what is given."""
    expected_lost: float
    gain: float
    """Expected profit that the units given add here, in money."""
    marginal_profit: float
    """Expected profit of one more pack here; negative where it would lose money."""
    reason: str


class Allocation(Message):
    """Who gets what; every further pack would earn less than the last one given."""

    model_version: str
    product_id: str
    first_date: Day
    last_date: Day
    """Of the demand that counts."""
    units: float
    left_over: float
    """Units kept back: less than a pack, or nobody gains by one."""
    gain: float
    next_pack_gain: float
    """Expected profit of one more pack, had there been one."""
    regions: list[AllocatedRegion]


class AssortmentQuery(Message):
    """Which region, and what it is compared with."""

    region: Name
    """Id of a region of any level."""
    reference: Name | None = None
    """Region to compare with; by default the nearest one above that holds more."""
    level: Name | None = None
    """Product level, such as 'category'; the finest by default."""
    limit: Count = Field(default=100, ge=1, le=MAX_FORECASTS)
    """Most products in the page."""
    cursor: Cursor | None = None
    """`next_cursor` of the page before."""


class AssortedProduct(Message):
    """How much one region wants of one product, against elsewhere and against before."""

    product_id: str
    units: float
    """Forecast of the whole horizon."""
    units_lower: float
    units_upper: float
    share: float | None
    """Of all the region's units."""
    reference_share: float | None
    index: float | None
    """share ÷ reference_share; 1.2 is a fifth more than there. All intervals are of 80 %."""
    index_lower: float | None
    index_upper: float | None
    standing: Literal["over", "under", "as elsewhere"]
    """'over' and 'under' where the whole interval of the index is above or below 1."""
    compared_with: Literal["last year", "recent weeks"]
    before_units: float | None
    """Sold in the same periods a year ago, or lately, over as long as the horizon."""
    trend: float | None
    """units ÷ before_units."""
    trend_lower: float | None
    trend_upper: float | None
    direction: Literal["rising", "fading", "steady"]


class AssortmentPage(Message):
    """Products of a region, the highest index first."""

    model_version: str
    region_id: str
    reference_id: str
    product_level: str
    first_date: Day
    last_date: Day
    products: list[AssortedProduct]
    next_cursor: str | None
