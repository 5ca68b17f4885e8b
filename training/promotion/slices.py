"""Histories as of a cut-off and the outcomes that followed, read from the canonical tables."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import numpy as np
import pandas as pd

from features.customer.activity import Activity
from features.customer.customers import (
    IS_ACTIVE,
    IS_ACTIVE_OR_RESPONDS,
    USUAL_HALF_LIFE_DAYS,
    build_customer_features,
    customer_features,
)
from features.customer.declare import FeatureSet, Histogram, Tenure, Weeks
from features.customer.outcomes import build_slot_outcomes
from features.customer.query import write_tests
from features.customer.statistics import Condition
from features.engine import open_engine
from features.errors import NotEnoughData
from features.project import Project
from features.schema import EVENTS, TOUCHES, Customers, Events, Touches
from models.receptivity.histories import SLOT_COUNTS, Histories, Outcomes
from models.receptivity.rotation import rotate_outcomes
from models.receptivity.time_zones import add_inferred_zones, infer_time_zones

Slice = tuple[Histories, Outcomes]


class SliceReader:
    """Builds slices of one project, each cut-off once; a context manager that owns the engine.

    Only histories and outcomes are kept, never the tables they come from.

    Parameters
    ----------
    project : Project
        Whose canonical tables are built.
    half_life_days : float or None
        Of the decayed histograms. None is settled by `training.promotion.half_life`; profiles that
        are read before that have the usual one.
    is_response_counted : bool
        Whether opens and clicks count as activity. Where there is nothing else they do, which
        `notes` says.

    Attributes
    ----------
    half_life_days : float or None
        What was set or settled.
    notes : tuple of str
        What is read otherwise than one would expect, and what was chosen.
    """

    def __init__(
        self, project: Project, *, half_life_days: float | None, is_response_counted: bool = False
    ) -> None:
        self.project = project
        self.half_life_days = half_life_days
        self.notes: tuple[str, ...] = ()
        settings = project.settings
        # One thread: sums of doubles then add up in one order, and models come out byte by byte.
        self.engine = open_engine(1, settings.memory_limit)
        self._slices: dict[tuple[datetime, int], Slice] = {}
        self.active = IS_ACTIVE_OR_RESPONDS if is_response_counted else self._find_activity()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.engine.close()

    def read_span(self) -> tuple[datetime, datetime]:
        """Return when the first and the last activity was, in UTC.

        Messages are scheduled ahead, so they end the history only where there are no events. Nor
        do they begin it, unless their opens and clicks count: a log of messages that is older than
        the first event holds weeks in which nobody could be seen active.

        Raises
        ------
        NotEnoughData
            If there is no activity at all.
        """
        events = self._read_ends(EVENTS.name, Events.OCCURRED_AT)
        touches = self._read_ends(TOUCHES.name, Touches.SENT_AT)
        found = [span for span in (events, touches) if span is not None]
        if not found:
            raise NotEnoughData(
                f"{self.project.path}: send times need orders or other events of customers, "
                "found none; describe [tables.events] in the project file"
            )
        if self.active is IS_ACTIVE_OR_RESPONDS:
            return min(span[0] for span in found), found[0][1]
        return found[0]

    def _read_ends(self, table: str, moment: str) -> tuple[datetime, datetime] | None:
        path = self.project.workspace.table(table)
        if not path.exists():
            return None
        sql = f"SELECT min({moment}), max({moment}) FROM read_parquet($path)"
        first, last = self.engine.execute(sql, {"path": str(path)}).fetchall()[0]
        return None if first is None else (first, last)

    def use_half_life(self, days: float, why: str) -> None:
        """Read with this half-life from here on; slices that were read with another are gone."""
        self.half_life_days = days
        self.notes = (*self.notes, why)
        self._slices.clear()

    def read_profiles(self, as_of: datetime) -> pd.DataFrame:
        """Return the customer feature table as of a cut-off in UTC, ordered by customer.

        Who has no better time zone than the project's gets the one that their hours speak for,
        if these are clear enough, and their week is told in it.
        """
        return self._read_placed(as_of)[0]

    def read_timing(
        self, as_of: datetime, n_weeks: int, half_lives: Collection[float]
    ) -> dict[float, Slice]:
        """Return a slice for each half-life, of what the hours are learned from alone.

        Raises
        ------
        NotEnoughData
            If nobody was active before the cut-off, or nobody after it.
        """
        names = {days: f"{SLOT_COUNTS}_{place}" for place, days in enumerate(half_lives)}
        table = self._read_features(
            as_of,
            FeatureSet(
                "timing",
                (
                    Tenure("tenure_days"),
                    Weeks("active_weeks", self.active, windows_days=(364,)),
                    *(
                        Histogram(name, Activity.SLOT, days, self.active)
                        for days, name in names.items()
                    ),
                ),
            ),
        )
        outcomes = self._read_outcomes(as_of, n_weeks)
        kept = ["customer_id", "region_id", "tenure_days", "active_weeks_364d"]
        return {
            days: self._pair(
                table[[*kept, name]].rename(columns={name: SLOT_COUNTS}), outcomes, as_of, n_weeks
            )
            for days, name in names.items()
        }

    def read_slice(self, as_of: datetime, n_weeks: int) -> Slice:
        """Return customers with activity before a cut-off, and their `n_weeks` after it.

        Raises
        ------
        NotEnoughData
            If nobody was active before the cut-off, or nobody after it.
        """
        if (as_of, n_weeks) not in self._slices:
            self._slices[as_of, n_weeks] = self._build(as_of, n_weeks)
        return self._slices[as_of, n_weeks]

    def _build(self, as_of: datetime, n_weeks: int) -> Slice:
        outcomes = self._read_outcomes(as_of, n_weeks)
        profiles, shift_hours = self._read_placed(as_of)
        return self._pair(profiles, outcomes, as_of, n_weeks, shift_hours)

    def _read_placed(self, as_of: datetime) -> tuple[pd.DataFrame, np.ndarray]:
        """Return the customer feature table, and the hours that each week was turned by."""
        days = USUAL_HALF_LIFE_DAYS if self.half_life_days is None else self.half_life_days
        table = self._read_features(as_of, customer_features(days, active=self.active))
        found = infer_time_zones(
            Histories.from_table(table).counts,
            table[Customers.TIME_ZONE].tolist(),
            table[Customers.TIME_ZONE_SOURCE].tolist(),
            time_zone=self.project.settings.time_zone,
            at=as_of,
        )
        return add_inferred_zones(table, found), found.shift_hours

    def _read_features(self, as_of: datetime, features: FeatureSet) -> pd.DataFrame:
        table = build_customer_features(
            self.engine,
            self.project.workspace,
            as_of,
            features,
            time_zone=self.project.settings.time_zone,
        )
        return table.sort_values("customer_id", ignore_index=True)

    def _read_outcomes(self, as_of: datetime, n_weeks: int) -> pd.DataFrame:
        return build_slot_outcomes(
            self.engine,
            self.project.workspace,
            as_of,
            as_of + timedelta(weeks=n_weeks),
            time_zone=self.project.settings.time_zone,
            active=self.active,
        )

    def _find_activity(self) -> Condition:
        """Return what counts as activity: opens and clicks only where there is nothing else."""
        path = self.project.workspace.table(EVENTS.name)
        if path.exists():
            tests = " AND ".join(write_tests(IS_ACTIVE))
            sql = f"SELECT 1 FROM read_parquet($path) WHERE {tests} LIMIT 1"
            if self.engine.execute(sql, {"path": str(path)}).fetchall():
                return IS_ACTIVE
        self.notes = (
            "opens and clicks count as activity, as there is no other: hours then lean to those "
            "at which messages were sent",
        )
        return IS_ACTIVE_OR_RESPONDS

    @staticmethod
    def _pair(
        profiles: pd.DataFrame,
        table: pd.DataFrame,
        as_of: datetime,
        n_weeks: int,
        shift_hours: np.ndarray | None = None,
    ) -> Slice:
        histories = Histories.from_table(profiles)
        is_active = histories.events > 0
        histories = histories.take(is_active)
        outcomes = Outcomes.from_table(table, histories.customer_id, n_weeks=n_weeks)
        if shift_hours is not None and shift_hours.any():
            outcomes = rotate_outcomes(outcomes, shift_hours[is_active])
        end = as_of + timedelta(weeks=n_weeks)
        if len(histories) == 0 or outcomes.totals.sum() == 0:
            raise NotEnoughData(
                f"send times: expected customers who were active before {as_of:%Y-%m-%d} and "
                f"again by {end:%Y-%m-%d}, got {len(histories)} before and none of them after; "
                "look for a gap in the history, or for timestamps in the future"
            )
        return histories, outcomes
