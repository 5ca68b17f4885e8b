"""The fold reading of a feature set: a small state per customer that one event updates.

Events may come in any order, and late; the states of one customer merge; and what is read equals
what `features.customer.query` builds from the same events. That holds because a state keeps only
what adds up (`features.customer.fold_parts`), not because it is kept in step.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from features.customer.activity import Activity
from features.customer.declare import (
    Count,
    Feature,
    FeatureSet,
    Histogram,
    Last,
    Recency,
    Share,
    Sum,
    Tenure,
    Weeks,
    Weight,
)
from features.customer.dialect import to_utc
from features.customer.fold_parts import (
    DAY,
    Event,
    LatestPart,
    MomentPart,
    Part,
    TotalPart,
    Totals,
    WeightsPart,
    decay,
    to_microseconds,
)
from features.customer.statistics import (
    Latest,
    Moment,
    Statistic,
    Total,
    Weights,
    window_end,
    window_start,
)
from features.errors import FeatureError

Reading: TypeAlias = float | str | list[dict[str, Any]] | None
"""A feature's value: a number, a text, the pairs of a histogram; None is empty."""


@dataclass(frozen=True)
class State:
    """What is kept of one customer; made and read by the `Fold` of one feature set."""

    newest: int | None
    parts: tuple[Any, ...]


class Fold:
    """A feature set as a fold over events.

    Parameters
    ----------
    features : FeatureSet
        What to read; a state belongs to this declaration and no other.

    Examples
    --------
    >>> from features.customer.activity import enrich
    >>> fold = Fold(FeatureSet("example", (Count("orders", windows_days=(7,)),)))
    >>> order = {"event_id": "1", "customer_id": "a", "occurred_at": datetime(2024, 3, 1, 9)}
    >>> state = fold.add(fold.zero(), enrich(order, time_zone="Europe/Berlin"))
    >>> fold.read(state, datetime(2024, 3, 8)), fold.read(state, datetime(2024, 3, 9))
    ({'orders_7d': 1.0}, {'orders_7d': 0.0})
    """

    def __init__(self, features: FeatureSet) -> None:
        self.features = features
        self._parts = _build_parts(features)
        self._digest = hashlib.sha256(repr(self._parts).encode()).hexdigest()[:16]

    def zero(self) -> State:
        """Return the state of a customer without events."""
        return State(None, tuple(part.zero for part in self._parts.values()))

    def add(self, state: State, event: Event) -> State:
        """Return `state` with one more event, as `features.customer.activity.enrich` makes it."""
        at = to_microseconds(event[Activity.OCCURRED_AT])
        parts = tuple(
            part.add(value, at, event) if statistic.where.holds(event) else value
            for (statistic, part), value in zip(self._parts.items(), state.parts, strict=True)
        )
        return State(at if state.newest is None else max(at, state.newest), parts)

    def collect(self, events: Sequence[Event]) -> State:
        """Return the state of many events at once, as adding them one by one would make it."""
        timed = [(to_microseconds(event[Activity.OCCURRED_AT]), event) for event in events]
        parts = tuple(
            part.collect([one for one in timed if statistic.where.holds(one[1])])
            for statistic, part in self._parts.items()
        )
        return State(max((at for at, _ in timed), default=None), parts)

    def merge(self, state: State, other: State) -> State:
        """Return the state of the events of both, which must not share any."""
        times = [time for time in (state.newest, other.newest) if time is not None]
        parts = zip(self._parts.values(), state.parts, other.parts, strict=True)
        return State(max(times, default=None), tuple(p.merge(a, b) for p, a, b in parts))

    def read(self, state: State, as_of: datetime) -> dict[str, Reading]:
        """Read every column of the feature set as of a cut-off after the newest event.

        Raises
        ------
        FeatureError
            If `as_of` is not after every event of the state: what was known earlier is gone.
        """
        as_of = to_utc(as_of)
        if state.newest is not None and to_microseconds(as_of) <= state.newest:
            raise FeatureError(
                f"feature set '{self.features.name}': expected a cut-off after the newest event, "
                f"got {as_of} UTC. A state cannot look back; read it as of a later time."
            )
        view = _View(dict(zip(self._parts, state.parts, strict=True)), as_of)
        return {
            column: _READ[type(feature)](view, feature, window)
            for feature in self.features.features
            for column, window in zip(feature.columns, feature.windows, strict=True)
        }

    def to_json(self, state: State) -> str:
        """Write `state` as JSON text."""
        packed = [p.pack(value) for p, value in zip(self._parts.values(), state.parts, strict=True)]
        return json.dumps({"of": self._digest, "newest": state.newest, "parts": packed})

    def from_json(self, text: str) -> State:
        """Read what `to_json` wrote.

        Raises
        ------
        FeatureError
            If the state was made for features that were declared otherwise.
        """
        saved = json.loads(text)
        if saved["of"] != self._digest:
            raise FeatureError(
                f"feature set '{self.features.name}': expected a state of {self._digest}, got one "
                f"of {saved['of']}. The features were declared otherwise then: build the states "
                "again from the events."
            )
        parts = zip(self._parts.values(), saved["parts"], strict=True)
        return State(saved["newest"], tuple(part.unpack(value) for part, value in parts))


