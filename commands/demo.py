"""`almanac demo`: the whole way on the sample, with addresses to look at in the end."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.steps import open_project, open_terminal, open_timed_terminal

if TYPE_CHECKING:
    from features.project import Project
    from serving.settings import ServingSettings


def demo(
    project: Annotated[
        Path,
        typer.Option("--project", "-p", help="Its project file; all it makes lies beside it."),
    ] = Path("demo/almanac.toml"),
    serve: Annotated[bool, typer.Option(help="Serve it when it is ready.")] = True,
) -> None:
    """Go the whole way on the sample: data, models, gates, report, service."""
    from serving.greeting import greet
    from serving.launch import check_free
    from serving.launch import serve as serve_project
    from serving.settings import ServingSettings, read_settings
    from training.sample import prepare_sample
    from training.tracking import open_page

    terminal = open_terminal()
    if serve:  # minutes of work must not end in a port that is taken
        check_free(read_settings(open_project(project)) if project.exists() else ServingSettings())
    loaded = prepare_sample(project, open_timed_terminal())
    settings = read_settings(loaded)
    has_page = serve and _is_page_free()
    terminal.say(_describe_end(loaded, settings, has_page=has_page))
    if not serve:
        terminal.say(f"To serve it: almanac serve --project {project}")
        return
    with open_page(loaded) if has_page else nullcontext():
        serve_project(loaded, lambda _: terminal.say(greet(settings)[0]))


def _describe_end(project: Project, settings: ServingSettings, *, has_page: bool) -> str:
    from serving.examples import show_requests
    from serving.greeting import list_pages
    from training.tracking import PAGE_ADDRESS, local_uri

    command = f"mlflow server --backend-store-uri {local_uri(project)} --port 5001"
    return (
        f"\n{show_requests(project)}\n\n"
        f"To look at, in a browser on this machine, once it says that it serves:\n"
        f"{list_pages(settings)}\n"
        f"  {'MLflow':<20}{PAGE_ADDRESS if has_page else command}\n"
        f"  {'The report':<20}{project.path.parent / 'report' / 'report.html'}\n\n"
        "Then your own data: almanac init --sales FILE.csv --orders FILE.csv"
    )


def _is_page_free() -> bool:
    """Say whether MLflow's page can be shown where it always is."""
    from serving.launch import NotStarted, check_port
    from serving.settings import ServingSettings

    try:
        check_port(ServingSettings(port=5000))
    except NotStarted:
        return False
    return True
