"""Promotions as planned columns: on or not, how deep, how long until they start and end.

A promotion is read from a moment only if it was known by then; one without `known_since` always
was. Periods are taken as dated on their first day; weeks are read a second time as dated on
their last, because a source may do either.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import UnknownName
from features.region.frequency import Frequency, date_of, known_from, period_of
from features.region.hierarchy import Hierarchy
from features.schema import ALL, Promotions

REACH_DAYS = 28
"""How many days ahead of its start a promotion is seen coming."""
NAMES = (
    "promotion_is_on", "promotion_depth",
    "promotion_days_since_start", "promotion_days_to_end", "promotion_days_to_next",
)  # fmt: skip

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PromotionPlan:
    """The promotions that were known at the panel's origin.

    Attributes
    ----------
    first_days, last_days : datetime64[D], shape (n_promotions,)
        Local dates, inclusive.
    depth : float64, shape (n_promotions,)
        Discount as a fraction; 0 where none is stated.
    known_from : int32, shape (n_promotions,)
        First period from which it may be read.
    members : tuple of int64 arrays
        Positions in `Panel.series` of the series that each one holds for.
    frequency, anchor : Frequency, int
    """

    first_days: npt.NDArray[np.datetime64]
    last_days: npt.NDArray[np.datetime64]
    depth: npt.NDArray[np.float64]
    known_from: npt.NDArray[np.int32]
    members: tuple[Rows, ...]
    frequency: Frequency
    anchor: int

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of `read`."""
        more = ("promotion_is_on_until_7d", "promotion_depth_until_7d")
        return (*NAMES, *more) if self.frequency.name == "week" else NAMES

    def read(self, series: Rows, periods: Rows, seen: Rows) -> dict[str, Floats]:
        """Describe rows by the promotions that were known of at a moment.

        Parameters
        ----------
        series, periods : int64, shape (n_rows,)
            Sorted by series, then period.
        seen : int64, shape (n_rows,)
            The period from which each row is looked at.

        Returns
        -------
        dict of str to float32 array
            `promotion_is_on` (share of the period's days), `promotion_depth` (the deepest of those
            on; 0 if none is), `promotion_days_since_start` and `_to_end` (of those on, from the
            period's first day; NaN if none is), `promotion_days_to_next` (NaN beyond 28 days).
        """
        found = self._read(series, periods, seen, shift_days=0)
        columns = dict(zip(NAMES, found, strict=True))
        if self.frequency.name == "week":
            is_on, depth, *_ = self._read(series, periods, seen, shift_days=-6)
            columns |= {"promotion_is_on_until_7d": is_on, "promotion_depth_until_7d": depth}
        return columns

    def _read(
        self, series: Rows, periods: Rows, seen: Rows, *, shift_days: int
    ) -> tuple[Floats, ...]:
        is_on, depth = np.zeros((2, len(series)), np.float32)
        since, to_end, to_next = np.full((3, len(series)), np.nan, np.float32)
        low, high = (int(periods.min()), int(periods.max())) if len(periods) else (0, -1)
        width = high - low + 1
        keys = series * width + periods - low
        for place, members in enumerate(self.members):
            first, last = self._reach(place, shift_days, low, high)
            rows = _find_rows(keys, members, width, first - low, last - low)
            rows = rows[seen[rows] >= self.known_from[place]]
            day = self._first_days(periods[rows]) + shift_days
            length = (self._first_days(periods[rows] + 1) + shift_days - day).astype(np.int64)
            start = (self.first_days[place] - day).astype(np.int64)
            end = (self.last_days[place] - day).astype(np.int64)
            share = (np.minimum(end + 1, length) - np.maximum(start, 0)) / length
            on, coming = share > 0, (start >= length) & (start <= REACH_DAYS)
            at = rows[on]
            is_on[at] = np.maximum(is_on[at], share[on])
            depth[at] = np.maximum(depth[at], self.depth[place])
            since[at] = np.fmin(since[at], np.maximum(-start[on], 0))
            to_end[at] = np.fmax(to_end[at], end[on])
            to_next[rows[coming]] = np.fmin(to_next[rows[coming]], start[coming])
        return is_on, depth, since, to_end, to_next

    def _first_days(self, periods: Rows) -> npt.NDArray[np.datetime64]:
        return date_of(periods, self.frequency, self.anchor).astype("datetime64[D]")

    def _reach(self, place: int, shift_days: int, low: int, high: int) -> tuple[int, int]:
        """Return the first and last period, within [low, high], that it could tell anything of."""
        days = np.array([self.first_days[place] - REACH_DAYS, self.last_days[place]]) - shift_days
        first, last = period_of(days, self.frequency, self.anchor)
        return max(int(first) - 1, low), min(int(last), high)


