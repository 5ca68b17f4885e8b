"""A small project of known habits: 4 stores × 3 products × 200 days, 200 customers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.project import Project, load_project

FIRST_DAY = datetime(2025, 1, 6, tzinfo=UTC)  # a Monday
STORES, PRODUCTS, DAYS, CUSTOMERS = 4, 3, 200, 200

PROJECT_FILE = """
[project]
name = "small"
time_zone = "UTC"
threads = 1

[tables.sales]
path = "sales.csv"
columns = { region_id = "store", product_id = "product", date = "date", units = "quantity" }

[tables.events]
path = "orders.csv"
naive_time_zone = "UTC"
columns = { customer_id = "customer", occurred_at = "timestamp", channel = "channel" }

[demand]
horizon_days = 14
origins = 3
use_prophet = false
lightgbm = { rounds = 20 }

[promotion]
folds = 2
lightgbm = { rounds = 20 }
"""


def write_small_project(folder: Path, *, seed: int = 5) -> Project:
    """Write `almanac.toml` and its two CSV files to `folder` and load it.

    Store s sells twice as much on Saturdays; every customer buys weekly at an hour of their own.
    """
    rng = np.random.default_rng(seed)
    _make_sales(rng).to_csv(folder / "sales.csv", index=False)
    _make_orders(rng).to_csv(folder / "orders.csv", index=False)
    path = folder / "almanac.toml"
    path.write_text(PROJECT_FILE, encoding="utf-8")
    return load_project(path)


def _make_sales(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for store in range(STORES):
        for product in range(PRODUCTS):
            for day in range(DAYS):
                date = FIRST_DAY + timedelta(days=day)
                rate = (2.0 + 3.0 * store + 2.0 * product) * (2.0 if date.weekday() == 5 else 1.0)
                units = int(rng.poisson(rate))
                rows.append((f"{date:%Y-%m-%d}", f"store <{store}>", f"product & {product}", units))
    return pd.DataFrame(rows, columns=["date", "store", "product", "quantity"])


def _make_orders(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for customer in range(CUSTOMERS):
        favourite = timedelta(days=customer % 7, hours=8 + customer % 12)
        for week in range(DAYS // 7):
            if rng.random() < 0.6:
                at = FIRST_DAY + timedelta(weeks=week) + favourite
                at += timedelta(minutes=int(rng.integers(0, 60)))
                rows.append((f"c{customer:03d}", f"{at:%Y-%m-%d %H:%M:%S}", "store"))
    return pd.DataFrame(rows, columns=["customer", "timestamp", "channel"])
