"""Made-up champions of realistic size to serve: seeded, and labelled so in their configuration."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.customer.customers import USUAL_HALF_LIFE_DAYS, customer_features
from features.schema import schema_hash
from models.artifact import FORMAT, MANIFEST, Pointer, write_artifact, write_pointer
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.send_time import LightGBMSendTime

CUSTOMERS, TREES, LEAVES, SEED = 50_000, 300, 63, 5
REGIONS, DAYS = 600, 28
MADE_UP = {"made_up": True, "seed": SEED}
FIRST_DAY = date(2026, 11, 2)
QUANTILES = ("q025", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q975")
_SLOTS = pa.list_(pa.struct([("slot", pa.int64()), ("weight", pa.float64())]))


def publish_send_times(
    published: Path, version: str, *, customers: int = CUSTOMERS, trees: int = TREES, seed: int = 0
) -> Pointer:
    """Fit trees on drawn customers, and publish them as champion of send times.

    Parameters
    ----------
    published : Path
    version : str
        Also the name of its folder.
    customers, trees : int
    seed : int
        Added to the module's; another seed is another model of the same customers' names.
    """
    rng = np.random.default_rng(SEED + seed)
    table, slots = _draw_customers(rng, customers)
    lists = [[{"slot": int(slot), "weight": 1.0} for slot in own] for own in slots]
    histories = Histories.from_table(table.assign(active_slots=lists))
    counts = [len(own) for own in slots]
    weeks = pd.DataFrame(
        {
            "customer_id": np.repeat(table["customer_id"].to_numpy(), counts),
            "slot": np.concatenate(slots),
            "weeks_active": rng.integers(0, 5, sum(counts)),
        }
    )
    outcomes = Outcomes.from_table(weeks, histories.customer_id, n_weeks=4)
    model = LightGBMSendTime(rounds=trees, leaves=LEAVES, threads=1).fit(histories, outcomes)
    model.calibrate(histories, outcomes)
    flat = pa.Table.from_pandas(table, preserve_index=False)
    content = io.BytesIO()
    pq.write_table(flat.append_column("active_slots", pa.array(lists, type=_SLOTS)), content)
    about = {"as_of": "2026-01-01T00:00:00Z", "time_zone": "Europe/Berlin"}
    files = {
        **model.to_files(),
        "profiles.parquet": content.getvalue(),
        "profiles.json": json.dumps(about).encode(),
    }
    folder = published / "promotion" / version
    digest = write_artifact(folder, "promotion", files, MADE_UP, code_version="0")
    pointer = Pointer(version, version, digest, "made up")
    write_pointer(published, "promotion", pointer)
    return pointer


def publish_forecasts(published: Path, rows: int) -> Pointer:
    """Publish drawn forecasts: regions × products × days, nine quantiles, in double precision."""
    folder = published / "demand" / "large"
    folder.mkdir(parents=True)
    path = folder / "forecasts.parquet"
    write_forecasts(path, products=max(1, rows // (REGIONS * DAYS)))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # As `write_artifact` does, which would need the whole file in memory.
    manifest = {
        "kind": "demand",
        "format": FORMAT,
        "schema_hash": schema_hash(),
        "code_version": "0",
        "configuration": MADE_UP,
        "files": {path.name: digest},
    }
    text = json.dumps(manifest, indent=2, sort_keys=True).encode()
    (folder / MANIFEST).write_bytes(text)
    pointer = Pointer("large", "large", hashlib.sha256(text).hexdigest(), "made up")
    write_pointer(published, "demand", pointer)
    return pointer


def write_forecasts(path: Path, products: int) -> None:
    """Write `REGIONS` × `products` series of `DAYS` days, a region at a time."""
    rng = np.random.default_rng(SEED)
    n_rows = products * DAYS
    days = pa.array([FIRST_DAY + timedelta(days=day) for day in range(DAYS)])
    fixed = {
        "region_level": _repeat("store", n_rows),
        "product_id": pa.array(product_name(at) for at in range(products)).take(
            pa.array(np.repeat(np.arange(products), DAYS))
        ),
        "product_level": _repeat("product", n_rows),
        "level": _repeat("store/product", n_rows),
        "date": days.take(pa.array(np.tile(np.arange(DAYS), products))),
        "origin": pa.array([FIRST_DAY - timedelta(days=1)]).take(
            pa.array(np.zeros(n_rows, dtype=np.int64))
        ),
        "model": _repeat("lightgbm", n_rows),
        "evidence": _repeat("own series", n_rows),
    }
    writer: pq.ParquetWriter | None = None
    for region in range(REGIONS):
        numbers = np.sort(rng.gamma(2.0, 5.0, (n_rows, len(QUANTILES))), axis=1)
        table = pa.table(
            {
                "region_id": _repeat(region_name(region), n_rows),
                **fixed,
                "mean": numbers.mean(axis=1),
                **{name: numbers[:, at] for at, name in enumerate(QUANTILES)},
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def region_name(at: int) -> str:
    """Return the name of the region at a place in the alphabet."""
    return f"store-{at:04d}"


def product_name(at: int) -> str:
    """Return the name of the product at a place in the alphabet."""
    return f"sku-{at:06d}"


def customer_name(at: int) -> str:
    """Return the name of a customer whom the model knows."""
    return f"known-{at}"


def now() -> str:
    """Return the time that results are marked with."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _draw_customers(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, list[np.ndarray]]:
    numbers = customer_features(USUAL_HALF_LIFE_DAYS).of_shape("number")
    table = pd.DataFrame(rng.gamma(2.0, 3.0, (n, len(numbers))), columns=list(numbers))
    table["customer_id"] = [customer_name(at) for at in range(n)]
    table["region_id"] = [f"r{at % 5}" for at in range(n)]
    return table, [np.unique(rng.integers(0, 168, rng.integers(1, 20))) for _ in range(n)]


def _repeat(value: str, n_rows: int) -> pa.DictionaryArray:
    codes = pa.array(np.zeros(n_rows, dtype=np.int32))
    return pa.DictionaryArray.from_arrays(codes, pa.array([value])).cast(pa.string())
