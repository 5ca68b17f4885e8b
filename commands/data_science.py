"""From your files to a champion: init, check, features, backtest, train, promote, report."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from commands.options import DEFAULT_PROJECT, KindName, ProjectFile
from commands.steps import build_tables, open_project, open_terminal


class Report(StrEnum):
    """What a page is about."""

    training = "training"
    omnichannel = "omnichannel"


def init(
    sales: Annotated[Path | None, typer.Option(help="A CSV or Parquet file of sales.")] = None,
    orders: Annotated[Path | None, typer.Option(help="A CSV or Parquet file of orders.")] = None,
    project: ProjectFile = DEFAULT_PROJECT,
    force: Annotated[bool, typer.Option(help="Replace a project file that is there.")] = False,
) -> None:
    """Write a commented project file by looking at your files."""
    from features.door.draft import write_draft

    if sales is None and orders is None:
        raise typer.BadParameter("name at least one file with --sales or --orders")
    open_terminal().say(write_draft(project, sales=sales, orders=orders, is_replaced=force))


def check(project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Read every table, refuse what is wrong in it, and say what is there."""
    terminal, loaded = open_terminal(), open_project(project)
    build_tables(loaded, terminal)
    option = "" if project == DEFAULT_PROJECT else f" --project {project}"
    if "sales" in loaded.tables:
        terminal.say(f"next, how much: almanac forecast --out forecast.csv{option}")
    if "events" in loaded.tables:
        terminal.say(f"next, when: almanac train promotion{option}")


def features(
    project: ProjectFile = DEFAULT_PROJECT,
    as_of: Annotated[
        datetime | None, typer.Option(help="Cut-off, UTC; the end of the data when not given.")
    ] = None,
) -> None:
    """Build the per-customer and the per-region dataset as of a cut-off."""
    from training.datasets import build_datasets

    terminal, loaded = open_terminal(), open_project(project)
    build_tables(loaded, terminal)
    for path, rows in build_datasets(loaded, as_of):
        terminal.say(f"{rows:>12,} rows  {path}")


def backtest(
    kind: KindName,
    out: Annotated[Path, typer.Option(help="Folder for scores and forecasts.", file_okay=False)],
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Score the method and its baselines on rolling origins, without registering a model."""
    from training.lifecycle import describe_scores, write_evidence
    from training.recipes import RECIPES

    terminal, loaded = open_terminal(), open_project(project)
    recipe = RECIPES[kind]
    build_tables(loaded, terminal, recipe.tables(loaded))
    tables = recipe.backtest(loaded, recipe.settings(loaded), terminal)
    write_evidence(tables, out)
    terminal.say(describe_scores(tables["scores"]))
    terminal.say(f"wrote {', '.join(sorted(path.name for path in out.iterdir()))} to {out}")


def train(kind: KindName, project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Backtest, fit, record the run in MLflow and register the model as challenger."""
    from training.lifecycle import train as train_model
    from training.recipes import RECIPES

    terminal, loaded = open_terminal(), open_project(project)
    recipe = RECIPES[kind]
    fingerprints = build_tables(loaded, terminal, recipe.tables(loaded))
    train_model(loaded, recipe, fingerprints, terminal)
    terminal.say(f"next: almanac promote {kind} --project {project}")


def promote(
    kind: KindName,
    project: ProjectFile = DEFAULT_PROJECT,
    force: Annotated[bool, typer.Option(help="Promote although a gate refuses.")] = False,
    reason: Annotated[str, typer.Option(help="Why it is forced; logged with the run.")] = "",
) -> None:
    """Make the challenger champion if it passes the gates, and publish it to serving."""
    if force and not reason.strip():
        raise typer.BadParameter("--force needs --reason, which is logged with the verdict")
    from training.lifecycle import promote as promote_model
    from training.recipes import RECIPES

    because = reason if force else None
    promote_model(open_project(project), RECIPES[kind], open_terminal(), forced_because=because)


def report(
    out: Annotated[Path, typer.Option(help="Folder for the page.", file_okay=False)],
    about: Annotated[
        Report, typer.Argument(help="training: what was found; omnichannel: customers' journeys.")
    ] = Report.training,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Write one HTML page with plots: of the last training, or of customers across channels."""
    terminal, loaded = open_terminal(), open_project(project)
    if about is Report.omnichannel:
        from training.omnichannel.page import write_omnichannel_report

        build_tables(loaded, terminal, ["events"])
        page = write_omnichannel_report(loaded, out)
    else:
        from training.report import write_report

        page = write_report(loaded, out)
    terminal.say(f"wrote {page}")
    if about is Report.omnichannel:
        terminal.say("the service shows the same at /channels")
