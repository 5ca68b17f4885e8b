"""Coverage of the project's intervals at the bottom level, by how much a series sells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.demand_bars import Bar
from benchmarks.demand_data import Dataset, build_grid
from benchmarks.demand_frames import QUANTILE_NAMES
from models.demand.quantiles import find_interval

CLASSES = ("low", "middle", "high")
"""Thirds of the rows by forecast mean."""
MOST_OVERALL, MOST_BY_CLASS = 0.03, 0.06


def score_coverage_by_volume(dataset: Dataset, cache: Path, model: str) -> pd.DataFrame:
    """Return dataset, volume, coverage_80, coverage_95, zero_share and n_rows.

    Volume is 'all' or one of `CLASSES`; zero_share is the share of rows in which nothing sold.
    """
    made = pd.read_parquet(cache / f"{dataset.name}.{model}.parquet")
    made = made[made["level"] == dataset.levels[0]]
    sold = build_grid(dataset)[["region_id", "product_id", "date", "units"]].dropna()
    names = {"region_id": "region", "product_id": "product"}
    rows = made.drop(columns="units", errors="ignore").merge(
        sold.rename(columns=names), on=["region", "product", "date"]
    )
    quantiles = rows[list(QUANTILE_NAMES)].to_numpy(np.float64)
    for percent in (80, 95):
        lower, upper = find_interval(quantiles, percent / 100)
        inside = (lower <= rows["units"]) & (rows["units"] <= upper)
        rows[f"coverage_{percent}"] = inside.astype(float)
    rows["zero_share"] = (rows["units"] == 0).astype(float)
    edges = np.quantile(rows["mean"], (1 / 3, 2 / 3))
    rows["volume"] = np.array(CLASSES)[np.searchsorted(edges, rows["mean"], side="right")]
    both = pd.concat([rows.assign(volume="all"), rows])
    groups = both.groupby("volume", sort=False)
    table = groups[["coverage_80", "coverage_95", "zero_share"]].mean()
    return table.assign(n_rows=groups.size(), dataset=dataset.name).reset_index()


def check_coverage(table: pd.DataFrame) -> list[Bar]:
    """Compare with the bars: ±3 points over all, ±6 in every volume class."""
    bars = []
    for label, rows, most in (
        ("over all, bottom level", table[table["volume"] == "all"], MOST_OVERALL),
        ("in every volume class", table[table["volume"] != "all"], MOST_BY_CLASS),
    ):
        missed = [
            f"{row['dataset']} {row['volume']} {percent} %: {row[f'coverage_{percent}']:.3f}"
            for row in rows.to_dict("records")
            for percent in (80, 95)
            if abs(row[f"coverage_{percent}"] - percent / 100) > most
        ]
        name = f"coverage within {100 * most:.0f} points {label}"
        bars.append(Bar(name, not missed, "; ".join(missed)))
    return bars


def format_coverage(table: pd.DataFrame) -> list[str]:
    """Return Markdown lines."""
    return [
        "## Coverage of the project's intervals by volume",
        "",
        "Bottom level; thirds of the rows by forecast mean. Where nothing sold in more rows than "
        "an interval says it holds, it has to hold more: zero cannot be cut in two.",
        "",
        "| dataset | volume | 80 % | 95 % | rows without a sale | rows |",
        "|---|---|---|---|---|---|",
        *(
            f"| {r.dataset} | {r.volume} | {r.coverage_80:.3f} | {r.coverage_95:.3f} "
            f"| {r.zero_share:.0%} | {r.n_rows:,} |"
            for r in table.itertuples()
        ),
        "",
    ]
