"""Golden rows of a demand model: forecasts drawn by a seed, as training wrote them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from features.errors import AlmanacError, ArtifactError
from models.demand.quantiles import QUANTILE_NAMES, QUANTILES
from models.golden.document import SEED, check_close, read_document, write_document

FORECASTS_FILE = "forecasts.parquet"
N_ROWS = 16
_KEYS = ("level", "region_id", "product_id", "date")
_COLUMNS = frozenset((*_KEYS, "mean", *QUANTILE_NAMES))
Look = Callable[[Mapping[str, Any], tuple[float, ...]], list[float]]
"""Returns the mean of the forecast with some keys, then its quantiles at some probabilities."""


def build_demand_golden(files: Mapping[str, bytes]) -> bytes:
    """Return some of a `demand` artifact's forecasts, drawn by a seed, to be stored beside it."""
    rows = _draw_rows(files[FORECASTS_FILE])
    own = [name for name in QUANTILE_NAMES if name in rows[0]] if rows else []
    quantiles = [dict(zip(QUANTILE_NAMES, QUANTILES, strict=True))[name] for name in own]
    keys = [{name: row[name] for name in _KEYS} for row in rows]
    values = [[row["mean"], *(row[name] for name in own)] for row in rows]
    return write_document({"quantiles": quantiles, "rows": keys, "answers": values})


def check_demand_golden(files: Mapping[str, bytes], look: Look) -> bool:
    """Look the golden forecasts up; False where the artifact has none.

    Parameters
    ----------
    files : mapping of name to bytes
    look : callable
        How what was loaded is asked.

    Raises
    ------
    ArtifactError
        If a forecast is not found, or differs by more than `models.golden.document.TOLERANCE`.
    """
    document = read_document(files)
    if document is None:
        return False
    try:
        quantiles = tuple(document["quantiles"])
        found = [look(row, quantiles) for row in document["rows"]]
        golden = document["answers"]
    except (KeyError, TypeError, ValueError, AlmanacError) as error:
        raise ArtifactError(f"golden rows: cannot be looked up: {error!r}; train again") from None
    check_close("forecasts", golden, found)
    return True


def look_in_file(forecasts: bytes | Path) -> Look:
    """Return what looks forecasts up in the file itself, without the service's own look-up."""
    own = dict(zip(QUANTILES, QUANTILE_NAMES, strict=True))
    content = forecasts if isinstance(forecasts, Path) else io.BytesIO(forecasts)

    def look(keys: Mapping[str, Any], quantiles: tuple[float, ...]) -> list[float]:
        names = [own[quantile] for quantile in quantiles]
        wanted = [(name, "==", keys[name]) for name in _KEYS[:-1]]
        table = pq.read_table(content, columns=["date", "mean", *names], filters=wanted)
        (row,) = [row for row in table.to_pylist() if _read_date(row["date"]) == keys["date"]]
        return [row["mean"], *(row[name] for name in names)]

    return look


def _draw_rows(content: bytes) -> list[dict[str, Any]]:
    """Return some rows drawn by the seed; one row group is in memory at a time."""
    file = pq.ParquetFile(io.BytesIO(content))
    columns = [name for name in file.schema_arrow.names if name in _COLUMNS]
    n_rows = file.metadata.num_rows
    rng = np.random.default_rng(SEED)
    wanted = np.sort(rng.choice(n_rows, size=min(N_ROWS, n_rows), replace=False))
    rows: list[dict[str, Any]] = []
    first = 0
    for place in range(file.num_row_groups):
        stop = first + file.metadata.row_group(place).num_rows
        own = wanted[(wanted >= first) & (wanted < stop)] - first
        if len(own):
            rows += file.read_row_group(place, columns=columns).take(own).to_pylist()
        first = stop
    return [{**row, "date": _read_date(row["date"])} for row in rows]


def _read_date(value: date) -> str:
    """Return a date, or the date of a timestamp, as text."""
    return f"{value:%Y-%m-%d}"
