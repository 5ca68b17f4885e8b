"""The purchases of one customer, read plainly, are those of the dataset."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.customer.purchase_fold import summarise_purchases
from features.customer.purchases import COLUMNS, build_purchases
from features.engine import open_engine
from features.project import Workspace
from features.schema import EVENTS

AS_OF = datetime(2024, 3, 31, 2, 30)  # noqa: DTZ001 - naive UTC, as in the tables
ZONES = {"a": "Europe/Berlin", "b": "America/New_York", "c": "Pacific/Auckland", "d": "UTC"}


def write_tables(folder, seed: int) -> pd.DataFrame:
    """Random orders of four customers around the change to summer time, some without a value."""
    rng = np.random.default_rng(seed)
    n = 60
    events = pd.DataFrame(
        {
            "event_id": [f"e{i}" for i in range(n)],
            "customer_id": rng.choice(list("abc"), n),
            "occurred_at": [AS_OF - timedelta(minutes=int(m)) for m in rng.integers(-999, 2e5, n)],
            "type": rng.choice(["order", "order", "page_view"], n),
            "value": np.where(rng.random(n) < 0.2, np.nan, np.round(rng.normal(20, 15, n), 2)),
        }
    )
    events.loc[n] = ["e60", "d", AS_OF - timedelta(days=3), "page_view", np.nan]
    full = events.reindex(columns=[column.name for column in EVENTS.columns])
    (folder / "tables").mkdir()
    text = [c for c in full if c not in ("occurred_at", "value", "quantity")]
    full[text] = full[text].astype("str").where(full[text].notna(), None)
    full = full.astype({"occurred_at": "datetime64[us]", "quantity": "float64"})
    full.to_parquet(folder / "tables" / "events.parquet", index=False)
    customers = pd.DataFrame({"customer_id": list(ZONES), "time_zone": list(ZONES.values())})
    customers["time_zone_source"] = "stated"
    customers = customers.assign(region_id=None, consent=None, created_at=pd.NaT)
    customers = customers.astype({"region_id": "str", "consent": "str"})
    customers.to_parquet(folder / "tables" / "customers.parquet", index=False)
    return events


@pytest.mark.parametrize("seed", range(6))
def test_one_customer_read_plainly_is_their_row_of_the_dataset(tmp_path, seed):
    events = write_tables(tmp_path, seed)
    with open_engine(threads=1) as engine:
        table = build_purchases(engine, Workspace(tmp_path), AS_OF, time_zone="UTC")
    assert set(table["customer_id"]) == {"a", "b", "c", "d"}
    for row in table.to_dict("records"):
        own = events[(events["customer_id"] == row["customer_id"]) & (events["type"] == "order")]
        orders = [
            (at.to_pydatetime(), None if math.isnan(value) else value)
            for at, value in zip(own["occurred_at"], own["value"], strict=True)
        ]
        found = summarise_purchases(
            row["customer_id"], orders, AS_OF, time_zone=ZONES[row["customer_id"]]
        )
        assert list(found) == list(COLUMNS)
        assert found == pytest.approx(row, nan_ok=True)


def test_who_never_bought_has_counts_of_nothing():
    row = summarise_purchases("a", [], AS_OF, time_zone="UTC")
    assert row["purchase_days"] == 0
    assert math.isnan(row["mean_gap_days"])
