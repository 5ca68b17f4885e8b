"""The door: canonical tables from the user's sources, checked once, whole or not at all.

Each table is read, given our names and types, checked, and written as one Parquet file sorted by
its key (events and touches by time). It appears by one rename; a refused source leaves the table
of the last good run. Beside it lies what it was made from, so that an unchanged source is not
read again.

Regions, products and customers that the project file does not give are made from the ids that the
other tables hold. In `sales`, rows with empty `units` after a series' last sale are its plan;
between sales they are missing observations.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.door.checks import check_cells, check_keys, check_plan, check_references
from features.door.completion import with_event_ids, with_summed_duplicates, with_time_zones
from features.door.csv_files import quote_text
from features.door.nodes import TREES, add_parents_sql, derived_sql
from features.door.sales_columns import count_returns, with_returns_apart
from features.door.sources import list_inputs, open_scans
from features.door.staging import Staged, stage_rows
from features.door.table_files import TableSummary as TableSummary
from features.door.table_files import find_reusable, fingerprint_table, publish_table, write_table
from features.engine import Engine, open_engine
from features.errors import ProjectError, UnknownName
from features.progress import Progress
from features.project import Project
from features.schema import TABLES, Events, Table, schema_hash

DOOR_VERSION = 1
"""Raised whenever the same source would give another table; then nothing older is reused."""

DERIVED = ("regions", "products", "customers")


@dataclass(frozen=True)
class Checked:
    """A table that passed the door: its columns, the query for its rows, and what to say of it."""

    table: Table
    rows: str
    notes: tuple[str, ...] = ()


def build_tables(
    project: Project, progress: Progress, only: Collection[str] | None = None
) -> dict[str, TableSummary]:
    """Build the canonical tables of a project, or those of `only` and what they rest on.

    Parameters
    ----------
    project : Project
        What to read, and where tables go.
    progress : Progress
        Told of each table.
    only : collection of str, optional
        Canonical table names.

    Returns
    -------
    dict of name to TableSummary
        In the order they were built. Without `only`, tables of an earlier project file that this
        one no longer has are removed.

    Raises
    ------
    AlmanacError
        For the first thing that is wrong, by file, row and column; the table it belongs to is
        then as it was before.
    """
    if not project.tables:
        raise ProjectError(f"{project.path}: no [tables.*] section, so there is nothing to read")
    names = _plan(project, only)
    folder = project.workspace.tables
    folder.mkdir(parents=True, exist_ok=True)
    if only is None:
        _remove_stale(folder, names)
    built: dict[str, TableSummary] = {}
    for name in progress.track(names, "tables", total=len(names)):
        built[name] = summary = _build(project, name, built)
        verb = "unchanged" if summary.is_reused else "read"
        progress.say(f"{name}: {summary.rows:,} rows, {verb}")
        for note in summary.notes:
            progress.say(f"{name}: {note}")
    return built


def _plan(project: Project, only: Collection[str] | None) -> list[str]:
    given = [name for name in TABLES if name in project.tables]
    derived = [n for n in DERIVED if n not in given and _referrers(project, n)]
    wanted = set(only if only is not None else [*given, *derived])
    # Tables that follow from others come last: what the user has to give is named first.
    for name in sorted(wanted - {*given, *derived}, key=lambda name: (name in DERIVED, name)):
        if name not in TABLES:
            raise UnknownName("table", name, TABLES)
        needed = [column.name for column in TABLES[name].columns if column.is_required]
        raise ProjectError(
            f"{project.path}: [tables.{name}] is needed and not there. Add it with path = "
            f'"FILE.csv"; the file needs the columns {", ".join(needed)}, or name yours in '
            f"[tables.{name}.columns]"
        )
    while True:
        # A derived table rests on all that point to it, or it would differ with what was asked.
        more = {t for name in wanted for _, t in TABLES[name].references if t in {*given, *derived}}
        more |= {t for name in wanted if name in derived for t, _ in _referrers(project, name)}
        if more <= wanted:
            return [name for name in [*given, *derived] if name in wanted]
        wanted |= more


def _referrers(project: Project, name: str) -> list[tuple[str, str]]:
    return [
        (table.name, column)
        for table in TABLES.values()
        if table.name in project.tables
        for column, target in table.references
        if target == name
    ]


def _remove_stale(folder: Path, names: list[str]) -> None:
    for name in TABLES:
        if name not in names:
            (folder / f"{name}.json").unlink(missing_ok=True)
            (folder / f"{name}.parquet").unlink(missing_ok=True)


def _build(project: Project, name: str, built: dict[str, TableSummary]) -> TableSummary:
    path = project.workspace.table(name)
    inputs = _inputs_of(project, name, built)
    reused = find_reusable(name, path, inputs)
    if reused is not None:
        return reused
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=path.parent) as folder:
        scratch = Path(folder)
        settings = project.settings
        with open_engine(settings.threads, settings.memory_limit, scratch / "spill") as engine:
            if name in project.tables:
                checked = _checked_sql(engine, project, name, scratch, built)
            else:
                tables = [
                    (f"read_parquet({quote_text(str(built[table].path))})", column)
                    for table, column in _referrers(project, name)
                ]
                rows = derived_sql(name, tables, settings.time_zone)
                checked = Checked(TABLES[name], rows)
            partial = scratch / "table.parquet"
            write_table(engine, checked.table, checked.rows, partial)
            count, fingerprint = fingerprint_table(engine, checked.table, partial)
        return publish_table(name, partial, path, inputs, count, fingerprint, checked.notes)


def _checked_sql(
    engine: Engine, project: Project, name: str, scratch: Path, built: dict[str, TableSummary]
) -> Checked:
    settings, table = project.tables[name], TABLES[name]
    if settings.on_duplicate == "sum" and name != "sales":
        raise ProjectError(f'{project.path}: [tables.{name}] on_duplicate: "sum" is for sales only')
    scans = open_scans(engine, project, settings, scratch)
    staged = stage_rows(engine, table, settings, scans, scratch / "staged.parquet")
    check_cells(engine, staged)
    rows = _completed(project, staged)
    if settings.on_duplicate == "error" and not _has_made_ids(staged):
        check_keys(engine, staged, rows)
    for column, target in table.references:
        if target in built and target in project.tables:
            ids = f"read_parquet({quote_text(str(built[target].path))})"
            check_references(engine, staged, rows, column, target, ids)
    if name == "sales":
        check_plan(engine, staged, rows)
    if name in TREES:
        rows = add_parents_sql(engine, staged, rows)
    apart = settings.returns == "separate"
    notes = count_returns(engine, staged.typed_sql()) if apart else ()
    return Checked(staged.table, rows, notes)


def _has_made_ids(staged: Staged) -> bool:
    return staged.table.name == "events" and Events.EVENT_ID not in staged.families


def _completed(project: Project, staged: Staged) -> str:
    rows = staged.typed_sql()
    if _has_made_ids(staged):
        return with_event_ids(rows)
    if staged.settings.returns == "separate":
        rows = with_returns_apart(rows)
    if staged.settings.on_duplicate == "sum":
        return with_summed_duplicates(rows, staged.table)
    if staged.table.name == "customers":
        return with_time_zones(rows, project.settings.time_zone)
    return rows


def _inputs_of(project: Project, name: str, built: dict[str, TableSummary]) -> dict[str, Any]:
    given = project.tables.get(name)
    rests_on = (
        [target for _, target in TABLES[name].references if target in project.tables]
        if given
        else [table for table, _ in _referrers(project, name)]
    )
    return {
        "door": DOOR_VERSION,
        "schema": schema_hash(),
        "time_zone": project.settings.time_zone,
        "settings": given.model_dump(mode="json") if given else None,
        "named_sources": project.sources if given and given.sql else {},
        "files": list_inputs(project, given) if given else [],
        "tables": {table: built[table].fingerprint for table in rests_on if table in built},
    }
