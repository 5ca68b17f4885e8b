"""What a demand champion tells of each series beside its forecast: past, growth, accuracy, kin.

A *series* is one region and product of any level. Facts are columns, one value a series, sorted by
region and product; names of regions and products exist once. What is long lies in
`models.demand.series_history`.
"""

from __future__ import annotations

import io
import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import ArtifactError
from features.schema import ALL
from models.artifact import LargeFile
from models.demand.series_history import HISTORY_FILE, HistoryBlocks

SERIES_FILE, NODES_FILE, CALENDAR_FILE = "series.parquet", "nodes.parquet", "series.json"
FIGURES = (
    "n_series", "units", "units_lower", "units_upper", "last_year_units", "recent_units",
    "judged_units", "judged_rows", "wape", "bias", "coverage_80", "coverage_95", "naive_wape",
)  # fmt: skip
"""Columns of numbers; what is not known is NaN."""
NODE_COLUMNS = ("kind", "id", "parent_id", "level", "name", "latitude", "longitude", "place")
KINDS = ("region", "product")

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Tree:
    """The regions, or the products, by the alphabet of their ids.

    Attributes
    ----------
    ids, names, levels : list of str
    parents : int32 array
        Position of the node above; −1 of the whole.
    latitude, longitude : float32 arrays
        NaN where not known.
    places : int32 array
        Which calendar of holidays holds; of products 0.
    """

    ids: list[str]
    names: list[str]
    levels: list[str]
    parents: Codes
    latitude: npt.NDArray[np.float32]
    longitude: npt.NDArray[np.float32]
    places: Codes

    def find(self, name: str) -> int:
        """Return the position of an id; −1 where there is none."""
        at = bisect_left(self.ids, name)
        return at if at < len(self.ids) and self.ids[at] == name else -1

    def is_at(self, level: str) -> npt.NDArray[np.bool_]:
        """Return which nodes are of a level."""
        return np.array([own == level for own in self.levels], dtype=bool)

    @cached_property
    def texts(self) -> list[str]:
        """What a search looks through, by node."""
        return [f"{one}\n{name}".casefold() for one, name in zip(self.ids, self.names, strict=True)]


@dataclass(frozen=True)
class Calendar:
    """When the histories are from, and what was judged.

    Attributes
    ----------
    dates : list of str
        Of every period: the past ones, then those of the forecast.
    n_past : int
        Periods up to the origin.
    holidays : list of dict of date to name
        By place.
    judged : dict
        first, last, origins and baseline of the backtest.
    """

    dates: list[str]
    n_past: int
    holidays: list[dict[str, str]]
    judged: dict[str, Any]


@dataclass(frozen=True)
class SeriesFacts:
    """Everything of this module, read.

    Attributes
    ----------
    trees : dict of str to Tree
        Of 'region' and 'product'.
    codes : dict of str to int32 array of shape (n_series,)
        Position of each series' region and product in its tree.
    figures : dict of str to float32 array of shape (n_series,)
        By the names of `FIGURES`.
    history : HistoryBlocks
    calendar : Calendar
    """

    trees: Mapping[str, Tree]
    codes: Mapping[str, Codes]
    figures: Mapping[str, npt.NDArray[np.float32]]
    history: HistoryBlocks
    calendar: Calendar

    def __len__(self) -> int:
        return len(self.codes["region"])

    def find(self, region: int, product: int) -> int:
        """Return the position of the series of two nodes; −1 where there is none."""
        if region < 0 or product < 0:
            return -1
        key = self._key(region, product)
        at = int(np.searchsorted(self._keys, key))
        return at if at < len(self._keys) and self._keys[at] == key else -1

    def check_order(self) -> None:
        """Raise ValueError if series are not sorted, each there once: they are found by halving."""
        if (np.diff(self._keys) <= 0).any():
            raise ValueError("its series are not sorted by region and product")

    @cached_property
    def by_size(self) -> npt.NDArray[np.int64]:
        """The series, most units first."""
        return np.argsort(-np.nan_to_num(self.figures["units"]), kind="stable")

    @cached_property
    def _keys(self) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = self._key(
            self.codes["region"].astype(np.int64), self.codes["product"].astype(np.int64)
        )
        return found

    def _key(self, region: Any, product: Any) -> Any:
        return region * len(self.trees["product"].ids) + product


