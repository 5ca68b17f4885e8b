"""Forecasts that were published, beside the sales that have arrived since their origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.region.panel import Panel
from models.artifact import MANIFEST, POINTER

FORECASTS_FILE = "forecasts.parquet"
KEYS = ["region_id", "product_id", "date"]
COLUMNS = [*KEYS, "level", "origin", "mean", "q025", "q10", "q90", "q975"]


@dataclass(frozen=True)
class Arrived:
    """One version's forecasts of dates whose sales are there.

    Attributes
    ----------
    version : str
        As the registry numbers it.
    rows : DataFrame
        `COLUMNS`, `units` and `step`: periods after the origin, from 1; of the finest level only.
    """

    version: str
    level: str
    rows: pd.DataFrame


def list_versions(published: Path) -> dict[str, Path]:
    """Return the kept versions of demand and their folders, by version, oldest first."""
    folders = [
        folder
        for folder in (published / "demand").glob("*")
        if (folder / FORECASTS_FILE).exists() and (folder / MANIFEST).exists()
    ]
    folders.sort(key=lambda folder: (folder / MANIFEST).stat().st_mtime_ns)
    return {folder.name.rpartition("-")[0].removeprefix("v") or folder.name: folder
            for folder in folders}  # fmt: skip


def has_published(published: Path, kind: str) -> bool:
    """Tell whether a champion of this kind is published."""
    return (published / kind / POINTER).exists()


def tabulate_units(panel: Panel) -> pd.DataFrame:
    """Return what was sold: region_id, product_id, date, units, up to the last arrived period."""
    starts = panel.series["start_row"].to_numpy()
    lengths = np.diff(np.append(starts, len(panel.units)))
    first = np.repeat(panel.series["first_period"].to_numpy(), lengths)
    periods = first + np.arange(len(panel.units)) - np.repeat(starts, lengths)
    keys = panel.series[["region_id", "product_id"]].loc[panel.series.index.repeat(lengths)]
    table = keys.reset_index(drop=True).astype(str)
    table = table.assign(date=pd.to_datetime(panel.date_of(periods)), units=panel.units)
    has_arrived = np.isfinite(panel.units) & (periods <= panel.origin_period)
    arrived: pd.DataFrame = table.loc[has_arrived].reset_index(drop=True)
    return arrived


def join_arrivals(version: str, forecasts: pd.DataFrame, units: pd.DataFrame) -> Arrived:
    """Put what was sold beside what was forecast, at the finest level.

    Parameters
    ----------
    version : str
    forecasts : DataFrame
        As published, of every level.
    units : DataFrame
        From `tabulate_units`.
    """
    level = str(forecasts["level"].value_counts().index[0])
    own = forecasts.loc[forecasts["level"] == level, COLUMNS]
    own = own.assign(
        date=pd.to_datetime(own["date"]),
        origin=pd.to_datetime(own["origin"]),
        region_id=own["region_id"].astype(str),
        product_id=own["product_id"].astype(str),
    )
    steps = {date: step for step, date in enumerate(sorted(own["date"].unique()), start=1)}
    own = own.assign(step=own["date"].map(steps))
    rows = own.merge(units, on=KEYS, how="inner", validate="one_to_one")
    return Arrived(version, level, rows[rows["date"] > rows["origin"]].reset_index(drop=True))
