"""What a send-time model reads: histories of customers as of a cut-off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from features.customer.time_zones import TIME_ZONE_CONFIDENCE
from features.errors import MissingColumn
from features.schema import CHANNELS, SLOTS_PER_WEEK, Customers
from models.receptivity.counts import (
    check_columns,
    columns_of,
    limit_counts,
    read_counts,
    sum_rows,
    take_rows,
)
from models.receptivity.outcomes import Outcomes

__all__ = ["Histories", "Outcomes"]

SLOT_COUNTS = "active_slots"
"""Column of the customer feature table: list<struct<slot, weight>>, decayed counts by slot."""
TENURE_DAYS = "tenure_days"
"""Column of the customer feature table: days since the first activity, at the cut-off."""
EVENTS = "active_count"
"""Column of the customer feature table: activities that `active_slots` counts, not decayed."""
CHANNEL_COUNTS = "channel_slots"
"""Column of the customer feature table: as `active_slots`, keyed by channel and slot together."""
WHOLE_COUNTS = "slot_counts"
"""Column of the customer feature table: as `active_slots`, not decayed."""
WEEKS = "active_weeks_364d"
"""Column of the customer feature table: weeks of the last 52 with any activity."""
FEW = 64
"""Up to so many customers, what was worked out of them is kept with them."""


@dataclass(frozen=True)
class Histories:
    """What is known of customers at a cut-off, in their order.

    An hour of the week comes once a week, so no slot counts more than the weeks in which the
    customer was active at all: ten thousand events in one day, of a robot or of a till that many
    customers share, are at most 24 active hours.

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
    channel_counts : scipy.sparse.csr_array of float64, shape (n, 9 * 168), or None
        As `counts`, by channel: slot s of channel c is column 168 * (place of c in `CHANNELS`) + s.
    whole_counts : scipy.sparse.csr_array of float64, shape (n, 168), or None
        Activity by slot as it was counted: neither decayed nor limited; what reasons are told in.
    """

    customer_id: np.ndarray
    counts: sparse.csr_array
    segment_names: tuple[str, ...]
    segment_codes: np.ndarray
    own_events: np.ndarray
    tenure_days: np.ndarray
    level_features: np.ndarray
    level_names: tuple[str, ...]
    channel_counts: sparse.csr_array | None = None
    whole_counts: sparse.csr_array | None = None
    _memory: dict[object, Any] = field(init=False, repr=False, compare=False, default_factory=dict)
    _taken_from: tuple[Histories, np.ndarray | slice] | None = field(
        init=False, default=None, repr=False, compare=False
    )

    def __len__(self) -> int:
        return len(self.customer_id)

    @cached_property
    def events(self) -> np.ndarray:
        """Decayed activity of each customer over all slots, shape (n,); not to be changed."""
        events = sum_rows(self.counts)
        events.flags.writeable = False
        return events

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> Histories:
        """Read the customer feature table.

        Parameters
        ----------
        table : DataFrame
            One row per customer with `customer_id`, `active_slots`, and optionally `region_id`,
            `tenure_days`, `active_weeks_364d`, `channel_slots` and `slot_counts`; every numeric
            column but the confidence of the time zone is a level feature.

        Raises
        ------
        MissingColumn
            If `customer_id` or `active_slots` is not there.
        OutOfRange
            If a slot lies outside 0 to 167 or a weight is negative.
        """
        check_columns(table, (Customers.CUSTOMER_ID, SLOT_COUNTS))
        ids = table[Customers.CUSTOMER_ID].to_numpy(dtype=object)
        if Customers.REGION_ID in table:
            codes, names = pd.factorize(table[Customers.REGION_ID], sort=True)
        else:
            codes, names = np.full(len(ids), -1), pd.Index([])
        numbers = table.select_dtypes("number").drop(columns=TIME_ZONE_CONFIDENCE, errors="ignore")
        counts = read_counts(table[SLOT_COUNTS], SLOT_COUNTS)
        most = np.maximum(_read_number(numbers, WEEKS, np.full(len(ids), np.inf)), 1.0)
        n_keys = len(CHANNELS) * SLOTS_PER_WEEK
        by_channel = _read_optional(table, CHANNEL_COUNTS, n_keys)
        features = numbers.to_numpy(dtype=np.float64, na_value=np.nan).reshape(len(ids), -1)
        return cls(
            customer_id=ids,
            counts=limit_counts(counts, most),
            segment_names=tuple(str(name) for name in names),
            segment_codes=codes.astype(np.int64),
            own_events=_read_number(numbers, EVENTS, np.asarray(counts.sum(axis=1))),
            tenure_days=_read_number(numbers, TENURE_DAYS, np.full(len(ids), np.nan)),
            level_features=features,
            level_names=tuple(str(name) for name in numbers.columns),
            channel_counts=None if by_channel is None else limit_counts(by_channel, most),
            whole_counts=_read_optional(table, WHOLE_COUNTS, SLOTS_PER_WEEK),
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
        """Return the customers at `rows`, in that order.

        A request asks for its few customers again and again, so those taken last are kept.
        """
        if isinstance(rows, slice):
            is_whole = rows.indices(len(self)) == (0, len(self), 1)
            return self if is_whole else self._take(rows)
        if len(rows) > FEW:
            return self._take(rows)
        places = np.asarray(rows)
        asked = (places.dtype.str, places.tobytes())
        before, taken = self._memory.get("taken", (None, None))
        if before != asked or taken is None:
            taken = self._take(rows)
            self._memory["taken"] = (asked, taken)
        found: Histories = taken
        return found

    def remember(self, owner: object, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what `make` does; for few customers it is made once, and is not to be changed.

        Parameters
        ----------
        owner : object
            What the values are worked out with; another one has others.
        name : str
            Of the values.
        make : callable
            Works them out.
        """
        if len(self) > FEW:
            return make()
        known, values = self._memory.get((id(owner), name), (None, None))
        if known is not owner or values is None:
            values = make()
            values.flags.writeable = False
            # The owner is kept as well: no other object gets its id meanwhile.
            self._memory[id(owner), name] = (owner, values)
        found: np.ndarray = values
        return found

    def keep(self, owner: object, name: str, make: Callable[[Histories], np.ndarray]) -> np.ndarray:
        """Return one number of each customer, worked out once for each, shape (n,).

        The numbers are kept with the histories that these were taken from, so that whoever takes
        the same customers again finds them: eight bytes a customer.

        Parameters
        ----------
        owner : object
            What the numbers are worked out with; those of the owner before are let go.
        name : str
            Of the numbers.
        make : callable
            Works them out, none of them NaN; a customer's must not depend on the others.
        """
        if self._taken_from is not None:
            whole, rows = self._taken_from
            values = whole._find_kept(owner, name)
        else:
            values, rows = self._find_kept(owner, name), slice(None)
        found = values[rows]
        missing = np.flatnonzero(np.isnan(found))
        if len(missing):
            some = self if len(missing) == len(self) else self.take(missing)
            found[missing] = make(some)
            values[rows] = found
        found.flags.writeable = False
        return found

    def _find_kept(self, owner: object, name: str) -> np.ndarray:
        known, values = self._memory.get(("kept", name), (None, None))
        if known is not owner or values is None:
            values = np.full(len(self), np.nan)
            self._memory["kept", name] = (owner, values)
        found: np.ndarray = values
        return found

    def _take(self, rows: np.ndarray | slice) -> Histories:
        def take(counts: sparse.csr_array) -> sparse.csr_array:
            if isinstance(rows, slice) or not 0 < len(rows) <= FEW:
                return counts[rows]
            return take_rows(counts, rows)

        taken = Histories(
            customer_id=self.customer_id[rows],
            counts=take(self.counts),
            segment_names=self.segment_names,
            segment_codes=self.segment_codes[rows],
            own_events=self.own_events[rows],
            tenure_days=self.tenure_days[rows],
            level_features=self.level_features[rows],
            level_names=self.level_names,
            channel_counts=None if self.channel_counts is None else take(self.channel_counts),
            whole_counts=None if self.whole_counts is None else take(self.whole_counts),
        )
        object.__setattr__(taken, "_taken_from", self._place(rows))
        return taken

    def _place(self, rows: np.ndarray | slice) -> tuple[Histories, np.ndarray | slice]:
        """Return the histories that all were first taken from, and where `rows` are in them."""
        if self._taken_from is None:
            return self, rows
        whole, places = self._taken_from
        if isinstance(places, slice):
            places = np.arange(len(whole))[places]
        return whole, places[rows]

    def of_channel(self, channel: str) -> sparse.csr_array:
        """Return the decayed activity in one channel, shape (n, 168); nothing where not known."""
        if self.channel_counts is None:
            return sparse.csr_array((len(self), SLOTS_PER_WEEK), dtype=np.float64)
        return self.channel_counts[:, columns_of(channel)]

    def codes_in(self, names: Sequence[str]) -> np.ndarray:
        """Return each customer's position in `names`, shape (n,); -1 where it is not there."""
        if names == self.segment_names:
            return self.segment_codes
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


def _read_optional(table: pd.DataFrame, name: str, n_keys: int) -> sparse.csr_array | None:
    return read_counts(table[name], name, n_keys=n_keys) if name in table else None


def _read_number(numbers: pd.DataFrame, name: str, otherwise: np.ndarray) -> np.ndarray:
    if name not in numbers:
        return otherwise
    return numbers[name].to_numpy(dtype=np.float64, na_value=np.nan)
