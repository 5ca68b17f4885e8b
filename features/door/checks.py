"""What the door refuses: the first row that is not what the schema says, by name.

Each check reads the staged rows once and raises one error: which file, row and column, what was
expected, what was there, and what to do.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from zoneinfo import available_timezones

from features.door.casts import Family, has_offset_sql
from features.door.hints import expected_of, fix_bound, fix_naive, fix_type
from features.door.local_forms import local_expected
from features.door.staging import POSITION, Staged
from features.engine import Engine
from features.errors import (
    AmbiguousTime,
    DuplicateKey,
    EmptyTable,
    OutOfRange,
    TableError,
    UnknownReference,
    WrongType,
)
from features.schema import ALL, Column, Kind, Products, Regions


@dataclass(frozen=True)
class Flaw:
    """A condition that no row may meet, and what to say of the first that does."""

    column: Column
    condition: str
    error: type[TableError]
    expected: str
    fix: str | None = None


def check_cells(engine: Engine, staged: Staged) -> None:
    """Check every value by itself: there, readable, finite, in bounds, among the choices.

    Raises
    ------
    EmptyTable, WrongType, AmbiguousTime, OutOfRange
        For the first row that has a flaw.
    """
    flaws = [flaw for column in staged.table.columns for flaw in _flaws_of(staged, column)]
    firsts = [
        f"min({POSITION}) FILTER ({flaw.condition}) AS flaw_{i}" for i, flaw in enumerate(flaws)
    ]
    query = f"SELECT count(*), {', '.join(firsts)} FROM {staged.sql}"
    count, *positions = engine.execute(query).fetchall()[0]
    if count == 0:
        raise EmptyTable(
            staged.table.name, staged.labels[0], "", expected="at least one row",
            got="a header and no rows", fix="Check the export or the query that made it.",
        )  # fmt: skip
    found = [(at, flaw) for at, flaw in zip(positions, flaws, strict=True) if at is not None]
    if found:
        raise _refusal(engine, staged, *min(found, key=lambda pair: pair[0]))
    _check_mixed_times(engine, staged)
    for column in staged.table.columns:
        if column.kind is Kind.ZONE and column.name in staged.families:
            _check_zones(engine, staged, column)


def check_keys(engine: Engine, staged: Staged, typed: str) -> None:
    """Check that no two rows of the query `typed` share a key.

    Raises
    ------
    DuplicateKey
        Naming the first row that repeats an earlier one, and that one.
    """
    key = ", ".join(staged.table.key)
    row = engine.execute(
        f"SELECT {key}, min({POSITION}) AS first, min({POSITION}, 2)[2] AS second "
        f"FROM ({typed}) GROUP BY ALL HAVING count(*) > 1 ORDER BY second LIMIT 1"
    ).fetchone()
    if row is None:
        return
    *values, first, second = row
    label, number = staged.place(second)
    first_label, first_number = staged.place(first)
    where = f"row {first_number}" + (f" of {first_label}" if first_label != label else "")
    names = [staged.names.get(name, name) for name in staged.table.key]
    can_sum = staged.table.name == "sales"
    raise DuplicateKey(
        staged.table.name, label, ", ".join(names), row=number,
        expected=f"one row for each {' x '.join(names)}",
        got=f"{', '.join(str(value) for value in values)} again, as in {where}",
        fix='Add them up with on_duplicate = "sum", or drop one.' if can_sum else "Drop one.",
    )  # fmt: skip


def check_references(
    engine: Engine, staged: Staged, typed: str, column: str, table: str, ids: str
) -> None:
    """Check that every id in `column` is in the table expression `ids`.

    Raises
    ------
    UnknownReference
        Naming the first row whose id `table` does not hold, and the nearest that it does.
    """
    target = "region_id" if table == "regions" else f"{table[:-1]}_id"
    row = engine.execute(
        f"SELECT {column}, min({POSITION}) FROM ({typed}) AS rows "
        f"ANTI JOIN {ids} AS known ON rows.{column} = known.{target} "
        f"WHERE {column} IS NOT NULL GROUP BY ALL ORDER BY 2 LIMIT 1"
    ).fetchone()
    if row is None:
        return
    known = [found[0] for found in engine.execute(f"SELECT {target} FROM {ids}").fetchall()]
    near = difflib.get_close_matches(row[0], known, n=1, cutoff=0.0)
    label, number = staged.place(row[1])
    raise UnknownReference(
        staged.table.name, label, staged.names.get(column, column), row=number,
        expected=f"an id that is in {table}", got=f"'{row[0]}'",
        fix=f"Add it to {table}, correct it (nearest: '{near[0]}'), or leave [tables.{table}] "
        f"out of the project file: then {table} is made from what the other tables hold.",
    )  # fmt: skip


def check_plan(engine: Engine, staged: Staged, typed: str) -> None:
    """Check that sales hold something beside the plan: a row with units.

    Raises
    ------
    EmptyTable
        If `units` is empty in every row.
    """
    if engine.execute(f"SELECT count(units) FROM ({typed})").fetchall()[0][0] == 0:
        raise EmptyTable(
            "sales", staged.labels[0], staged.names.get("units", "units"),
            expected="units in some rows", got="only empty values, that is a plan and no history",
            fix="Name the column that holds the quantity sold.",
        )  # fmt: skip


def _flaws_of(staged: Staged, column: Column) -> list[Flaw]:
    family = staged.families.get(column.name)
    if family is None:
        return []
    raw, value = f'"{column.name}"', staged.cast_sql(column)
    zone = staged.settings.naive_time_zone
    expected = local_expected(column, staged.settings) or expected_of(column)
    flaws = [Flaw(column, f"{raw} IS NOT NULL AND ({value}) IS NULL", WrongType, expected)]
    if not column.is_nullable and staged.default_of(column) is None:
        flaws.append(Flaw(column, f"{raw} IS NULL", WrongType, "a value in every row"))
    if column.kind in (Kind.NUMBER, Kind.SIGNAL):
        flaws += _number_flaws(column, value)
    if column.choices:
        choices = ", ".join(f"'{choice}'" for choice in column.choices)
        flaws.append(Flaw(column, f"{value} NOT IN ({choices})", OutOfRange, expected_of(column)))
    if column.kind is Kind.TIMESTAMP and zone is None and family is not Family.INSTANT:
        naive = f"({value}) IS NOT NULL AND NOT {has_offset_sql(staged.plain_sql(column), family)}"
        flaws.append(
            Flaw(
                column,
                naive,
                AmbiguousTime,
                "a timestamp with its offset from UTC",
                fix_naive(staged.table),
            )
        )
    if column.name in (Regions.REGION_ID, Products.PRODUCT_ID):
        flaws.append(
            Flaw(column, f"{value} = '{ALL}'", OutOfRange, f"an id other than '{ALL}'",
                 "That id is kept for the root of every hierarchy; rename this row.")
        )  # fmt: skip
    return flaws


def _number_flaws(column: Column, value: str) -> list[Flaw]:
    flaws = [Flaw(column, f"NOT isfinite({value})", WrongType, "a finite number")]
    low, high = column.minimum, column.maximum
    if low is not None:
        flaws.append(Flaw(column, f"{value} < {low}", OutOfRange, expected_of(column)))
    if high is not None:
        flaws.append(Flaw(column, f"{value} > {high}", OutOfRange, expected_of(column)))
    return flaws


def _refusal(engine: Engine, staged: Staged, position: int, flaw: Flaw) -> TableError:
    name = flaw.column.name
    got = engine.execute(
        f'SELECT CAST("{name}" AS VARCHAR) FROM {staged.sql} WHERE {POSITION} = {position}'
    ).fetchall()[0][0]
    label, row = staged.place(position)
    theirs = staged.names[name]
    if flaw.error is OutOfRange:
        fix = flaw.fix or fix_bound(staged.table, flaw.column, theirs)
    else:
        fix = flaw.fix or fix_type(staged.table, flaw.column, theirs, got)
    return flaw.error(
        staged.table.name, label, theirs, row=row, expected=flaw.expected,
        got="an empty value" if got is None else f"'{got[:80]}'", fix=fix,
    )  # fmt: skip


def _check_mixed_times(engine: Engine, staged: Staged) -> None:
    for column in staged.table.columns:
        family = staged.families.get(column.name)
        if column.kind is not Kind.TIMESTAMP or family is not Family.TEXT:
            continue
        raw = f'"{column.name}"'
        has_offset = has_offset_sql(staged.plain_sql(column), family)
        aware, naive = engine.execute(
            f"SELECT min({POSITION}) FILTER ({has_offset}), "
            f"min({POSITION}) FILTER ({raw} IS NOT NULL AND NOT {has_offset}) FROM {staged.sql}"
        ).fetchall()[0]
        if aware is not None and naive is not None:
            flaw = Flaw(
                column, "", AmbiguousTime, "timestamps all with or all without an offset",
                f"Other rows are {'without' if aware > naive else 'with'} one. "
                "Export the column in one form, or split the rows with sql.",
            )  # fmt: skip
            raise _refusal(engine, staged, max(aware, naive), flaw)


def _check_zones(engine: Engine, staged: Staged, column: Column) -> None:
    rows = engine.execute(
        f'SELECT "{column.name}", min({POSITION}) FROM {staged.sql} '
        f'WHERE "{column.name}" IS NOT NULL GROUP BY ALL ORDER BY 2'
    ).fetchall()
    known = available_timezones()
    for zone, position in rows:
        if zone not in known:
            near = difflib.get_close_matches(zone, known, n=1, cutoff=0.0)[0]
            flaw = Flaw(
                column, "", OutOfRange, "an IANA time zone", f"Correct it; nearest: '{near}'."
            )
            raise _refusal(engine, staged, position, flaw)
