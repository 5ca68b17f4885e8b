"""The first forecasts of a new champion in words: enough to believe that it works."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow.parquet as pq

from features.project import Project
from features.schema import ALL
from models.artifact import load_published
from models.demand.forecast_series import FORECASTS_FILE

SHOWN_DAYS = 3
COLUMNS = ["region_id", "product_id", "level", "date", "mean", "lower_80", "upper_80"]


def tell_first_forecasts(project: Project) -> list[str]:
    """Return lines with the first days of everything, and of the region and product wanted most.

    Parameters
    ----------
    project : Project
        With a published demand champion.

    Raises
    ------
    NotTrained
        If there is none.
    """
    _, artifact = load_published(project.workspace.published, "demand", on_disk=(FORECASTS_FILE,))
    if FORECASTS_FILE in artifact.large:
        return []  # whoever has so many asks for them one by one
    table = pq.read_table(io.BytesIO(artifact.files[FORECASTS_FILE]), columns=COLUMNS).to_pandas()
    everything = (table["region_id"] == ALL) & (table["product_id"] == ALL)
    leaves = table[(table["region_id"] != ALL) & (table["product_id"] != ALL)]
    lines = [_describe("all regions, all products", table[everything])]
    if not leaves.empty:
        level, region, product = (
            leaves.groupby(["level", "region_id", "product_id"])["mean"].mean().idxmax()
        )
        chosen = leaves[
            (leaves["level"] == level)
            & (leaves["region_id"] == region)
            & (leaves["product_id"] == product)
        ]
        lines.append(_describe(f"region {region}, {product}", chosen))
    return [line for line in lines if line]


def _describe(what: str, rows: pd.DataFrame) -> str:
    days = [
        f"{row.date:%Y-%m-%d} {row.mean_units:,.1f} units ({row.low:,.1f} to {row.high:,.1f})"
        for row in rows.rename(
            columns={"mean": "mean_units", "lower_80": "low", "upper_80": "high"}
        )
        .sort_values("date")
        .head(SHOWN_DAYS)
        .itertuples()
    ]
    return f"{what}: {', '.join(days)}" if days else ""
