"""What a send-time model reads and learns from: histories of customers, and what followed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from features.errors import MissingColumn, OutOfRange
from features.schema import SLOTS_PER_WEEK, Customers

SLOT_COUNTS = "active_slots"
"""Column of the customer feature table: list<struct<slot, weight>>, decayed counts by slot."""
TENURE_DAYS = "tenure_days"
"""Column of the customer feature table: days since the first activity, at the cut-off."""
EVENTS = "active_count"
"""Column of the customer feature table: activities that `active_slots` counts, not decayed."""
SLOT = "slot"
WEEKS_ACTIVE = "weeks_active"


@dataclass(frozen=True)
class Histories:
    """What is known of customers at a cut-off, in their order.

    Attributes
    ----------
    customer_id : array of str, shape (n,)
        Who they are.
    counts : scipy.sparse.csr_array of float64, shape (n, 168)
        Activity by slot of the customer's local week, decayed to the cut-off; >= 0.
    segment_names : tuple of str
        Names of the segments (regions) that `segment_codes` points into.
    segment_codes : array of int64, shape (n,)
        Segment of each customer; -1 = not known.
    own_events : array of float64, shape (n,)
        Events behind `counts`, not decayed where that is known: what evidence is told in.
    tenure_days : array of float64, shape (n,)
        Days from the first activity to the cut-off; NaN = not known.
    level_features : array of float64, shape (n, n_features)
        What tells how active a customer will be; NaN = none.
    level_names : tuple of str
        Names of the columns of `level_features`.
    """

    customer_id: np.ndarray
    counts: sparse.csr_array
    segment_names: tuple[str, ...]
    segment_codes: np.ndarray
    own_events: np.ndarray
    tenure_days: np.ndarray
    level_features: np.ndarray
    level_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.customer_id)

    @property
    def events(self) -> np.ndarray:
        """Decayed activity of each customer over all slots, shape (n,)."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.float64)

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> Histories:
        """Read the customer feature table.

        Parameters
        ----------
        table : DataFrame
            One row per customer with `customer_id`, `active_slots`, and optionally `region_id`
            and `tenure_days`; every other numeric column is a level feature.

        Raises
        ------
        MissingColumn
            If `customer_id` or `active_slots` is not there.
        OutOfRange
            If a slot lies outside 0 to 167 or a weight is negative.
        """
        _check_columns(table, (Customers.CUSTOMER_ID, SLOT_COUNTS))
        ids = table[Customers.CUSTOMER_ID].to_numpy(dtype=object)
        if Customers.REGION_ID in table:
            codes, names = pd.factorize(table[Customers.REGION_ID], sort=True)
        else:
            codes, names = np.full(len(ids), -1), pd.Index([])
        numbers = table.select_dtypes("number")
        counts = _read_counts(table[SLOT_COUNTS])
        features = numbers.to_numpy(dtype=np.float64, na_value=np.nan).reshape(len(ids), -1)
        return cls(
            customer_id=ids,
            counts=counts,
            segment_names=tuple(str(name) for name in names),
            segment_codes=codes.astype(np.int64),
            own_events=_read_number(numbers, EVENTS, np.asarray(counts.sum(axis=1))),
            tenure_days=_read_number(numbers, TENURE_DAYS, np.full(len(ids), np.nan)),
            level_features=features,
            level_names=tuple(str(name) for name in numbers.columns),
        )

    @classmethod
    def unknown(
        cls, customer_ids: Sequence[str], segments: Sequence[str] | None = None
    ) -> Histories:
        """Describe customers of whom nothing is known but, perhaps, their segment ("" = not)."""
        n = len(customer_ids)
        codes, names = pd.factorize(np.array(segments or [""] * n, dtype=object), sort=True)
        return cls(
            customer_id=np.array(customer_ids, dtype=object),
            counts=sparse.csr_array((n, SLOTS_PER_WEEK), dtype=np.float64),
            segment_names=tuple(str(name) for name in names),
            segment_codes=codes.astype(np.int64),
            own_events=np.zeros(n),
            tenure_days=np.zeros(n),
            level_features=np.empty((n, 0)),
            level_names=(),
        )

    def take(self, rows: np.ndarray | slice) -> Histories:
        """Return the customers at `rows`, in that order."""
        return Histories(
            customer_id=self.customer_id[rows],
            counts=self.counts[rows],
            segment_names=self.segment_names,
            segment_codes=self.segment_codes[rows],
            own_events=self.own_events[rows],
            tenure_days=self.tenure_days[rows],
            level_features=self.level_features[rows],
            level_names=self.level_names,
        )

    def codes_in(self, names: Sequence[str]) -> np.ndarray:
        """Return each customer's position in `names`, shape (n,); -1 where it is not there."""
        position = {name: index for index, name in enumerate(names)}
        own = np.array([position.get(name, -1) for name in self.segment_names] + [-1])
        return np.asarray(own[self.segment_codes])

    def features_in(self, names: Sequence[str]) -> np.ndarray:
        """Return the level features called `names`, shape (n, len(names)).

        Raises
        ------
        MissingColumn
            If one of them is not there.
        """
        position = {name: index for index, name in enumerate(self.level_names)}
        for name in names:
            if name not in position:
                raise MissingColumn(
                    "customer features",
                    "histories",
                    name,
                    expected=f"the {len(names)} level features the model was fitted with",
                    got=f"{len(self.level_names)} others",
                    fix="Build the features with the version of Almanac that trained the model.",
                )
        return self.level_features[:, [position[name] for name in names]]


