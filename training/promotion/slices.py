"""Histories as of a cut-off and the outcomes that followed, read from the canonical tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import pandas as pd

from features.customer.customers import build_customer_features, customer_features
from features.customer.outcomes import build_slot_outcomes
from features.engine import open_engine
from features.errors import NotEnoughData
from features.project import Project
from features.schema import EVENTS, TOUCHES, Events, Touches
from models.receptivity.histories import Histories, Outcomes

Slice = tuple[Histories, Outcomes]


class SliceReader:
    """Builds slices of one project, each cut-off once; a context manager that owns the engine.

    Only histories and outcomes are kept, never the tables they come from.

    Parameters
    ----------
    project : Project
        Whose canonical tables are built.
    half_life_days : float
        Of the decayed histograms.
    """

    def __init__(self, project: Project, *, half_life_days: float) -> None:
        self.project = project
        self.features = customer_features(half_life_days)
        settings = project.settings
        # One thread: sums of doubles then add up in one order, and models come out byte by byte.
        self.engine = open_engine(1, settings.memory_limit)
        self._slices: dict[tuple[datetime, int], Slice] = {}

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

        Raises
        ------
        NotEnoughData
            If there is no activity at all.
        """
        workspace = self.project.workspace
        spans = []
        for table, moment in ((EVENTS, Events.OCCURRED_AT), (TOUCHES, Touches.SENT_AT)):
            path = workspace.table(table.name)
            if path.exists():
                sql = f"SELECT min({moment}), max({moment}) FROM read_parquet($path)"
                spans.append(self.engine.execute(sql, {"path": str(path)}).fetchall()[0])
        moments = [moment for span in spans for moment in span if moment is not None]
        if not moments:
            raise NotEnoughData(
                f"{self.project.path}: send times need orders or other events of customers, "
                "found none; describe [tables.events] in the project file"
            )
        return min(moments), max(moments)

    def read_profiles(self, as_of: datetime) -> pd.DataFrame:
        """Return the customer feature table as of a cut-off in UTC, ordered by customer."""
        table = build_customer_features(
            self.engine,
            self.project.workspace,
            as_of,
            self.features,
            time_zone=self.project.settings.time_zone,
        )
        return table.sort_values("customer_id", ignore_index=True)

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
        histories = Histories.from_table(self.read_profiles(as_of))
        histories = histories.take(histories.events > 0)
        end = as_of + timedelta(weeks=n_weeks)
        table = build_slot_outcomes(
            self.engine,
            self.project.workspace,
            as_of,
            end,
            time_zone=self.project.settings.time_zone,
        )
        outcomes = Outcomes.from_table(table, histories.customer_id, n_weeks=n_weeks)
        if len(histories) == 0 or outcomes.totals.sum() == 0:
            raise NotEnoughData(
                f"send times: expected customers who were active before {as_of:%Y-%m-%d} and "
                f"again by {end:%Y-%m-%d}, got {len(histories)} before and none of them after; "
                "look for a gap in the history, or for timestamps in the future"
            )
        return histories, outcomes
