"""Tables of a database, by URL: read in chunks into one Parquet file.

SQLAlchemy knows the databases; what it hands over is typed by what the database declares, so that
a column which starts with empty values is still a number. Passwords never reach a message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import ProjectError, SourceError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Table

CHUNK_ROWS = 50_000


def read_database(url: str, table: str, resolve: Callable[[str], Path], target: Path) -> str:
    """Copy one table or view of a database to a Parquet file.

    Parameters
    ----------
    url : str
        Any SQLAlchemy URL, such as `sqlite:///shop.db` or `postgresql://user@host/shop`;
        `${NAME}` in it is taken from the environment, which is where a password belongs.
    table : str
        Its name, with its schema before a dot if it has one.
    resolve : callable
        Makes the path of an SQLite file absolute.
    target : Path
        The Parquet file to write.

    Returns
    -------
    str
        How to call this source in a message: URL without password, and table.

    Raises
    ------
    SourceError
        If the driver, the database or the table is not there, or a value is not of its type.
    """
    with _open(url, table, resolve) as (connection, reflected, label):
        _copy(connection, reflected, target, label)
    return label


def check_database(url: str, table: str, resolve: Callable[[str], Path]) -> str:
    """Look whether a table or view of a database is there; the parameters of `read_database`.

    Returns
    -------
    str
        How to call this source in a message.

    Raises
    ------
    SourceError
        If the driver, the database or the table is not there.
    """
    with _open(url, table, resolve) as (_, _, label):
        return label


@contextmanager
def _open(
    url: str, table: str, resolve: Callable[[str], Path]
) -> Iterator[tuple[Connection, Table, str]]:
    """Yield a connection, the table as the database declares it, and how to call it."""
    # Only projects that read a database pay for the import.
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, NoSuchTableError, SQLAlchemyError

    try:
        parsed = sqlalchemy.make_url(_expand(url))
    except ArgumentError:
        raise SourceError(
            "the database URL cannot be read; expected something like "
            "`sqlite:///shop.db` or `postgresql://user@host/database`"
        ) from None
    parsed, label = _local(parsed, resolve), f"{_public(parsed)} table '{table}'"
    try:
        engine = sqlalchemy.create_engine(parsed)
        with engine.connect() as connection:
            yield connection, _reflect(connection, table), label
        engine.dispose()
    except ModuleNotFoundError as error:
        raise SourceError(f"{label}: needs the Python package '{error.name}'; install it") from None
    except NoSuchTableError:
        raise SourceError(f"{label}: there is no such table") from None
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip()
        raise SourceError(f"{label}: {_without_password(cause, parsed)}") from None


def find_database_file(url: str, resolve: Callable[[str], Path]) -> Path | None:
    """Return the file behind an SQLite URL; None for a server, which cannot tell what changed."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(\?.*)?", _expand(url))
    return resolve(match[1]) if match else None


def _expand(url: str) -> str:
    def look_up(match: re.Match[str]) -> str:
        try:
            return os.environ[match[1]]
        except KeyError:
            raise ProjectError(
                f"the database URL names the environment variable {match[1]}, which is not set"
            ) from None

    return re.sub(r"\$\{(\w+)\}", look_up, url)


def _public(url: URL) -> str:
    return url.set(query={}).render_as_string(hide_password=True)


def _without_password(message: str, url: URL) -> str:
    return message.replace(str(url.password), "***") if url.password else message


def _local(url: URL, resolve: Callable[[str], Path]) -> URL:
    if url.get_backend_name() != "sqlite" or not url.database:
        return url
    path = resolve(url.database)
    if not path.is_file():
        # SQLite would make an empty database of a misspelt name.
        raise SourceError(f"{path}: there is no such database file")
    return url.set(database=str(path))


def _reflect(connection: Connection, name: str) -> Table:
    import sqlalchemy

    schema, _, table = name.rpartition(".")
    return sqlalchemy.Table(
        table, sqlalchemy.MetaData(), schema=schema or None, autoload_with=connection
    )


def _copy(connection: Connection, table: Table, target: Path, label: str) -> None:
    import sqlalchemy

    is_sqlite = connection.dialect.name == "sqlite"
    schema = pa.schema([(c.name, _arrow_type(c.type, is_sqlite)) for c in table.columns])
    # Bare columns: SQLAlchemy's own reading of SQLite's dates would fail before the door can.
    bare = [
        sqlalchemy.type_coerce(c, sqlalchemy.types.NullType()).label(c.name) for c in table.columns
    ]
    rows = connection.execution_options(stream_results=True).execute(
        sqlalchemy.select(*bare).select_from(table)
    )
    with pq.ParquetWriter(target, schema) as writer:
        for chunk in _chunks(rows.yield_per(CHUNK_ROWS).partitions()):
            writer.write_table(_to_arrow(chunk, schema, label))


def _chunks(partitions: Iterable[Any]) -> Iterator[list[tuple[Any, ...]]]:
    for partition in partitions:
        yield [tuple(row) for row in partition]


def _to_arrow(rows: list[tuple[Any, ...]], schema: Any, label: str) -> Any:
    arrays = []
    for field, values in zip(schema, zip(*rows, strict=True), strict=True):
        if pa.types.is_string(field.type):
            values = tuple(None if value is None else str(value) for value in values)
        elif pa.types.is_floating(field.type):
            values = tuple(_as_float(value) for value in values)
        try:
            arrays.append(pa.array(values, field.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise SourceError(
                f"{label}, column '{field.name}': the database declares {field.type}: {error}"
            ) from None
    return pa.Table.from_arrays(arrays, schema=schema)


def _as_float(value: Any) -> Any:
    # Numeric columns arrive as decimals; text in one is left for Arrow to refuse.
    return value if value is None or isinstance(value, str) else float(value)


def _arrow_type(declared: Any, is_sqlite: bool) -> Any:
    from sqlalchemy import types

    if isinstance(declared, types.Integer):
        return pa.int64()
    if isinstance(declared, types.Numeric):
        return pa.float64()
    if is_sqlite:
        # SQLite stores dates and booleans as text or numbers; the door reads them as from a CSV.
        return pa.string()
    if isinstance(declared, types.Boolean):
        return pa.bool_()
    if isinstance(declared, types.DateTime):
        return pa.timestamp("us", tz="UTC" if declared.timezone else None)
    return pa.date32() if isinstance(declared, types.Date) else pa.string()
