"""The members of the blend, fitted at an origin and asked for the horizon after it.

Every series has a direct and a recursive LightGBM, exponential smoothing, Theta, two methods for
intermittent demand and two seasonal baselines. The nodes above have what is below them summed,
and exponential smoothing, Theta and Prophet of their own totals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.design import build_forecast_design
from features.region.frequency import Bucket
from features.region.nodes import Nodes, build_nodes
from features.region.panel import Panel
from features.region.steps import StepMatrix
from features.region.totals import build_node_scales
from features.schema import ALL
from models.classical.exponential_smoothing import forecast_ets
from models.classical.intermittent import forecast_croston_sba, forecast_tsb
from models.classical.theta import forecast_theta
from models.demand.boosting import LightGBMDemand
from models.demand.prophet_totals import ProphetTotals
from models.demand.quantiles import NODES
from models.demand.recursive import RecursiveDemand

Floats = npt.NDArray[np.float32]

LIGHTGBM, RECURSIVE = "lightgbm", "recursive"
SERIES_MEMBERS = (
    LIGHTGBM, RECURSIVE, "ets", "theta", "croston_sba", "tsb", "seasonal_mean", "seasonal_naive",
)  # fmt: skip
"""What a series' mean is blended from."""
SUMMED = "bottom_up"
NODE_MEMBERS = (SUMMED, "ets", "theta", "prophet")
"""What the mean of a node above the series is blended from."""

_REACH = {"day": 728, "week": 208, "month": 600, "quarter": 200}
"""Newest periods that the classical methods are fitted on."""
_MANY_SERIES = 5_000
"""Of more series than this the classical methods read half as many periods of each: they take
most of the time then, and their time grows with the periods."""
_BLOCK = 2_000


@dataclass(frozen=True)
class Fitted:
    """The members that are fitted once and kept; the classical ones are refitted as they are asked.

    Attributes
    ----------
    lightgbm : dict of Bucket to LightGBMDemand
    recursive : RecursiveDemand
    prophet : ProphetTotals or None
    """

    lightgbm: Mapping[Bucket, LightGBMDemand]
    recursive: RecursiveDemand
    prophet: ProphetTotals | None


@dataclass(frozen=True)
class Members:
    """What every member forecasts from one origin.

    Attributes
    ----------
    origin : int
        Period.
    buckets : array of str, shape (n_steps,)
        Horizon bucket of each step.
    nodes : Nodes
        Over all series of the panel.
    is_listed : array of bool, shape (n_series,)
        Which series are forecast; the others are zero everywhere.
    series : dict of `SERIES_MEMBERS` to float32, shape (n_series, n_steps)
    quantiles : float32, shape (n_series, n_steps, 5)
        LightGBM's at `NODES`.
    upper : dict of `NODE_MEMBERS` but the sum, to float32, shape (n_nodes, n_steps)
        NaN where a member makes no forecast, as for nodes of a single series.
    units : float32, shape (n_series, n_steps)
        What was sold; NaN where missing or not yet known.
    spread : float32, shape (n_series,)
        Recent deviation of each series, never below the root of its mean.
    scales : DataFrame
        season_error and step_error of each node, from `build_node_scales`.
    """

    origin: int
    buckets: npt.NDArray[np.str_]
    nodes: Nodes
    is_listed: npt.NDArray[np.bool_]
    series: Mapping[str, Floats]
    quantiles: Floats
    upper: Mapping[str, Floats]
    units: Floats
    spread: Floats
    scales: pd.DataFrame

    @property
    def n_steps(self) -> int:
        """Periods forecast."""
        return len(self.buckets)

    @property
    def periods(self) -> npt.NDArray[np.int64]:
        """Period of each step."""
        return self.origin + 1 + np.arange(self.n_steps)

    def shorten(self, n_steps: int) -> Members:
        """Return the first steps of it."""
        return replace(
            self,
            buckets=self.buckets[:n_steps],
            series={name: values[:, :n_steps] for name, values in self.series.items()},
            quantiles=self.quantiles[:, :n_steps],
            upper={name: values[:, :n_steps] for name, values in self.upper.items()},
            units=self.units[:, :n_steps],
        )


def forecast_members(
    panel: Panel,
    fitted: Fitted,
    origin: int,
    horizon: int,
    *,
    nodes: Nodes | None = None,
    scales: pd.DataFrame | None = None,
) -> Members:
    """Ask every member for the horizon after an origin.

    Parameters
    ----------
    panel : Panel
        Built at the origin or later, whose plan reaches `origin + horizon`.
    fitted : Fitted
        On what was known at the origin.
    origin, horizon : int
        Period, and periods after it.
    nodes, scales : Nodes, DataFrame, optional
        Of the whole panel, where several origins share them; made here otherwise.
    """
    nodes = build_nodes(panel) if nodes is None else nodes
    scales = build_node_scales(panel, [origin]) if scales is None else scales
    direct = _forecast_direct(panel, fitted.lightgbm, origin, horizon)
    matrix = StepMatrix(panel, origin, horizon)
    series = dict(direct.means)
    keep = direct.is_listed[:, None]
    series |= forecast_classical(panel, matrix, horizon, direct.is_listed)
    series[RECURSIVE] = np.where(keep, fitted.recursive.predict(matrix, horizon), 0.0)
    keys = ["level", "region_id", "product_id"]
    return Members(
        origin=origin,
        buckets=direct.buckets,
        nodes=nodes,
        is_listed=direct.is_listed,
        series={name: series[name].astype(np.float32) for name in SERIES_MEMBERS},
        quantiles=direct.quantiles,
        upper=_forecast_nodes(panel, matrix, nodes, fitted.prophet, horizon),
        units=read_units(panel, origin, horizon),
        spread=direct.spread,
        scales=nodes.table[keys].merge(scales, on=keys, how="left"),
    )


