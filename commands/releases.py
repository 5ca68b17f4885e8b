"""The command line of models under traffic: challenge, roll back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from commands.options import DEFAULT_PROJECT, KindName, ProjectFile
from commands.steps import open_project, open_terminal


def challenge(
    kind: KindName,
    off: Annotated[bool, typer.Option("--off", help="Take the challenger back.")] = False,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Publish the challenger beside the champion, to be tried as [challenger] says."""
    from training.challenge import challenge as begin
    from training.challenge import stop_challenge

    terminal = open_terminal()
    (stop_challenge if off else begin)(open_project(project), kind, terminal)


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
        open_project(project),
        kind,
        open_terminal(),
        now=datetime.now(UTC),
        version=to,
        reason=reason,
    )
