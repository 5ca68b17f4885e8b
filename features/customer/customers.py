"""What is known of each customer as of a cut-off: the declaration, and the table built from it."""

from __future__ import annotations

import math
import os
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from features.customer.activity import Activity
from features.customer.declare import (
    Count,
    Feature,
    FeatureSet,
    Histogram,
    Last,
    Recency,
    Share,
    Sum,
    Tenure,
    Weeks,
    Weight,
)
from features.customer.dialect import DuckDB, quote, to_utc
from features.customer.profiles import build_profile_query
from features.customer.statistics import Condition, unless, when
from features.errors import NotEnoughData
from features.project import Workspace
from features.schema import EventType

SHORT_AND_LONG = (7, 30, 90, 365)
MONTH_AND_LONGER = (30, 90, 365)
YEAR = (365,)
ORDER_CHANNELS = ("web", "app", "store", "social", "service")

USUAL_HALF_LIFE_DAYS = 120.0
"""After how many days a habit weighs half where nothing else was chosen."""

_NO_ACT = (EventType.TOUCH, EventType.ITEM, EventType.REDEMPTION)
_RESPONSES = (EventType.OPEN, EventType.CLICK)

IS_ACTIVE = unless(type=(*_NO_ACT, *_RESPONSES))
"""Which events show when a customer is active by themselves: orders, and all that a source knows
beside them, such as page views, sessions of an app, visits to a store.

Never touches: a histogram of what we sent would only copy when we sent it. Opens and clicks copy it
too, as they follow a message within hours. Not items, of which an order has many. Nor redemptions,
which many sources give by day: their hour would be midnight.
"""

IS_ACTIVE_OR_RESPONDS = unless(type=_NO_ACT)
"""The same with opens and clicks, for those who have nothing else to go by."""


def customer_features(half_life_days: float, *, active: Condition = IS_ACTIVE) -> FeatureSet:
    """Declare what is known of a customer.

    Parameters
    ----------
    half_life_days : float
        After how many days a habit weighs half: of hours of the week and of categories; > 0.
    active : Condition
        Which events count as activity.

    Returns
    -------
    FeatureSet
        Recency, tenure, frequency, monetary value, basket, channels, responses to touches, the
        decayed habits `active_slots` (by local slot), `channel_slots` (by channel and slot) and
        `categories`, and `slot_counts`: activity by slot as it was counted.
    """
    return FeatureSet(
        "customer",
        (
            Recency("order_recency_days", when(type=EventType.ORDER)),
            Recency("active_recency_days", active),
            Recency("touch_recency_days", when(type=EventType.TOUCH)),
            *_purchases(),
            *_responses(),
            *declare_timing(half_life_days, active=active),
            Histogram("slot_counts", Activity.SLOT, math.inf, active),
            Histogram(
                "categories",
                Activity.CATEGORY_ID,
                half_life_days,
                when(type=(EventType.ORDER, EventType.ITEM)),
            ),
        ),
    )


def declare_timing(half_life_days: float, *, active: Condition = IS_ACTIVE) -> tuple[Feature, ...]:
    """Declare what the hours of a customer are learned from: enough to fit the chain of priors."""
    slots = Histogram("active_slots", Activity.SLOT, half_life_days, active)
    return (
        Tenure("tenure_days"),
        slots,
        Weight("active_events", slots),
        Histogram("channel_slots", Activity.CHANNEL_SLOT, half_life_days, active),
        Count("active_count", active),
        Weeks("active_weeks", active, windows_days=(28, 91, 364)),
    )


