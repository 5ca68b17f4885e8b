"""What a per-customer feature is: declared once here, read elsewhere.

A declaration is data. `features.customer.query` reads it as SQL and `features.customer.fold` as a
small state that one event updates; tests hold the two equal. Both go through the few additive
statistics of `features.customer.statistics`: that they add up is why the fold exists at all.

Windows. A window of `w` days as of a cut-off T holds the events before T that fall on the `w` UTC
calendar days ending with the day of the last instant before T. These are whole days, so daily
totals answer any window; and whole weeks where T is a midnight and `w` a multiple of 7. Without
windows a feature reads all history.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from features.customer.activity import COLUMNS
from features.customer.statistics import EVERY, Condition, Latest, Moment, Statistic, Total, Weights
from features.errors import FeatureError, UnknownName
from features.schema import Customers, Kind

Shape: TypeAlias = Literal["number", "text", "histogram"]

MAX_WEEKS = 62
"""Longest window of `Weeks`: its weeks are bits of one signed 64-bit integer."""

_TAKEN = frozenset(COLUMNS) | {Customers.TIME_ZONE_SOURCE, Customers.CONSENT}


@dataclass(frozen=True)
class Feature:
    """What all features have: a name, the columns they make and the statistics they read."""

    name: str
    shape: ClassVar[Shape] = "number"

    @property
    def windows(self) -> tuple[int | None, ...]:
        """The windows in days, one column each; None stands for all history."""
        return (None,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it makes: `name`, or `name_7d` for a window of 7 days."""
        return tuple(self.name if w is None else f"{self.name}_{w}d" for w in self.windows)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics it reads."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Windowed(Feature):
    windows_days: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    def windows(self) -> tuple[int | None, ...]:
        return self.windows_days or (None,)


@dataclass(frozen=True)
class Recency(Feature):
    """Days since the latest event, with their fraction; empty when there was none."""

    where: Condition = EVERY

    @property
    def statistics(self) -> tuple[Moment]:
        """When the latest event was."""
        return (Moment(self.where),)


@dataclass(frozen=True)
class Tenure(Recency):
    """Days since the first event, with their fraction; empty when there was none."""

    @property
    def statistics(self) -> tuple[Moment]:
        """When the first event was."""
        return (Moment(self.where, is_first=True),)


@dataclass(frozen=True)
class Count(_Windowed):
    """How many events; with `column`, how many of them have it filled."""

    where: Condition = EVERY
    column: str | None = None

    @property
    def statistics(self) -> tuple[Total]:
        """The count, per day."""
        return (Total(self.where, self.column),)


@dataclass(frozen=True)
class Sum(_Windowed):
    """The sum of `column`; 0 when there is nothing to add."""

    column: str
    where: Condition = EVERY

    @property
    def statistics(self) -> tuple[Total]:
        """The sum, per day."""
        return (Total(self.where, self.column, is_sum=True),)


@dataclass(frozen=True)
class Share(_Windowed):
    """One count or sum over another in the same window; empty when that other is 0."""

    numerator: Count | Sum
    denominator: Count | Sum

    @property
    def statistics(self) -> tuple[Total, Total]:
        """The numerator's and the denominator's."""
        return self.numerator.statistics + self.denominator.statistics


@dataclass(frozen=True)
class Weeks(_Windowed):
    """In how many weeks of the window there was an event; weeks are counted back from its end."""

    where: Condition = EVERY

    @property
    def statistics(self) -> tuple[Total]:
        """The count per day: one above 0 marks its week."""
        return (Total(self.where),)


@dataclass(frozen=True)
class Last(Feature):
    """The filled value of `column` in the latest event; ties go to the highest event id."""

    column: str
    where: Condition = EVERY
    shape: ClassVar[Shape] = "text"

    @property
    def statistics(self) -> tuple[Latest]:
        """The last value."""
        return (Latest(self.where, self.column),)


