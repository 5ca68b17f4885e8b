"""The SQL reading of a feature set: one query per cut-off over the activity before it.

One pass over the activity finds the customers and sums up their statistics, each once however many
features read it; each histogram adds a pass that groups by its key. Every column is then one
expression over these. ANSI SQL, but for the words of the dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from features.customer.activity import COLUMNS, FILLED, Activity
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
from features.customer.dialect import Dialect, quote, to_utc
from features.customer.statistics import EVERY, Condition, Total, Weights, window_end, window_start

Stream = Callable[[Collection[str]], str]
"""Writes the query that yields the given columns of the activity."""


def build_query(features: FeatureSet, as_of: datetime, stream: Stream, dialect: Dialect) -> str:
    """Write the query that builds `features` as of a cut-off.

    Parameters
    ----------
    features : FeatureSet
        What to build.
    as_of : datetime
        The cut-off, in UTC or with a zone; only events strictly before it are read.
    stream : callable
        Writes the query that yields the given columns of the activity, one row per event, such
        as `features.customer.activity.build_stream`.
    dialect : Dialect
        The engine's own words.

    Returns
    -------
    str
        A query with one row per customer who has an event before `as_of`: `customer_id`, then
        `features.columns` in their order. Counts and sums of nothing are 0, histograms of nothing
        an empty list, everything else of nothing is empty.
    """
    query = _Query(to_utc(as_of), stream, dialect)
    columns = ["totals.customer_id"]
    for feature in features.features:
        for name, window in zip(feature.columns, feature.windows, strict=True):
            columns.append(f"{_READ[type(feature)](query, feature, window)} AS {name}")
    parts = [
        "SELECT\n  " + ",\n  ".join(columns),
        f"FROM (\n{query.write_totals()}\n) AS totals",
        *(
            f"LEFT JOIN (\n{query.write_histogram(weights)}\n) AS {name} "
            f"ON {name}.customer_id = totals.customer_id"
            for weights, name in query.histograms.items()
        ),
    ]
    return "\n".join(parts)


class _Query:
    """What reading some features asks for: aggregates and histograms, each once."""

    def __init__(self, as_of: datetime, stream: Stream, dialect: Dialect) -> None:
        self.as_of, self.stream, self.dialect = as_of, stream, dialect
        self.now = dialect.timestamp(as_of)
        self.aggregates: dict[str, str] = {}
        self.columns: set[str] = set()
        self.histograms: dict[Weights, str] = {}

    def aggregate(
        self, function: str, where: Condition, *filled: str, since: datetime | None = None
    ) -> str:
        """Return the column that holds `function` over the events that count, from `since` on."""
        tests = write_tests(where) + [f"{column} IS NOT NULL" for column in filled]
        if since is not None:
            tests.append(f"occurred_at >= {self.dialect.timestamp(since)}")
        self.columns |= {*filled, *where.columns}
        text = function + (f" FILTER (WHERE {' AND '.join(tests)})" if tests else "")
        return f"totals.{self.aggregates.setdefault(text, f'a{len(self.aggregates)}')}"

    def histogram(self, weights: Weights) -> str:
        """Return the name of the join that holds the histogram."""
        return self.histograms.setdefault(weights, f"h{len(self.histograms)}")

    def total(self, total: Total, window: int | None) -> str:
        """Return a count or sum within a window, never empty."""
        since = None if window is None else window_start(self.as_of, window)
        columns = () if total.column is None else (total.column,)
        function = f"SUM({total.column})" if total.is_sum else "COUNT(*)"
        return self.dialect.number(
            f"COALESCE({self.aggregate(function, total.where, *columns, since=since)}, 0)"
        )

    def write_totals(self) -> str:
        """Write the pass that finds and sums up every customer."""
        selected = [f"{text} AS {name}" for text, name in self.aggregates.items()]
        return (
            "SELECT " + ",\n  ".join([Activity.CUSTOMER_ID, *selected]) + "\n"
            f"FROM {self._write_rows(self.columns, EVERY)}\nGROUP BY customer_id"
        )

    def write_histogram(self, weights: Weights) -> str:
        """Write the pass that makes one histogram: its list of pairs and their total."""
        key, number = weights.key, self.dialect.number
        rows = self._write_rows({key}, weights.where, filled={key} - FILLED)
        days = self.dialect.days_between(Activity.OCCURRED_AT, self.now)
        weight = f"POWER({number('2')}, -({days}) / {number(quote(repr(weights.half_life_days)))})"
        return (
            f"SELECT customer_id, {self.dialect.pairs(key, COLUMNS[key], 'weight')} AS pairs, "
            "SUM(weight) AS weight\n"
            f"FROM (\nSELECT customer_id, {key}, SUM({weight}) AS weight\n"
            f"FROM {rows}\nGROUP BY customer_id, {key}\n) AS weights\nGROUP BY customer_id"
        )

    def _write_rows(
        self, columns: Collection[str], where: Condition, *, filled: Collection[str] = ()
    ) -> str:
        """Write the events before the cut-off that pass `where`."""
        wanted = {Activity.CUSTOMER_ID, Activity.OCCURRED_AT, *columns, *where.columns}
        tests = [f"occurred_at < {self.now}", *write_tests(where)]
        tests += [f"{column} IS NOT NULL" for column in filled]
        stream = self.stream(sorted(wanted))
        return f"(\n{stream}\n) AS activity\nWHERE {' AND '.join(tests)}"


def write_tests(where: Condition) -> list[str]:
    """Write what makes an event count, as expressions that must all be true."""
    # NOT IN of an empty cell is empty, so not true: as the condition wants it
    return [
        f"{column} {test} ({', '.join(quote(value) for value in values)})"
        for test, pairs in (("IN", where.allowed), ("NOT IN", where.denied))
        for column, values in pairs
    ]


def _read_moment(query: _Query, feature: Recency, _: int | None) -> str:
    (moment,) = feature.statistics
    function = "MIN" if moment.is_first else "MAX"
    found = query.aggregate(f"{function}(occurred_at)", moment.where)
    return query.dialect.days_between(found, query.now)


def _read_total(query: _Query, feature: Count | Sum, window: int | None) -> str:
    (total,) = feature.statistics
    return query.total(total, window)


def _read_share(query: _Query, feature: Share, window: int | None) -> str:
    numerator, denominator = (query.total(total, window) for total in feature.statistics)
    return f"{numerator} / NULLIF({denominator}, 0)"


def _read_weeks(query: _Query, feature: Weeks, window: int | None) -> str:
    (total,) = feature.statistics
    last_instant = query.dialect.timestamp(window_end(query.as_of) - timedelta(microseconds=1))
    age_weeks = f"FLOOR({query.dialect.days_between('occurred_at', last_instant)} / 7)"
    since = window_start(query.as_of, max(feature.windows_days))
    marks = query.aggregate(query.dialect.mark(age_weeks), total.where, since=since)
    return query.dialect.number(query.dialect.count_marks(marks, (window or 0) // 7))


def _read_last(query: _Query, feature: Last, _: int | None) -> str:
    (latest,) = feature.statistics
    query.columns.add(Activity.EVENT_ID)
    value = query.dialect.latest(latest.column, Activity.OCCURRED_AT, Activity.EVENT_ID)
    return query.aggregate(value, latest.where, latest.column)


def _read_pairs(query: _Query, feature: Histogram, _: int | None) -> str:
    (weights,) = feature.statistics
    return query.dialect.pairs_or_none(f"{query.histogram(weights)}.pairs")


def _read_weight(query: _Query, feature: Weight, _: int | None) -> str:
    (weights,) = feature.statistics
    return query.dialect.number(f"COALESCE({query.histogram(weights)}.weight, 0)")


_READ: dict[type[Feature], Callable[[_Query, Any, int | None], str]] = {
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
