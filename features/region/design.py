"""What a direct forecast may read: the panel's rows seen from an origin, for one horizon bucket.

A target lies up to `bucket.last` periods after what is known of it, in training as in
forecasting, so past columns are read `bucket.last` periods before the target and nothing after
the origin can be reached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.frequency import Bucket
from features.region.panel import Panel

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

CATEGORIES = ("region", "product")
"""Design columns that hold ids rather than numbers."""


@dataclass(frozen=True)
class Design:
    """Rows of series × target period with what may be known of them.

    Attributes
    ----------
    features : DataFrame, shape (n_rows, n_features)
        `region` and `product` are categoricals of ids, the rest float32 with NaN for unknown.
    units : float64, shape (n_rows,)
        What was sold; NaN where it is missing or, at the panel's own origin, not yet known.
    series, periods : int64, shape (n_rows,)
        Position in `panel.series`, and the target period.
    baselines : DataFrame of float64, shape (n_rows, 3)
        `naive`, the newest value one or more whole seasons before the target, and `slot_mean`,
        the seasonal mean, both as known at the origin; when there is none, the mean so far of
        the series, of its product or of its region. `spread`, the deviation of the series' recent
        units and never below the root of their mean, is the scale of the baselines' intervals.
    """

    features: pd.DataFrame
    units: npt.NDArray[np.float64]
    series: Rows
    periods: Rows
    baselines: pd.DataFrame


def build_training_design(
    panel: Panel, origin: int, bucket: Bucket, *, max_rows: int | None = None
) -> Design:
    """Return every observed row up to the origin, seen from `bucket.last` periods before it.

    Parameters
    ----------
    panel : Panel
        Built at `origin` or later.
    origin : int
        Period; nothing after it is read.
    bucket : Bucket
        Sets how old the past must be.
    max_rows : int, optional
        Keep at most so many, the newest periods first.

    Returns
    -------
    Design
        Rows by series, then period; the first one of a series is left out, as there was nothing
        to learn from before it.
    """
    series, periods = _rows_between(panel, panel.first_period, origin)
    row = _row_of(panel, series, periods)
    keep = np.isfinite(panel.units[row])
    keep &= periods > panel.series["first_period"].to_numpy()[series]
    if max_rows is not None and keep.sum() > max_rows:
        oldest = np.sort(periods[keep])[-max_rows]
        keep &= periods >= oldest
    return _build(panel, series[keep], periods[keep], bucket, None)


def build_forecast_design(panel: Panel, origin: int, bucket: Bucket, horizon: int) -> Design:
    """Return the rows to forecast: every series listed at the origin, every step of the bucket.

    Parameters
    ----------
    panel : Panel
        Whose plan reaches `origin + min(bucket.last, horizon)`.
    origin : int
        Period; past columns read nothing after it.
    bucket : Bucket
        Steps to forecast.
    horizon : int
        Steps beyond it are left out.
    """
    end = origin + min(bucket.last, horizon)
    series, periods = _rows_between(panel, origin + bucket.first, end)
    listed = panel.series["first_period"].to_numpy()[series] <= origin
    return _build(panel, series[listed], periods[listed], bucket, origin)


def _rows_between(panel: Panel, first: int, last: int) -> tuple[Rows, Rows]:
    """Return series and period of every grid row in [first, last]."""
    starts = np.maximum(panel.series["first_period"].to_numpy(), first)
    counts = np.maximum(last - starts + 1, 0)
    series = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return series, starts[series] + within


def _row_of(panel: Panel, series: Rows, periods: Rows) -> Rows:
    """Return the grid row of each pair; it may lie before the series' first one."""
    origin_row = (panel.series["start_row"] - panel.series["first_period"]).to_numpy()
    return origin_row[series] + periods


def _read(panel: Panel, values: Floats, series: Rows, periods: Rows) -> Floats:
    """Read rows of a grid array, NaN where the series was not listed yet."""
    listed = periods >= panel.series["first_period"].to_numpy()[series]
    found = values[np.where(listed, _row_of(panel, series, periods), 0)]
    found[~listed] = np.nan
    return found


def _build(panel: Panel, series: Rows, periods: Rows, bucket: Bucket, origin: int | None) -> Design:
    frequency = panel.frequency
    seen = periods - bucket.last
    slot_seen = periods - _whole(bucket.last, frequency.slot)
    columns = _past_columns(panel, series, seen, slot_seen)
    columns |= _season_columns(panel, series, periods, bucket)
    columns |= _pool_columns(panel, series, seen, slot_seen)
    columns |= _known_columns(panel, series, periods, columns)
    steps = np.full(len(periods), bucket.last) if origin is None else periods - origin
    naive, slot_mean = _baselines(panel, series, periods, steps, columns)
    row = _row_of(panel, series, periods)
    return Design(
        features=pd.DataFrame({**_identities(panel, series), **columns}, copy=False),
        units=panel.units[row],
        series=series,
        periods=periods,
        baselines=pd.DataFrame(
            {"naive": naive, "slot_mean": slot_mean, "spread": _spread(panel, columns, naive)}
        ),
    )


def _whole(steps: int, length: int) -> int:
    """Round `steps` up to a multiple of `length`."""
    return math.ceil(steps / length) * length


