"""What a stranger's file seems to be: its encoding, its columns, its rhythm.

A guess is only ever written into a draft that the user reads; nothing here runs at the door.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

from features.door.csv_files import BLOCK_BYTES, open_bytes
from features.door.local_guesses import ELSEWHERE
from features.schema import Column, Table

HORIZON_DAYS = {"day": 28, "week": 56, "month": 365, "quarter": 730}


def guess_encoding(path: Path) -> str:
    """Return 'utf-8' if the whole file is that, else 'utf-16' by its mark, else 'cp1252'.

    cp1252 and latin-1 agree on every letter; cp1252 also has the euro sign. A file with bytes that
    cp1252 leaves open is latin-1.
    """
    with open_bytes(path) as packed:
        if packed.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
    return next((name for name in ("utf-8", "cp1252") if _is_text(path, name)), "latin-1")


def match_columns(table: Table, names: Sequence[str]) -> dict[str, str]:
    """Find which of a file's columns are which of ours, by name and synonyms.

    Case, spaces and punctuation do not count. A column is taken once, required columns choose
    first, and a synonym that stands earlier in the schema is the better match.

    Parameters
    ----------
    table : Table
        The canonical table.
    names : sequence of str
        The file's columns.

    Returns
    -------
    dict of canonical name to the file's name

    Examples
    --------
    >>> from features.schema import SALES
    >>> match_columns(SALES, ["Date", "Store ID", "SKU", "Qty"])
    {'region_id': 'Store ID', 'product_id': 'SKU', 'date': 'Date', 'units': 'Qty'}
    """
    free = {_plain(name): name for name in reversed(names)}
    found: dict[str, str] = {}
    for column in sorted(table.columns, key=lambda column: not column.is_required):
        for synonym in (*looked_for(column), *ELSEWHERE.get(column.name, ())):
            name = free.pop(_plain(synonym), None)
            if name is not None:
                found[column.name] = name
                break
    return {column.name: found[column.name] for column in table.columns if column.name in found}


def looked_for(column: Column) -> list[str]:
    """Return the names under which `column` is recognised, its own first."""
    return list(dict.fromkeys([column.name, *column.synonyms]))


def guess_frequency(dates: Iterable[date]) -> str:
    """Return 'quarter', 'month', 'week' or 'day', whichever the distinct dates of a file keep to.

    Months: all on the first, or all on the last day of a month. Quarters: of those, whole quarters
    of a year apart. Weeks: all on one weekday.

    Examples
    --------
    >>> guess_frequency([date(2024, 1, 31), date(2024, 2, 29), date(2024, 4, 30)])
    'month'
    >>> guess_frequency([date(2024, 1, 1), date(2024, 4, 1), date(2024, 10, 1)])
    'quarter'
    >>> guess_frequency([date(2024, 1, 3), date(2024, 1, 10), date(2024, 1, 31)])
    'week'
    """
    days = set(dates)
    if len(days) < 2:
        return "day"
    is_first = all(day.day == 1 for day in days)
    is_last = all((day + timedelta(days=1)).day == 1 for day in days)
    months = {day.month for day in days}
    if is_first or is_last:
        return "quarter" if len(months) > 1 and len({m % 3 for m in months}) == 1 else "month"
    return "week" if len({day.weekday() for day in days}) == 1 else "day"


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _is_text(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with open_bytes(path) as packed:
            while block := packed.read(BLOCK_BYTES):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
