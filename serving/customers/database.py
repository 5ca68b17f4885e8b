"""The database behind live customers: SQLite in the workspace, or PostgreSQL for several machines.

Every difference between the two is here. Statements are written once, in the SQL that both speak,
with `?` for values; only one transaction writes at a time, so that what was committed is always a
prefix of what was numbered.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from features.errors import AlmanacError, ProjectError

_LOCK = 0x616C6D616E6163
"""Number of PostgreSQL's advisory lock: that of one writer."""
BUSY_POLL_SECONDS = 0.005


class StoreUnavailable(AlmanacError):
    """The database does not answer, is locked, full or read-only; nothing was changed."""


class NotUnique(StoreUnavailable):
    """A key is there already."""


class Session(Protocol):
    """One connection; to be used by one thread at a time."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        ...

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def run_many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each tuple of values."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Database(Protocol):
    """Where live customers are kept."""

    def connect(self) -> Session:
        """Open a session; it sees what is committed when a statement begins."""
        ...

    def write(self, session: Session) -> Any:
        """Return a context manager: the one writing transaction, durable when it is left."""
        ...

    def create(self, session: Session, statements: Sequence[str]) -> None:
        """Run what defines the tables, where it has not been run yet."""
        ...

    def moment(self, microseconds: str) -> str:
        """Return SQL for a time as text, RFC 3339 in UTC."""
        ...


class SQLite:
    """SQLite in one file, with a write-ahead log that is synced before a commit returns.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    busy_seconds : float
        How long a writer waits for another process.
    """

    def __init__(self, path: Path, *, busy_seconds: float = 30.0) -> None:
        self.path, self.busy_seconds = path, busy_seconds

    def connect(self) -> Session:
        """Open the file; it is readable and writable by its owner only."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _as_unavailable():
            if not self.path.exists():
                self.path.touch(mode=0o600)
            connection = sqlite3.connect(
                self.path,
                timeout=self.busy_seconds,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
            connection.execute("PRAGMA page_size = 4096")
            _turn_on_log(connection, self.busy_seconds)
            for pragma in (
                "synchronous = full",
                "cache_size = -65536",
                "wal_autocheckpoint = 2000",
                "temp_store = memory",
                "secure_delete = on",  # what is erased is overwritten, not only unlinked
            ):
                connection.execute(f"PRAGMA {pragma}")
        return _SQLiteSession(connection)

    @contextmanager
    def write(self, session: Session) -> Iterator[None]:
        """Begin, and commit when the block ends without an error."""
        session.run("BEGIN IMMEDIATE")
        try:
            yield
            session.run("COMMIT")
        except BaseException:
            # A commit that failed leaves the transaction open; one that was ended has none.
            with _as_unavailable():
                if session.connection.in_transaction:  # type: ignore[attr-defined]
                    session.connection.rollback()  # type: ignore[attr-defined]
            raise

    def create(self, session: Session, statements: Sequence[str]) -> None:  # noqa: D102
        with self.write(session):
            for statement in statements:
                session.run(statement)

    def moment(self, microseconds: str) -> str:  # noqa: D102
        seconds = f"({microseconds} - (({microseconds} % 1000000) + 1000000) % 1000000) / 1000000"
        return (
            f"strftime('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch') || "
            f"printf('.%06dZ', (({microseconds} % 1000000) + 1000000) % 1000000)"
        )

    def fold_log(self) -> bool:
        """Move the write-ahead log into the file and empty it; False while somebody reads it."""
        session = self.connect()
        ((is_busy, *_),) = session.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        session.close()
        return not is_busy


class _SQLiteSession:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _as_unavailable():
            return self.connection.execute(sql, values).fetchall()

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        with _as_unavailable():
            return self.connection.execute(sql, values).rowcount

    def run_many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        with _as_unavailable():
            self.connection.executemany(sql, values)

    def close(self) -> None:
        self.connection.close()


class PostgreSQL:
    """PostgreSQL, for several machines that serve the same customers (extra `[postgres]`).

    Parameters
    ----------
    url : str
        Such as `postgresql://user@host/almanac`; a password belongs in the environment.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def connect(self) -> Session:
        """Open a connection.

        Raises
        ------
        ProjectError
            If the driver is not installed.
        StoreUnavailable
            If the server does not answer.
        """
        try:
            import psycopg
        except ModuleNotFoundError:
            raise ProjectError(
                "[customers] store: PostgreSQL needs the extra; install it with "
                "pip install 'almanac[postgres]'"
            ) from None
        return _PostgreSQLSession(psycopg, self.url)

    @contextmanager
    def write(self, session: Session) -> Iterator[None]:
        """Begin as the one writer of all machines, and commit when the block ends."""
        session.run("BEGIN")
        try:
            session.rows(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield
            session.run("COMMIT")
        except BaseException:
            session.rollback()  # type: ignore[attr-defined]
            raise

    def create(self, session: Session, statements: Sequence[str]) -> None:  # noqa: D102
        with self.write(session):
            for statement in statements:
                session.run(_in_postgresql(statement))

    def moment(self, microseconds: str) -> str:  # noqa: D102
        return (
            f"to_char(to_timestamp({microseconds} / 1000000.0) AT TIME ZONE 'UTC', "
            '\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'
        )


class _PostgreSQLSession:
    """A connection that is opened again where the server was away between transactions."""

    def __init__(self, driver: Any, url: str) -> None:
        self.driver, self.url = driver, url
        self.connection = self._open()

    def _open(self) -> Any:
        try:
            connection = self.driver.connect(self.url, autocommit=True)
            connection.execute("SET synchronous_commit = on")
            connection.execute("SET default_transaction_isolation = 'read committed'")
        except self.driver.Error as error:
            raise StoreUnavailable(
                f"[customers] store: PostgreSQL does not answer ({type(error).__name__}); "
                "start it, or mend the address"
            ) from None
        return connection

    def _execute(self, sql: str, values: Sequence[Any]) -> Any:
        is_within = not self.connection.closed and self.connection.info.transaction_status != 0
        try:
            if self.connection.closed:
                self.connection = self._open()
            return self.connection.execute(_mark(sql), values)
        except self.driver.OperationalError:
            if is_within or not self.connection.closed:
                raise
            self.connection = self._open()
            return self.connection.execute(_mark(sql), values)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _as_unavailable():
            found: list[tuple[Any, ...]] = self._execute(sql, values).fetchall()
            return found

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        with _as_unavailable():
            return int(self._execute(sql, values).rowcount)

    def run_many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        with _as_unavailable(), self.connection.cursor() as cursor:
            cursor.executemany(_mark(sql), values)

    def rollback(self) -> None:
        with _as_unavailable():
            if not self.connection.closed:
                self.connection.rollback()

    def close(self) -> None:
        self.connection.close()


def _mark(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


_TYPES = (("INTEGER", "BIGINT"), ("REAL", "DOUBLE PRECISION"), (" WITHOUT ROWID", ""))


def _in_postgresql(statement: str) -> str:
    for ours, theirs in _TYPES:
        statement = statement.replace(ours, theirs)
    return statement


def _turn_on_log(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Turn the write-ahead log on.

    For this lock SQLite does not wait by itself: of two processes that make the file together one
    would be refused.
    """
    stop_at = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > stop_at:
                raise
            time.sleep(BUSY_POLL_SECONDS)


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """Turn what a driver raises into one error; the statement, which holds values, is not told."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise NotUnique(f"the store of customers: {error}; nothing was changed") from None
    except sqlite3.Error as error:
        raise StoreUnavailable(f"the store of customers: {error}; nothing was changed") from None
    except Exception as error:
        if type(error).__module__.startswith("psycopg"):
            if type(error).__name__ == "UniqueViolation":
                raise NotUnique("the store of customers: a key is there already") from None
            raise StoreUnavailable(
                f"the customer store refused: {type(error).__name__}; nothing was changed"
            ) from None
        raise


def in_parts(values: Sequence[Any], columns: int = 1) -> Iterator[Sequence[Any]]:
    """Yield `values` in parts that fit into one statement."""
    size = 512 // columns
    for start in range(0, len(values), size):
        yield values[start : start + size]


def mark_places(values: Sized) -> str:
    """Return a `?` for each value of a list.

    Examples
    --------
    >>> mark_places([7, 8])
    '?, ?'
    """
    return ", ".join("?" * len(values))
