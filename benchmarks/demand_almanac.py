"""The project itself in the benchmark: a project file, its tables, its own backtest."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.demand_data import KEYS, Dataset, build_grid
from benchmarks.demand_frames import COLUMNS
from features.door.tables import build_tables
from features.progress import Silent
from features.project import load_project
from features.schema import TABLES

MODEL = "almanac"
DAYS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "quarter": 365.25 / 4}
CALIBRATING = 4
"""Earlier origins that only teach blend, reconciliation and intervals."""


def run_almanac(dataset: Dataset, threads: int = 1) -> pd.DataFrame:
    """Backtest the project on a dataset; return what it forecast from the scored origins.

    Returns
    -------
    DataFrame
        `demand_frames.COLUMNS`, of the dataset's origins, levels and scored steps.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = _backtest(_write_project(dataset, Path(folder), threads))
    place = pd.Series(range(len(dataset.dates)), index=dataset.dates)
    found = found[found["origin"].isin(dataset.origins) & found["level"].isin(dataset.levels)]
    missing = [at for at in dataset.origins if at not in set(found["origin"])]
    if missing:
        raise SystemExit(f"{dataset.name}: {MODEL} did not score from {missing}")
    steps = found["date"].map(place) - found["origin"].map(place)
    return found.loc[steps > dataset.gap, COLUMNS].reset_index(drop=True)


def _backtest(path: Path) -> pd.DataFrame:
    """Run the public backtest: the one place that knows how it is called."""
    from training.demand.steps import backtest_demand

    project = load_project(path)
    build_tables(project, Silent())
    forecasts = backtest_demand(project, Silent()).forecasts
    dates = {name: pd.to_datetime(forecasts[name]).dt.as_unit("us") for name in ("origin", "date")}
    return forecasts[forecasts["model"] == MODEL].assign(**dates)


def _write_project(dataset: Dataset, folder: Path, threads: int) -> Path:
    for name in ("sales", "regions", "products"):
        frame = _mark_gaps(dataset) if name == "sales" else getattr(dataset, name)
        if name == "regions" and dataset.country:
            frame = frame.assign(country=dataset.country)
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    origins = dataset.n_origins + CALIBRATING
    canonical = {column.name for column in TABLES["sales"].columns}
    own = [name for name in dataset.known_ahead if name not in canonical]
    regressors = ", ".join(f'{name} = "{name}"' for name in own)
    step = dataset.step or dataset.horizon
    text = f"""
[project]
name = "{dataset.name}"
workspace = "workspace"
time_zone = "UTC"
country = "{dataset.country}"
threads = {threads}

[tables.sales]
path = "sales.parquet"
regressors = {{ {regressors} }}

[tables.regions]
path = "regions.parquet"

[tables.products]
path = "products.parquet"

[demand]
frequency = "{dataset.frequency}"
horizon_days = {int(dataset.reach * DAYS[dataset.frequency])}
step_days = {int(step * DAYS[dataset.frequency])}
origins = {max(2, origins)}
known_ahead = {json.dumps(list(dataset.known_ahead))}
"""
    path = folder / "almanac.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _mark_gaps(dataset: Dataset) -> pd.DataFrame:
    """Give rows that the data lacks, where that does not mean zero, as days out of stock."""
    if dataset.gap_units == "zero":
        return dataset.sales
    grid = build_grid(dataset)
    is_gap = grid["units"].isna()
    rows = grid.assign(units=grid["units"].fillna(0.0), is_stock_out=is_gap)
    return rows[[*KEYS, "date", "units", *dataset.known_ahead, "is_stock_out"]]
