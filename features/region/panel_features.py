"""The features of a series' past, each declared once and read as one DuckDB window expression.

Each is as of its own row: it reads that period and earlier ones of the same series and nothing
else. How old the row must be for a forecast is decided where a design is built
(`features.region.design`), so the same column serves every origin and every horizon bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from features.region.frequency import Frequency


class HistoryFeature(Protocol):
    """A column of the past, as of each row."""

    @property
    def name(self) -> str:
        """Column name; numbers in it are periods."""
        ...

    def sql(self) -> str:
        """Return the expression over one series ordered by period (window `past`)."""
        ...


@dataclass(frozen=True)
class Lag:
    """The value `periods` before the row."""

    column: str
    periods: int

    @property
    def name(self) -> str:  # noqa: D102
        return f"{self.column}_lag_{self.periods}"

    def sql(self) -> str:  # noqa: D102
        return f'lag("{self.column}", {self.periods}) OVER past'


@dataclass(frozen=True)
class Rolling:
    """A statistic of the last `window` values, empty ones left out: avg, stddev_pop, median."""

    column: str
    statistic: str
    label: str
    window: int

    @property
    def name(self) -> str:  # noqa: D102
        return f"{self.column}_{self.label}_{self.window}"

    def sql(self) -> str:  # noqa: D102
        return f'{self.statistic}("{self.column}") OVER {_frame(self.window)}'


@dataclass(frozen=True)
class ZeroShare:
    """Share of the last `window` values that are zero."""

    column: str
    window: int

    @property
    def name(self) -> str:  # noqa: D102
        return f"{self.column}_zero_share_{self.window}"

    def sql(self) -> str:  # noqa: D102
        zero = f"CASE WHEN {self.column} IS NOT NULL THEN ({self.column} = 0)::INTEGER END"
        return f"avg({zero}) OVER {_frame(self.window)}"


@dataclass(frozen=True)
class SlotMean:
    """Mean of the `count` last values that lie `slot` periods apart: the same weekdays, say."""

    column: str
    slot: int
    count: int

    @property
    def name(self) -> str:  # noqa: D102
        return f"{self.column}_slot_mean_{self.count}"

    def sql(self) -> str:  # noqa: D102
        values = ", ".join(
            f"lag({self.column}, {self.slot * step}) OVER past" for step in range(self.count)
        )
        return f"list_avg([{values}])"


@dataclass(frozen=True)
class MeanSinceListing:
    """Mean of all values so far."""

    column: str

    @property
    def name(self) -> str:  # noqa: D102
        return f"{self.column}_mean_since_listing"

    def sql(self) -> str:  # noqa: D102
        return f"avg({self.column}) OVER past"


@dataclass(frozen=True)
class SinceLastSale:
    """Periods since the last value above zero."""

    column: str

    @property
    def name(self) -> str:  # noqa: D102
        return f"periods_since_{self.column}"

    def sql(self) -> str:  # noqa: D102
        return f"period - max(CASE WHEN {self.column} > 0 THEN period END) OVER past"


def declare_history(
    frequency: Frequency, drivers: Sequence[str], regressors: Sequence[str] = ()
) -> tuple[HistoryFeature, ...]:
    """List the features of the past at a frequency.

    Parameters
    ----------
    frequency : Frequency
        Sets lags and windows.
    drivers : sequence of str
        Which of price, is_promoted, display, mailer and of the regressors the data holds.
    regressors : sequence of str
        Columns of the user's own: the newest value and its trailing mean.

    Returns
    -------
    tuple of HistoryFeature
        `SlotMean` first: designs read it at a shift that keeps the place in the season.
    """
    short, middle, long = frequency.windows
    features: list[HistoryFeature] = [
        SlotMean("units", frequency.slot, frequency.slots),
        SlotMean("units", frequency.slot, 2 * frequency.slots),
        *(Lag("units", periods) for periods in frequency.lags),
        *(Rolling("units", "avg", "mean", window) for window in (short, middle, long)),
        Rolling("units", "stddev_pop", "std", middle),
        ZeroShare("units", middle),
        MeanSinceListing("units"),
        SinceLastSale("units"),
    ]
    if "price" in drivers:
        features += [
            Lag("price", 0),
            Rolling("price", "median", "median", frequency.price_window),
        ]
    features += [
        Rolling(name, "avg", "mean", middle)
        for name in ("is_promoted", "depth", "display", "mailer")
        if name in drivers
    ]
    for name in regressors:
        if name in drivers:
            features += [Lag(name, 0), Rolling(name, "avg", "mean", middle)]
    return tuple(features)


def declare_pool(frequency: Frequency) -> tuple[HistoryFeature, ...]:
    """List the features of a region's, a product's or the whole's mean units per series."""
    short, middle, _ = frequency.windows
    return (
        SlotMean("units", frequency.slot, frequency.slots),
        Rolling("units", "avg", "mean", short),
        Rolling("units", "avg", "mean", middle),
    )


def select_history(features: Sequence[HistoryFeature]) -> str:
    """Write the features as the columns of a SELECT, as 4-byte floats."""
    return ",\n  ".join(f'({feature.sql()})::FLOAT AS "{feature.name}"' for feature in features)


def _frame(window: int) -> str:
    return f"(past ROWS BETWEEN {window - 1} PRECEDING AND CURRENT ROW)"
