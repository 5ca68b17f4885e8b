"""The page on channels: what several are worth, journeys, funnels and friction, in one file."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from features.customer.dialect import DuckDB
from features.engine import open_engine
from features.errors import NotEnoughData
from features.journeys.funnel_query import Funnel
from features.journeys.funnels import build_attempts, build_detours, check_events
from features.journeys.mixes import build_mixes
from features.journeys.transitions import build_first_to_order, build_transitions
from features.project import Project
from features.schema import EVENTS, EventType
from training.chapters import Chapter, Section
from training.omnichannel.friction import find_friction
from training.omnichannel.friction_chapter import write_friction_section, write_funnel_section
from training.omnichannel.journey_chapter import write_journey_sections
from training.omnichannel.lift import Lift, estimate_lift
from training.omnichannel.settings import InsightSettings
from training.omnichannel.step_rows import build_step_rows
from training.omnichannel.value_chapter import write_lift, write_value_section
from training.report import write_page

PAGE = "omnichannel.html"
KNOWN_STEPS = (
    "product_list_viewed", "product_viewed", "product_added", "cart_viewed", "checkout_started",
    "payment_info_entered", EventType.ORDER,
)  # fmt: skip
"""The default funnel: those of these types that are there, in this order."""
ABOUT = "customers across channels"
_MOST_VALUES = 20


def write_omnichannel_report(project: Project, out: Path) -> Path:
    """Write `omnichannel.html` on the project's table of events.

    Parameters
    ----------
    project : Project
        Its events must have been built; `[insight]` says what is looked at.
    out : Path
        Folder; made if it is not there.

    Returns
    -------
    Path
        The page: one file, with its pictures inside.

    Raises
    ------
    NotEnoughData
        If there is no table of events, or it is empty. What single parts cannot tell, the page
        says in a sentence.
    """
    settings = project.section("insight", InsightSettings)
    check_events(project.workspace)
    options = project.settings
    with open_engine(options.threads, options.memory_limit) as engine:
        chapter = _write_chapter(engine, project, settings)
    return write_page(out / PAGE, options.name, ABOUT, [chapter])


def choose_funnels(
    engine: duckdb.DuckDBPyConnection, project: Project, settings: InsightSettings
) -> list[Funnel]:
    """Return the funnels of the settings, or one of the event types that are there.

    Returns
    -------
    list of Funnel
        Empty where none is set and fewer than two of `KNOWN_STEPS` are in the events.
    """
    given = settings.funnels
    if not given:
        known = {row[0] for row in engine.execute(
            f"SELECT DISTINCT type FROM {_events(project)}").fetchall()}  # fmt: skip
        steps = tuple(step for step in KNOWN_STEPS if step in known)
        given = {"to order": steps} if len(steps) > 1 and steps[-1] == EventType.ORDER else {}
    return [
        Funnel(name, steps, settings.funnel_order, settings.window_hours)
        for name, steps in given.items()
    ]


def _write_chapter(
    engine: duckdb.DuckDBPyConnection, project: Project, settings: InsightSettings
) -> Chapter:
    row = engine.execute(
        f"SELECT MIN(occurred_at), MAX(occurred_at), COUNT(*), COUNT(DISTINCT customer_id) "
        f"FROM {_events(project)}"
    ).fetchall()[0]
    if not row[2]:
        raise NotEnoughData(
            f"{project.workspace.tables}: expected events, found an empty table. "
            "Check the source of [tables.events] and build the tables again."
        )
    first, end = row[0], row[1] + timedelta(microseconds=1)
    rng = np.random.default_rng(project.settings.seed)
    value, headline = _write_value(engine, project, settings, (first, end), rng)
    workspace = project.workspace
    journeys = write_journey_sections(
        build_transitions(engine, workspace, first, end, gap_minutes=settings.visit_gap_minutes),
        build_first_to_order(engine, workspace, first, end),
        settings.visit_gap_minutes,
    )
    funnels = _write_funnels(engine, project, settings, rng)
    about = f"{row[2]:,} events of {row[3]:,} customers, {first:%Y-%m-%d} to {row[1]:%Y-%m-%d}."
    return Chapter(
        "omnichannel",
        "Customers across channels",
        "What are several channels worth, where do customers go between them, and where are they "
        "lost?",
        f"{headline} {about}",
        (value, *journeys, *funnels),
    )


def plan_windows(
    first: datetime, end: datetime, settings: InsightSettings
) -> tuple[datetime, int, int]:
    """Return the start of the baseline and the days of both windows, which end with the data.

    Where the data is shorter than both, it is divided in the same proportion.

    Examples
    --------
    >>> plan_windows(datetime(2025, 1, 1), datetime(2025, 1, 31), InsightSettings())
    (datetime.datetime(2025, 1, 1, 0, 0), 15, 15)
    """
    baseline, outcome = settings.baseline_days, settings.outcome_days
    there = (end - first) // timedelta(days=1)
    if there < baseline + outcome:
        baseline = max(1, there * baseline // (baseline + outcome))
        outcome = max(1, there - baseline)
    return end - timedelta(days=baseline + outcome), baseline, outcome


def _write_value(
    engine: duckdb.DuckDBPyConnection,
    project: Project,
    settings: InsightSettings,
    span: tuple[datetime, datetime],
    rng: np.random.Generator,
) -> tuple[Section, str]:
    start, baseline, outcome = plan_windows(*span, settings)
    windows = (
        f"Channels are those of the orders of {baseline} days from {start:%Y-%m-%d}; orders and "
        f"spend are counted in the {outcome} days after those, of customers with two orders or "
        "more before."
    )
    mixes = build_mixes(
        engine, project.workspace, start, baseline_days=baseline, outcome_days=outcome
    )
    lift, missing = _try_lift(mixes, rng)
    section = write_value_section(mixes, lift, windows, missing)
    if lift is None:
        return section, "What several channels are worth cannot be told from this data."
    return section, write_lift(lift)


def _try_lift(mixes: pd.DataFrame, rng: np.random.Generator) -> tuple[Lift | None, str]:
    if mixes.empty:
        return None, "no customer made two orders in the baseline window."
    if (mixes["mix"] == mixes["mix"].iloc[0]).all():
        return None, f"all customers are of one kind ({mixes['mix'].iloc[0]})."
    try:
        return estimate_lift(mixes, rng), ""
    except NotEnoughData as error:
        return None, str(error)


def _write_funnels(
    engine: duckdb.DuckDBPyConnection,
    project: Project,
    settings: InsightSettings,
    rng: np.random.Generator,
) -> list[Section]:
    funnels = choose_funnels(engine, project, settings)
    if not funnels:
        reason = (
            "There is no funnel: name its steps in [insight] funnels, or send two or more of "
            f"{', '.join(KNOWN_STEPS)}."
        )
        return [Section("Funnels", (reason,))]
    segments = settings.segments or _choose_segments(engine, project)
    sections = []
    for funnel in funnels:
        try:
            attempts = build_attempts(engine, project.workspace, funnel, segments=segments)
        except NotEnoughData as error:
            sections.append(Section(f"Funnel: {funnel.name}", (str(error),)))
            continue
        detours = build_detours(engine, project.workspace, funnel, attempts)
        rows = build_step_rows(attempts, funnel, segments)
        rate = settings.false_discovery_rate
        found = find_friction(
            attempts, detours, funnel, rng, segments=segments, rate=rate,
            permutations=settings.permutations,
        )  # fmt: skip
        sections.append(write_funnel_section(rows, funnel, segments))
        sections.append(write_friction_section(rows, funnel, found, rate))
    return sections


def _choose_segments(engine: duckdb.DuckDBPyConnection, project: Project) -> tuple[str, ...]:
    query = f"SELECT COUNT(DISTINCT region_id) FROM {_events(project)}"
    n_regions = engine.execute(query).fetchall()[0][0]
    return ("region_id",) if 1 < n_regions <= _MOST_VALUES else ()


def _events(project: Project) -> str:
    return DuckDB().table(project.workspace.table(EVENTS.name))
