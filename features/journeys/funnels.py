"""Attempts at a funnel: who began, how far they came, through which channels, and how fast.

An *attempt* begins with an event of the first step and lasts for the conversion window. Further
first steps inside the window belong to the same attempt, so that no event counts twice and a
customer who comes back next week counts again.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from features.customer.dialect import DuckDB, quote
from features.errors import InvalidRequest, NotEnoughData
from features.journeys.funnel_query import CUSTOMER_SEGMENTS, Funnel, write_attempts, write_window
from features.project import Workspace
from features.schema import CUSTOMERS, EVENTS, Events


class Attempts:
    """The columns of `build_attempts`; `at_k` and `channel_k` are there for each step k."""

    ATTEMPT = "attempt"
    CUSTOMER_ID = "customer_id"
    REACHED = "reached"
    VALUE = "value"

    @staticmethod
    def at(step: int) -> str:
        """Return the column of the time at which step 1, 2, … was reached."""
        return f"at_{step}"

    @staticmethod
    def channel(step: int) -> str:
        """Return the column of the channel in which it was reached."""
        return f"channel_{step}"


def list_segments(workspace: Workspace) -> tuple[str, ...]:
    """Return the columns by which attempts can be split: of `events`, and of `customers`."""
    own = tuple(
        column.name
        for column in EVENTS.columns
        if column.name not in (Events.EVENT_ID, Events.OCCURRED_AT, Events.CHANNEL, Events.TYPE)
    )
    has_customers = workspace.table(CUSTOMERS.name).exists()
    return own + (CUSTOMER_SEGMENTS if has_customers else ())


def build_attempts(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    funnel: Funnel,
    *,
    segments: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Build every attempt at a funnel, in one query.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
    workspace : Workspace
        Whose table of events is read.
    funnel : Funnel
    segments : tuple of str
        Of `list_segments`; the value at the first event of the attempt.

    Returns
    -------
    DataFrame
        One row per attempt, sorted by customer and start: `attempt` (0, 1, …), `customer_id`,
        `reached` (the last step reached, 1 to n), `at_1 … at_n` (UTC, NaT where not reached),
        `channel_1 … channel_n`, `value` (of the last step's event; NaN where it was not reached),
        and a column per segment.

    Raises
    ------
    NotEnoughData
        If there is no table of events, or nobody began.
    InvalidRequest
        If a segment is no column by which attempts can be split.
    """
    check_events(workspace)
    for name in segments:
        if name not in list_segments(workspace):
            raise InvalidRequest(
                f"funnel '{funnel.name}': segment '{name}' is not known; "
                f"expected one of {list(list_segments(workspace))}"
            )
    query = write_attempts(
        funnel,
        segments,
        events=_events(workspace),
        customers=DuckDB().table(workspace.table(CUSTOMERS.name)),
    )
    attempts: pd.DataFrame = engine.sql(query).to_arrow_table().to_pandas()
    if attempts.empty:
        raise NotEnoughData(
            f"{workspace.tables}: funnel '{funnel.name}' expected events of type "
            f"'{funnel.steps[0]}', found none; name a first step that is in the events"
        )
    return attempts


def build_detours(
    engine: duckdb.DuckDBPyConnection, workspace: Workspace, funnel: Funnel, attempts: pd.DataFrame
) -> pd.DataFrame:
    """Build what else customers met during their attempts: events that are no step.

    Parameters
    ----------
    engine, workspace, funnel
        As for `build_attempts`.
    attempts : DataFrame
        Of `build_attempts` with the same funnel.

    Returns
    -------
    DataFrame
        `attempt, step, type`, once each: an event of `type` was met after `step` was reached and
        before the next one was, within the window. Nothing after the last step counts.
    """
    n_steps = len(funnel.steps)
    reached = " + ".join(
        f"CAST(COALESCE(a.at_{step} <= e.occurred_at, FALSE) AS INTEGER)"
        for step in range(1, n_steps + 1)
    )
    steps = ", ".join(quote(step) for step in funnel.steps)
    engine.register("funnel_attempts", attempts)
    try:
        detours: pd.DataFrame = (
            engine.sql(
                f"SELECT DISTINCT attempt, step, type FROM (\n"
                f"SELECT a.attempt, CAST({reached} AS INTEGER) AS step, e.type\n"
                f"FROM {_events(workspace)} AS e\n"
                "ASOF JOIN funnel_attempts AS a\n"
                "ON a.customer_id = e.customer_id AND e.occurred_at >= a.at_1\n"
                f"WHERE e.type NOT IN ({steps})\n"
                f"AND e.occurred_at < a.at_1 + {write_window(funnel)}\n"
                f") AS met WHERE step < {n_steps} ORDER BY attempt, step, type"
            )
            .to_arrow_table()
            .to_pandas()
        )
    finally:
        engine.unregister("funnel_attempts")
    return detours


def check_events(workspace: Workspace) -> None:
    """Refuse a workspace without a table of events."""
    if not workspace.table(EVENTS.name).exists():
        raise NotEnoughData(
            f"{workspace.tables}: expected a table of events, found none. Describe [tables.events] "
            "in the project file and build the tables again."
        )


def _events(workspace: Workspace) -> str:
    return DuckDB().table(workspace.table(EVENTS.name))