@dataclass(frozen=True)
class Outcomes:
    """In how many weeks of a label window each customer was active in each slot.

    Attributes
    ----------
    weeks_active : scipy.sparse.csr_array of float64, shape (n, 168)
        Row i is customer i of the histories it is paired with; 0 to `n_weeks`.
    n_weeks : int
        Weeks in the window.
    """

    weeks_active: sparse.csr_array
    n_weeks: int

    @property
    def totals(self) -> np.ndarray:
        """Active slot-weeks of each customer, shape (n,)."""
        return np.asarray(self.weeks_active.sum(axis=1), dtype=np.float64)

    @classmethod
    def from_table(cls, table: pd.DataFrame, customer_id: np.ndarray, *, n_weeks: int) -> Outcomes:
        """Line up a long table (`customer_id, slot, weeks_active`) with `customer_id`.

        Customers without a row were never active; rows of others are left out.

        Raises
        ------
        MissingColumn
            If one of the three columns is not there.
        OutOfRange
            If a slot lies outside 0 to 167, or weeks outside 0 to `n_weeks`.
        """
        _check_columns(table, (Customers.CUSTOMER_ID, SLOT, WEEKS_ACTIVE))
        rows = pd.Index(customer_id).get_indexer(pd.Index(table[Customers.CUSTOMER_ID]))
        slots = table[SLOT].to_numpy(dtype=np.int64)
        weeks = table[WEEKS_ACTIVE].to_numpy(dtype=np.float64)
        _check_range(slots, SLOT, 0, SLOTS_PER_WEEK - 1)
        _check_range(weeks, WEEKS_ACTIVE, 0, n_weeks)
        known = rows >= 0
        shape = (len(customer_id), SLOTS_PER_WEEK)
        found = (weeks[known], (rows[known], slots[known]))
        return cls(sparse.csr_array(found, shape=shape, dtype=np.float64), n_weeks)

    def take(self, rows: np.ndarray | slice) -> Outcomes:
        """Return the customers at `rows`, in that order."""
        return Outcomes(self.weeks_active[rows], self.n_weeks)


def _read_number(numbers: pd.DataFrame, name: str, otherwise: np.ndarray) -> np.ndarray:
    if name not in numbers:
        return otherwise
    return numbers[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _read_counts(column: pd.Series) -> sparse.csr_array:
    """Read lists of structs (slot, weight), whatever the two fields are called."""
    lists = pa.array(column)
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    shape = (len(lists), SLOTS_PER_WEEK)
    if pa.types.is_null(lists.type) or pa.types.is_null(lists.type.value_type):
        return sparse.csr_array(shape, dtype=np.float64)
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    parts = lists.flatten().flatten()
    slots, weights = (part.cast("float64").to_numpy(zero_copy_only=False) for part in parts)
    _check_range(slots, SLOT_COUNTS, 0, SLOTS_PER_WEEK - 1)
    _check_range(weights, SLOT_COUNTS, 0, np.inf)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    counts = sparse.csr_array(
        (weights, slots.astype(np.int32), starts), shape=shape, dtype=np.float64
    )
    counts.sum_duplicates()
    return counts


def _check_columns(table: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in table:
            raise MissingColumn(
                "customer features",
                "table",
                name,
                expected=f"the columns {', '.join(names)}",
                got=", ".join(str(column) for column in table.columns) or "none",
                fix="Build the table with features.customer.customers or .outcomes.",
            )


def _check_range(values: np.ndarray, name: str, low: float, high: float) -> None:
    wrong = ~((values >= low) & (values <= high))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise OutOfRange(
            "customer features",
            "table",
            name,
            expected=f"values from {low:g} to {high:g}",
            got=f"{values[row]:g}",
            fix="Build the table again from checked events.",
        )
