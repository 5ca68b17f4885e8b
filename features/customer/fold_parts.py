"""How each statistic is kept as a small value that events are added to, in any order.

One class per statistic. Its values are never changed in place; `zero` is the value of no events,
`merge(a, b)` that of both, and `pack` and `unpack` turn it into what JSON can hold and back.
Times are whole microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from features.customer.activity import Activity
from features.customer.statistics import Latest, Moment, Total, Weights

DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times are naive UTC throughout

Event: TypeAlias = Mapping[str, Any]
Key: TypeAlias = str | int
Last: TypeAlias = tuple[int, str, str]


def to_microseconds(moment: datetime) -> int:
    """Return the microseconds since 1970 of a naive UTC time."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


class Part(Protocol):
    """One statistic of one customer, as a monoid over events."""

    @property
    def zero(self) -> Any:
        """The value of no events."""
        ...

    def add(self, value: Any, at: int, event: Event) -> Any:
        """Return `value` with one more event, which the statistic's condition lets through."""
        ...

    def collect(self, events: Sequence[tuple[int, Event]]) -> Any:
        """Return the value of many events, each with its time, which the condition lets through."""
        ...

    def merge(self, value: Any, other: Any) -> Any:
        """Return the value of the events of both."""
        ...

    def pack(self, value: Any) -> Any:
        """Return `value` as JSON can hold it."""
        ...

    def unpack(self, packed: Any) -> Any:
        """Return what `pack` was given."""
        ...


@dataclass(frozen=True)
class MomentPart:
    """The latest or first time: an int, or None."""

    moment: Moment
    zero: None = None

    def add(self, value: int | None, at: int, event: Event) -> int:  # noqa: ARG002, D102
        if value is None:
            return at
        return min(value, at) if self.moment.is_first else max(value, at)

    def collect(self, events: Sequence[tuple[int, Event]]) -> int | None:  # noqa: D102
        times = [at for at, _ in events]
        return min(times, default=None) if self.moment.is_first else max(times, default=None)

    def merge(self, value: int | None, other: int | None) -> int | None:  # noqa: D102
        return value if other is None else self.add(value, other, {})

    def pack(self, value: int | None) -> int | None:  # noqa: D102
        return value

    unpack = pack


@dataclass(frozen=True)
class Totals:
    """The total of all history, and of each recent UTC day, counted from 1970."""

    ever: float = 0.0
    days: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TotalPart:
    """Totals by day, kept while a window of up to `horizon_days` can still reach the day."""

    total: Total
    horizon_days: int
    zero: Totals = Totals()

    def add(self, value: Totals, at: int, event: Event) -> Totals:  # noqa: D102
        return self.merge(value, self.collect([(at, event)]))

    def collect(self, events: Sequence[tuple[int, Event]]) -> Totals:  # noqa: D102
        column, ever, days = self.total.column, 0.0, dict[int, float]()
        for at, event in events:
            cell = 1.0 if column is None else event.get(column)
            if cell is not None:
                amount = float(cell) if self.total.is_sum else 1.0
                ever += amount
                days[at // DAY] = days.get(at // DAY, 0.0) + amount
        return self.merge(Totals(ever, days), Totals())

    def merge(self, value: Totals, other: Totals) -> Totals:  # noqa: D102
        days = dict(value.days)
        for day, amount in other.days.items():
            days[day] = days.get(day, 0.0) + amount
        # a state is read after its newest event, so no window begins before this day
        oldest = max(days, default=0) - self.horizon_days + 1
        if days and min(days) < oldest:
            days = {day: amount for day, amount in days.items() if day >= oldest}
        return Totals(value.ever + other.ever, days)

    def pack(self, value: Totals) -> list[Any]:  # noqa: D102
        return [value.ever, sorted(value.days.items())]

    def unpack(self, packed: list[Any]) -> Totals:  # noqa: D102
        return Totals(packed[0], dict(packed[1]))


@dataclass(frozen=True)
class LatestPart:
    """The latest filled value as (time, event id, value), or None."""

    latest: Latest
    zero: None = None

    def add(self, value: Last | None, at: int, event: Event) -> Last | None:  # noqa: D102
        cell = event.get(self.latest.column)
        return value if cell is None else self.merge(value, (at, event[Activity.EVENT_ID], cell))

    def collect(self, events: Sequence[tuple[int, Event]]) -> Last | None:  # noqa: D102
        column = self.latest.column
        filled = (
            (at, event[Activity.EVENT_ID], event[column])
            for at, event in events
            if event.get(column) is not None
        )
        return max(filled, default=None)

    def merge(self, value: Last | None, other: Last | None) -> Last | None:  # noqa: D102
        return max(filter(None, (value, other)), default=None)

    def pack(self, value: Last | None) -> Last | None:  # noqa: D102
        return value

    def unpack(self, packed: list[Any] | None) -> Last | None:  # noqa: D102
        return None if packed is None else (packed[0], packed[1], packed[2])


@dataclass(frozen=True)
class Decayed:
    """Weights by key as they were at a time `at`, that of the newest event among them."""

    at: int | None = None
    weights: Mapping[Key, float] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightsPart:
    """Decayed weights; kept relative to the newest event, so that none can overflow."""

    statistic: Weights
    zero: Decayed = Decayed()

    def add(self, value: Decayed, at: int, event: Event) -> Decayed:  # noqa: D102
        key = event.get(self.statistic.key)
        return value if key is None else self.merge(value, Decayed(at, {key: 1.0}))

    def collect(self, events: Sequence[tuple[int, Event]]) -> Decayed:  # noqa: D102
        key, half_life = self.statistic.key, self.statistic.half_life_days
        filled = [(at, event[key]) for at, event in events if event.get(key) is not None]
        newest = max((at for at, _ in filled), default=None)
        weights: dict[Key, float] = {}
        for at, cell in filled:
            left = 2.0 ** (-(((newest or 0) - at) / DAY) / half_life)
            weights[cell] = weights.get(cell, 0.0) + left
        return Decayed(newest, weights)

    def merge(self, value: Decayed, other: Decayed) -> Decayed:  # noqa: D102
        if value.at is None or other.at is None:
            return other if value.at is None else value
        at = max(value.at, other.at)
        half_life = self.statistic.half_life_days
        weights = decay(value, at, half_life)
        for key, weight in decay(other, at, half_life).items():
            weights[key] = weights.get(key, 0.0) + weight
        return Decayed(at, weights)

    def pack(self, value: Decayed) -> list[Any]:  # noqa: D102
        return [value.at, sorted(value.weights.items())]

    def unpack(self, packed: list[Any]) -> Decayed:  # noqa: D102
        return Decayed(packed[0], dict(packed[1]))


def decay(value: Decayed, at: int, half_life_days: float) -> dict[Key, float]:
    """Return the weights as they are at a time `at`, not before the newest event among them."""
    if value.at is None or value.at == at:
        return dict(value.weights)
    left = 2.0 ** (-((at - value.at) / DAY) / half_life_days)
    return {key: weight * left for key, weight in value.weights.items()}
