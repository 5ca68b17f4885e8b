"""What a command says when it cannot go on: one sentence, what to do, and where the rest is.

Almanac's own refusals are sentences already. Whatever else is raised (a full disk, a file that
somebody else owns, a fault of ours) becomes one here, and its traceback goes to a file.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
import tomllib
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from features.errors import AlmanacError

LOGS = "logs"
ABOUT_PEOPLE = ("erase", "identity", "ingest", "dead-letters", "purge")
DEFAULT_WORKSPACE = ".almanac"
_SYSTEM = {
    errno.ENOSPC: "the disk is full; make room, then run it again: what was whole is kept",
    errno.EDQUOT: "your quota on this disk is used up; make room, then run it again",
    errno.EACCES: "you may not do that to this file; look at its owner and permissions",
    errno.EPERM: "you may not do that to this file; look at its owner and permissions",
    errno.EROFS: "the disk is read-only; put [project] workspace on one that can be written",
    errno.ENOENT: "there is no such file; look at the name, and whether somebody removed it",
    errno.EISDIR: "a folder is where a file should be; name a file",
    errno.EEXIST: "something of this name is there already; name another",
    errno.ENOTDIR: "a file is where a folder should be; name a folder",
    errno.EMFILE: "too many files are open; raise the limit with `ulimit -n 4096`",
    errno.EADDRINUSE: "the port is taken; stop what listens there, or set another port",
}


def explain(error: BaseException) -> str:
    """Return what a foreign error means and what to do about it, in words.

    Parameters
    ----------
    error : BaseException

    Examples
    --------
    >>> explain(OSError(errno.ENOSPC, "No space left on device", "out.csv"))
    'out.csv: the disk is full; make room, then run it again: what was whole is kept'
    """
    if isinstance(error, OSError) and error.errno in _SYSTEM:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{_SYSTEM[error.errno]}"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException":
        return (
            "there is not enough memory; set a lower memory_limit or fewer threads in [project], "
            "close other programs, or read fewer rows"
        )
    if isinstance(error, ModuleNotFoundError):
        return (
            f"the Python package '{error.name}' is missing; install Almanac again "
            "(`make demo` does), then `almanac doctor` says whether all is there"
        )
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return "a database is locked by another process; stop that one, or wait and run it again"
    return (
        f"this should not have happened: {_first_line(error)}. Nothing half-made was published. "
        "`almanac doctor` looks for what is wrong; if it finds nothing, it is a fault of Almanac"
    )


def describe_failure(error: BaseException, log: Path | None) -> str:
    """Return the one sentence of a foreign error, with where its traceback lies."""
    where = f" The whole story is in {log}" if log is not None else ""
    return f"stopped: {explain(error)}.{where or ' Run it again'} (or show it with --debug)."


def write_log(error: BaseException, arguments: Sequence[str], now: datetime) -> Path | None:
    """Write a traceback below the workspace, readable by its owner only; None if that fails.

    Of the command line it holds the command alone, as its arguments may name a customer.

    Parameters
    ----------
    error : BaseException
    arguments : sequence of str
        Of the command line; they say which workspace it is.
    now : datetime
        Names the file.
    """
    command = next((word for word in arguments if not word.startswith("-")), "")
    story = traceback.format_exception(error)
    if command in ABOUT_PEOPLE:  # its message may name one, and logs name nobody
        story = [*traceback.format_tb(error.__traceback__), type(error).__qualname__]
    name = f"error-{now:%Y%m%dT%H%M%SZ}-{os.getpid()}.log"
    for folder in (find_workspace(arguments) / LOGS, Path(tempfile.gettempdir())):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(f"almanac {command}\n{''.join(story)}\n", encoding="utf-8")
            return path
    return None


def find_workspace(arguments: Sequence[str]) -> Path:
    """Return the workspace that a command line is about, without refusing anything."""
    project = _find_project(arguments)
    named: object = None
    with suppress(OSError, ValueError, KeyError, TypeError):
        named = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["workspace"]
    return project.parent / (named if isinstance(named, str) else DEFAULT_WORKSPACE)


def _find_project(arguments: Sequence[str]) -> Path:
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word in ("--project", "-p") and following:
            return Path(following)
        if word.startswith("--project="):
            return Path(word.partition("=")[2])
    return Path("demo/almanac.toml" if "demo" in arguments[:1] else "almanac.toml")


def _first_line(error: BaseException) -> str:
    if isinstance(error, AlmanacError):
        return str(error)
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}".rstrip(": ")
