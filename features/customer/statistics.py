"""The statistics behind per-customer features: what adds up over events, in any order.

A condition chooses events; a statistic sums them up per customer. There are four kinds, and every
feature is read from them, so an engine that can build these four can build every feature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, TypeAlias

from features.errors import FeatureError


@dataclass(frozen=True)
class Condition:
    """Which events count: each column holds an allowed value and none of its denied ones.

    An empty cell is no value: an event that has one in a column of the condition never counts.
    """

    allowed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    denied: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return tuple(column for column, _ in self.allowed + self.denied)

    def holds(self, event: Mapping[str, Any]) -> bool:
        """Say whether `event` counts."""
        return all(event.get(column) in values for column, values in self.allowed) and not any(
            event.get(column) is None or event[column] in values for column, values in self.denied
        )


EVERY = Condition()
"""Every event counts."""


def when(**allowed: str | Iterable[str]) -> Condition:
    """Build a condition from columns and the value, or values, that each may hold.

    Raises
    ------
    FeatureError
        If a column is left without any allowed value.

    Examples
    --------
    >>> when(type="order", channel=["web", "app"]).allowed
    (('channel', ('app', 'web')), ('type', ('order',)))
    """
    return Condition(allowed=_sort_values(allowed))


def unless(**denied: str | Iterable[str]) -> Condition:
    """Build a condition from columns and the value, or values, that each may not hold.

    A value that nobody thought of counts: so do the event types that only one source knows.

    Raises
    ------
    FeatureError
        If a column is left without any denied value.

    Examples
    --------
    >>> is_own_act = unless(type=["touch", "open"])
    >>> [is_own_act.holds({"type": kind}) for kind in ("page_view", "open", None)]
    [True, False, False]
    """
    return Condition(denied=_sort_values(denied))


def _sort_values(
    given: Mapping[str, str | Iterable[str]],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    pairs = []
    for column, values in sorted(given.items()):
        chosen = (values,) if isinstance(values, str) else tuple(sorted(set(values)))
        if not chosen:
            raise FeatureError(f"condition on '{column}': expected at least one value, got none.")
        pairs.append((column, chosen))
    return tuple(pairs)


@dataclass(frozen=True)
class Moment:
    """Statistic: when the latest event was, or the first one."""

    where: Condition
    is_first: bool = False


@dataclass(frozen=True)
class Total:
    """Statistic: the number of events, or of filled cells of a column, or the column's sum."""

    where: Condition
    column: str | None = None
    is_sum: bool = False


@dataclass(frozen=True)
class Latest:
    """Statistic: a column's filled value in the latest event; ties go to the highest event id."""

    where: Condition
    column: str


@dataclass(frozen=True)
class Weights:
    """Statistic: per value of `key`, the events, each halved for every half-life since it.

    An infinite half-life counts every event whole.
    """

    where: Condition
    key: str
    half_life_days: float


Statistic: TypeAlias = Moment | Total | Latest | Weights


def window_end(as_of: datetime) -> datetime:
    """Return the midnight that ends the windows of `as_of`, a naive UTC time.

    Examples
    --------
    >>> window_end(datetime(2024, 3, 1)), window_end(datetime(2024, 3, 1, 0, 1))
    (datetime.datetime(2024, 3, 1, 0, 0), datetime.datetime(2024, 3, 2, 0, 0))
    """
    last_instant = as_of - timedelta(microseconds=1)
    return datetime.combine(last_instant.date(), time.min) + timedelta(days=1)


def window_start(as_of: datetime, window_days: int) -> datetime:
    """Return the midnight at which a window of `as_of` begins, a naive UTC time."""
    return window_end(as_of) - timedelta(days=window_days)
