"""What to tell a user whose value was refused: expected, and the one thing to do about it."""

from __future__ import annotations

import re

from features.schema import Column, Kind, Sales, Table

_MISSING_WORDS = {"na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", "#n/a"}
_EXPECTED = {
    Kind.TEXT: "text",
    Kind.ZONE: "an IANA time zone",
    Kind.INTEGER: "a whole number",
    Kind.NUMBER: "a number with a decimal point",
    Kind.BOOLEAN: "true or false (also yes/no, 1/0)",
    Kind.DATE: "a date without a time, as 2024-01-31",
    Kind.TIMESTAMP: "a timestamp as 2024-01-31T18:30:00",
}


def expected_of(column: Column) -> str:
    """Return what `column` wants, in words."""
    if column.choices:
        return f"one of {', '.join(column.choices)}"
    low, high = column.minimum, column.maximum
    if low is not None and high is not None:
        return f"a number from {low:g} to {high:g}"
    if low is not None:
        return f"a number >= {low:g}"
    return _EXPECTED[column.kind]


def fix_bound(table: Table, column: Column, theirs: str) -> str:
    """Return what to do about a value that is readable and out of range."""
    if (table.name, column.name) == ("sales", Sales.UNITS):
        return (
            "Returns are not negative demand: keep them in a column of their own, and leave them "
            "out here. " + _by_query(f"greatest(CAST({theirs} AS DOUBLE), 0) AS {theirs}")
        )
    if column.choices:
        return "Translate yours. " + _by_query(
            f"CASE {theirs} WHEN 'newsletter' THEN 'email' ELSE {theirs} END AS {theirs}"
        )
    return "Correct it, or leave the cell empty if it is not known."


def fix_type(table: Table, column: Column, theirs: str, got: str | None) -> str:
    """Return what to do about a value that cannot be read, by what it looks like."""
    if got is None:
        return (
            f"Fill it, drop the row, or state what an empty one means in [tables.{table.name}]: "
            f'defaults = {{ {column.name} = "..." }}.'
        )
    if got.strip().lower() in _MISSING_WORDS:
        return "Leave the cell empty. " + _by_query(f"nullif({theirs}, '{got}') AS {theirs}")
    if column.kind is Kind.NUMBER:
        return _fix_number(theirs, got)
    if column.kind is Kind.DATE:
        return _fix_date(theirs, got)
    if column.kind is Kind.TIMESTAMP:
        return _fix_timestamp(table, theirs, got)
    return "Correct it, or map another column."


def _fix_number(theirs: str, got: str) -> str:
    if re.fullmatch(r"[+-]?[\d. ]+,\d+", got) and not re.fullmatch(r"\d{1,3}(,\d{3})+", got):
        return "That is a decimal comma. " + _by_query(
            f"replace(replace({theirs}, '.', ''), ',', '.') AS {theirs}"
        )
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", got):
        return "Those are thousands separators. " + _by_query(
            f"replace({theirs}, ',', '') AS {theirs}"
        )
    return "Correct it, leave the cell empty, or map another column."


def _fix_date(theirs: str, got: str) -> str:
    if re.match(r"\d{4}-\d{2}-\d{2}[T ]", got):
        return "It holds a time of day. " + _by_query(
            f"left({theirs}, 10) AS {theirs}", 'and on_duplicate = "sum" if days repeat'
        )
    pattern = _date_pattern(got)
    return "Say how yours is written. " + _by_query(
        f"CAST(strptime({theirs}, '{pattern}') AS DATE) AS {theirs}"
    )


def _fix_timestamp(table: Table, theirs: str, got: str) -> str:
    if re.match(r"\d{4}-\d{2}-\d{2}(?!\d)", got):
        return (
            "Say where its clock hangs, with an IANA name in "
            f'[tables.{table.name}]: naive_time_zone = "Europe/Paris".'
        )
    if re.fullmatch(r"\d{9,10}(\.\d+)?", got):
        return "Those are seconds since 1970. " + _by_query(
            f"to_timestamp(CAST({theirs} AS DOUBLE)) AS {theirs}"
        )
    if re.fullmatch(r"\d{13}", got):
        return "Those are milliseconds since 1970. " + _by_query(
            f"to_timestamp(CAST({theirs} AS DOUBLE) / 1000) AS {theirs}"
        )
    clock = " %H:%M:%S" if got.count(":") == 2 else " %H:%M" if ":" in got else ""
    return "Say how yours is written. " + _by_query(
        f"strptime({theirs}, '{_date_pattern(got)}{clock}') AS {theirs}"
    )


def _date_pattern(got: str) -> str:
    parts = re.match(r"(\d{1,4})([/.\- ])(\d{1,2})\2(\d{2,4})", got)
    if parts is None:
        return "%d/%m/%Y"
    mark, year = parts[2], "%Y" if len(parts[4]) == 4 else "%y"
    if len(parts[1]) == 4:
        return f"%Y{mark}%m{mark}%d"
    # 12/31/2024 can only be month first; else day first, as most of the world writes it.
    first, second = ("%m", "%d") if int(parts[3]) > 12 else ("%d", "%m")
    return f"{first}{mark}{second}{mark}{year}"


def _by_query(expression: str, also: str = "") -> str:
    return (
        'With [sources] mine = "your file", put instead of path: '
        f'sql = "SELECT * REPLACE ({expression}) FROM mine"{" " + also if also else ""}.'
    )
