"""The plan of `sales`, read as it was known at a moment: what was decided later is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.frequency import Frequency, known_from

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """Planned values as the source gave them, and since when each row of them was known.

    Attributes
    ----------
    given : float32, shape (n_rows, n_plan)
        In the order of `Panel.known_names`; NaN where the row has no value.
    known_from : int32, shape (n_rows,)
        First period from which the row may be read.
    price_rows : int32, shape (n_rows,)
        Newest row of the series, this one included, that has a price; −1 if there is none.
    """

    given: Floats
    known_from: npt.NDArray[np.int32]
    price_rows: npt.NDArray[np.int32]

    def is_hidden(self, rows: Rows, periods: Rows, seen: Rows) -> npt.NDArray[np.bool_]:
        """Return which rows, of these periods, cannot be read from `seen`; the past always can."""
        return np.asarray((self.known_from[rows] > seen) & (periods > seen))

    def find_price_rows(self, rows: Rows, periods: Rows, seen: Rows, starts: Rows) -> Rows:
        """Return the newest row with a price that can be read from `seen`; −1 if there is none.

        `starts` is the first row of each row's series.
        """
        found = self.price_rows[rows].astype(np.int64)
        pending = np.flatnonzero(found >= 0)
        while len(pending):
            at = found[pending]
            hidden = self.is_hidden(at, periods[pending] - (rows[pending] - at), seen[pending])
            pending, at = pending[hidden], at[hidden]
            before = self.price_rows[np.maximum(at - 1, 0)]
            found[pending] = np.where(at > starts[pending], before, -1)
            pending = pending[found[pending] >= 0]
        return found


def read_known_from(
    known_since: pd.Series, frequency: Frequency, anchor: int
) -> npt.NDArray[np.int32]:
    """Return the first period from which each row of a plan may be read."""
    days = pd.to_datetime(known_since).to_numpy().astype("datetime64[D]")
    return known_from(days, frequency, anchor)


def build_plan(
    given: Floats,
    known_from_period: npt.NDArray[np.int32],
    planned: Sequence[str],
    starts: npt.NDArray[np.int64],
) -> Plan:
    """Find the newest price as of each row, and keep the plan.

    Parameters
    ----------
    given : array of shape (n_rows, n_plan)
        What the source planned; NaN where nothing.
    known_from_period : array of shape (n_rows,)
        From `read_known_from`.
    planned : sequence of str
        Names of the planned columns of `sales`.
    starts : array of int64
        First row of each series.
    """
    priced = np.full(len(given), -1, dtype=np.int32)
    if "price" in planned:
        has_price = np.isfinite(given[:, list(planned).index("price")])
        place = np.arange(len(given), dtype=np.int32)
        newest = np.maximum.accumulate(np.where(has_price, place, -1))
        first = np.repeat(starts, np.diff(np.append(starts, len(given))))
        priced = np.where(newest >= first, newest, -1).astype(np.int32)
    return Plan(given, known_from_period, priced)
