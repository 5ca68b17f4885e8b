"""Sample paths and their totals as plain files of a published model: Parquet and JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import ArtifactError
from features.region.hierarchy import Hierarchy
from models.demand.marginals import KNOTS
from models.demand.sample_paths import SamplePaths, check_knots
from models.demand.shocks import Shocks

KNOTS_FILE, TOTALS_FILE, PLAN_FILE = "paths.parquet", "totals.parquet", "paths.json"
MAX_ROWS = 300_000
"""Series times periods above which distributions are left out of a published model."""
TRAIN_AGAIN = "train and promote again"


@dataclass(frozen=True)
class Totals:
    """Units over the whole horizon, by sample path, and what they are compared with.

    Attributes
    ----------
    series : DataFrame
        region_id, product_id; recent_units, the last 28 days' level carried over the horizon, and
        last_year_units, of the same periods a year before; NaN where not known.
    units : float32, shape (n_series, n_paths)
    regions, products : Hierarchy
    first_date, last_date : datetime64[D]
        Of the horizon.
    n_steps : int
        Periods in it.
    """

    series: pd.DataFrame
    units: npt.NDArray[np.float32]
    regions: Hierarchy
    products: Hierarchy
    first_date: np.datetime64
    last_date: np.datetime64
    n_steps: int


def pack_paths(paths: SamplePaths) -> dict[str, bytes]:
    """Return the paths as files; without distributions above `MAX_ROWS` rows of them."""
    about = {
        "dates": [str(day) for day in paths.dates],
        "origin": str(paths.origin),
        "frequency": paths.frequency,
        "seed": paths.seed,
        "shocks": {
            "levels": list(paths.shocks.levels),
            "passing": paths.shocks.passing.tolist(),
            "lasting": paths.shocks.lasting.tolist(),
        },
        "regions": _pack_tree(paths.regions),
        "products": _pack_tree(paths.products),
        "n_knots": len(KNOTS),
    }
    files = {PLAN_FILE: json.dumps(about, sort_keys=True).encode()}
    if len(paths.series) * paths.n_steps > MAX_ROWS:
        return files
    table = _series_table(paths.series)
    flat = paths.knots.reshape(len(paths.series), -1).astype(np.float32)
    files[KNOTS_FILE] = _write(_with_lists(table, "knots", flat))
    return files


def unpack_paths(files: Mapping[str, bytes]) -> SamplePaths | None:
    """Remake the paths from `pack_paths`; None where the distributions were left out.

    Raises
    ------
    ArtifactError
        If the files do not fit together.
    """
    if KNOTS_FILE not in files or PLAN_FILE not in files:
        return None
    about = json.loads(files[PLAN_FILE])
    table = _read(files[KNOTS_FILE], KNOTS_FILE)
    dates = np.array(about["dates"], dtype="datetime64[D]")
    knots = _read_lists(table, "knots").reshape(table.num_rows, len(dates), -1)
    try:
        check_knots(knots)
    except ValueError as error:
        raise ArtifactError(f"{KNOTS_FILE}: {error}") from None
    shocks = about["shocks"]
    return SamplePaths(
        series=table.select(["region_id", "product_id"]).to_pandas(),
        dates=dates,
        origin=np.datetime64(about["origin"], "D"),
        frequency=about["frequency"],
        knots=knots,
        shocks=Shocks(
            tuple(shocks["levels"]), np.array(shocks["passing"]), np.array(shocks["lasting"])
        ),
        seed=about["seed"],
        regions=_unpack_tree(about["regions"]),
        products=_unpack_tree(about["products"]),
    )


def pack_totals(series: pd.DataFrame, units: npt.NDArray[np.float32]) -> bytes:
    """Return the totals over the horizon as a Parquet file.

    Parameters
    ----------
    series : DataFrame
        region_id, product_id, recent_units, last_year_units.
    units : float32, shape (n_series, n_paths)
    """
    table = pa.Table.from_pandas(series, preserve_index=False)
    return _write(_with_lists(table, "units", units.astype(np.float32)))


def unpack_totals(files: Mapping[str, bytes]) -> Totals | None:
    """Remake totals from `pack_totals` and the plan of `pack_paths`; None where there are none."""
    if TOTALS_FILE not in files or PLAN_FILE not in files:
        return None
    about = json.loads(files[PLAN_FILE])
    table = _read(files[TOTALS_FILE], TOTALS_FILE)
    names = ["region_id", "product_id", "recent_units", "last_year_units"]
    dates = np.array(about["dates"], dtype="datetime64[D]")
    return Totals(
        series=table.select(names).to_pandas(),
        units=_read_lists(table, "units"),
        regions=_unpack_tree(about["regions"]),
        products=_unpack_tree(about["products"]),
        first_date=dates[0],
        last_date=dates[-1],
        n_steps=len(dates),
    )


def _series_table(series: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(series[["region_id", "product_id"]], preserve_index=False)


def _with_lists(table: pa.Table, name: str, values: npt.NDArray[np.float32]) -> pa.Table:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return table.append_column(name, lists)


def _read_lists(table: pa.Table, name: str) -> npt.NDArray[np.float32]:
    column = table.column(name).combine_chunks()
    values: npt.NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=False)
    return values.astype(np.float32, copy=False).reshape(table.num_rows, -1)


def _write(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    return content.getvalue()


def _read(content: bytes, name: str) -> pa.Table:
    try:
        return pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, ValueError, OSError) as error:
        raise ArtifactError(f"{name}: not a Parquet file: {error}; {TRAIN_AGAIN}") from None


def _pack_tree(tree: Hierarchy) -> dict[str, Any]:
    columns = {
        level: [None if pd.isna(node) else str(node) for node in tree.paths[level]]
        for level in tree.levels
    }
    return {"levels": list(tree.levels), "nodes": [str(n) for n in tree.paths.index],
            "paths": columns, "level_of": tree.level_of}  # fmt: skip


def _unpack_tree(packed: Mapping[str, Any]) -> Hierarchy:
    frame = pd.DataFrame(
        {level: packed["paths"][level] for level in packed["levels"]},
        index=pd.Index(packed["nodes"], dtype="str"),
        dtype="str",
    )
    return Hierarchy(tuple(packed["levels"]), frame, dict(packed["level_of"]))
