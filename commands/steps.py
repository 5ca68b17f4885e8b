"""What most commands do at their beginning and end: open the project, build tables, write."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from features.progress import Terminal
    from features.project import Project


def open_terminal() -> Terminal:
    """Return where a command tells how far it is."""
    from rich.console import Console

    from features.progress import Terminal

    return Terminal(Console())


def open_timed_terminal() -> Terminal:
    """Return the same for work of minutes: each line begins with the seconds gone by."""
    from rich.console import Console

    from features.progress import TimedTerminal

    return TimedTerminal(Console())


def open_project(path: Path) -> Project:
    """Read and check the project file."""
    from features.project import load_project

    return load_project(path)


def build_tables(
    project: Project, terminal: Terminal, only: Collection[str] | None = None
) -> dict[str, str]:
    """Build the canonical tables and return their fingerprints."""
    from features.door.tables import build_tables as build

    built = build(project, terminal, only)
    return {name: summary.fingerprint for name, summary in built.items()}


def write_table(table: pd.DataFrame, out: Path, terminal: Terminal) -> None:
    """Write a result whole or not at all, and say how much it is."""
    from training.written import write_result

    write_result(table, out)
    terminal.say(f"wrote {len(table):,} rows to {out}")