def _identities(panel: Panel, series: Rows) -> dict[str, pd.Categorical]:
    return {
        name: pd.Categorical.from_codes(
            panel.series[name].to_numpy()[series],
            categories=pd.Index(sorted(panel.series[f"{name}_id"].unique()), dtype="str"),
        )
        for name in CATEGORIES
    }


def _past_columns(panel: Panel, series: Rows, seen: Rows, slot_seen: Rows) -> dict[str, Floats]:
    """Read the past columns, the seasonal means at a shift that keeps the place in the season."""
    past = _read(panel, panel.history, series, seen)
    columns = {name: past[:, place] for place, name in enumerate(panel.history_names)}
    if (slot_seen != seen).any():
        aligned = _read(panel, panel.history, series, slot_seen)
        for place, name in enumerate(panel.history_names):
            if "_slot_mean_" in name:
                columns[name] = aligned[:, place]
    return columns


def _season_columns(panel: Panel, series: Rows, periods: Rows, bucket: Bucket) -> dict[str, Floats]:
    """Read the value a season before and the level a year before the target, where known."""
    frequency = panel.frequency
    columns: dict[str, Floats] = {}
    if frequency.season > frequency.slot:
        shift = _whole(bucket.last, frequency.season)
        units = panel.units.astype(np.float32)
        columns["units_last_season"] = _read(panel, units, series, periods - shift)
    middle = frequency.year - frequency.year_window // 2
    if middle >= bucket.last:
        name = f"units_mean_{frequency.windows[0]}"
        level = panel.history[:, panel.history_names.index(name)]
        columns["units_last_year"] = _read(panel, level, series, periods - middle)
    return columns


def _pool_columns(panel: Panel, series: Rows, seen: Rows, slot_seen: Rows) -> dict[str, Floats]:
    """Read the pools at the same age; they are there before the series itself was listed."""
    pools = panel.pools
    slot, short, middle = range(3)
    columns: dict[str, Floats] = {}
    for label, table, position in (
        ("region", pools.region, panel.series["region"].to_numpy()[series]),
        ("product", pools.product, panel.series["product"].to_numpy()[series]),
        ("whole", pools.whole, np.zeros(len(series), np.int64)),
    ):
        past = _read_pool(panel, table, position, seen)
        level = np.maximum(past[:, middle], 1e-6)
        columns[f"{label}_mean"] = past[:, middle]
        columns[f"{label}_trend"] = np.divide(past[:, short], level, dtype=np.float32)
        aligned = _read_pool(panel, table, position, slot_seen)
        columns[f"{label}_slot_ratio"] = np.divide(aligned[:, slot], level, dtype=np.float32)
    return columns


def _read_pool(panel: Panel, table: Floats, position: Rows, periods: Rows) -> Floats:
    place = periods - panel.first_period
    found = table[position, np.maximum(place, 0)]
    found[place < 0] = np.nan
    return found


def _known_columns(
    panel: Panel, series: Rows, periods: Rows, past: dict[str, Floats]
) -> dict[str, Floats]:
    """Read what is known of the target's own period, and price against its trailing median."""
    known = panel.known[_row_of(panel, series, periods)]
    columns = {name: known[:, place] for place, name in enumerate(panel.known_names)}
    median = past.get(f"price_median_{panel.frequency.price_window}")
    if median is not None:
        price = columns.get("price_planned", past["price_lag_0"])
        usual = np.where(median > 0, median, np.float32(np.nan))
        columns["price_index"] = np.divide(price, usual, dtype=np.float32)
    place = panel.series["place"].to_numpy()[series]
    calendar = panel.calendar[place, periods - panel.first_period]
    columns |= {name: calendar[:, place] for place, name in enumerate(panel.calendar_names)}
    first = panel.series["first_period"].to_numpy()[series]
    columns["periods_since_listing"] = (periods - first).astype(np.float32)
    return columns


def _baselines(
    panel: Panel, series: Rows, periods: Rows, steps: Rows, columns: dict[str, Floats]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the seasonal naive and the seasonal mean, `steps` after what is known."""
    frequency = panel.frequency
    units = panel.units.astype(np.float32)

    def back(length: int) -> Rows:
        return periods - np.ceil(steps / length).astype(np.int64) * length

    name = f"units_slot_mean_{frequency.slots}"
    means = panel.history[:, panel.history_names.index(name)]
    slot_mean = _read(panel, means, series, back(frequency.slot))
    own = panel.history[:, panel.history_names.index("units_mean_since_listing")]
    level = _first_known(
        _read(panel, own, series, periods - steps), columns["product_mean"], columns["region_mean"]
    )
    slot_mean = _first_known(slot_mean, level)
    naive = _first_known(_read(panel, units, series, back(frequency.season)), slot_mean)
    return naive.astype(np.float64), slot_mean.astype(np.float64)


def _first_known(*candidates: Floats) -> Floats:
    """Take the first candidate that is known, row by row; zero if none is."""
    found = np.zeros_like(candidates[0])
    for values in reversed(candidates):
        found = np.where(np.isfinite(values), values, found)
    return found


def _spread(
    panel: Panel, columns: dict[str, Floats], naive: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    window = panel.frequency.windows[1]
    deviation = np.nan_to_num(columns[f"units_std_{window}"]).astype(np.float64)
    level = np.where(
        np.isfinite(columns[f"units_mean_{window}"]), columns[f"units_mean_{window}"], naive
    )
    return np.asarray(np.maximum(deviation, np.sqrt(np.maximum(level, 0.25))))
