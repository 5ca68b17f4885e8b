"""The purchases of one customer, from their orders: the plain reading of `build_purchases`.

For a request that asks about one customer now; tests hold it equal to the dataset, cell by cell.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from features.customer.dialect import to_utc
from features.customer.purchases import COLUMNS, WINDOW_COLUMNS, WINDOWS_DAYS, Purchases

Order = tuple[datetime, float | None]
"""When an order was made, in UTC, and its value."""


def summarise_purchases(
    customer_id: str, orders: Sequence[Order], as_of: datetime, *, time_zone: str
) -> dict[str, Any]:
    """Return what is known of a customer's purchases as of a cut-off.

    Parameters
    ----------
    customer_id : str
    orders : sequence of (datetime, float or None)
        In any order; those from the cut-off on are not read.
    as_of : datetime
        The cut-off, in UTC or with a zone.
    time_zone : str
        IANA name: the customer's.

    Returns
    -------
    dict
        A row of `features.customer.purchases.build_purchases`, by column.

    Examples
    --------
    >>> orders = [(datetime(2024, 3, 1, 9), 10.0), (datetime(2024, 3, 8, 9), None)]
    >>> row = summarise_purchases("a", orders, datetime(2024, 3, 10), time_zone="UTC")
    >>> row["purchase_days"], row["mean_gap_days"], row["days_since_last"]
    (2, 7.0, 1.0)
    """
    end, zone = to_utc(as_of), ZoneInfo(time_zone)
    known = _local_day(end - timedelta(microseconds=1), zone)
    days: dict[date, list[float | None]] = {}
    for at, value in orders:
        if at < end:
            days.setdefault(_local_day(at, zone), []).append(value)
    row: dict[str, Any] = {
        **dict.fromkeys(COLUMNS, math.nan),
        **dict.fromkeys((Purchases.DAYS, Purchases.FREQUENCY, Purchases.ORDERS), 0),
        **dict.fromkeys((Purchases.VALUED_DAYS, Purchases.VALUED_REPEATS, *WINDOW_COLUMNS), 0),
        Purchases.CUSTOMER_ID: customer_id,
    }
    if days:
        row |= _count_days(sorted(days), known)
        row[Purchases.ORDERS] = sum(len(values) for values in days.values())
        row |= _sum_values([days[day] for day in sorted(days)])
    return row


def _count_days(days: Sequence[date], known: date) -> dict[str, Any]:
    first, last = days[0], days[-1]
    gaps = [float((b - a).days) for a, b in pairwise(days)]
    return {
        Purchases.DAYS: len(days),
        Purchases.FREQUENCY: len(days) - 1,
        **{
            name: sum((known - day).days < window for day in days)
            for window, name in zip(WINDOWS_DAYS, WINDOW_COLUMNS, strict=True)
        },
        Purchases.RECENCY: (last - first).days / 7.0,
        # the day known is told in the customer's zone, so it is not before their last order
        Purchases.AGE: (known - first).days / 7.0,
        Purchases.DAYS_SINCE_LAST: float((known - last).days),
        Purchases.LAST_GAP: gaps[-1] if gaps else math.nan,
        Purchases.MEAN_GAP: statistics.fmean(gaps) if gaps else math.nan,
        Purchases.SD_GAP: statistics.stdev(gaps) if len(gaps) > 1 else math.nan,
        Purchases.LAST_WEEKDAY: float(last.weekday()),
    }


def _sum_values(days: Sequence[Sequence[float | None]]) -> dict[str, Any]:
    """Sum up the values of each day; a day without a value, or below 0, is not valued."""
    spent = [
        None if all(value is None for value in values) else sum(v for v in values if v is not None)
        for values in days
    ]
    valued = [None if value is None or value < 0 else float(value) for value in spent]
    repeats = [value for value in valued[1:] if value is not None]
    known = [value for value in valued if value is not None]
    total = [value for value in spent if value is not None]
    return {
        Purchases.SPEND: float(sum(total)) if total else math.nan,
        Purchases.VALUED_DAYS: len(known),
        Purchases.VALUED_REPEATS: len(repeats),
        Purchases.MEAN_VALUE: statistics.fmean(known) if known else math.nan,
        # as ARG_MAX has it: the latest day that is valued
        Purchases.LAST_VALUE: known[-1] if known else math.nan,
        Purchases.MEAN_REPEAT_VALUE: statistics.fmean(repeats) if repeats else math.nan,
    }


def _local_day(at: datetime, zone: ZoneInfo) -> date:
    return at.replace(tzinfo=UTC).astimezone(zone).date()
