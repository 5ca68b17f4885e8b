"""The machine: Python, packages, disk, memory, and the clock."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from commands.health.finding import Finding, ok, problem, warning
from features.project import Project

PACKAGE = "almanac"
GIB = 2**30
SOURCE_TREE = Path(__file__).resolve().parents[2]
Declared = tuple[Sequence[Requirement], Sequence[Requirement]]
"""What is needed, and what extras need."""
LEAST_DISK_GIB, LITTLE_DISK_GIB = 0.5, 5.0
LEAST_MEMORY_GIB, LITTLE_MEMORY_GIB = 0.5, 2.0
CLOCK_SECONDS = 120.0
REINSTALL = "install Almanac again: `make demo` does, with the versions of locks/demo.txt"
_CGROUP = Path("/sys/fs/cgroup")


def check_python(lowest: tuple[int, int] = (3, 11)) -> Iterator[Finding]:
    """Look whether this Python is one that Almanac is for."""
    words = f"{platform.python_version()} at {sys.executable}"
    running = tuple(int(part) for part in platform.python_version_tuple()[:2])
    if running < lowest:
        needed = ".".join(map(str, lowest))
        yield problem("Python", words, f"Almanac needs {needed} or newer: make PYTHON=python3.12")
    else:
        yield ok("Python", words)


def check_packages(declared: Declared | None = None) -> Iterator[Finding]:
    """Look whether every package that Almanac declares is there, in a version it is made for."""
    needed, extras = read_declared() if declared is None else declared
    wrong = 0
    for requirement, found in _list_misfits(needed):
        wrong += 1
        words = f"{requirement.name} is {found or 'not installed'}; needed: {requirement}"
        yield problem("packages", words, REINSTALL)
    for requirement, found in _list_misfits(extras):
        if found is not None:  # what is not installed is not used
            plain = Requirement(str(requirement).partition(";")[0])
            words = f"{requirement.name} is {found}; an extra of Almanac needs: {plain}"
            yield warning("packages", words, f"pip install '{plain}'")
    if not wrong:
        yield ok("packages", f"{len(needed)} packages, each in a version that is meant")


def read_declared(project: Path = SOURCE_TREE / "pyproject.toml") -> Declared:
    """Return what Almanac needs, and what its extras do: of the source tree, else as installed.

    The source tree comes first because it may have moved on since it was installed.
    """
    declared = tomllib.loads(project.read_text("utf-8"))["project"] if project.is_file() else {}
    if declared.get("name") == PACKAGE:
        extras = [one for more in declared["optional-dependencies"].values() for one in more]
        return [Requirement(one) for one in declared["dependencies"]], [*map(Requirement, extras)]
    every = [Requirement(text) for text in requires(PACKAGE) or []]
    needed = [one for one in every if "extra" not in str(one.marker or "")]
    return needed, [one for one in every if one not in needed]


def _list_misfits(declared: Sequence[Requirement]) -> Iterator[tuple[Requirement, str | None]]:
    for requirement in declared:
        is_extra = "extra" in str(requirement.marker or "")
        if requirement.marker is not None and not is_extra and not requirement.marker.evaluate():
            continue
        found = _find_version(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            yield requirement, found


def check_disk(folder: Path) -> Iterator[Finding]:
    """Look whether the workspace can be written, and how much room its disk has."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        yield problem(
            "workspace",
            f"{there} cannot be written: {error.strerror}",
            "change its owner or permissions, or set [project] workspace to another folder",
        )
        return
    free = shutil.disk_usage(there).free / GIB
    words = f"{folder} can be written; {free:,.1f} GiB are free"
    mend = "make room, or set [project] workspace to a folder on another disk"
    if free < LEAST_DISK_GIB:
        yield problem("workspace", words, mend)
    elif free < LITTLE_DISK_GIB:
        yield warning("workspace", words, mend)
    else:
        yield ok("workspace", words)


def check_memory() -> Iterator[Finding]:
    """Look how much memory there is to train and serve with."""
    free, total = _read_memory()
    words = f"{free / GIB:,.1f} of {total / GIB:,.1f} GiB are free"
    mend = (
        "close other programs, give the machine or container more, or lower memory_limit and "
        "threads in [project]"
    )
    if free < LEAST_MEMORY_GIB * GIB:
        yield problem("memory", words, mend)
    elif free < LITTLE_MEMORY_GIB * GIB:
        yield warning("memory", f"{words}; training the demo needs 1.6", mend)
    else:
        yield ok("memory", words)


def check_clock(project: Project | None, now: datetime) -> Iterator[Finding]:
    """Look whether anything in the workspace was written in the future."""
    words = f"{now:%Y-%m-%d %H:%M:%S} UTC; local time zone {time.tzname[0]}"
    root = None if project is None else project.workspace.root
    newest = max((path.stat().st_mtime for path in _list_stamps(root)), default=0.0)
    ahead = newest - now.timestamp()
    if ahead > CLOCK_SECONDS:
        written = datetime.fromtimestamp(newest, UTC)
        yield problem(
            "clock",
            f"{words}; but the workspace was written at {written:%Y-%m-%d %H:%M} UTC",
            "set the clock (`timedatectl set-ntp true`): windows, keys and retention follow it",
        )
    else:
        yield ok("clock", words)


def _list_stamps(root: Path | None) -> list[Path]:
    """Return files that Almanac writes often; few, as a workspace may hold very many."""
    if root is None or not root.is_dir():
        return []
    patterns = ("*", "tables/*", "published/*/*", "access/*", "mlflow/*")
    return [path for pattern in patterns for path in root.glob(pattern)]


def _read_memory() -> tuple[float, float]:
    import psutil

    memory = psutil.virtual_memory()
    free, total = float(memory.available), float(memory.total)
    try:  # a container may have less than its machine
        most = (_CGROUP / "memory.max").read_text().strip()
        used = float((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return free, total
    if most.isdigit():
        free, total = min(free, float(most) - used), min(total, float(most))
    return free, total


def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
