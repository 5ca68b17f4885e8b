"""The table engine: DuckDB in this process, in UTC, with a ceiling on memory and a place to spill.

Every query of the house runs on a connection that was opened here, so that what depends on a
session setting (the time zone, the order of NULLs) is the same everywhere.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TypeAlias

import duckdb

from features.errors import ProjectError

Engine: TypeAlias = duckdb.DuckDBPyConnection


def open_engine(
    threads: int = 2, memory_limit: str = "2GB", temp_directory: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that spills to disk when `memory_limit` is reached.

    Parameters
    ----------
    threads : int
        Worker threads; >= 1.
    memory_limit : str
        DuckDB's size notation, such as "2GB" or "512MiB". It bounds the engine's buffers, not
        what Python makes of a result.
    temp_directory : Path, optional
        Where to spill; made when first needed. By default a folder of this process under the
        system's temporary folder.

    Returns
    -------
    duckdb.DuckDBPyConnection
        A connection whose session is in UTC and draws no progress bar. Usable as a context
        manager, which closes it. Another thread takes a `cursor()` of it.

    Raises
    ------
    ProjectError
        If `threads` or `memory_limit` is not what DuckDB accepts.

    Examples
    --------
    >>> with open_engine(threads=1) as engine:
    ...     engine.execute("SELECT 6 * 7").fetchone()
    (42,)
    """
    spill = temp_directory or Path(tempfile.gettempdir()) / f"almanac-spill-{os.getpid()}"
    try:
        engine = duckdb.connect(
            ":memory:",
            config={
                "threads": threads,
                "memory_limit": memory_limit,
                "temp_directory": str(spill),
            },
        )
    except duckdb.Error as error:
        raise ProjectError(
            f"[project]: the table engine did not open with threads = {threads!r} and "
            f"memory_limit = {memory_limit!r}: {error}. "
            'Expected a whole number >= 1 and a size such as "2GB".'
        ) from None
    engine.execute("SET TimeZone = 'UTC'")
    engine.execute("SET enable_progress_bar = false")
    return engine
