"""A demand champion of many made-up series, as training publishes one, for the pages to show."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.calendars import Place, build_holidays
from features.region.hierarchy import build_hierarchy
from features.region.nodes import Nodes, build_nodes
from features.region.panel import Panel
from models.artifact import Pointer, write_artifact, write_pointer
from models.demand.forecast_series import FORECASTS_FILE
from models.demand.marginals import KNOTS
from models.demand.path_files import TOTALS_FILE, pack_paths, pack_totals
from models.demand.quantiles import QUANTILE_NAMES, QUANTILES
from models.demand.sample_paths import SamplePaths
from models.demand.series_facts import FIGURES, NODE_COLUMNS, Calendar, pack_facts
from models.demand.series_history import digest_block, pack_history
from models.demand.shocks import OWN, Shocks
from training.config import StockSettings
from training.demand.past_series import Past, iterate_histories
from training.demand.stock_advice import advise
from training.demand.stock_inputs import KnownStock, make_rules

SEED = 20261125
PAST_DAYS, AHEAD_DAYS = 1096, 28
ORIGIN = np.datetime64("2026-11-01")
STATES, CATEGORIES = 20, 10
N_PATHS = 200
_KEYS = ["region_id", "product_id"]

Floats = npt.NDArray[np.float32]


def publish_series(published: Path, stores: int, products: int) -> int:
    """Publish stores × products series with all levels above; return how many series in all."""
    rng = np.random.default_rng(SEED)
    regions, goods = _make_tree("store", "state", stores, STATES), _make_tree(
        "product", "category", products, CATEGORIES
    )  # fmt: skip
    series = pd.DataFrame(
        [(one, other) for one in regions["id"][:stores] for other in goods["id"][:products]],
        columns=_KEYS,
    )
    trees = {
        "regions": build_hierarchy(regions.rename(columns={"id": "region_id"}), "regions",
                                   "region_id"),
        "products": build_hierarchy(goods.rename(columns={"id": "product_id"}), "products",
                                    "product_id"),
    }  # fmt: skip
    nodes = build_nodes(cast("Panel", SimpleNamespace(series=series, **trees)))
    past = _draw_past(rng, len(series))
    mean = np.nanmean(past.units[:, -AHEAD_DAYS - 91 :], axis=1)[:, None] * rng.uniform(
        0.8, 1.25, (len(series), AHEAD_DAYS)
    )
    files = {
        FORECASTS_FILE: _write(_tabulate(nodes, mean)),
        **_make_facts(rng, nodes, past, mean, regions, goods),
        **_make_stock(rng, series, mean, trees),
    }
    directory = published / "demand" / "many"
    digest = write_artifact(directory, "demand", files, {}, code_version="0")
    write_pointer(published, "demand", Pointer("1", "many", digest, "made up"))
    return len(nodes.table)


def _make_tree(kind: str, above: str, count: int, groups: int) -> pd.DataFrame:
    names = [(f"{kind} {at:04d}", f"{above} {at % groups:02d}", kind) for at in range(count)]
    tops = [(f"{above} {at:02d}", "all", above) for at in range(min(groups, count))]
    return pd.DataFrame([*names, *tops], columns=["id", "parent_id", "level"])


def _draw_past(rng: np.random.Generator, n_series: int) -> Past:
    """Draw units with a week and a year in them, prices, promotions and stock-outs."""
    shape = (n_series, PAST_DAYS + AHEAD_DAYS)
    days = np.arange(shape[1])
    season = 1 + 0.3 * np.sin(days * 2 * np.pi / 365.25) + 0.4 * (days % 7 >= 5)
    promoted = np.repeat(rng.random((n_series, shape[1] // 14 + 1)) < 0.12, 14, axis=1)
    promoted = promoted[:, : shape[1]]
    size = rng.gamma(1.5, 2.0, (n_series, 1)).astype(np.float32)
    wanted = size * season.astype(np.float32) * (1 + promoted.astype(np.float32))
    units = rng.poisson(wanted).astype(np.float32)
    units[:, PAST_DAYS:] = np.nan
    base = rng.uniform(1, 9, (n_series, 1)).round(2).astype(np.float32)
    price = base * np.where(promoted, np.float32(0.8), np.float32(1))
    out = rng.random(shape) < 0.004
    out[:, PAST_DAYS:] = False
    return Past(units, price, promoted, out, np.ones(shape, bool))


def _tabulate(nodes: Nodes, mean: npt.NDArray[np.float64]) -> pd.DataFrame:
    summed = nodes.sum(mean)
    n_nodes, n_steps = summed.shape
    table = nodes.table.iloc[np.repeat(np.arange(n_nodes), n_steps)].reset_index(drop=True)
    dates = ORIGIN + 1 + np.arange(n_steps)
    flat = summed.ravel()
    spread = np.linspace(0.4, 1.8, len(QUANTILES))
    columns = ["region_id", "region_level", "product_id", "product_level", "level"]
    return table[columns].assign(
        date=np.tile(dates, n_nodes).astype("datetime64[s]"),
        origin=np.full(len(table), ORIGIN).astype("datetime64[s]"),
        mean=flat,
        **{name: flat * factor for name, factor in zip(QUANTILE_NAMES, spread, strict=True)},
        model="made up",
        evidence="made up",
    )


def _make_facts(
    rng: np.random.Generator,
    nodes: Nodes,
    past: Past,
    mean: npt.NDArray[np.float64],
    regions: pd.DataFrame,
    goods: pd.DataFrame,
) -> dict[str, bytes]:
    order = nodes.table.sort_values(_KEYS).index.to_numpy()
    table = nodes.table.iloc[order].reset_index(drop=True)
    units = nodes.sum(mean.sum(axis=1))[order]
    drawn = {name: rng.uniform(0.1, 0.9, len(table)) for name in FIGURES[6:]}
    drawn |= {"judged_rows": np.full(len(table), 112.0), "judged_units": units * 4}
    table = table.assign(
        **drawn,
        units=units,
        units_lower=0.8 * units,
        units_upper=1.25 * units,
        last_year_units=units / rng.uniform(0.7, 1.4, len(table)),
        recent_units=units,
    )
    blocks = [pack_history(one) for one in iterate_histories(past, nodes.summing[order])]
    table["history_bytes"] = [len(block) for block in blocks]
    table["history_digest"] = [digest_block(block) for block in blocks]
    dates = [str(day) for day in ORIGIN + 1 - PAST_DAYS + np.arange(PAST_DAYS + AHEAD_DAYS)]
    found = build_holidays(
        Place("DE"), pd.Timestamp(dates[0]).date(), pd.Timestamp(dates[-1]).date()
    )
    holidays = {f"{day:%Y-%m-%d}": name for day, name in found.items()}
    judged = {"first": dates[900], "last": dates[1011], "origins": 4, "baseline": "seasonal naive"}
    calendar = Calendar(dates, PAST_DAYS, [holidays], judged)
    whole = pd.DataFrame([("all", None, "all")], columns=["id", "parent_id", "level"])
    trees = pd.concat(
        [
            pd.concat([whole, tree], ignore_index=True).assign(kind=kind, place=0)
            for kind, tree in (("region", regions), ("product", goods))
        ],
        ignore_index=True,
    )
    trees = trees.assign(name=trees["id"]).reindex(columns=list(NODE_COLUMNS))
    trees[["latitude", "longitude"]] = np.nan
    is_store = (trees["level"] == "store").to_numpy()
    trees.loc[is_store, "latitude"] = rng.uniform(47.5, 54.5, is_store.sum())
    trees.loc[is_store, "longitude"] = rng.uniform(6.5, 14.5, is_store.sum())
    names = [*_KEYS, *FIGURES, "history_bytes", "history_digest"]
    return pack_facts(table[names], trees, calendar, b"".join(blocks))


def _make_stock(
    rng: np.random.Generator,
    series: pd.DataFrame,
    mean: npt.NDArray[np.float64],
    trees: dict[str, Any],
) -> dict[str, bytes]:
    """Make the stock advice of one series, told of all; and totals of all."""
    knots = np.maximum(10 * (1 + 0.3 * KNOTS), 0.0)
    dates = ORIGIN + 1 + np.arange(AHEAD_DAYS)
    shocks = Shocks((OWN,), np.array([0.8]), np.array([0.2]))
    paths = SamplePaths(
        series=series,
        dates=dates,
        origin=ORIGIN,
        frequency="day",
        knots=np.broadcast_to(knots, (len(series), AHEAD_DAYS, len(KNOTS))).astype(np.float32),
        shocks=shocks,
        seed=1,
        **trees,
    )
    one, never = np.ones(len(series)), np.full(len(series), np.datetime64("NaT", "D"))
    source = np.full(len(series), "table stock", object)
    stock = KnownStock(20 * one, 0 * one, 0 * one, never, never, 4 * one, source)
    rules = make_rules(StockSettings(), "day", AHEAD_DAYS)
    told = advise(paths, rules, stock, np.array([0]))
    advice = told.iloc[np.zeros(len(series), int)].reset_index(drop=True)
    advice[_KEYS] = series[_KEYS]
    units = mean.sum(axis=1)[:, None] * rng.uniform(0.7, 1.3, (len(series), N_PATHS))
    before = series.assign(recent_units=mean.sum(axis=1), last_year_units=mean.sum(axis=1))
    return {
        "stock.parquet": _write(advice),
        TOTALS_FILE: pack_totals(before, units.astype(np.float32)),
        **pack_paths(paths),
    }


def _write(table: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    table.to_parquet(content, index=False, compression="zstd")
    return content.getvalue()
