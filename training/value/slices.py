"""Purchases as of a cut-off and what followed them, read from the canonical tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import pandas as pd

from features.customer.purchases import build_purchase_outcomes, build_purchases
from features.project import Project
from models.value.histories import PurchaseHistories, PurchaseOutcomes


@dataclass(frozen=True)
class PurchaseSlice:
    """Customers as of a cut-off: their table, the same as arrays, and what followed."""

    table: pd.DataFrame
    histories: PurchaseHistories
    outcomes: PurchaseOutcomes


@dataclass(frozen=True)
class PurchaseReader:
    """Builds slices of one project, each cut-off once.

    Attributes
    ----------
    project : Project
        Whose canonical tables are built.
    engine : duckdb.DuckDBPyConnection
        From `features.engine.open_engine`, of one thread so that sums come out bit by bit.
    """

    project: Project
    engine: duckdb.DuckDBPyConnection
    _slices: dict[tuple[datetime, int], PurchaseSlice] = field(default_factory=dict, repr=False)

    def read_table(self, as_of: datetime) -> pd.DataFrame:
        """Return the purchase table as of a cut-off in UTC, ordered by customer."""
        return build_purchases(
            self.engine,
            self.project.workspace,
            as_of,
            time_zone=self.project.settings.time_zone,
        )

    def read_slice(self, as_of: datetime, n_days: int) -> PurchaseSlice:
        """Return the customers of a cut-off and what they bought in the `n_days` after it."""
        if (as_of, n_days) not in self._slices:
            table = self.read_table(as_of)
            histories = PurchaseHistories.from_table(table)
            after = build_purchase_outcomes(
                self.engine,
                self.project.workspace,
                as_of,
                n_days,
                time_zone=self.project.settings.time_zone,
            )
            outcomes = PurchaseOutcomes.from_table(after, histories.customer_id, n_days=n_days)
            self._slices[as_of, n_days] = PurchaseSlice(table, histories, outcomes)
        return self._slices[as_of, n_days]
