"""Canonical tables of sales, made from a seed, for the tests of panels and of demand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.project import Project, Workspace, load_project


def make_sales(
    *,
    regions: int = 2,
    products: int = 2,
    periods: int = 120,
    freq: str = "D",
    start: date = date(2024, 1, 1),
    seed: int = 3,
) -> pd.DataFrame:
    """Poisson sales with a weekly shape; every region × product × period has a row."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range(start, periods=periods, freq=freq)
    rows = []
    for region in range(regions):
        for product in range(products):
            level = (1 + region) * (2 + 3 * product)
            shape = 1.0 + 0.5 * (dates.day_of_week >= 5)
            price = 2.0 + product - 0.5 * (rng.random(periods) < 0.2)
            units = rng.poisson(level * shape * (2.0 + product) / price).astype(float)
            rows.append(
                pd.DataFrame(
                    {
                        "region_id": f"r{region}",
                        "product_id": f"p{product}",
                        "date": dates.date,
                        "units": units,
                        "price": price,
                        "base_price": 2.0 + product,
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def write_tables(
    folder: Path,
    sales: pd.DataFrame,
    regions: pd.DataFrame | None = None,
    products: pd.DataFrame | None = None,
) -> Workspace:
    """Write the tables as the door leaves them; flat trees unless given."""
    workspace = Workspace(folder)
    workspace.tables.mkdir(parents=True, exist_ok=True)
    sales.to_parquet(workspace.table("sales"))
    for name, column, table in (
        ("regions", "region_id", regions),
        ("products", "product_id", products),
    ):
        if table is None:
            ids = sorted(sales[column].unique())
            level = name.removesuffix("s")
            table = pd.DataFrame({column: ids, "parent_id": "all", "level": level})
        table.to_parquet(workspace.table(name))
    return workspace


def write_project(folder: Path, sales: pd.DataFrame, demand: str = "", **tables: object) -> Project:
    """Write tables and a project file whose workspace is `folder`."""
    write_tables(folder, sales, **tables)  # type: ignore[arg-type]
    path = folder / "almanac.toml"
    text = f'[project]\nname = "test"\nworkspace = "."\nthreads = 1\n[demand]\n{demand}\n'
    path.write_text(text, encoding="utf-8")
    return load_project(path)
