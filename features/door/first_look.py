"""A look at one file of the user's: which columns are which, and what the door would say.

The mapping is tried at the door itself: an optional column whose values would be refused is left
out again, and what stands in the way of a required one is noted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from features.door.checks import check_cells, check_keys
from features.door.guesses import guess_encoding, guess_frequency, match_columns
from features.door.local_forms import NUMBERS, TIMES
from features.door.local_guesses import guess_date_format, has_decimal_comma
from features.door.sources import Scan, find_files, is_csv, open_scans
from features.door.staging import Staged, quote_name, stage_rows
from features.engine import Engine, open_engine
from features.errors import (
    AmbiguousTime,
    DuplicateKey,
    EmptyTable,
    OutOfRange,
    TableError,
    WrongType,
)
from features.project import Project, ProjectSettings, TableSettings
from features.schema import EVENTS, SALES, Events, Sales, Table


@dataclass
class Look:
    """What was found, to be written down.

    Attributes
    ----------
    table : Table
        The canonical table that the file is to become.
    settings : dict
        Its `[tables.NAME]` so far: path, columns, and what else is needed.
    names : list of str
        All columns of the file.
    dropped : dict of the file's column to str
        Columns that were recognised but hold something else, and what.
    notes : list of str
        What the user should know; `TO DO` starts what must be done before it builds.
    first, last : date or None
        The history of sales.
    frequency : str
        'day', 'week', 'month' or 'quarter'.
    """

    table: Table
    settings: dict[str, Any]
    names: list[str]
    dropped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    first: date | None = None
    last: date | None = None
    frequency: str = "day"


def look_at(table: Table, path: Path, scratch: Path) -> Look:
    """Look at the file `path` as the future `table`.

    Parameters
    ----------
    table : Table
        SALES or EVENTS.
    path : Path
        CSV or Parquet.
    scratch : Path
        A folder to make and work in; the caller removes it.

    Raises
    ------
    SourceError
        If it is not there or cannot be read.
    EmptyTable
        If it holds no rows.
    """
    scratch.mkdir()
    settings: dict[str, Any] = {"path": str(path.expanduser().resolve())}
    project = Project(path.resolve(), ProjectSettings(), {}, {}, {})
    files = find_files(project, settings["path"])
    if is_csv(files[0]):
        encoding = guess_encoding(files[0])
        settings |= {} if encoding == "utf-8" else {"encoding": encoding}
    with open_engine(temp_directory=scratch / "spill") as engine:
        scans = open_scans(engine, project, TableSettings(**settings), scratch)
        names = list(scans[0].columns)
        settings["columns"] = match_columns(table, names)
        look = Look(table, settings, names)
        staged = _try_at_door(engine, look, scans, scratch)
        if staged is not None:
            _look_at_times(engine, look, staged)
    return look


def _try_at_door(engine: Engine, look: Look, scans: list[Scan], scratch: Path) -> Staged | None:
    """Leave out what the door refuses, one column after another, until it has nothing to say."""
    staged = None
    for attempt in range(len(look.table.columns) + 3):
        target = scratch / f"staged-{attempt}.parquet"
        try:
            staged = stage_rows(
                engine, _found_part(look), TableSettings(**look.settings), scans, target
            )
            check_cells(engine, staged)
            if set(look.table.key) <= set(look.settings["columns"]):
                _look_for_duplicates(engine, look, staged)
            return staged
        except EmptyTable:
            raise
        except TableError as error:
            if not _settle_form(engine, look, error, scans) and not _settle(look, error):
                look.notes.append(f"TO DO: {error}")
                return staged
    return staged


def _found_part(look: Look) -> Table:
    found = [column for column in look.table.columns if column.name in look.settings["columns"]]
    return replace(look.table, columns=tuple(found))


def _look_for_duplicates(engine: Engine, look: Look, staged: Staged) -> None:
    try:
        check_keys(engine, staged, staged.typed_sql())
    except DuplicateKey as error:
        if look.table is not SALES:
            raise
        look.settings["on_duplicate"] = "sum"
        look.notes.append(f"{error.column}: {error.got} (row {error.row}), so rows are added up.")


def _settle_form(engine: Engine, look: Look, error: TableError, scans: list[Scan]) -> bool:
    """Find how the refused column writes its dates or numbers, if all of it is written so."""
    mapped = look.settings["columns"]
    ours = next((name for name, theirs in mapped.items() if theirs == error.column), None)
    if ours is None or not isinstance(error, WrongType):
        return False
    kind = look.table.column(ours).kind
    texts = _read_distinct(engine, scans, error.column)
    if kind in NUMBERS and "decimal" not in look.settings and has_decimal_comma(texts):
        look.settings["decimal"] = ","
        return True
    form = guess_date_format(texts) if kind in TIMES else None
    if form is None or "date_format" in look.settings:
        return False
    look.settings["date_format"] = form.pattern
    if not form.is_certain:
        other = form.pattern.translate(str.maketrans("dm", "md"))
        look.notes.append(
            f"{error.column}: no date tells the day from the month; read as {form.pattern}. If the "
            f'month comes first, put date_format = "{other}".'
        )
    return True


def _read_distinct(engine: Engine, scans: list[Scan], name: str) -> list[str]:
    column = quote_name(name)
    parts = [f"SELECT trim(CAST({column} AS VARCHAR)) AS text FROM {scan.sql}" for scan in scans]
    query = f"SELECT DISTINCT text FROM ({' UNION ALL '.join(parts)}) WHERE text <> ''"
    return [row[0] for row in engine.execute(query).fetchall()]


def _settle(look: Look, error: TableError) -> bool:
    if isinstance(error, AmbiguousTime) and "naive_time_zone" not in look.settings:
        look.settings["naive_time_zone"] = "UTC"
        return True
    is_return = error.column == look.settings["columns"].get(Sales.UNITS) and "returns" not in (
        look.settings
    )
    if isinstance(error, OutOfRange) and look.table.name == SALES.name and is_return:
        look.settings["returns"] = "separate"
        look.notes.append(
            f"{error.column}: {error.got} in row {error.row}, so negative units are read as returns"
        )
        return True
    return _drop(look, error)


def _drop(look: Look, error: TableError) -> bool:
    mapped = look.settings["columns"]
    ours = next((name for name, theirs in mapped.items() if theirs == error.column), None)
    if ours is None or look.table.column(ours).is_required:
        return False
    look.dropped[mapped.pop(ours)] = (
        f"not read as {ours}: expected {error.expected}, got {error.got} in row {error.row}"
    )
    return True


def _look_at_times(engine: Engine, look: Look, staged: Staged) -> None:
    mapped, rows = look.settings["columns"], staged.typed_sql()
    if Events.OCCURRED_AT in mapped and look.table is EVENTS:
        query = f"SELECT bool_and(occurred_at = date_trunc('day', occurred_at)) FROM ({rows})"
        if engine.execute(query).fetchall()[0][0]:
            look.notes.append(
                "These times have no hour of the day: nobody's best hour can be learned from them."
            )
    if Sales.DATE in mapped and look.table is SALES:
        sold = "WHERE units IS NOT NULL" if Sales.UNITS in mapped else ""
        query = f"SELECT DISTINCT date FROM ({rows}) {sold} ORDER BY date"
        days = [row[0] for row in engine.execute(query).fetchall() if row[0] is not None]
        look.frequency = guess_frequency(days)
        look.first, look.last = (days[0], days[-1]) if days else (None, None)