@dataclass(frozen=True)
class Histogram(Feature):
    """Decayed number of events per value of `key`: a sparse list, sorted by key; never empty keys.

    An event `d` days before the cut-off weighs 2 ** (-d / half_life_days); with an infinite
    half-life every event weighs 1.
    """

    key: str
    half_life_days: float
    where: Condition = EVERY
    shape: ClassVar[Shape] = "histogram"

    @property
    def statistics(self) -> tuple[Weights]:
        """The weights by key."""
        return (Weights(self.where, self.key, self.half_life_days),)


@dataclass(frozen=True)
class Weight(Feature):
    """The decayed number of events in a whole histogram; 0 when there was none."""

    histogram: Histogram

    @property
    def statistics(self) -> tuple[Weights]:
        """The histogram's."""
        return self.histogram.statistics


@dataclass(frozen=True)
class FeatureSet:
    """Features that are built together, checked when they are declared.

    Raises
    ------
    FeatureError
        If a name, window or half-life cannot be, or two features make the same column.
    UnknownName
        If a feature reads a column that the activity stream does not have.
    """

    name: str
    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        _check(self)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, in the order of declaration."""
        return tuple(column for feature in self.features for column in feature.columns)

    def of_shape(self, shape: Shape) -> tuple[str, ...]:
        """Return the columns of one shape: 'number', 'text' or 'histogram'."""
        return tuple(
            c for feature in self.features if feature.shape == shape for c in feature.columns
        )

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Every statistic the features read, each once."""
        return tuple(dict.fromkeys(s for feature in self.features for s in feature.statistics))


def _check(feature_set: FeatureSet) -> None:
    columns = Counter((*_TAKEN, *feature_set.columns))
    repeated = [column for column in feature_set.columns if columns[column] > 1]
    if repeated:
        raise FeatureError(
            f"feature set '{feature_set.name}': expected columns with names of their own, got "
            f"'{repeated[0]}', which is there already. Rename the feature."
        )
    for feature in feature_set.features:
        _check_name(feature.name)
        _check_windows(feature)
        for statistic in feature.statistics:
            _check_statistic(feature.name, statistic)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise FeatureError(
            f"feature '{name}': expected a name of lower-case letters, digits and '_' that starts "
            "with a letter. Rename it."
        )


def _check_windows(feature: Feature) -> None:
    windows = [window for window in feature.windows if window is not None]
    if any(window < 1 for window in windows):
        raise FeatureError(
            f"feature '{feature.name}': expected windows of at least 1 day, got {windows}."
        )
    if isinstance(feature, Weeks):
        fits = [window % 7 == 0 and window <= 7 * MAX_WEEKS for window in windows]
        if not fits or not all(fits):
            raise FeatureError(
                f"feature '{feature.name}': expected windows of whole weeks up to "
                f"{7 * MAX_WEEKS} days, got {windows or 'none'}. Use multiples of 7."
            )


def _check_statistic(name: str, statistic: Statistic) -> None:
    for column in statistic.where.columns:
        _check_column(name, column, Kind.TEXT)
    match statistic:
        case Total(column=str(column)):
            _check_column(name, column, Kind.NUMBER if statistic.is_sum else None)
        case Latest(column=column):
            _check_column(name, column, Kind.TEXT)
        case Weights(key=key, half_life_days=half_life):
            _check_column(name, key, None)
            if not half_life > 0:
                raise FeatureError(
                    f"feature '{name}': expected a half-life of more than 0 days, got {half_life}."
                )


def _check_column(name: str, column: str, kind: Kind | None) -> None:
    if column not in COLUMNS:
        raise UnknownName("activity column", column, COLUMNS)
    if kind is not None and COLUMNS[column] is not kind:
        raise FeatureError(
            f"feature '{name}': expected a {kind} column of the activity, got '{column}', "
            f"which holds a {COLUMNS[column]}."
        )
