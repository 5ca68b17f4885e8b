"""Scenarios without a panel: the tree members' rows as files of a published model.

One row per series holds everything that a scenario asks of it, in groups of few series, so that a
service reads what it is asked for and holds the rest compressed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import ArtifactError
from models.demand.members import LIGHTGBM
from models.demand.path_files import MAX_ROWS, unpack_paths
from models.demand.plan_ranges import Ranges
from models.demand.sample_paths import SamplePaths
from models.demand.scenario import ScenarioRows
from models.demand.tree_rows import TreeBlock

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

ROWS_FILE, ABOUT_FILE = "scenario_rows.parquet", "scenario.json"
_GROUP_SERIES = 64


def pack_scenarios(rows: ScenarioRows) -> dict[str, bytes]:
    """Return the rows of all series as files; none above `MAX_ROWS` rows.

    Parameters
    ----------
    rows : ScenarioRows
        Of every series of the sample paths, in their order.
    """
    if rows.mean.size > MAX_ROWS:
        return {}
    columns: dict[str, pa.Array] = {"mean": _to_lists(rows.mean)}
    described = []
    for place, block in enumerate(rows.blocks):
        columns[f"rows_{place}"] = _to_lists(block.rows)
        columns[f"scale_{place}"] = _to_lists(block.scale)
        described.append(
            {
                "member": block.member,
                "bucket": block.bucket,
                "first_step": block.first_step,
                "weight": block.weight,
                "features": list(block.features),
            }
        )
    about = {"blocks": described, "ranges": rows.ranges.overall}
    table = pa.Table.from_pandas(rows.ranges.series, preserve_index=False)
    for name, values in columns.items():
        table = table.append_column(name, values)
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd", row_group_size=_GROUP_SERIES)
    return {
        ROWS_FILE: content.getvalue(),
        ABOUT_FILE: json.dumps(about, sort_keys=True).encode(),
    }


@dataclass(frozen=True)
class Scenarios:
    """Published rows, to be asked series by series.

    Attributes
    ----------
    paths : SamplePaths
    """

    paths: SamplePaths
    _table: pq.ParquetFile
    _blocks: Sequence[Mapping[str, Any]]
    _boosters: Sequence[lgb.Booster | None]
    _overall: dict[str, tuple[float, float]]

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Scenarios | None:
        """Open what `pack_scenarios` and `pack_paths` left beside a model; None where they did not.

        Raises
        ------
        ArtifactError
            If the files do not fit together.
        """
        paths = unpack_paths(files)
        if paths is None or ROWS_FILE not in files or ABOUT_FILE not in files:
            return None
        about = json.loads(files[ABOUT_FILE])
        try:
            table = pq.ParquetFile(pa.BufferReader(files[ROWS_FILE]))
        except (pa.ArrowException, ValueError, OSError) as error:
            raise ArtifactError(f"{ROWS_FILE}: not a Parquet file: {error}") from None
        if table.metadata.num_rows != len(paths.series):
            raise ArtifactError(
                f"{ROWS_FILE}: expected {len(paths.series)} series, got "
                f"{table.metadata.num_rows}; train and promote again"
            )
        boosters = [_read_booster(files, block) for block in about["blocks"]]
        overall = {name: (low, high) for name, (low, high) in about["ranges"].items()}
        return cls(paths, table, about["blocks"], boosters, overall)

    def read(self, chosen: Places) -> ScenarioRows:
        """Return the rows of some series, positions ascending."""
        groups = np.unique(chosen // _GROUP_SERIES)
        table = self._table.read_row_groups(groups.tolist())
        starts = np.searchsorted(groups, chosen // _GROUP_SERIES) * _GROUP_SERIES
        table = table.take(pa.array(starts + chosen % _GROUP_SERIES))
        n_series, n_steps = len(chosen), self.paths.n_steps
        blocks = []
        for place, (about, booster) in enumerate(zip(self._blocks, self._boosters, strict=True)):
            features = tuple(about["features"])
            scale = _from_lists(table, f"scale_{place}")
            rows = _from_lists(table, f"rows_{place}").reshape(n_series, -1, len(features))
            blocks.append(
                TreeBlock(
                    about["member"], about["bucket"], about["first_step"], about["weight"],
                    features, rows.astype(np.float32, copy=False), scale, booster,
                )
            )  # fmt: skip
        mean = _from_lists(table, "mean").reshape(n_series, n_steps)
        hidden = ("mean", "rows_", "scale_")
        names = [name for name in table.column_names if not name.startswith(hidden)]
        ranges: pd.DataFrame = table.select(names).to_pandas()
        return ScenarioRows(chosen, mean, blocks, Ranges(ranges, self._overall))


def _read_booster(files: Mapping[str, bytes], block: Mapping[str, Any]) -> lgb.Booster | None:
    direct = block["member"] == LIGHTGBM
    name = f"{block['bucket']}.mean.txt" if direct else "step.txt"
    return lgb.Booster(model_str=files[name].decode()) if name in files else None


def _to_lists(values: npt.NDArray[Any]) -> pa.Array:
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])


def _from_lists(table: pa.Table, name: str) -> npt.NDArray[Any]:
    column = table.column(name).combine_chunks()
    values: npt.NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(table.num_rows, -1)
