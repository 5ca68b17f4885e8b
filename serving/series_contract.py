"""The contract of what is told of single series: search, kin, history, accuracy, growth."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from serving.contract import MAX_FORECASTS, Message
from serving.spellings import Count, Day, Name, Probability

MAX_KIN = 200
"""Most regions, or products, below one series that are named."""

Cursor = Annotated[str, Field(max_length=200)]


class SeriesQuery(Message):
    """Which series to list; every parameter is optional."""

    search: Annotated[str, Field(max_length=200)] | None = None
    """Words; each has to be in the id or the name of the region or of the product."""
    level: Name | None = None
    """Region level / product level, such as 'store/category'."""
    region: Name | None = None
    """Id of a region of any level; 'all' is the whole."""
    product: Name | None = None
    """Id of a product of any level; 'all' is the whole."""
    limit: Count = Field(default=20, ge=1, le=MAX_FORECASTS)
    """Most series in the page."""
    cursor: Cursor | None = None
    """`next_cursor` of the page before."""


class PairQuery(Message):
    """Which series."""

    region: Name
    """Id of a region of any level; 'all' is the whole."""
    product: Name
    """Id of a product of any level; 'all' is the whole."""


class HistoryQuery(PairQuery):
    """Which series, and when."""

    from_date: Day | None = Field(default=None, alias="from")
    """First day; default: three years before the last sale."""
    to_date: Day | None = Field(default=None, alias="to")
    """Last day, inclusive; default: the last one that is forecast."""

    @model_validator(mode="after")
    def _is_ordered(self) -> HistoryQuery:
        if self.from_date and self.to_date and self.to_date < self.from_date:
            raise ValueError("'to' must not be before 'from'")
        return self


class GrowthQuery(Message):
    """Which product, in the regions of which level."""

    product: Name = "all"
    """Id of a product of any level; 'all' is the whole."""
    level: Name | None = None
    """Region level, such as 'store'; the finest by default."""
    limit: Count = Field(default=100, ge=1, le=MAX_FORECASTS)
    """Most regions in the page."""
    cursor: Cursor | None = None
    """`next_cursor` of the page before."""


class Growth(Message):
    """The forecast of the whole horizon beside what was sold before."""

    units: float
    """Forecast of the whole horizon."""
    units_lower: float | None
    """10 % quantile."""
    units_upper: float | None
    """90 % quantile."""
    compared_with: Literal["last year", "recent weeks"]
    before_units: float | None
    """Sold in the same periods a year ago, or lately, over as long as the horizon."""
    growth: float | None
    """units ÷ before_units; 1.1 is a tenth more than before."""
    growth_lower: float | None
    growth_upper: float | None


class Series(Growth):
    """One region and product of any level."""

    region_id: str
    region_name: str
    region_level: str
    product_id: str
    product_name: str
    product_level: str
    level: str
    series: int = Field(ge=1)
    """Series that it is the sum of."""


class SeriesPage(Message):
    """Series, the one with most units ahead first."""

    model_version: str
    series: list[Series]
    next_cursor: str | None


class SeriesKin(Message):
    """A series, the ones that it is a part of, and the ones that it is made of."""

    model_version: str
    series: Series
    above: list[Series]
    """The same product in the region above, and the product above in the same region."""
    regions: list[Series]
    """The same product in the regions just below, most units first; at most 200."""
    products: list[Series]
    """The products just below in the same region, most units first; at most 200."""


class Holiday(Message):
    """A public holiday where the region lies."""

    date: Day
    name: str


class History(Message):
    """What a series sold, and what is planned for it; lists of one length, one entry a date."""

    model_version: str
    region_id: str
    product_id: str
    origin: Day
    """The last date that the forecast knew; later ones are planned."""
    dates: list[Day]
    units: list[float | None]
    """Null where not known, and after the origin."""
    price: list[float | None]
    """Per unit, of several series the mean by what each sold in all."""
    promoted: list[Probability]
    """Share of the series below that were, or are to be, promoted."""
    stock_out: list[Probability]
    """Share of the series below that were out of stock."""
    holidays: list[Holiday]


class Accuracy(Message):
    """How far off the backtest's forecasts of exactly this series were."""

    model_version: str
    region_id: str
    product_id: str
    first_date: Day | None
    last_date: Day | None
    """Of what was judged."""
    origins: int
    """Dates from which it was forecast, each knowing nothing later."""
    judged: int
    """Periods; 0 where the series was not judged."""
    units: float | None
    """Sold in them."""
    wape: float | None
    """Sum of absolute errors ÷ units."""
    bias: float | None
    """Sum of errors ÷ units; above 0 the forecast was too high."""
    coverage_80: Probability | None
    """Share of the periods inside the 80 % interval."""
    coverage_95: Probability | None
    baseline: str | None
    baseline_wape: float | None
    """WAPE of the baseline over the same periods."""


class RegionGrowth(Growth):
    """What is expected of one region."""

    region_id: str
    name: str
    region_level: str
    latitude: float | None
    longitude: float | None


class GrowthPage(Message):
    """Regions of one level, the one that grows most first."""

    model_version: str
    product_id: str
    region_level: str
    first_date: Day
    last_date: Day
    regions: list[RegionGrowth]
    next_cursor: str | None
