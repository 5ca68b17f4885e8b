"""Published reasons, row by row beside the forecasts that they explain."""

from __future__ import annotations

import numpy as np

from features.errors import ArtifactError
from models.demand.forecast_records import DATE, KEY, MEAN
from models.demand.forecast_series import Series
from models.demand.reasons import PARTS
from serving.tables import read_table

REASONS_FILE = "reasons.parquet"
MEAN_TOLERANCE = 1e-6


def read_reasons(content: bytes, series: Series) -> dict[str, np.ndarray]:
    """Return the parts of each forecast's mean, in the order of `series`.

    Parameters
    ----------
    content : bytes
        `reasons.parquet`.
    series : Series
        Of the same model.

    Raises
    ------
    ArtifactError
        If it is not of the same rows, or the parts of a row do not sum to its mean.
    """
    table = read_table(content, REASONS_FILE)
    missing = [name for name in (*KEY, DATE, *PARTS) if name not in table.column_names]
    if missing or table.num_rows != len(series):
        raise ArtifactError(
            f"{REASONS_FILE}: expected {len(series)} rows with {', '.join(PARTS)}, got "
            f"{table.num_rows} without {', '.join(missing) or 'nothing'}; train again"
        )
    parts = {name: table.column(name).to_numpy().astype(np.float64) for name in PARTS}
    days = table.column(DATE).to_numpy().astype("datetime64[D]").astype(np.int64)
    rows = series.records.take(np.arange(len(series)))
    mean = rows[MEAN].astype(np.float64)
    gap = np.abs(sum(parts.values()) - mean)
    if (days != rows[DATE]).any() or (gap > MEAN_TOLERANCE * (1.0 + mean)).any():
        raise ArtifactError(
            f"{REASONS_FILE}: expected parts that sum to the means of the forecasts; train again"
        )
    return parts
