"""The command line of the decision log: compact, show, export."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from commands.options import (
    CAMPAIGNS,
    DATA_SCIENCE,
    DEFAULT_PROJECT,
    OPERATIONS,
    ProjectFile,
    check_parquet_file,
)
from commands.steps import open_project, open_terminal

Day = Annotated[
    datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="One day, UTC; else all.")
]
decisions_app = typer.Typer(
    help="What the service decided, and what came of it: compact, show, export.",
    no_args_is_help=True,
)


@decisions_app.command(rich_help_panel=OPERATIONS)
def compact(project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Turn what services have written and let go of into daily Parquet; `serve` does it, too."""
    from features.served.places import ServedPlaces
    from serving.decisions.compaction import compact as compact_places

    done = compact_places(ServedPlaces(open_project(project).workspace.root))
    torn = f"; {done.torn:,} torn lines skipped" if done.torn else ""
    open_terminal().say(
        f"{done.files:,} files compacted: {done.decisions:,} decisions, "
        f"{done.outcomes:,} outcomes{torn}"
    )


@decisions_app.command(rich_help_panel=CAMPAIGNS)
def show(day: Day = None, project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Show how many decisions there were by day, role, model and policy, and what came of them."""
    from serving.decisions.export import count_decisions

    one = None if day is None else day.date()
    terminal = open_terminal()
    counts = count_decisions(open_project(project), one)
    for row in counts.to_dict("records"):
        told = ", ".join(
            f"{row[name]:,} {name}"
            for name in ("sent", "opened", "clicked", "ordered", "unsubscribed")
        )
        terminal.say(
            f"{row['date']} {row['role']} {row['model_version']} {row['policy']}: "
            f"{row['decisions']:,} decisions, {told}"
        )
    if counts.empty:
        terminal.say("nothing is compacted; almanac decisions compact takes what services let go")


@decisions_app.command(rich_help_panel=DATA_SCIENCE)
def export(
    out: Annotated[
        Path, typer.Option("--out", help="FILE.parquet of decisions.", callback=check_parquet_file)
    ],
    touches: Annotated[
        Path | None,
        typer.Option(help="FILE.parquet of what was sent, too.", callback=check_parquet_file),
    ] = None,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Write the champion's decisions as the canonical table, pseudonyms turned back into ids."""
    from serving.decisions.export import export_decisions

    exported = export_decisions(open_project(project), out, touches)
    terminal = open_terminal()
    terminal.say(f"wrote {out}: {exported.decisions:,} decisions")
    if touches is not None:
        terminal.say(f"wrote {touches}: {exported.touches:,} touches")
    if exported.unknown:
        terminal.say(f"{exported.unknown:,} decisions left out: of customers the project lacks")
