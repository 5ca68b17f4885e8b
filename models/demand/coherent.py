"""Bottom forecasts made coherent: scaled to blended region totals, with calibrated quantiles.

The mean of every upper node is the sum of the bottom means below it. The quantiles of the upper
nodes come from their own residuals, as quantiles of parts do not add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.design import build_forecast_design
from features.region.frequency import Bucket
from features.region.panel import Panel
from models.demand.blend import blend_totals, fit_blend_weights, scale_to_totals
from models.demand.boosting import LightGBMDemand
from models.demand.intervals import ConformalIntervals, find_volume_classes
from models.demand.quantiles import NODES, complete_quantiles

Floats = npt.NDArray[np.float64]

MEMBERS = ("lightgbm", "prophet", "seasonal_mean", "seasonal_naive")
"""What a region's total is blended from; all but Prophet are sums of bottom forecasts."""
PRIOR = np.array([1.0, 0.0, 0.0, 0.0])
"""LightGBM alone, until earlier origins show that the others improve on it."""

_OBSERVED_SHARE = 0.9


@dataclass(frozen=True)
class BottomForecast:
    """Forecasts of single series from one origin, before and apart from any calibration.

    Attributes
    ----------
    frame : DataFrame, shape (n_rows, …)
        series, region_id, product_id, period, bucket, units (NaN = unknown or missing), and the
        means lightgbm, seasonal_mean, seasonal_naive.
    nodes : array of shape (n_rows, 5)
        LightGBM's quantiles at `NODES`.
    baselines : DataFrame, shape (n_rows, 3)
        `Design.baselines` of the rows.
    """

    frame: pd.DataFrame
    nodes: Floats
    baselines: pd.DataFrame

    def quantiles(self) -> Floats:
        """Return LightGBM's own quantiles, not calibrated, shape (n_rows, 9)."""
        return complete_quantiles(self.nodes)


def forecast_bucket(
    panel: Panel, origin: int, horizon: int, bucket: Bucket, model: LightGBMDemand
) -> BottomForecast:
    """Forecast every series listed at the origin for the steps of one bucket.

    Parameters
    ----------
    panel : Panel
        Whose plan reaches `origin + horizon`.
    origin, horizon : int
        Period, and periods after it.
    bucket, model : Bucket, LightGBMDemand
        The model of the bucket.
    """
    design = build_forecast_design(panel, origin, bucket, horizon)
    frame = pd.DataFrame(
        {
            "series": design.series,
            "region_id": panel.series["region_id"].to_numpy()[design.series],
            "product_id": panel.series["product_id"].to_numpy()[design.series],
            "period": design.periods,
            "bucket": bucket.name,
            "units": design.units,
            "lightgbm": model.predict(design.features),
            "seasonal_mean": design.baselines["slot_mean"],
            "seasonal_naive": design.baselines["naive"],
        }
    )
    return BottomForecast(frame, model.predict_nodes(design.features), design.baselines)


def join_buckets(parts: Sequence[BottomForecast]) -> BottomForecast:
    """Put the forecasts of several buckets below each other."""
    return BottomForecast(
        pd.concat([part.frame for part in parts], ignore_index=True),
        np.concatenate([part.nodes for part in parts]),
        pd.concat([part.baselines for part in parts], ignore_index=True),
    )


def sum_members(frame: pd.DataFrame, prophet: pd.DataFrame | None) -> pd.DataFrame:
    """Sum bottom forecasts to region totals and put Prophet's beside them.

    Parameters
    ----------
    frame : DataFrame
        `BottomForecast.frame`.
    prophet : DataFrame, optional
        region_id, period, prophet.

    Returns
    -------
    DataFrame
        region_id, period, bucket, the four `MEMBERS`, and `units`: the total of what was
        observed, raised by LightGBM's share of what was not, NaN when more than a tenth was not.
    """
    keys = ["region_id", "period", "bucket"]
    seen = frame["units"].notna()
    rows = frame.assign(observed=frame["lightgbm"].where(seen, 0.0))
    sums = (
        rows.groupby(keys, sort=True)[
            ["lightgbm", "seasonal_mean", "seasonal_naive", "observed", "units"]
        ]
        .sum(min_count=1)
        .reset_index()
    )
    whole = sums["lightgbm"].to_numpy()
    share = np.divide(sums["observed"], whole, out=np.ones(len(sums)), where=whole > 0)
    enough = share >= _OBSERVED_SHARE
    sums["units"] = (sums["units"] / np.where(enough, share, 1.0)).where(enough)
    if prophet is None:
        return sums.assign(prophet=np.nan)
    return sums.merge(prophet, on=["region_id", "period"], how="left", validate="1:1")