def load_promotions(
    path: Path,
    series: pd.DataFrame,
    regions: Hierarchy,
    products: Hierarchy,
    *,
    frequency: Frequency,
    anchor: int,
    origin_period: int,
    time_zone: str,
) -> PromotionPlan | None:
    """Read the canonical `promotions` table; None if nothing in it is known at the origin.

    A promotion holds from the local date of `starts_at` to that of the moment before `ends_at`.
    `regions` and `products` list ids of any level, parted by comma, semicolon or bar, or as a JSON
    list; empty means all.

    Raises
    ------
    UnknownName
        If a list holds an id that is no node of its tree.
    """
    table = pd.read_parquet(path)
    table = table.reindex(columns=[*table.columns.union(_OPTIONAL, sort=False)])
    known = known_from(_local_days(table[Promotions.KNOWN_SINCE], time_zone), frequency, anchor)
    table, known = table[known <= origin_period], known[known <= origin_period]
    if table.empty:
        return None
    starts = _local_days(table[Promotions.STARTS_AT], time_zone)
    before = pd.to_datetime(table[Promotions.ENDS_AT]) - pd.Timedelta("1us")
    members = []
    for row in table.to_dict("records"):
        name = row[Promotions.PROMOTION_ID]
        here = _is_below(series["region_id"], row[Promotions.REGIONS], regions, "region", name)
        this = _is_below(series["product_id"], row[Promotions.PRODUCTS], products, "product", name)
        members.append(np.flatnonzero(here & this))
    return PromotionPlan(
        first_days=starts,
        last_days=np.maximum(_local_days(before, time_zone), starts),
        depth=table[Promotions.DISCOUNT].fillna(0.0).to_numpy(np.float64),
        known_from=known,
        members=tuple(members),
        frequency=frequency,
        anchor=anchor,
    )


_OPTIONAL = [
    Promotions.DISCOUNT, Promotions.REGIONS, Promotions.PRODUCTS, Promotions.KNOWN_SINCE,
]  # fmt: skip


def split_ids(text: object) -> list[str]:
    """Return the ids that a cell lists; none for an empty one.

    Examples
    --------
    >>> split_ids("north; south"), split_ids('["a, b"]'), split_ids("[c, d]"), split_ids(None)
    (['north', 'south'], ['a, b'], ['c', 'd'], [])
    """
    if not isinstance(text, str) or not text.strip():
        return []
    text = text.strip()
    if text.startswith("["):
        try:
            return [str(part) for part in json.loads(text)]
        except json.JSONDecodeError:
            text = text.strip("[]")
    parts = (part.strip().strip("'\"") for part in re.split(r"[,;|]", text))
    return [part for part in parts if part]


def _is_below(
    ids: pd.Series, cell: object, tree: Hierarchy, kind: str, promotion: object
) -> npt.NDArray[np.bool_]:
    """Return which ids lie at or below one of the nodes that a cell lists."""
    nodes = split_ids(cell)
    for node in nodes:
        if node not in tree.level_of:
            raise UnknownName(f"{kind} of promotion '{promotion}'", node, tree.level_of)
    if not nodes or ALL in nodes:
        return np.ones(len(ids), dtype=np.bool_)
    inside = tree.paths.isin(nodes).any(axis=1)
    return inside.reindex(ids).to_numpy(np.bool_)


def _local_days(instants: pd.Series, time_zone: str) -> npt.NDArray[np.datetime64]:
    local = pd.to_datetime(instants).dt.tz_localize("UTC").dt.tz_convert(time_zone)
    return local.dt.tz_localize(None).to_numpy().astype("datetime64[D]")


def _find_rows(keys: Rows, members: Rows, width: int, first: int, last: int) -> Rows:
    """Return where the sorted keys, series x width + place, have first <= place <= last."""
    if last < first:
        return np.zeros(0, np.int64)
    start = np.searchsorted(keys, members * width + first)
    count = np.searchsorted(keys, members * width + last, side="right") - start
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.asarray(np.repeat(start, count) + within, dtype=np.int64)
