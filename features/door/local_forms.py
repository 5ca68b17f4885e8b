"""Numbers and dates as people write them elsewhere, brought to the one form that the door reads.

Only what `decimal` and `date_format` of a table say is read so; nothing is guessed here. A value
that is written otherwise stays as it is, for the checks to refuse it in the user's own words.
"""

from __future__ import annotations

from datetime import datetime

from features.door.casts import Family
from features.door.csv_files import quote_text
from features.project import TableSettings
from features.schema import Column, Kind

NUMBERS = (Kind.NUMBER, Kind.SIGNAL, Kind.INTEGER)
TIMES = (Kind.DATE, Kind.TIMESTAMP)
CLOCKS = ("", " %H:%M", " %H:%M:%S", "T%H:%M", "T%H:%M:%S")
COMMA_NUMBER = r"[+-]?(\d{1,3}([. ]\d{3})+|\d+)(,\d+)?|[+-]?,\d+"
_EXAMPLE = datetime(2024, 1, 31)  # noqa: DTZ001 - a date to show, not a moment


def local_sql(column: Column, raw: str, family: Family, settings: TableSettings) -> str:
    """Return SQL of a staged value in the form that `casts` reads.

    Parameters
    ----------
    column : Column
    raw : str
        SQL of the staged value.
    family : Family
        Only text is rewritten.
    settings : TableSettings
        Their `decimal` and `date_format`.
    """
    if family is not Family.TEXT:
        return raw
    if column.kind in NUMBERS and settings.decimal == ",":
        plain = f"replace(replace(replace({raw}, '.', ''), ' ', ''), ',', '.')"
        return f"CASE WHEN regexp_full_match({raw}, '{COMMA_NUMBER}') THEN {plain} END"
    if column.kind in TIMES and settings.date_format:
        forms = ", ".join(quote_text(settings.date_format + clock) for clock in CLOCKS)
        return f"coalesce(CAST(try_strptime({raw}, [{forms}]) AS VARCHAR), {raw})"
    return raw


def local_expected(column: Column, settings: TableSettings) -> str | None:
    """Return what such a value is expected to look like; None where nothing was said of it."""
    if column.kind in NUMBERS and settings.decimal == ",":
        return "a number with a decimal comma"
    if column.kind in TIMES and settings.date_format:
        shown = _EXAMPLE.strftime(settings.date_format)
        clock = " 18:30" if column.kind is Kind.TIMESTAMP else ""
        return f"a date as {shown}{clock} (date_format)"
    return None