def read_units(panel: Panel, origin: int, horizon: int) -> Floats:
    """Return what was sold after an origin, shape (n_series, horizon); NaN where unknown."""
    first = panel.series["first_period"].to_numpy()
    row = panel.series["start_row"].to_numpy() - first
    periods = origin + 1 + np.arange(horizon)
    found = np.asarray(panel.units[np.maximum(row[:, None] + periods, 0)], np.float32)
    found[(periods > panel.origin_period) | (periods < first[:, None])] = np.nan
    return found


def forecast_classical(
    panel: Panel, matrix: StepMatrix, horizon: int, listed: npt.NDArray[np.bool_]
) -> dict[str, Floats]:
    """Return exponential smoothing, Theta, Croston–SBA and TSB of every listed series."""
    season = panel.frequency.season
    places = np.flatnonzero(listed)
    reach = _REACH[panel.frequency.name] // (1 if len(places) <= _MANY_SERIES else 2)
    history = matrix.history(reach).T
    shape = (len(listed), horizon)
    found = {name: np.zeros(shape, np.float32) for name in ("ets", "theta", "croston_sba", "tsb")}
    for start in range(0, len(places), _BLOCK):
        block = places[start : start + _BLOCK]
        values = history[block].astype(np.float64)
        found["ets"][block] = forecast_ets(values, season=season, horizon=horizon).mean
        found["theta"][block] = forecast_theta(values, season=season, horizon=horizon)
        found["croston_sba"][block] = forecast_croston_sba(values)[:, None]
        found["tsb"][block] = forecast_tsb(values)[:, None]
    return {name: np.maximum(values, np.float32(0)) for name, values in found.items()}


@dataclass(frozen=True)
class _Direct:
    """Forecasts of the direct models, laid out by series and step."""

    means: dict[str, Floats]
    quantiles: Floats
    spread: Floats
    is_listed: npt.NDArray[np.bool_]
    buckets: npt.NDArray[np.str_]


def _forecast_direct(
    panel: Panel, models: Mapping[Bucket, LightGBMDemand], origin: int, horizon: int
) -> _Direct:
    n_series = len(panel.series)
    means = {
        name: np.zeros((n_series, horizon), np.float32)
        for name in (LIGHTGBM, "seasonal_mean", "seasonal_naive")
    }
    quantiles = np.zeros((n_series, horizon, len(NODES)), np.float32)
    spread = np.ones(n_series, np.float32)
    listed = np.zeros(n_series, bool)
    buckets = np.empty(horizon, dtype="<U16")
    for bucket, model in models.items():
        if bucket.first > horizon:
            continue
        design = build_forecast_design(panel, origin, bucket, horizon)
        step = design.periods - origin - 1
        listed[design.series] = True
        buckets[bucket.first - 1 : bucket.last] = bucket.name
        spread[design.series] = design.baselines["spread"]
        means["seasonal_mean"][design.series, step] = design.baselines["slot_mean"]
        means["seasonal_naive"][design.series, step] = design.baselines["naive"]
        means[LIGHTGBM][design.series, step] = model.predict(design.features)
        quantiles[design.series, step] = model.predict_nodes(design.features)
    return _Direct(means, quantiles, spread, listed, buckets)


def _forecast_nodes(
    panel: Panel, matrix: StepMatrix, nodes: Nodes, prophet: ProphetTotals | None, horizon: int
) -> dict[str, Floats]:
    """Return the classical forecasts of nodes that hold several series, NaN elsewhere."""
    upper = np.flatnonzero(~nodes.is_single)
    season = panel.frequency.season
    found = {
        name: np.full((len(nodes.table), horizon), np.nan, np.float32) for name in NODE_MEMBERS[1:]
    }
    history = matrix.history(_REACH[panel.frequency.name]).T
    listed = np.isfinite(history)
    for start in range(0, len(upper), _BLOCK):
        block = upper[start : start + _BLOCK]
        below = nodes.summing[block]
        totals = below @ np.where(listed, history, 0.0)
        totals[(below @ listed.astype(np.float64)) == 0] = np.nan
        found["ets"][block] = forecast_ets(totals, season=season, horizon=horizon).mean
        found["theta"][block] = forecast_theta(totals, season=season, horizon=horizon)
    found = {name: np.maximum(values, 0.0) for name, values in found.items()}
    if prophet is not None:
        _add_prophet(panel, nodes, prophet, matrix.origin, found["prophet"])
    return found


def _add_prophet(
    panel: Panel, nodes: Nodes, prophet: ProphetTotals, origin: int, found: Floats
) -> None:
    """Write Prophet's totals of regions into the rows of their nodes."""
    table = nodes.table
    asked = np.flatnonzero(
        (table["product_level"] == ALL) & table["region_id"].isin(prophet.models_)
    )
    if not len(asked):
        return
    dates = panel.date_of(origin + 1 + np.arange(found.shape[1]))
    keys = table.loc[asked, ["region_id"]].merge(pd.DataFrame({"date": dates}), how="cross")
    found[asked] = prophet.predict(keys).reshape(len(asked), -1)
