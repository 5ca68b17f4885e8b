"""The command line of comparisons: the registered trainings, and two of them side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import DEFAULT_PROJECT, KindName, ProjectFile
from commands.steps import open_project, open_terminal

New = Annotated[str, typer.Argument(help="A version's number, or its alias.")]
Old = Annotated[str, typer.Argument(help="What to compare it with, likewise.")]


def runs(kind: KindName, project: ProjectFile = DEFAULT_PROJECT) -> None:
    """List the registered trainings: scores beside the best baseline, verdicts, aliases."""
    from training.comparison.runs import list_runs

    table = list_runs(open_project(project), kind).drop(columns=["run_id", "level"])
    open_terminal().say(table.round(4).to_string(index=False, na_rep=""))


def compare(
    kind: KindName,
    new: New = "challenger",
    old: Old = "champion",
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Set two trainings side by side: scores, settings, features, the forecasts that moved most."""
    from training.comparison.chapter import describe_change, tabulate_change
    from training.comparison.trainings import compare_versions
    from training.comparison.words import write_grid

    tables = compare_versions(open_project(project), kind, new, old)
    terminal = open_terminal()
    for sentence in describe_change(tables):
        terminal.say(sentence)
    for grid in tabulate_change(tables):
        terminal.say(f"\n{write_grid(grid)}")
