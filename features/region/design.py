"""What a direct forecast may read: the panel's rows seen from an origin, for one horizon bucket.

A target lies up to `bucket.last` periods after what is known of it, in training as in
forecasting, so past columns are read `bucket.last` periods before the target and nothing after
the origin can be reached. A plan is read as it was known then: in training at that same age, in
forecasting at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.design_baselines import build_baselines
from features.region.design_columns import describe_rows, row_of
from features.region.frequency import Bucket
from features.region.listing import explain_ended
from features.region.panel import Panel

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
    panel: Panel,
    origin: int,
    bucket: Bucket,
    *,
    max_rows: int | None = None,
    least_periods: int = 1,
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
    least_periods : int
        Of so many series that their rows are of fewer periods, keep every second one, or every
        third, and so on.

    Returns
    -------
    Design
        Rows by series, then period; the first one of a series is left out, as there was nothing
        to learn from before it.
    """
    step = 1 if max_rows is None else 1 + len(panel.series) * least_periods // max_rows
    oldest = panel.first_period if step == 1 else origin - least_periods + 1
    series, periods = _rows_between(panel, oldest, origin)
    series, periods = series[series % step == 0], periods[series % step == 0]
    keep = np.isfinite(panel.units[row_of(panel, series, periods)])
    keep &= periods > panel.series["first_period"].to_numpy()[series]
    if max_rows is not None and keep.sum() > max_rows:
        oldest = np.sort(periods[keep])[-max_rows]
        keep &= periods >= oldest
    return _build(panel, series[keep], periods[keep], bucket, None)


def draw_training_design(
    panel: Panel, origin: int, bucket: Bucket, *, max_rows: int, seed: int
) -> Design:
    """Return a training design of some rows, drawn evenly from all series and periods.

    What is not drawn is not described, so memory does not grow with the history.

    Parameters
    ----------
    panel : Panel
        Built at `origin` or later.
    origin : int
        Period; nothing after it is read.
    bucket : Bucket
        Sets how old the past must be.
    max_rows : int
        All rows of `build_training_design` where there are no more.
    seed : int

    Returns
    -------
    Design
        Rows by series, then period.
    """
    observed = np.isfinite(panel.units)
    first = panel.series["first_period"].to_numpy()
    starts = panel.series["start_row"].to_numpy()
    observed[starts] = False
    later = np.arange(origin + 1, panel.last_period + 1)
    rows = (starts - first)[:, None] + later
    observed[rows[later >= first[:, None]]] = False
    found = np.flatnonzero(observed)
    if len(found) > max_rows:
        rng = np.random.default_rng(seed)
        found = np.sort(found[rng.choice(len(found), max_rows, replace=False, shuffle=False)])
    series = np.searchsorted(starts, found, side="right") - 1
    return _build(panel, series, found - starts[series] + first[series], bucket, None)


def build_censored_design(panel: Panel, origin: int, bucket: Bucket) -> Design:
    """Return the rows in which stock was out, up to the origin, as a training design has its rows.

    A model that never saw them can say what would have been wanted there: the latent demand, at
    least what was sold.

    Parameters
    ----------
    panel : Panel
        Built at `origin` or later.
    origin : int
        Period; nothing after it is read.
    bucket : Bucket
        Sets how old the past must be.

    Returns
    -------
    Design
        `units` is what was sold. The first row of a series is left out.
    """
    series, periods = _rows_between(panel, panel.first_period, origin)
    row = row_of(panel, series, periods)
    keep = panel.is_out[row] & (periods > panel.series["first_period"].to_numpy()[series])
    design = _build(panel, series[keep], periods[keep], bucket, None)
    return replace(design, units=panel.sold[row[keep]].astype(np.float64))


def build_forecast_design(panel: Panel, origin: int, bucket: Bucket, horizon: int) -> Design:
    """Return the rows to forecast: every series that lives at the origin, every step of the bucket.

    Those that were delisted or closed, or have been silent for too long, are left out
    (`features.region.listing`).

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
    lives = panel.series["first_period"].to_numpy() <= origin
    lives[explain_ended(panel, origin).index.to_numpy(np.int64)] = False
    keep = lives[series]
    return _build(panel, series[keep], periods[keep], bucket, origin)


def _rows_between(panel: Panel, first: int, last: int) -> tuple[Rows, Rows]:
    """Return series and period of every grid row in [first, last]."""
    starts = np.maximum(panel.series["first_period"].to_numpy(), first)
    counts = np.maximum(last - starts + 1, 0)
    series = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return series, starts[series] + within


def _build(panel: Panel, series: Rows, periods: Rows, bucket: Bucket, origin: int | None) -> Design:
    moment = periods - bucket.last if origin is None else np.full_like(periods, origin)
    columns = describe_rows(panel, series, periods, bucket, moment)
    return Design(
        features=pd.DataFrame({**_identities(panel, series), **columns}, copy=False),
        units=panel.units[row_of(panel, series, periods)],
        series=series,
        periods=periods,
        baselines=build_baselines(panel, series, periods, periods - moment, columns),
    )


def _identities(panel: Panel, series: Rows) -> dict[str, pd.Categorical]:
    return {
        name: pd.Categorical.from_codes(
            panel.series[name].to_numpy()[series],
            categories=pd.Index(sorted(panel.series[f"{name}_id"].unique()), dtype="str"),
        )
        for name in CATEGORIES
    }
