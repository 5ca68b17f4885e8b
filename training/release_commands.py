"""The command line of models under traffic: challenge, roll back."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from features.progress import Terminal
from features.project import load_project


class Kind(StrEnum):
    """What a model answers: `demand` how much, `promotion` when."""

    demand = "demand"
    promotion = "promotion"


ProjectFile = Annotated[
    Path, typer.Option("--project", "-p", help="The project file.", show_default="almanac.toml")
]
KindName = Annotated[Kind, typer.Argument(help="demand: how much; promotion: when.")]
DEFAULT_PROJECT = Path("almanac.toml")


def challenge(
    kind: KindName,
    off: Annotated[bool, typer.Option("--off", help="Take the challenger back.")] = False,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Publish the challenger beside the champion, to be tried as [challenger] says."""
    from training.challenge import challenge as begin
    from training.challenge import stop_challenge

    terminal = Terminal(Console())
    (stop_challenge if off else begin)(load_project(project), kind, terminal)


def rollback(
    kind: KindName,
    to: Annotated[
        str | None, typer.Option(help="Version; else the one published before the current one.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")] = "",
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Publish an earlier version again; running services take it over within a second or two."""
    from training.rollback import roll_back

    roll_back(
        load_project(project),
        kind,
        Terminal(Console()),
        now=datetime.now(UTC),
        version=to,
        reason=reason,
    )
