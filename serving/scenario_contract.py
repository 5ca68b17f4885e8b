"""The contract of `POST /v1/forecasts/what-if`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from serving.contract import Message
from serving.spellings import Day, Name

Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class ScenarioRequest(Message):
    """Which plan to set beside the published one; what is left out stays as it is planned."""

    region: Name = Field(examples=["all"])
    """Id of a region of any level; 'all' is the whole."""
    product: Name = Field(examples=["all"])
    """Id of a product of any level; the change holds for every product below it."""
    price: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = Field(
        default=None, examples=[1.99]
    )
    """Per unit."""
    promotion: bool | None = None
    """Whether a promotion is on; without a depth it has the usual one of each series."""
    depth: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    """Discount off the list price: 0.2 for 20 %."""
    display: Amount | None = None
    """As in the sales."""
    mailer: Amount | None = None
    """As in the sales."""
    from_date: Day | None = Field(default=None, alias="from")
    """First day; default: the first one that is forecast."""
    to_date: Day | None = Field(default=None, alias="to")
    """Last day, inclusive; default: the last one that is forecast."""

    @model_validator(mode="after")
    def _is_one_plan(self) -> ScenarioRequest:
        if self.from_date and self.to_date and self.to_date < self.from_date:
            raise ValueError("'to' must not be before 'from'")
        if self.promotion is False and self.depth:
            raise ValueError("a depth needs the promotion on; leave one of them out")
        return self


class Outlook(Message):
    """Units: mean, 80 % and 95 % interval; of a difference they may be negative."""

    mean: float
    lower_80: float
    upper_80: float
    lower_95: float
    upper_95: float


class Comparison(Message):
    """The plan, the scenario, and scenario minus plan on the same sample paths."""

    plan: Outlook
    scenario: Outlook
    difference: Outlook


class DatedComparison(Comparison):
    """One period that the scenario holds for."""

    date: Day


class WhatIf(Message):
    """A scenario beside the plan."""

    model_version: str
    region_id: str
    product_id: str
    series: int = Field(ge=1)
    """Series that it is the sum of."""
    total: Comparison
    """All periods together."""
    dates: list[DatedComparison]
    warnings: list[str]
    """What the answer should not be trusted in: values that training never saw, and the like."""
