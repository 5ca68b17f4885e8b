"""Journeys between channels: from one visit to the next, and from the first channel to the order.

A *visit* is a run of one customer's events in one channel without a longer pause than a given one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pandas as pd

from features.customer.dialect import DuckDB, quote, to_utc
from features.errors import FeatureError
from features.journeys.funnels import check_events
from features.project import Workspace
from features.schema import EVENTS, EventType


def build_transitions(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    start: datetime,
    end: datetime,
    *,
    gap_minutes: float = 30.0,
) -> pd.DataFrame:
    """Count how often a visit in one channel is followed by a visit in another.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
    workspace : Workspace
        Whose table of events is read.
    start, end : datetime
        Events from `start` until before `end`, in UTC or with a zone.
    gap_minutes : float
        A longer pause ends a visit, and so does another channel; > 0.

    Returns
    -------
    DataFrame
        `from_channel, to_channel, visits, customers, median_hours` from the end of one visit to
        the beginning of the next, sorted by the channels. Each customer's last visit has no next.

    Raises
    ------
    FeatureError
        If the pause is not above 0.
    NotEnoughData
        If there is no table of events.
    """
    if not gap_minutes > 0:
        raise FeatureError(f"visits: expected a pause above 0 minutes, got {gap_minutes}")
    return _read(
        engine,
        f"WITH seen AS (\n{_write_events(workspace, start, end)}\n),\n"
        "marked AS (\n"
        "SELECT *, CASE WHEN LAG(channel) OVER turns = channel AND moment - LAG(moment) OVER turns "
        f"<= INTERVAL {round(60_000_000 * gap_minutes)} MICROSECONDS THEN 0 ELSE 1 END AS is_new\n"
        "FROM seen WINDOW turns AS (PARTITION BY customer_id ORDER BY moment, event_id)\n),\n"
        "numbered AS (SELECT *, SUM(is_new) OVER (PARTITION BY customer_id "
        "ORDER BY moment, event_id) AS visit FROM marked),\n"
        "visits AS (SELECT customer_id, visit, ANY_VALUE(channel) AS channel, "
        "MIN(moment) AS began, MAX(moment) AS ended FROM numbered GROUP BY customer_id, visit),\n"
        "pairs AS (SELECT customer_id, channel AS from_channel, LEAD(channel) OVER turns "
        "AS to_channel, epoch(LEAD(began) OVER turns - ended) / 3600.0 AS hours\n"
        "FROM visits WINDOW turns AS (PARTITION BY customer_id ORDER BY visit))\n"
        "SELECT from_channel, to_channel, COUNT(*) AS visits, "
        "COUNT(DISTINCT customer_id) AS customers, MEDIAN(hours) AS median_hours\n"
        "FROM pairs WHERE to_channel IS NOT NULL GROUP BY ALL ORDER BY from_channel, to_channel",
    )


def build_first_to_order(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    start: datetime,
    end: datetime,
    *,
    window_days: float = 30.0,
) -> pd.DataFrame:
    """Count in which channel orders are made, by the channel in which their journey began.

    The journey of an order begins with the first event after the order before it, at most
    `window_days` earlier.

    Parameters
    ----------
    engine, workspace, start, end
        As for `build_transitions`.
    window_days : float
        > 0.

    Returns
    -------
    DataFrame
        `first_channel, order_channel, orders, customers, median_hours` from the first event to the
        order, sorted by the channels. An order without an earlier event began where it was made.

    Raises
    ------
    FeatureError
        If the window is not above 0.
    NotEnoughData
        If there is no table of events.
    """
    if not window_days > 0:
        raise FeatureError(f"journeys: expected a window above 0 days, got {window_days}")
    before = to_utc(start) - timedelta(days=window_days)
    return _read(
        engine,
        f"WITH seen AS (\n{_write_events(workspace, before, end)}\n),\n"
        f"orders AS (SELECT *, LAG(moment) OVER turns AS previous FROM seen "
        f"WHERE type = {quote(EventType.ORDER)} "
        "WINDOW turns AS (PARTITION BY customer_id ORDER BY moment, event_id)),\n"
        "begun AS (SELECT o.event_id, o.customer_id, o.channel AS order_channel, o.moment, "
        "MIN_BY(s.channel, ROW(s.moment, s.event_id)) AS first_channel, MIN(s.moment) AS began\n"
        "FROM orders AS o JOIN seen AS s ON s.customer_id = o.customer_id "
        "AND s.moment <= o.moment "
        f"AND s.moment >= o.moment - INTERVAL {round(86_400_000_000 * window_days)} MICROSECONDS "
        "AND (o.previous IS NULL OR s.moment > o.previous OR s.event_id = o.event_id)\n"
        f"WHERE o.moment >= {DuckDB().timestamp(to_utc(start))}\nGROUP BY ALL)\n"
        "SELECT first_channel, order_channel, COUNT(*) AS orders, "
        "COUNT(DISTINCT customer_id) AS customers, "
        "MEDIAN(epoch(moment - began) / 3600.0) AS median_hours\n"
        "FROM begun GROUP BY ALL ORDER BY first_channel, order_channel",
    )


def _write_events(workspace: Workspace, start: datetime, end: datetime) -> str:
    check_events(workspace)
    dialect = DuckDB()
    return (
        "SELECT event_id, customer_id, occurred_at AS moment, type, channel\n"
        f"FROM {dialect.table(workspace.table(EVENTS.name))}\n"
        f"WHERE channel IS NOT NULL AND occurred_at >= {dialect.timestamp(to_utc(start))} "
        f"AND occurred_at < {dialect.timestamp(to_utc(end))}"
    )


def _read(engine: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    table: pd.DataFrame = engine.sql(query).to_arrow_table().to_pandas()
    return table
