"""Every difference between SQL engines that features meet, behind a few methods.

`features.customer.query` and `features.customer.activity` write ANSI SQL and ask the dialect for
the rest: what is here differs silently between engines (whether `date_diff` counts boundaries,
whether a literal is a double or a decimal, what breaks a tie, how a time zone is applied) or has no
ANSI form.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from features.schema import Kind


class Dialect(Protocol):
    """What an engine offers beyond ANSI SQL; expressions go in and come out as SQL text."""

    def table(self, path: Path) -> str:
        """Return the relation that a Parquet file holds."""
        ...

    def timestamp(self, value: datetime) -> str:
        """Return a literal TIMESTAMP in UTC, without zone, exact to the microsecond."""
        ...

    def empty(self, kind: Kind) -> str:
        """Return an empty value of a column of that kind."""
        ...

    def number(self, expression: str) -> str:
        """Return `expression` as a double."""
        ...

    def days_between(self, earlier: str, later: str) -> str:
        """Return the days from one timestamp to another with their fraction, a double."""
        ...

    def local_slot(self, timestamp: str, time_zone: str) -> str:
        """Return the hour of the local week, 0 = Monday 00:00, at a UTC timestamp."""
        ...

    def latest(self, value: str, timestamp: str, event_id: str) -> str:
        """Return an aggregate: `value` in the latest row, ties to the highest event id."""
        ...

    def mark(self, position: str) -> str:
        """Return an aggregate: a 64-bit mask of the positions seen; an empty one marks nothing."""
        ...

    def count_marks(self, mask: str, first: int) -> str:
        """Return how many of the first positions are marked; 0 where the mask is empty."""
        ...

    def pairs(self, key: str, kind: Kind, weight: str) -> str:
        """Return an aggregate: a list of structs (key, weight: double), sorted by key."""
        ...

    def pairs_or_none(self, pairs: str) -> str:
        """Return `pairs`, or the list without any where it is empty."""
        ...


class DuckDB:
    """DuckDB 2, on a connection of `features.engine`."""

    def table(self, path: Path) -> str:  # noqa: D102
        return f"read_parquet({quote(str(path))})"

    def timestamp(self, value: datetime) -> str:  # noqa: D102
        return f"TIMESTAMP '{to_utc(value).isoformat(sep=' ', timespec='microseconds')}'"

    def empty(self, kind: Kind) -> str:  # noqa: D102
        return f"CAST(NULL AS {_TYPES[kind]})"

    def number(self, expression: str) -> str:  # noqa: D102
        return f"CAST({expression} AS DOUBLE)"

    def days_between(self, earlier: str, later: str) -> str:  # noqa: D102
        return f"CAST(epoch_us({later}) - epoch_us({earlier}) AS DOUBLE) / 86400000000"

    def local_slot(self, timestamp: str, time_zone: str) -> str:  # noqa: D102
        local = f"timezone({time_zone}, timezone('UTC', {timestamp}))"
        return f"CAST(24 * (isodow({local}) - 1) + hour({local}) AS INTEGER)"

    def latest(self, value: str, timestamp: str, event_id: str) -> str:  # noqa: D102
        return f"arg_max({value}, row({timestamp}, {event_id}))"

    def mark(self, position: str) -> str:  # noqa: D102
        # a filter does not keep the engine from shifting the rows it drops, which must not fail
        within = f"least(greatest(CAST({position} AS INTEGER), 0), 62)"
        return f"bit_or(CAST(1 AS BIGINT) << {within})"

    def count_marks(self, mask: str, first: int) -> str:  # noqa: D102
        return f"coalesce(bit_count({mask} & {2**first - 1}), 0)"

    def pairs(self, key: str, kind: Kind, weight: str) -> str:  # noqa: D102
        # two plain lists, zipped, fill in half the time of one list of structs; both aggregates
        # see the same rows in the same order
        zipped = f"list_sort(list_zip(list({key}), list({weight})))"
        return f"CAST({zipped} AS STRUCT({key} {_TYPES[kind]}, weight DOUBLE)[])"

    def pairs_or_none(self, pairs: str) -> str:  # noqa: D102
        return f"coalesce({pairs}, [])"


_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.INTEGER: "INTEGER",
    Kind.NUMBER: "DOUBLE",
    Kind.TIMESTAMP: "TIMESTAMP",
}


def quote(text: str) -> str:
    """Return `text` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def to_utc(value: datetime) -> datetime:
    """Return `value` in UTC without its zone; one without a zone is taken as UTC."""
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