def _purchases() -> tuple[Feature, ...]:
    is_order = when(type=EventType.ORDER)
    orders = Count("orders", is_order, windows_days=SHORT_AND_LONG)
    spend = Sum("spend", Activity.VALUE, is_order, windows_days=SHORT_AND_LONG)
    items = Sum("items", Activity.QUANTITY, is_order, windows_days=SHORT_AND_LONG)
    # an order whose value or size is not known says nothing about the mean one
    valued = Count("valued_orders", is_order, Activity.VALUE)
    sized = Count("sized_orders", is_order, Activity.QUANTITY)
    channels = (
        Share(
            f"order_share_{channel}",
            Count(f"orders_{channel}", when(type=EventType.ORDER, channel=channel)),
            orders,
            windows_days=YEAR,
        )
        for channel in ORDER_CHANNELS
    )
    return (
        orders,
        spend,
        items,
        Share("basket_value", spend, valued, windows_days=MONTH_AND_LONGER),
        Share("basket_items", items, sized, windows_days=MONTH_AND_LONGER),
        *channels,
        Last("last_channel", Activity.CHANNEL, is_order),
    )


def _responses() -> tuple[Feature, ...]:
    counts = {
        kind: Count(name, when(type=kind), windows_days=MONTH_AND_LONGER)
        for kind, name in (
            (EventType.TOUCH, "touches"),
            (EventType.OPEN, "opens"),
            (EventType.CLICK, "clicks"),
            (EventType.REDEMPTION, "redemptions"),
        )
    }
    touches = counts[EventType.TOUCH]
    return (
        *counts.values(),
        Share("open_share", counts[EventType.OPEN], touches, windows_days=YEAR),
        Share("click_share", counts[EventType.CLICK], touches, windows_days=YEAR),
        Share("redemption_share", counts[EventType.REDEMPTION], touches, windows_days=YEAR),
    )


def build_customer_features(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    as_of: datetime,
    features: FeatureSet,
    *,
    time_zone: str,
) -> pd.DataFrame:
    """Build the features of every customer as of a cut-off.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Where the canonical tables lie; `events` or `touches` must be there.
    as_of : datetime
        The cut-off, in UTC or with a zone; nothing at or after it is read.
    features : FeatureSet
        What to build, such as `customer_features(90)`.
    time_zone : str
        IANA name: the zone of customers of whom no better one is known.

    Returns
    -------
    DataFrame
        One row per customer with an event or touch before `as_of`, sorted by `customer_id`:
        `customer_id`, `region_id` (stated, else the most frequent, else "all"), `time_zone`,
        `time_zone_source` (how it is known), `time_zone_confidence` (how likely its clock is right,
        0 to 1), `consent` (as stated), then `features.columns`: numbers as float64 (NaN = empty),
        texts as str, histograms as Arrow lists of structs (key, weight).

    Raises
    ------
    NotEnoughData
        If no customer did anything before `as_of`, or there are no events at all.
    """
    query = build_profile_query(DuckDB(), workspace, as_of, features, time_zone=time_zone)
    table = engine.sql(f"{query}\nORDER BY customer_id").to_arrow_table()
    _check_rows(table.num_rows, workspace, as_of)
    frame: pd.DataFrame = table.to_pandas(types_mapper=_keep_lists)
    return frame


def write_customer_features(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    as_of: datetime,
    features: FeatureSet,
    *,
    time_zone: str,
    path: Path,
) -> int:
    """Write what `build_customer_features` returns to a Parquet file, without holding it.

    The file appears whole or not at all; its rows have no order.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    NotEnoughData
        As `build_customer_features`; nothing is written then.
    """
    query = build_profile_query(DuckDB(), workspace, as_of, features, time_zone=time_zone)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        copied = engine.execute(f"COPY (\n{query}\n) TO {quote(str(partial))} (FORMAT parquet)")
        (rows,) = copied.fetchone()
        _check_rows(rows, workspace, as_of)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return int(rows)


def _check_rows(rows: int, workspace: Workspace, as_of: datetime) -> None:
    if rows == 0:
        raise NotEnoughData(
            f"{workspace.tables}: expected customers with an event before {to_utc(as_of)} UTC, "
            "found none. Choose a later cut-off, or check the time zone of the events."
        )


def _keep_lists(kind: pa.DataType) -> pd.ArrowDtype | None:
    return pd.ArrowDtype(kind) if pa.types.is_list(kind) else None
