"""The command line of the decision log: compact, show, export."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from features.progress import Terminal
from features.project import load_project

ProjectFile = Annotated[
    Path, typer.Option("--project", "-p", help="The project file.", show_default="almanac.toml")
]
DEFAULT_PROJECT = Path("almanac.toml")
Day = Annotated[
    datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="One day, UTC; else all.")
]
decisions_app = typer.Typer(
    help="What the service decided, and what came of it: compact, show, export.",
    no_args_is_help=True,
)


def _check_parquet(out: Path | None) -> Path | None:
    if out is not None and out.suffix != ".parquet":
        raise typer.BadParameter(f"expected FILE.parquet, got {out.name}")
    return out


@decisions_app.command()
def compact(project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Turn what services have written and let go of into daily Parquet; `serve` does it, too."""
    from features.served.places import ServedPlaces
    from serving.decisions.compaction import compact as compact_places

    done = compact_places(ServedPlaces(load_project(project).workspace.root))
    torn = f"; {done.torn:,} torn lines skipped" if done.torn else ""
    Terminal(Console()).say(
        f"{done.files:,} files compacted: {done.decisions:,} decisions, "
        f"{done.outcomes:,} outcomes{torn}"
    )


@decisions_app.command()
def show(day: Day = None, project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Show how many decisions there were by day, role, model and policy, and what came of them."""
    from serving.decisions.export import count_decisions

    one = None if day is None else day.date()
    terminal = Terminal(Console())
    counts = count_decisions(load_project(project), one)
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


@decisions_app.command()
def export(
    out: Annotated[
        Path, typer.Option("--out", help="FILE.parquet of decisions.", callback=_check_parquet)
    ],
    touches: Annotated[
        Path | None,
        typer.Option(help="FILE.parquet of what was sent, too.", callback=_check_parquet),
    ] = None,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Write the champion's decisions as the canonical table, pseudonyms turned back into ids."""
    from serving.decisions.export import export_decisions

    exported = export_decisions(load_project(project), out, touches)
    terminal = Terminal(Console())
    terminal.say(f"wrote {out}: {exported.decisions:,} decisions")
    if touches is not None:
        terminal.say(f"wrote {touches}: {exported.touches:,} touches")
    if exported.unknown:
        terminal.say(f"{exported.unknown:,} decisions left out: of customers the project lacks")
