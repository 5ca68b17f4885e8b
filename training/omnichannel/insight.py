"""What is found of customers across channels, for the page and for the service to tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

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
from training.omnichannel.friction import Friction, find_friction
from training.omnichannel.lift import Lift, estimate_lift
from training.omnichannel.settings import InsightSettings
from training.omnichannel.step_rows import build_step_rows

KNOWN_STEPS = (
    "product_list_viewed", "product_viewed", "product_added", "cart_viewed", "checkout_started",
    "payment_info_entered", EventType.ORDER,
)  # fmt: skip
"""The default funnel: those of these types that are there, in this order."""
_MOST_VALUES = 20


@dataclass(frozen=True)
class Span:
    """The events that were looked at.

    Attributes
    ----------
    first, last : datetime
        Naive UTC.
    events, customers : int
    currency : str or None
        None where events hold several, or none.
    """

    first: datetime
    last: datetime
    events: int
    customers: int
    currency: str | None


@dataclass(frozen=True)
class ValueFound:
    """What several channels are worth.

    Attributes
    ----------
    start : datetime
        Of the baseline window.
    baseline_days, outcome_days : int
    mixes : DataFrame
        Of `features.journeys.mixes.build_mixes`.
    lift : Lift or None
        None where it cannot be told, and `missing` says why.
    missing : str
    """

    start: datetime
    baseline_days: int
    outcome_days: int
    mixes: pd.DataFrame
    lift: Lift | None
    missing: str


@dataclass(frozen=True)
class FunnelFound:
    """One funnel.

    Attributes
    ----------
    funnel : Funnel
    segments : tuple of str
    rows : DataFrame
        Of `training.omnichannel.step_rows.build_step_rows`; empty where nobody began.
    friction : Friction or None
        None where `missing` says why there is nothing to tell.
    missing : str
    """

    funnel: Funnel
    segments: tuple[str, ...]
    rows: pd.DataFrame
    friction: Friction | None
    missing: str = ""


@dataclass(frozen=True)
class Insight:
    """All that was found.

    Attributes
    ----------
    span : Span
    value : ValueFound
    transitions, first_to_order : DataFrame
        Of `features.journeys.transitions`.
    funnels : tuple of FunnelFound
    settings : InsightSettings
    """

    span: Span
    value: ValueFound
    transitions: pd.DataFrame
    first_to_order: pd.DataFrame
    funnels: tuple[FunnelFound, ...]
    settings: InsightSettings


def find_insight(project: Project) -> Insight:
    """Look at the project's table of events.

    Parameters
    ----------
    project : Project
        Its events must have been built; `[insight]` says what is looked at.

    Raises
    ------
    NotEnoughData
        If there is no table of events, or it is empty.
    """
    settings = project.section("insight", InsightSettings)
    check_events(project.workspace)
    options = project.settings
    with open_engine(options.threads, options.memory_limit) as engine:
        span = _read_span(engine, project)
        end = span.last + timedelta(microseconds=1)
        rng = np.random.default_rng(options.seed)
        workspace, gap = project.workspace, settings.visit_gap_minutes
        return Insight(
            span=span,
            value=_find_value(engine, project, settings, (span.first, end), rng),
            transitions=build_transitions(engine, workspace, span.first, end, gap_minutes=gap),
            first_to_order=build_first_to_order(engine, workspace, span.first, end),
            funnels=_find_funnels(engine, project, settings, rng),
            settings=settings,
        )


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


def _read_span(engine: duckdb.DuckDBPyConnection, project: Project) -> Span:
    first, last, events, customers, currencies, currency = engine.execute(
        "SELECT MIN(occurred_at), MAX(occurred_at), COUNT(*), COUNT(DISTINCT customer_id), "
        f"COUNT(DISTINCT currency), MIN(currency) FROM {_events(project)}"
    ).fetchall()[0]
    if not events:
        raise NotEnoughData(
            f"{project.workspace.tables}: expected events, found an empty table. "
            "Check the source of [tables.events] and build the tables again."
        )
    return Span(first, last, events, customers, currency if currencies == 1 else None)


def _find_value(
    engine: duckdb.DuckDBPyConnection,
    project: Project,
    settings: InsightSettings,
    span: tuple[datetime, datetime],
    rng: np.random.Generator,
) -> ValueFound:
    start, baseline, outcome = plan_windows(*span, settings)
    mixes = build_mixes(
        engine, project.workspace, start, baseline_days=baseline, outcome_days=outcome
    )
    return ValueFound(start, baseline, outcome, mixes, *_try_lift(mixes, rng))


def _try_lift(mixes: pd.DataFrame, rng: np.random.Generator) -> tuple[Lift | None, str]:
    if mixes.empty:
        return None, "no customer made two orders in the baseline window."
    if (mixes["mix"] == mixes["mix"].iloc[0]).all():
        return None, f"all customers are of one kind ({mixes['mix'].iloc[0]})."
    try:
        return estimate_lift(mixes, rng), ""
    except NotEnoughData as error:
        return None, str(error)


def _find_funnels(
    engine: duckdb.DuckDBPyConnection,
    project: Project,
    settings: InsightSettings,
    rng: np.random.Generator,
) -> tuple[FunnelFound, ...]:
    segments = settings.segments or _choose_segments(engine, project)
    found = []
    for funnel in choose_funnels(engine, project, settings):
        try:
            attempts = build_attempts(engine, project.workspace, funnel, segments=segments)
        except NotEnoughData as error:
            found.append(FunnelFound(funnel, segments, pd.DataFrame(), None, str(error)))
            continue
        detours = build_detours(engine, project.workspace, funnel, attempts)
        rows = build_step_rows(attempts, funnel, segments)
        friction = find_friction(
            attempts, detours, funnel, rng, segments=segments, rate=settings.false_discovery_rate,
            permutations=settings.permutations,
        )  # fmt: skip
        found.append(FunnelFound(funnel, segments, rows, friction))
    return tuple(found)


def _choose_segments(engine: duckdb.DuckDBPyConnection, project: Project) -> tuple[str, ...]:
    query = f"SELECT COUNT(DISTINCT region_id) FROM {_events(project)}"
    n_regions = engine.execute(query).fetchall()[0][0]
    return ("region_id",) if 1 < n_regions <= _MOST_VALUES else ()


def _events(project: Project) -> str:
    return DuckDB().table(project.workspace.table(EVENTS.name))
