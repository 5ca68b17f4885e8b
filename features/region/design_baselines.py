"""The baselines of a design: the seasonal naive, the seasonal mean, and how far they may err."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.design_columns import read_rows
from features.region.panel import Panel

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


def build_baselines(
    panel: Panel, series: Rows, periods: Rows, steps: Rows, columns: Mapping[str, Floats]
) -> pd.DataFrame:
    """Return `Design.baselines` of rows that lie `steps` after what is known of them."""
    naive, slot_mean = _baselines(panel, series, periods, steps, columns)
    return pd.DataFrame(
        {"naive": naive, "slot_mean": slot_mean, "spread": _spread(panel, columns, naive)}
    )


def _baselines(
    panel: Panel, series: Rows, periods: Rows, steps: Rows, columns: Mapping[str, Floats]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the seasonal naive and the seasonal mean, `steps` after what is known."""
    frequency = panel.frequency

    def back(length: int) -> Rows:
        return periods - np.ceil(steps / length).astype(np.int64) * length

    name = f"units_slot_mean_{frequency.slots}"
    means = panel.history[:, panel.history_names.index(name)]
    slot_mean = read_rows(panel, means, series, back(frequency.slot))
    own = panel.history[:, panel.history_names.index("units_mean_since_listing")]
    level = _first_known(
        read_rows(panel, own, series, periods - steps),
        columns["product_mean"],
        columns["region_mean"],
    )
    slot_mean = _first_known(slot_mean, level)
    naive = _first_known(read_rows(panel, panel.units, series, back(frequency.season)), slot_mean)
    return naive.astype(np.float64), slot_mean.astype(np.float64)


def _first_known(*candidates: Floats) -> Floats:
    """Take the first candidate that is known, row by row; zero if none is."""
    found = np.zeros_like(candidates[0])
    for values in reversed(candidates):
        found = np.where(np.isfinite(values), values, found)
    return found


def _spread(
    panel: Panel, columns: Mapping[str, Floats], naive: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    window = panel.frequency.windows[1]
    deviation = np.nan_to_num(columns[f"units_std_{window}"]).astype(np.float64)
    level = np.where(
        np.isfinite(columns[f"units_mean_{window}"]), columns[f"units_mean_{window}"], naive
    )
    return np.asarray(np.maximum(deviation, np.sqrt(np.maximum(level, 0.25))))
