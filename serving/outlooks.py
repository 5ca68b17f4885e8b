"""When each customer will order next, as it was published: now or later, in days."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import numpy as np
import pandas as pd

from features.errors import ArtifactError
from features.schema import Customers
from serving.tables import read_table

OUTLOOK_FILE = "outlook.parquet"
_NUMBERS = (
    "order_probability_28d",
    "days_to_next_order",
    "days_to_next_order_low",
    "days_to_next_order_high",
    "churn_risk",
    "expected_order_value",
)
_WORDS = ("advice", "reason")
_WAIT = "wait_days"


class Outlook(msgspec.Struct, frozen=True, gc=False):
    """What a customer will do; null where it cannot be told, or not within sight."""

    advice: str
    wait_days: int
    order_probability_28d: float
    days_to_next_order: float | None
    days_to_next_order_low: float | None
    days_to_next_order_high: float | None
    churn_risk: float
    words: str


class OutlookSource(Protocol):
    """Outlooks by row of some profiles."""

    def get(self, row: int) -> Outlook | None:
        """Return the outlook of the customer at a row; None if there is none."""
        ...


class Outlooks:
    """The outlook of every customer of the published profiles.

    Parameters
    ----------
    table : bytes
        `outlook.parquet`.
    rows : mapping of str to int
        Row of each customer in the profiles.

    Raises
    ------
    ArtifactError
        If a column is not there.
    """

    def __init__(self, table: bytes, rows: Mapping[str, int]) -> None:
        found = read_table(table, OUTLOOK_FILE)
        names = (Customers.CUSTOMER_ID, *_NUMBERS, *_WORDS, _WAIT)
        missing = [name for name in names if name not in found.column_names]
        if missing:
            raise ArtifactError(f"{OUTLOOK_FILE}: there is no column {missing[0]}; train again")
        frame = found.select(names).to_pandas()
        found_rows = [rows.get(customer, -1) for customer in frame[Customers.CUSTOMER_ID]]
        place = np.array(found_rows, dtype=np.int64)
        self._at = np.full(len(rows), -1, dtype=np.int64)
        self._at[place[place >= 0]] = np.flatnonzero(place >= 0)
        self._numbers = frame[list(_NUMBERS)].to_numpy(dtype=np.float64)
        self._wait = frame[_WAIT].to_numpy(dtype=np.int64)
        self._words = frame[list(_WORDS)].to_numpy(dtype=object)

    def get(self, row: int) -> Outlook | None:
        """Return the outlook of the customer at a row of the profiles; None if there is none."""
        at = -1 if row < 0 else int(self._at[row])
        if at < 0:
            return None
        chance, days, low, high, churn, _ = self._numbers[at].tolist()
        advice, words = self._words[at].tolist()
        return _make_outlook((chance, days, low, high, churn), advice, int(self._wait[at]), words)

    def order_values(self) -> np.ndarray:
        """Return the expected value of an order by row of the profiles; NaN where not known."""
        values = np.append(self._numbers[:, -1], np.nan)
        return np.asarray(values[self._at])


def read_outlook(row: Mapping[str, Any]) -> Outlook:
    """Return the outlook that one row of a value model's prediction holds."""
    numbers = tuple(float(row[name]) for name in _NUMBERS[:-1])
    advice, words = (str(row[name]) for name in _WORDS)
    return _make_outlook(numbers, advice, int(row[_WAIT]), words)


def _make_outlook(numbers: tuple[float, ...], advice: str, wait_days: int, words: str) -> Outlook:
    chance, days, low, high, churn = numbers
    return Outlook(
        advice, wait_days, chance, _or_none(days), _or_none(low), _or_none(high), churn, words
    )


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def as_columns(outlooks: list[Outlook | None]) -> pd.DataFrame:
    """Return outlooks as columns of a batch file; empty where there is none."""
    fields = ("advice", "wait_days", "order_probability_28d", "days_to_next_order", "churn_risk")
    columns = {
        name: [None if outlook is None else getattr(outlook, name) for outlook in outlooks]
        for name in fields
    }
    return pd.DataFrame(columns).astype({"advice": "str", "wait_days": "Int64"})