def pack_facts(
    series: pd.DataFrame, nodes: pd.DataFrame, calendar: Calendar, history: bytes
) -> dict[str, bytes]:
    """Return facts as the files of a model.

    Parameters
    ----------
    series : DataFrame
        region_id, product_id, `FIGURES`, history_bytes and history_digest, in the order of the
        blocks of `history`, which is that of region_id and product_id.
    nodes : DataFrame
        `NODE_COLUMNS`; the whole, 'all', among them.
    calendar : Calendar
    history : bytes
    """
    about = {
        "dates": calendar.dates,
        "n_past": calendar.n_past,
        "holidays": calendar.holidays,
        "judged": calendar.judged,
    }
    return {
        SERIES_FILE: _write(series),
        NODES_FILE: _write(nodes[list(NODE_COLUMNS)]),
        CALENDAR_FILE: json.dumps(about, sort_keys=True).encode(),
        HISTORY_FILE: history,
    }


def unpack_facts(
    files: Mapping[str, bytes], large: Mapping[str, LargeFile] | None = None
) -> SeriesFacts | None:
    """Remake facts from `pack_facts`; None of a model that was published without them.

    Raises
    ------
    ArtifactError
        If the files are there and do not fit together.
    """
    history = (large or {}).get(HISTORY_FILE, files.get(HISTORY_FILE))
    if history is None or SERIES_FILE not in files:
        return None
    try:
        about = json.loads(files[CALENDAR_FILE])
        calendar = Calendar(about["dates"], about["n_past"], about["holidays"], about["judged"])
        nodes = pq.read_table(pa.BufferReader(files[NODES_FILE]))
        trees = {kind: _read_tree(nodes, kind) for kind in KINDS}
        table = pq.read_table(pa.BufferReader(files[SERIES_FILE]))
        sizes = table.column("history_bytes").to_numpy()
        digests = table.column("history_digest").to_pylist()
        facts = SeriesFacts(
            trees=trees,
            codes={kind: _read_codes(table, kind, trees[kind]) for kind in KINDS},
            figures={name: table.column(name).to_numpy().astype(np.float32) for name in FIGURES},
            history=HistoryBlocks(history, sizes, digests, len(calendar.dates)),
            calendar=calendar,
        )
        facts.check_order()
        return facts
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise ArtifactError(f"{SERIES_FILE}: cannot be read: {error}; train again") from None


def _read_tree(nodes: pa.Table, kind: str) -> Tree:
    rows = sorted((row for row in nodes.to_pylist() if row["kind"] == kind), key=lambda r: r["id"])
    ids = [row["id"] for row in rows]
    place = {name: at for at, name in enumerate(ids)}

    def numbers(name: str) -> npt.NDArray[np.float32]:
        return np.array([np.nan if row[name] is None else row[name] for row in rows], np.float32)

    return Tree(
        ids=ids,
        names=[row["name"] or row["id"] for row in rows],
        levels=[row["level"] for row in rows],
        parents=np.array(
            [-1 if row["id"] == ALL else place[row["parent_id"] or ALL] for row in rows], np.int32
        ),
        latitude=numbers("latitude"),
        longitude=numbers("longitude"),
        places=np.array([row["place"] for row in rows], np.int32),
    )


def _read_codes(table: pa.Table, kind: str, tree: Tree) -> Codes:
    encoded = table.column(f"{kind}_id").combine_chunks().dictionary_encode()
    place = np.array([tree.find(name) for name in encoded.dictionary.to_pylist()], np.int32)
    if (place < 0).any():
        raise ValueError(f"a {kind} is not in {NODES_FILE}")
    codes: Codes = place[encoded.indices.to_numpy()]
    return codes


def _write(table: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    table.to_parquet(content, index=False, compression="zstd")
    return content.getvalue()