def _build_parts(features: FeatureSet) -> dict[Statistic, Part]:
    horizons: dict[Statistic, int] = defaultdict(int)
    for feature in features.features:
        for statistic in feature.statistics:
            horizons[statistic] = max(horizons[statistic], *(w or 0 for w in feature.windows))
    return {statistic: _build_part(statistic, days) for statistic, days in horizons.items()}


def _build_part(statistic: Statistic, horizon_days: int) -> Part:
    match statistic:
        case Moment():
            return MomentPart(statistic)
        case Total():
            return TotalPart(statistic, horizon_days)
        case Latest():
            return LatestPart(statistic)
        case Weights():
            return WeightsPart(statistic)


@dataclass(frozen=True)
class _View:
    values: dict[Statistic, Any]
    as_of: datetime

    def total(self, total: Total, window: int | None) -> float:
        totals: Totals = self.values[total]
        if window is None:
            return totals.ever
        first = to_microseconds(window_start(self.as_of, window)) // DAY
        return sum((totals.days[day] for day in sorted(totals.days) if day >= first), 0.0)

    def weights(self, weights: Weights) -> list[tuple[Any, float]]:
        at = to_microseconds(self.as_of)
        return sorted(decay(self.values[weights], at, weights.half_life_days).items())


def _read_moment(view: _View, feature: Recency, _: int | None) -> float | None:
    at = view.values[feature.statistics[0]]
    return None if at is None else (to_microseconds(view.as_of) - at) / DAY


def _read_total(view: _View, feature: Count | Sum, window: int | None) -> float:
    return view.total(feature.statistics[0], window)


def _read_share(view: _View, feature: Share, window: int | None) -> float | None:
    numerator, denominator = (view.total(total, window) for total in feature.statistics)
    return numerator / denominator if denominator else None


def _read_weeks(view: _View, feature: Weeks, window: int | None) -> float:
    last_day = to_microseconds(window_end(view.as_of)) // DAY - 1
    ages = {(last_day - day) // 7 for day in view.values[feature.statistics[0]].days}
    return float(sum(age < (window or 0) // 7 for age in ages))


def _read_last(view: _View, feature: Last, _: int | None) -> str | None:
    latest = view.values[feature.statistics[0]]
    return None if latest is None else latest[2]


def _read_pairs(view: _View, feature: Histogram, _: int | None) -> list[dict[str, Any]]:
    pairs = view.weights(feature.statistics[0])
    return [{feature.key: key, "weight": weight} for key, weight in pairs]


def _read_weight(view: _View, feature: Weight, _: int | None) -> float:
    return sum((weight for _, weight in view.weights(feature.statistics[0])), 0.0)


_READ: dict[type[Feature], Callable[[_View, Any, int | None], Reading]] = {
    Recency: _read_moment,
    Tenure: _read_moment,
    Count: _read_total,
    Sum: _read_total,
    Share: _read_share,
    Weeks: _read_weeks,
    Last: _read_last,
    Histogram: _read_pairs,
    Weight: _read_weight,
}
