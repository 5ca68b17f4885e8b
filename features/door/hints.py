"""What to tell a user whose value was refused: what was expected, and one thing to do about it.

Where a value needs to be rewritten, the advice is the query that does it.
"""

from __future__ import annotations

import re

from features.door.staging import quote_name
from features.schema import Column, Kind, Sales, Table

_MISSING_WORDS = {"na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", "#n/a"}
_EXPECTED = {
    Kind.TEXT: "text",
    Kind.ZONE: "an IANA time zone",
    Kind.INTEGER: "a whole number",
    Kind.NUMBER: "a number with a decimal point",
    Kind.SIGNAL: "a number, or true or false",
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
    name = _quoted(theirs)
    if (table.name, column.name) == ("sales", Sales.UNITS):
        return (
            "Returns are not negative demand: to keep them in a column of their own, put "
            'returns = "separate" in [tables.sales]; or leave them out. '
            + _by_query(f"greatest(CAST({name} AS DOUBLE), 0)", theirs)
        )
    if column.choices:
        return "Translate yours. " + _by_query(
            f"CASE {name} WHEN 'newsletter' THEN 'email' ELSE {name} END", theirs
        )
    return "Correct it, or leave the cell empty if it is not known."


def fix_type(table: Table, column: Column, theirs: str, got: str | None) -> str:
    """Return what to do about a value that cannot be read, by what it looks like."""
    name = _quoted(theirs)
    if got is None:
        present = f"trim(CAST({name} AS VARCHAR)) <> ''"
        default = f'defaults = {{ {column.name} = "..." }}'
        return (
            f"Fill it, state what an empty one means in [tables.{table.name}]: {default}, "
            f"or drop such rows. {_query('*', present)}"
        )
    if got.strip().lower() in _MISSING_WORDS:
        return "Leave the cell empty. " + _by_query(f"nullif({name}, '{got}')", theirs)
    if column.kind in (Kind.NUMBER, Kind.SIGNAL):
        return _fix_number(table, theirs, got)
    if column.kind is Kind.DATE:
        return _fix_date(table, theirs, got)
    if column.kind is Kind.TIMESTAMP:
        return _fix_timestamp(table, theirs, got)
    return "Correct it, or map another column."


def fix_naive(table: Table) -> str:
    """Return what to do about timestamps that do not say how far from UTC they are."""
    return (
        "Say where its clock hangs, with an IANA name in "
        f'[tables.{table.name}]: naive_time_zone = "Europe/Paris".'
    )


def _fix_number(table: Table, theirs: str, got: str) -> str:
    name = _quoted(theirs)
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", got):
        return "If those are thousands separators: " + _by_query(
            f"replace({name}, ',', '')", theirs
        )
    if re.fullmatch(r"[+-]?[\d. ]+,\d+", got):
        return f'That is a decimal comma: put decimal = "," in [tables.{table.name}].'
    return "Correct it, leave the cell empty, or map another column."


def _fix_date(table: Table, theirs: str, got: str) -> str:
    name = _quoted(theirs)
    if re.match(r"\d{4}-\d{2}-\d{2}[T ]", got):
        return (
            'It holds a time of day; with it gone, on_duplicate = "sum" adds up each day. '
            + _by_query(f"left(CAST({name} AS VARCHAR), 10)", theirs)
        )
    if not re.search(r"\d[/.\- ]\d", got):
        return "Map a column that holds dates, or make one of this in a query."
    return _say_format(table, got)


def _fix_timestamp(table: Table, theirs: str, got: str) -> str:
    name = _quoted(theirs)
    if re.fullmatch(r"\d{9,10}(\.\d+)?", got):
        return "Those are seconds since 1970. " + _by_query(
            f"to_timestamp(CAST({name} AS DOUBLE))", theirs
        )
    if re.fullmatch(r"\d{12,13}", got):
        return "Those are milliseconds since 1970. " + _by_query(
            f"to_timestamp(CAST({name} AS DOUBLE) / 1000)", theirs
        )
    if not re.search(r"\d[/.\- ]\d", got):
        return "Map a column that holds times, or make one of this in a query."
    return _say_format(table, got)


def _say_format(table: Table, got: str) -> str:
    return (
        f'Say how yours is written, in [tables.{table.name}]: date_format = "{_date_pattern(got)}".'
    )


def _date_pattern(got: str) -> str:
    parts = re.match(r"(\d{1,4})([/.\- ])(\d{1,2})\2(\d{1,4})", got)
    if parts is None:
        return "%d/%m/%Y"
    mark, year = parts[2], "%Y" if len(parts[4]) == 4 else "%y"
    if len(parts[1]) == 4:
        return f"%Y{mark}%m{mark}%d"
    # 12/31/2024 can only be month first; else day first, as most of the world writes it.
    first, second = ("%m", "%d") if int(parts[3]) > 12 else ("%d", "%m")
    return f"{first}{mark}{second}{mark}{year}"


def _by_query(expression: str, theirs: str) -> str:
    return _query(f"* REPLACE ({expression} AS {_quoted(theirs)})")


def _query(columns: str, condition: str = "") -> str:
    where = f" WHERE {condition}" if condition else ""
    return (
        'Name the file in [sources], mine = "...", and put instead of path: '
        f"sql = '''SELECT {columns} FROM mine{where}'''"
    )


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else quote_name(name)
