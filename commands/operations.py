"""Run it, watch it, clean it: serve, monitor, purge."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from commands.options import DEFAULT_PROJECT, ProjectFile
from commands.steps import build_tables, open_project, open_terminal

ALERTED = 3


def serve(project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Serve the published champions and the pages over HTTP, until Ctrl+C."""
    from serving.greeting import greet
    from serving.launch import serve as serve_project
    from serving.settings import read_settings

    loaded = open_project(project)
    settings = read_settings(loaded)
    option = "" if project == DEFAULT_PROJECT else f" --project {project}"

    def say_start(_: str) -> None:
        for line in greet(settings, option):
            open_terminal().say(line)

    raise typer.Exit(serve_project(loaded, say_start))


def monitor(
    out: Annotated[Path | None, typer.Option(help="Folder for a copy.", file_okay=False)] = None,
    now: Annotated[
        str, typer.Option(help="Judge as of this moment, with offset; else the clock's.")
    ] = "",
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Look for drift, miscalibration, forecast error and age; exit code 3 when something alerts."""
    from training.monitor.command import run_monitor

    terminal, loaded = open_terminal(), open_project(project)
    build_tables(loaded, terminal)
    if run_monitor(loaded, terminal, out=out, now=now or datetime.now(UTC).isoformat()):
        raise typer.Exit(ALERTED)


def purge(project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Remove what is past its retention, and the erased from every file of the workspace."""
    from serving.campaigns.drafts import DraftShelf
    from serving.customers.purge import finish_purge, list_erased, purge_store
    from serving.customers.store import CustomerStore
    from serving.decisions.retention import purge_decisions
    from training.erasure.workspace import erase_from_workspace

    terminal, loaded, now = open_terminal(), open_project(project), datetime.now(UTC)
    DraftShelf(loaded.workspace.root).prune(now)
    terminal.say(f"removed {purge_decisions(loaded, now):,} old files of the decision log")
    store = CustomerStore.open(loaded)
    purged = purge_store(store, now)
    terminal.say(f"removed {purged.events:,} events and {purged.dead_letters:,} dead letters")
    if not purged.is_folded:
        terminal.say(
            "a service reads the store: what was erased is gone from it, but not yet overwritten "
            "in its log; run purge again when no request is under way"
        )
    erased = list_erased(store)
    if erased:
        report = erase_from_workspace(loaded, list(erased.values()), terminal, now=now)
        models = [model.words for model in report.affected_models]
        for line in (*models, *report.notes, *map(str, report.unread)):
            terminal.say(line)
        terminal.say(f"removed {report.rows:,} rows of {len(erased):,} erased ids from files")
        if report.is_complete and purged.is_folded:
            finish_purge(store, list(erased), now, models)
    store.close()
