"""Sales of any number of series for the benchmark of scale: simulated from real ones.

Each series is one of the M5 subset, shifted by whole weeks and multiplied by seeded noise, so
that its zeros, weekdays and prices are those of a shop. It says what size costs, and nothing about
how good forecasts are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.demand_data import DATA

Floats = npt.NDArray[np.float64]

N_ITEMS, N_CATEGORIES, N_STATES = 100, 10, 10
N_DAYS, HORIZON, LEAST_DAYS = 1_096, 28, 365
LAST_DAY = np.datetime64("2016-05-22", "D")
SEED = 7

PROJECT = """
[project]
name = "scale"
workspace = "workspace"
time_zone = "UTC"
country = "US"
threads = {threads}
memory_limit = "{memory}"

[tables.sales]
path = "sales.parquet"

[tables.regions]
path = "regions.parquet"

[tables.products]
path = "products.parquet"

[demand]
frequency = "day"
horizon_days = {horizon}
origins = {origins}
known_ahead = ["price"]
"""


@dataclass(frozen=True)
class _Sources:
    """The real series by store and item: shape (n_stores, n_items, n_days)."""

    units: Floats
    price: Floats


def write_project(folder: Path, n_series: int, *, threads: int, origins: int) -> Path:
    """Write three years of daily sales of stores × 100 items, their trees and a project file.

    Parameters
    ----------
    folder : Path
    n_series : int
        A multiple of 100.
    threads, origins : int
        Of the project file.

    Returns
    -------
    Path
        Of the project file.

    Raises
    ------
    ValueError
        If `n_series` is not a multiple of 100.
    """
    if n_series < N_ITEMS or n_series % N_ITEMS:
        raise ValueError(f"series: expected a multiple of {N_ITEMS}, got {n_series}")
    n_stores = n_series // N_ITEMS
    folder.mkdir(parents=True, exist_ok=True)
    sources = _read_sources()
    writer = None
    for store in range(n_stores):
        table = pa.Table.from_pandas(_build_store(sources, store), preserve_index=False)
        writer = writer or pq.ParquetWriter(folder / "sales.parquet", table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    n_states = min(N_STATES, max(n_stores // 5, 1))
    regions = [(_store(at), f"state_{at % n_states:02d}", "store") for at in range(n_stores)]
    regions += [(f"state_{at:02d}", "all", "state") for at in range(n_states)]
    items = [(_item(at), f"category_{at % N_CATEGORIES}", "item") for at in range(N_ITEMS)]
    items += [(f"category_{at}", "all", "category") for at in range(N_CATEGORIES)]
    for name, nodes in (("region", regions), ("product", items)):
        frame = pd.DataFrame(nodes, columns=[f"{name}_id", "parent_id", "level"])
        frame.to_parquet(folder / f"{name}s.parquet", index=False)
    path = folder / "almanac.toml"
    # The door checks the keys of all rows at once: 2 GB suffice for some 20 million of them.
    memory = "2GB" if n_series <= 20_000 else "8GB"
    text = PROJECT.format(threads=threads, memory=memory, horizon=HORIZON, origins=origins)
    path.write_text(text, encoding="utf-8")
    return path


def _read_sources() -> _Sources:
    rows = pd.read_parquet(DATA / "m5" / "m5_280series_d1_d1941.parquet")
    stores, items = rows["store_id"].nunique(), rows["item_id"].nunique()
    rows = rows.sort_values(["store_id", "item_id", "date"])
    shape = (stores, items, -1)
    return _Sources(
        rows["value"].to_numpy(np.float64).reshape(shape),
        rows["sell_price"].to_numpy(np.float64).reshape(shape),
    )


def _build_store(sources: _Sources, store: int) -> pd.DataFrame:
    """Return one store's rows: sales from the first price on, then the plan of the horizon."""
    rng = np.random.default_rng([SEED, store])
    n_stores, n_items, n_known = sources.units.shape
    dates = LAST_DAY + np.arange(1 - N_DAYS, HORIZON + 1)
    parts = []
    for item in range(N_ITEMS):
        place = (store % n_stores, item % n_items)
        units, price = sources.units[place], sources.price[place]
        listed = int(np.isfinite(price).argmax())
        # Far enough into the real series to have a year of sales, and of a plan after them.
        latest = (n_known - N_DAYS - HORIZON) // 7
        earliest = min(max(listed + LEAST_DAYS - N_DAYS, 0) // 7 + 1, latest)
        start = 7 * int(rng.integers(earliest, latest + 1))
        window = slice(start, start + len(dates))
        level = rng.lognormal(0.0, 0.3)
        wanted = units[window] * level * rng.lognormal(0.0, 0.1, len(dates))
        sold = np.floor(wanted + rng.random(len(dates)))
        sold[N_DAYS:] = np.nan
        there = np.isfinite(price[window])
        parts.append(
            pd.DataFrame(
                {
                    "region_id": _store(store),
                    "product_id": _item(item),
                    "date": dates[there].astype("datetime64[us]"),
                    "units": sold[there],
                    "price": np.round(price[window][there] * rng.lognormal(0.0, 0.05), 2),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _store(place: int) -> str:
    return f"store_{place:03d}"


def _item(place: int) -> str:
    return f"item_{place:03d}"
