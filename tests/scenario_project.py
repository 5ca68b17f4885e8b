"""A small champion with prices, promotions and displays planned, for the tests of why and what-if.

2 stores x 2 products x 120 days; three in ten days are promoted at 20 % off and sell twice as much.
The product `new` was never promoted. Nothing is promoted or on display in the 14 days planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.progress import Silent
from features.project import Project
from features.region.panel import Panel
from models.artifact import Pointer, write_artifact, write_pointer
from models.demand.coherent import Coherent
from models.demand.model import DemandModel
from models.demand.path_files import TOTALS_FILE, pack_paths, pack_totals
from models.demand.sample_paths import SamplePaths, keep_paths
from tests.sales_tables import write_project
from training.demand.explanations import explain_demand
from training.demand.series_files import describe_series
from training.demand.steps import backtest_demand, fit_demand, load_panel
from training.recipes import FORECASTS_FILE

SETTINGS = """
horizon_days = 14
origins = 2
use_prophet = false
known_ahead = ["price", "base_price", "is_promoted", "display"]
lightgbm = { rounds = 40, leaves = 7, min_rows_in_leaf = 10, learning_rate = 0.15 }
"""


@dataclass(frozen=True)
class Published:
    """A champion and what it was made from."""

    project: Project
    panel: Panel
    model: DemandModel
    made: Coherent
    paths: SamplePaths
    forecasts: pd.DataFrame
    files: dict[str, bytes]


def make_promoted_sales(seed: int = 11) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    days = 120
    dates = pd.date_range(date(2024, 1, 1), periods=days + 14)
    is_past = np.arange(len(dates)) < days
    rows = []
    for store, size in (("north", 6.0), ("south", 12.0)):
        for product, base in (("tea", 2.0), ("new", 3.0)):
            promoted = (rng.random(len(dates)) < 0.3) & (product == "tea") & is_past
            mean = size * np.where(dates.day_of_week >= 5, 1.5, 1.0) * np.where(promoted, 2.0, 1.0)
            units = rng.poisson(mean).astype(float)
            rows.append(
                pd.DataFrame(
                    {
                        "region_id": store,
                        "product_id": product,
                        "date": dates.date,
                        "units": np.where(is_past, units, np.nan),
                        "price": base * np.where(promoted, 0.8, 1.0),
                        "base_price": base,
                        "is_promoted": promoted,
                        "display": ((rng.random(len(dates)) < 0.2) & is_past).astype(float),
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def publish_scenarios(folder: Path) -> Published:
    """Fit on the small project in `folder` and publish it as version 1."""
    project = write_project(folder, make_promoted_sales(), SETTINGS)
    panel = load_panel(project)
    backtest = backtest_demand(project, Silent(), panel=panel)
    model = fit_demand(project, Silent(), panel=panel, backtest=backtest)
    made, newcomers = model.make(panel)
    forecasts = model.tabulate(panel, made, newcomers)
    paths = keep_paths(panel, made, model.calibration.shocks, model.calibration.seed)
    plan = pack_paths(paths)
    past = paths.series.assign(recent_units=100.0, last_year_units=[80.0, np.nan, 0.0, 80.0])
    totals = {TOTALS_FILE: pack_totals(past, paths.sum_horizon())}
    files = {
        **model.to_files(),
        **plan,
        **describe_series(project, panel, made, backtest, plan | totals),
        **explain_demand(panel, model, made).files,
        FORECASTS_FILE: forecasts.to_parquet(index=False),
    }
    publish(project, "one", files)
    return Published(project, panel, model, made, paths, forecasts, files)


def publish(project: Project, name: str, files: dict[str, bytes]) -> None:
    """Make files the demand champion."""
    published = project.workspace.published
    digest = write_artifact(published / "demand" / name, "demand", files, {}, code_version="0")
    write_pointer(published, "demand", Pointer("1", name, digest, "run"))
