"""Purchases before a cut-off and after it, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from features.customer.purchases import COLUMNS, Purchases
from features.errors import FeatureError

NAMES = COLUMNS[1:]


@dataclass(frozen=True)
class PurchaseHistories:
    """n customers as of a cut-off.

    Attributes
    ----------
    customer_id : array of shape (n,)
    values : array of shape (n, len(NAMES))
        The numbers of `features.customer.purchases.build_purchases`, in its order and units.
    """

    customer_id: np.ndarray
    values: np.ndarray

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> Self:
        """Read the table of `build_purchases`, whose rows stay in order.

        Raises
        ------
        FeatureError
            If a column is missing.
        """
        missing = [name for name in COLUMNS if name not in table.columns]
        if missing:
            raise FeatureError(
                f"purchases: expected the columns of build_purchases, got none called {missing}; "
                "build the table again"
            )
        values = table[list(NAMES)].to_numpy(dtype=np.float64)
        return cls(table[Purchases.CUSTOMER_ID].to_numpy(), values)

    def __len__(self) -> int:
        return len(self.customer_id)

    def column(self, name: str) -> np.ndarray:
        """Return one column, shape (n,)."""
        return self.values[:, NAMES.index(name)]

    def take(self, rows: np.ndarray | slice) -> Self:
        """Return some of the customers, by mask, positions or slice."""
        return type(self)(self.customer_id[rows], self.values[rows])

    @property
    def has_bought(self) -> np.ndarray:
        """Whether there was a purchase at all, shape (n,)."""
        return self.column(Purchases.DAYS) > 0

    @property
    def statistics(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, t_x and T of `models.value.bg_nbd`, in weeks; NaN for who never bought."""
        return (
            self.column(Purchases.FREQUENCY),
            self.column(Purchases.RECENCY),
            self.column(Purchases.AGE),
        )


@dataclass(frozen=True)
class PurchaseOutcomes:
    """What n customers bought in the days after a cut-off.

    Attributes
    ----------
    n_days : int
        Length of the window.
    orders : array of shape (n,)
        Purchase days in it.
    spend : array of shape (n,)
        Spent in it; 0 where nothing was bought, NaN where its value is not known.
    days_to_first : array of shape (n,)
        1 to `n_days`; NaN where nothing was bought: censored.
    """

    n_days: int
    orders: np.ndarray
    spend: np.ndarray
    days_to_first: np.ndarray

    @classmethod
    def from_table(cls, table: pd.DataFrame, customer_id: np.ndarray, *, n_days: int) -> Self:
        """Read the table of `build_purchase_outcomes` for these customers, in their order."""
        found = table.set_index(Purchases.CUSTOMER_ID).reindex(customer_id)
        orders = found[Purchases.DAYS].fillna(0).to_numpy(dtype=np.float64)
        spend = np.where(orders > 0, found[Purchases.SPEND].to_numpy(dtype=np.float64), 0.0)
        first = found[Purchases.DAYS_TO_FIRST].to_numpy(dtype=np.float64)
        return cls(n_days, orders, spend, first)

    def __len__(self) -> int:
        return len(self.orders)

    def take(self, rows: np.ndarray | slice) -> Self:
        """Return the outcomes of some of the customers."""
        return type(self)(
            self.n_days, self.orders[rows], self.spend[rows], self.days_to_first[rows]
        )

    @property
    def has_bought(self) -> np.ndarray:
        """Whether anything was bought in the window, shape (n,)."""
        return self.orders > 0
