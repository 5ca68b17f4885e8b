"""Stock advice and allocations as tables: from the champion's sample paths and the stock of now."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from features.errors import InvalidRequest, NotTrained
from features.project import Project
from models.artifact import load_published
from models.demand.assortment import find_below
from models.demand.path_files import Totals, unpack_paths, unpack_totals
from models.demand.region_allocation import COLUMNS, Offer, allocate_regions
from models.demand.sample_paths import SamplePaths
from training.config import StockSettings
from training.demand.stock_advice import advise
from training.demand.stock_files import STOCK_FILE
from training.demand.stock_inputs import make_rules, read_stock

_TRAIN = "run `almanac train demand` and `almanac promote demand`"


def make_advice(
    project: Project, *, region: str | None = None, product: str | None = None
) -> pd.DataFrame:
    """Return stock advice for the series below a region and a product.

    The stock is that of the project's tables as they are now; where the champion has too many
    series to keep their distributions, the advice is that of the day it was trained.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    region, product : str, optional
        Of any level; all by default.

    Returns
    -------
    DataFrame
        As of `advise`, without the lists by day.

    Raises
    ------
    NotTrained
        If no champion with sample paths is published.
    UnknownName
        If a region or product is not forecast.
    """
    _, artifact = load_published(project.workspace.published, "demand")
    totals = _read_totals(unpack_totals(artifact.files))
    paths = unpack_paths(artifact.files)
    if paths is None:
        table = pd.read_parquet(io.BytesIO(artifact.files[STOCK_FILE]))
        rows = _find_rows(table, totals, region, product)
        return table.iloc[rows].drop(columns="stock_out_by").reset_index(drop=True)
    rows = _find_rows(paths.series, totals, region, product)
    settings = project.section("stock", StockSettings)
    rules = make_rules(settings, paths.frequency, paths.n_steps)
    stock = read_stock(project, paths.series, paths.origin, settings)
    return advise(paths, rules, stock, rows).drop(columns="stock_out_by")


def make_allocation(
    project: Project, units: float, product: str, *, region: str | None = None
) -> pd.DataFrame:
    """Return how scarce units of a product are best given to the finest regions.

    A unit sold earns `lost_margin` of `[stock]`, or 1; one left over costs what holding it for the
    horizon does. What is in stock counts as there already.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    units : float
        Units to give away; >= 0.
    product : str
        Of any level.
    region : str, optional
        Only regions below it.

    Returns
    -------
    DataFrame
        `models.demand.region_allocation.COLUMNS`.

    Raises
    ------
    InvalidRequest
        If the units are negative.
    NotTrained, UnknownName
        As of `make_advice`.
    """
    if not 0 <= units < np.inf:
        raise InvalidRequest(f"--allocate: expected units of 0 or more, got {units:g}")
    _, artifact = load_published(project.workspace.published, "demand")
    totals = _read_totals(unpack_totals(artifact.files))
    settings = project.section("stock", StockSettings)
    drawn, days = _sum_demand(totals, unpack_paths(artifact.files), settings)
    rows = _find_rows(totals.series, totals, region, product)
    origin = totals.first_date - np.timedelta64(1, "D")
    stock = read_stock(project, totals.series.iloc[rows], origin, settings)
    places, names = pd.factorize(totals.series["region_id"].to_numpy(object)[rows], sort=True)
    demand, on_hand = np.zeros((len(names), drawn.shape[1])), np.zeros(len(names))
    np.add.at(demand, places, drawn[rows])
    np.add.at(on_hand, places, np.nan_to_num(np.maximum(stock.on_hand - stock.reserved, 0.0)))
    offer = Offer(
        supply=units,
        pack_size=settings.pack_size,
        overage_cost=(settings.holding_cost or 0.0) * days,
        margin=np.full(len(names), settings.lost_margin or 1.0),
        on_hand=on_hand,
        minimum=np.zeros(len(names)),
        maximum=np.full(len(names), np.inf),
    )
    return allocate_regions(demand, tuple(names), offer).regions[list(COLUMNS)]


def _read_totals(totals: Totals | None) -> Totals:
    if totals is None:
        raise NotTrained(f"the published demand model holds no sample paths; {_TRAIN} again")
    return totals


def _sum_demand(
    totals: Totals, paths: SamplePaths | None, settings: StockSettings
) -> tuple[np.ndarray, float]:
    """Return units by series and path until the horizon of `[stock]`, and its days."""
    span = float((totals.last_date - totals.first_date).astype(int))
    days = span / max(1, totals.n_steps - 1) if span else 1.0
    if paths is None or settings.horizon_days is None:
        return totals.units.astype(np.float64), days * totals.n_steps
    rules = make_rules(settings, paths.frequency, paths.n_steps)
    if rules.outlook_periods >= totals.n_steps:
        return totals.units.astype(np.float64), days * totals.n_steps
    drawn = paths.sum_horizon(totals.units.shape[1], rules.outlook_periods)
    return drawn.astype(np.float64), days * rules.outlook_periods


def _find_rows(
    series: pd.DataFrame, totals: Totals, region: str | None, product: str | None
) -> np.ndarray:
    chosen = np.ones(len(series), dtype=bool)
    if region is not None:
        chosen &= find_below(series["region_id"], totals.regions, region, "region")
    if product is not None:
        chosen &= find_below(series["product_id"], totals.products, product, "product")
    if not chosen.any():
        raise InvalidRequest(f"'{product}' is not forecast in '{region}'; name another pair")
    return np.flatnonzero(chosen)