@dataclass(frozen=True)
class Calibration:
    """What earlier forecasts taught: the blend of each bucket, and the bottom intervals.

    Attributes
    ----------
    weights : dict of bucket name to array of shape (4,)
        In the order of `MEMBERS`; a bucket never seen has the `PRIOR`.
    volume_edges : tuple of float
        Bounds between the volume classes of a row's mean.
    intervals : ConformalIntervals
    """

    weights: dict[str, Floats]
    volume_edges: tuple[float, ...]
    intervals: ConformalIntervals

    @classmethod
    def none(cls) -> Calibration:
        """Return what holds before anything was learned: the prior, and intervals as modelled."""
        nothing = np.empty(0)
        intervals = ConformalIntervals().fit(
            np.empty((0, len(NODES))), nothing, np.empty(0, dtype=object)
        )
        return cls({}, (), intervals)

    def blend(self, totals: pd.DataFrame) -> Floats:
        """Return the blended total of each row of `sum_members`."""
        weights = np.array([self.weights.get(name, PRIOR) for name in totals["bucket"]])
        return blend_totals(totals[list(MEMBERS)].to_numpy(), weights)

    def scale(self, frame: pd.DataFrame, totals: pd.DataFrame) -> Floats:
        """Return the factor of each bottom row that makes its region sum to the blend."""
        position = pd.Series(
            np.arange(len(totals)), index=pd.MultiIndex.from_frame(totals[["region_id", "period"]])
        )
        groups = position.reindex(pd.MultiIndex.from_frame(frame[["region_id", "period"]]))
        return scale_to_totals(
            frame["lightgbm"].to_numpy(), groups.to_numpy(np.int64), self.blend(totals)
        )

    def predict_quantiles(self, mean: Floats, nodes: Floats, buckets: pd.Series) -> Floats:
        """Return calibrated quantiles of bottom rows, shape (n_rows, 9)."""
        return self.intervals.predict_quantiles(nodes, group_rows(mean, buckets, self.volume_edges))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "members": list(MEMBERS),
            "weights": {name: value.tolist() for name, value in self.weights.items()},
            "volume_edges": list(self.volume_edges),
            "intervals": self.intervals.to_json(),
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Calibration:
        """Remake it from `to_json`."""
        return cls(
            {name: np.array(value) for name, value in state["weights"].items()},
            tuple(state["volume_edges"]),
            ConformalIntervals.from_json(state["intervals"]),
        )


def fit_calibration(bottom: pd.DataFrame, nodes: Floats, totals: pd.DataFrame) -> Calibration:
    """Learn from forecasts whose outcome is known by now.

    Parameters
    ----------
    bottom : DataFrame
        bucket, mean (as published: scaled to the blend) and units of earlier bottom forecasts.
    nodes : array of shape (n_rows, 5)
        Their quantiles, scaled alike.
    totals : DataFrame
        `sum_members` of the same forecasts, with `origin`. The prior counts as one origin more.
    """
    weights = {}
    for bucket, rows in totals.groupby("bucket", sort=True):
        scale = np.sqrt(np.maximum(rows["lightgbm"].to_numpy(), 1.0))
        weights[str(bucket)] = fit_blend_weights(
            rows[list(MEMBERS)].to_numpy(),
            rows["units"].to_numpy(),
            scale,
            PRIOR,
            prior_share=1.0 / rows["origin"].nunique(),
        )
    seen = bottom["units"].notna().to_numpy()
    known, mean = bottom[seen], bottom.loc[seen, "mean"].to_numpy()
    edges = tuple(float(edge) for edge in np.quantile(mean, (1 / 3, 2 / 3))) if len(mean) else ()
    intervals = ConformalIntervals().fit(
        nodes[seen], known["units"].to_numpy(), group_rows(mean, known["bucket"], edges)
    )
    return Calibration(weights, edges, intervals)


def group_rows(mean: Floats, buckets: pd.Series, edges: tuple[float, ...]) -> npt.NDArray[Any]:
    """Name each row's pool: its horizon bucket and volume class, such as '8-14|2'."""
    classes = find_volume_classes(mean, edges)
    return np.array(
        [f"{bucket}|{place}" for bucket, place in zip(buckets, classes, strict=True)], dtype=object
    )
