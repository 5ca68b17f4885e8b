"""Whom to write to, and when: send times, and whole campaigns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from commands.options import (
    DEFAULT_PROJECT,
    Audience,
    ProjectFile,
    TableFile,
    WindowDays,
    WindowStart,
)
from commands.steps import build_tables, open_project, open_terminal, write_table


def send_times(
    audience: Audience,
    out: TableFile,
    start: WindowStart = "",
    days: WindowDays = 7,
    channel: Annotated[
        list[str] | None, typer.Option(help="Channel, repeatable, in order of preference.")
    ] = None,
    quiet_hours: Annotated[
        str, typer.Option(help="Local hours not to send in; empty for none.")
    ] = "21:00-08:00",
    top: Annotated[int, typer.Option(min=1, max=168, help="Slots per customer.")] = 3,
    all_slots: Annotated[
        bool, typer.Option("--all-slots", help="Write all 168 probabilities instead.")
    ] = False,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Write the best moments to reach each customer of an audience."""
    import pandas as pd

    from serving.batch import build_query, load_predictor, read_audience, schedule_audience
    from serving.customers.hiding import hide_customers
    from training.promotion.ready import find_champion

    terminal, loaded = open_terminal(), open_project(project)
    query = build_query(
        read_audience(audience),
        start=start or datetime.now(UTC).isoformat(timespec="minutes"),
        days=days,
        channels=tuple(channel or ("email",)),
        quiet_hours=quiet_hours,
        top_k=top,
        has_all_slots=all_slots,
    )
    predictor = load_predictor(find_champion(loaded, terminal)[1])
    hide_customers(predictor, loaded)
    write_table(pd.concat(schedule_audience(predictor, query), ignore_index=True), out, terminal)


def plan_campaign(
    audience: Audience,
    promotion: Annotated[list[str], typer.Option(help="Promotion, repeatable, the dearest first.")],
    out: TableFile,
    name: Annotated[str, typer.Option(help="What the log calls it; else the promotions.")] = "",
    start: WindowStart = "",
    days: WindowDays = 7,
    channel: Annotated[
        list[str] | None, typer.Option(help="Channel it may use, repeatable.")
    ] = None,
    now: Annotated[
        str, typer.Option(help="Decide as of this moment, with offset; else the clock's.")
    ] = "",
    budget: Annotated[
        float | None, typer.Option(min=0.0, help="Money for all messages; else [campaign].")
    ] = None,
    log: Annotated[bool, typer.Option(help="Keep the decisions in the workspace.")] = True,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Decide who gets which offer, when and over which channel; with arms and propensities."""
    from serving.batch import read_audience
    from serving.campaigns.expectations import describe_plan
    from serving.campaigns.log import log_decisions
    from serving.campaigns.query import ask_campaign
    from serving.campaigns.run import run_campaign
    from serving.campaigns.tables import list_tables
    from training.promotion.ready import find_champion

    terminal, loaded = open_terminal(), open_project(project)
    query = ask_campaign(
        loaded,
        read_audience(audience),
        name=name or "-".join(promotion),
        promotions=tuple(promotion),
        channels=tuple(channel or ("email",)),
        start=start,
        days=days,
        budget=budget,
        now=now or datetime.now(UTC).isoformat(timespec="seconds"),
    )
    build_tables(loaded, terminal, list_tables(loaded))
    version, files = find_champion(loaded, terminal)
    planned = run_campaign(loaded, files, version, query)
    for line in describe_plan(planned.plan, planned.schedule):
        terminal.say(line)
    if log:
        path = log_decisions(planned.schedule, query, loaded.workspace.root)
        terminal.say(f"logged every decision to {path}")
    write_table(planned.schedule, out, terminal)
