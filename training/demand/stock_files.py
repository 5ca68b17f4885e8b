"""What a demand champion publishes for decisions: stock advice, sample paths, totals."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.project import Project
from features.region.panel import Panel
from models.demand.coherent import Coherent
from models.demand.model import DemandModel
from models.demand.path_files import (
    KNOTS_FILE,
    MAX_ROWS,
    TOTALS_FILE,
    pack_paths,
    pack_totals,
)
from models.demand.sample_paths import RECENT_DAYS, SamplePaths, keep_paths
from training.config import StockSettings
from training.demand.steps import DemandBacktest
from training.demand.stock_advice import advise
from training.demand.stock_backtest import score_policies
from training.demand.stock_inputs import DAYS_PER_PERIOD, make_rules, read_stock

Floats = npt.NDArray[np.float64]

STOCK_FILE = "stock.parquet"


@dataclass(frozen=True)
class StockFindings:
    """What training adds for stock decisions.

    Attributes
    ----------
    files : mapping of name to bytes
        `stock.parquet`, `totals.parquet`, `paths.json`, and `paths.parquet` unless there are
        too many series.
    policies : DataFrame
        From `score_policies`.
    notes : tuple of str
        What was left out, and why.
    """

    files: Mapping[str, bytes]
    policies: pd.DataFrame
    notes: tuple[str, ...]


def decide_stock(
    project: Project, panel: Panel, model: DemandModel, made: Coherent, backtest: DemandBacktest
) -> StockFindings:
    """Make everything about stock that is published and reported with a demand model.

    Parameters
    ----------
    project : Project
    panel : Panel
        That `made` was forecast from.
    model : DemandModel
    made : Coherent
        From `model.make(panel)`.
    backtest : DemandBacktest
        Whose scored folds the policies are simulated over.
    """
    settings = project.section("stock", StockSettings)
    seed = model.calibration.seed
    paths = keep_paths(panel, made, model.calibration.shocks, seed)
    rules = make_rules(settings, paths.frequency, paths.n_steps)
    stock = read_stock(project, paths.series, paths.origin, settings)
    table = advise(paths, rules, stock)
    files = pack_paths(paths)
    files[STOCK_FILE] = _write(table)
    files[TOTALS_FILE] = pack_totals(_add_past(panel, paths), paths.sum_horizon())
    notes = []
    if KNOTS_FILE not in files:
        notes.append(
            f"{len(paths.series)} series × {paths.n_steps} periods are more than {MAX_ROWS:,}: "
            "their distributions are not published, so allocations know the whole horizon only"
        )
    policies = score_policies(panel, backtest.folds, rules, seed)
    return StockFindings(files, policies, tuple(notes))


def _add_past(panel: Panel, paths: SamplePaths) -> pd.DataFrame:
    """Add what was sold lately and a year ago to each series, over as long as the horizon."""
    frequency, n_steps = panel.frequency, paths.n_steps
    recent = max(1, round(RECENT_DAYS / DAYS_PER_PERIOD[frequency.name]))
    ids = ["region_id", "product_id"]
    rows = panel.series[[*ids, "first_period", "start_row"]]
    known = paths.series.merge(rows, on=ids, how="left")
    lately, year = np.full(len(known), np.nan), np.full(len(known), np.nan)
    columns = (known["first_period"].to_numpy(float), known["start_row"].to_numpy(float))
    for place, (first, start) in enumerate(zip(*columns, strict=True)):
        if np.isnan(first):
            continue
        units = panel.units[int(start) : int(start) + panel.origin_period - int(first) + 1]
        lately[place] = _mean(units[-recent:]) * n_steps
        # The same periods of the year before, as many as there are in a horizon within a year.
        begin = len(units) - frequency.year
        if begin >= 0 and n_steps <= frequency.year:
            year[place] = _mean(units[begin : begin + n_steps]) * n_steps
    return known[ids].assign(recent_units=lately, last_year_units=year)


def _mean(units: Floats) -> float:
    """Return the mean of what is known; NaN where nothing is."""
    known = units[np.isfinite(units)]
    return float(known.mean()) if len(known) else float("nan")


def _write(table: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    return content.getvalue()
