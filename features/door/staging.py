"""A user's rows under our column names, still as they came: between the source and the door."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from features.door.casts import Family, cast_sql, engine_type_of, family_of, raw_sql
from features.door.csv_files import quote_text
from features.door.local_forms import local_sql
from features.door.sales_columns import extend_table
from features.door.sources import Scan
from features.engine import Engine
from features.errors import MissingColumn, ProjectError
from features.project import TableSettings
from features.schema import Column, Kind, Table

ROWS_PER_FILE = 1 << 40
POSITION = "source_position"
"""Column of staged rows: number of the file x ROWS_PER_FILE + 1-based data row in it."""


@dataclass(frozen=True)
class Staged:
    """The rows of one table before they are checked.

    Attributes
    ----------
    table : Table
        What they are to become.
    settings : TableSettings
        Zone and defaults that apply to them.
    sql : str
        Table expression over the staged rows: canonical names, source types, `POSITION`.
    families : dict of canonical name to Family
        What each column is now; a column that the source does not have is absent.
    names : dict of canonical name to str
        The user's name of each column.
    labels : tuple of str
        What each file is called in messages.
    """

    table: Table
    settings: TableSettings
    sql: str
    families: dict[str, Family]
    names: dict[str, str]
    labels: tuple[str, ...]

    def place(self, position: int) -> tuple[str, int]:
        """Return the file and the 1-based data row of a staged row."""
        file, row = divmod(position, ROWS_PER_FILE)
        return self.labels[file], row

    def cast_sql(self, column: Column) -> str:
        """Return the value of `column` without its default; NULL where it cannot be read."""
        family = self.families.get(column.name)
        if family is None:
            return f"CAST(NULL AS {engine_type_of(column.kind)})"
        return cast_sql(column, self.plain_sql(column), family, self.settings.naive_time_zone)

    def plain_sql(self, column: Column) -> str:
        """Return the staged value of `column` in the form that casts read, still as it came."""
        family = self.families[column.name]
        return local_sql(column, f'"{column.name}"', family, self.settings)

    def default_of(self, column: Column) -> str | float | bool | None:
        """Return what an absent column or an empty value becomes: the user's word, else ours."""
        return self.settings.defaults.get(column.name, column.default)

    def typed_sql(self) -> str:
        """Return the query that gives every canonical column its type and default."""
        values = []
        for column in self.table.columns:
            value, default = self.cast_sql(column), self.default_of(column)
            target = engine_type_of(column.kind)
            if default is not None:
                text = quote_text(
                    str(default).lower() if default in (True, False) else f"{default}"
                )
                value = f"coalesce({value}, CAST({text} AS {target}))"
            values.append(f'{value} AS "{column.name}"')
        return f"SELECT {', '.join(values)}, {POSITION} FROM {self.sql}"


def stage_rows(
    engine: Engine, table: Table, settings: TableSettings, scans: list[Scan], target: Path
) -> Staged:
    """Copy the columns that `table` needs from `scans` to one Parquet file.

    Raises
    ------
    MissingColumn
        If a column that is required, or that the project file names, is not there.
    ProjectError
        If `columns` or `defaults` names a column that the table does not have, or a regressor's
        name cannot be one.
    SourceError
        If a file is damaged.
    """
    table = extend_table(table, settings)
    _check_settings(table, settings)
    names = _resolve_columns(table, settings, scans[0])
    parts = []
    for i, scan in enumerate(scans):
        theirs = names if i == 0 else _resolve_columns(table, settings, scan)
        columns = [
            f"{raw_sql(quote_name(theirs[name]), scan.columns[theirs[name]])} AS {quote_name(name)}"
            if name in theirs
            else f"NULL AS {quote_name(name)}"
            for name in names
        ]
        position = f"{i * ROWS_PER_FILE} + row_number() OVER () AS {POSITION}"
        if scan.csv is None:
            parts.append(f"SELECT {', '.join([*columns, position])} FROM {scan.sql}")
            continue
        # Spreadsheets export rows of nothing but delimiters: they hold nothing, so nothing is lost.
        filled = " OR ".join(f"trim({quote_name(name)}) <> ''" for name in scan.columns)
        parts.append(
            f"SELECT * EXCLUDE (is_filled) FROM (SELECT {', '.join([*columns, position])}, "
            f"coalesce({filled}, false) AS is_filled FROM {scan.sql}) WHERE is_filled"
        )
    try:
        engine.execute(f"COPY ({' UNION ALL '.join(parts)}) TO {quote_text(str(target))}")
    except duckdb.Error as error:
        broken = next((scan for scan in scans if scan.is_named_in(str(error))), scans[0])
        raise broken.explain(error) from None
    sql = f"read_parquet({quote_text(str(target))})"
    types = {row[0]: row[1] for row in engine.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()}
    families = {name: family_of(types[name]) for name in names}
    return Staged(table, settings, sql, families, names, tuple(scan.label for scan in scans))


def quote_name(name: str) -> str:
    """Return `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _check_settings(table: Table, settings: TableSettings) -> None:
    known = [column.name for column in table.columns]
    for section in ("columns", "defaults"):
        for name in getattr(settings, section):
            if name not in known:
                raise ProjectError(
                    f"[tables.{table.name}] {section}: there is no column '{name}' in "
                    f"{table.name}; nearest: '{_nearest(name, known)}'. It is written as "
                    "canonical = theirs."
                )


def _resolve_columns(table: Table, settings: TableSettings, scan: Scan) -> dict[str, str]:
    by_lower = {name.lower(): name for name in reversed(scan.columns)}
    resolved = {}
    for column in table.columns:
        named = settings.regressors | settings.columns
        wanted = named.get(column.name, column.name)
        # An empty name says that a column of this name in the file is something else.
        found = by_lower.get(wanted.lower()) if wanted else None
        found = wanted if wanted and wanted in scan.columns else found
        if found is not None:
            resolved[column.name] = found
        elif named.get(column.name) or (
            column.is_required and column.name not in settings.defaults
        ):
            raise _missing(table, column, wanted or column.name, scan)
    return resolved


def _missing(table: Table, column: Column, wanted: str, scan: Scan) -> MissingColumn:
    names = list(scan.columns)
    listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    known = {*column.synonyms, column.name}
    near = next((n for n in names if n.lower() in known), None) or next(
        iter(difflib.get_close_matches(wanted, names, n=1)), "..."
    )
    key = "regressors" if column.kind is Kind.SIGNAL else "columns"
    return MissingColumn(
        table.name,
        scan.label,
        wanted,
        expected=f"a column for {column.name} ({column.kind})",
        got=f"the columns {listed}",
        fix=f'Name yours in [tables.{table.name}]: {key} = {{ {column.name} = "{near}" }}.',
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]
