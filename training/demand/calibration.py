"""Folds of a backtest calibrated in order, each from the outcomes known at its origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.progress import Progress
from features.region.panel import Panel
from features.region.totals import build_node_scales
from models.demand.coherent import Calibration, fit_calibration
from models.demand.intervals import ResidualIntervals
from models.demand.nodes import add_scales, find_scales, group_nodes, raise_levels, spread_quantiles
from models.demand.quantiles import QUANTILE_NAMES
from training.demand.fold_runs import BASELINES, FoldForecast

Floats = npt.NDArray[np.float64]

BOTTOM_MODELS = (*BASELINES, "lightgbm", "almanac")
PROPHET = "prophet"
ALMANAC = "almanac"


@dataclass(frozen=True)
class CalibratedFold:
    """One fold with every model's forecasts.

    Attributes
    ----------
    raw : FoldForecast
    factor : array of shape (n_rows,)
        Scale of each bottom row to the blended total of its region.
    calibration : Calibration
        Learned from earlier folds.
    levels : DataFrame
        `raise_levels` of what was observed, one column of means per model, and `prophet` at
        region totals; with units, origin, season_error, step_error.
    forecasts : DataFrame
        Long: one row per model and node, with quantiles.
    """

    raw: FoldForecast
    factor: Floats
    calibration: Calibration
    levels: pd.DataFrame
    forecasts: pd.DataFrame


def calibrate_folds(
    panel: Panel, raw: Sequence[FoldForecast], progress: Progress
) -> list[CalibratedFold]:
    """Calibrate each fold, in order, from the outcomes known at its origin."""
    scales = build_node_scales(panel, [forecast.fold.origin for forecast in raw])
    done: list[CalibratedFold] = []
    for forecast in progress.track(raw, "calibrate", len(raw)):
        origin = forecast.fold.origin
        done.append(_calibrate(panel, forecast, done, scales[scales["origin"] == origin]))
    return done


def learn_calibration(done: Sequence[CalibratedFold], known_until: int) -> Calibration:
    """Fit weights and bottom intervals on the rows of earlier folds up to a period."""
    frames, nodes, totals = [], [], []
    for fold in done:
        frame = fold.raw.bottom.frame
        known = (frame["period"] <= known_until).to_numpy()
        frames.append(frame[known].assign(mean=(frame["lightgbm"] * fold.factor)[known]))
        nodes.append((fold.raw.bottom.nodes * fold.factor[:, None])[known])
        rows = fold.raw.totals.assign(origin=fold.raw.fold.origin)
        totals.append(rows[rows["period"] <= known_until])
    if not frames:
        return Calibration.none()
    return fit_calibration(
        pd.concat(frames, ignore_index=True),
        np.concatenate(nodes),
        pd.concat(totals, ignore_index=True),
    )


def learn_upper(done: Sequence[CalibratedFold], model: str, known_until: int) -> ResidualIntervals:
    """Fit the intervals of upper levels on the rows of earlier folds up to a period."""
    parts = [
        fold.levels[(fold.levels["period"] <= known_until) & fold.levels[model].notna()]
        for fold in done
    ]
    if not parts:
        none = np.empty(0)
        origins = np.empty(0, dtype=np.int64)
        return ResidualIntervals().fit(none, none, none, np.empty(0, dtype=object), origins)
    rows = pd.concat(parts, ignore_index=True)
    return ResidualIntervals().fit(
        rows[model].to_numpy(),
        rows["units"].to_numpy(),
        find_scales(rows, rows[model].to_numpy()),
        group_nodes(rows),
        rows["origin"].to_numpy(),
    )


def _calibrate(
    panel: Panel, raw: FoldForecast, done: Sequence[CalibratedFold], scales: pd.DataFrame
) -> CalibratedFold:
    origin = raw.fold.origin
    calibration = learn_calibration(done, origin)
    frame = raw.bottom.frame
    factor = calibration.scale(frame, raw.totals)
    mean = frame["lightgbm"].to_numpy() * factor
    quantiles = raw.quantiles | {
        ALMANAC: calibration.predict_quantiles(
            mean, raw.bottom.nodes * factor[:, None], frame["bucket"]
        )
    }
    # Upper nodes are summed over what was observed, in forecast and outcome alike.
    seen = frame["units"].notna().to_numpy()
    rows = frame.assign(almanac=mean)[seen].reset_index(drop=True)
    levels = raise_levels(panel, rows, ["units", *BOTTOM_MODELS])
    levels = add_scales(_add_prophet(levels, raw.totals, panel, frame[~seen]), scales)
    levels = levels.assign(origin=origin)
    parts = []
    for model in (*BOTTOM_MODELS, PROPHET):
        made = levels[levels[model].notna()]
        upper = learn_upper(done, model, origin)
        own = quantiles[model][seen] if model in quantiles else None
        values = spread_quantiles(made, made[model].to_numpy(), upper, rows, own)
        parts.append(_describe(panel, made, model, values))
    return CalibratedFold(raw, factor, calibration, levels, pd.concat(parts, ignore_index=True))


def _add_prophet(
    levels: pd.DataFrame, totals: pd.DataFrame, panel: Panel, unseen: pd.DataFrame
) -> pd.DataFrame:
    """Put Prophet's totals beside the nodes they forecast: a whole region, all of it observed."""
    level = totals["region_id"].map(panel.regions.level_of) + "/all"
    prophet = totals[["region_id", "period", PROPHET]].assign(level=level, product_id="all")
    keys = ["region_id", "period"]
    partly = pd.MultiIndex.from_frame(prophet[keys]).isin(pd.MultiIndex.from_frame(unseen[keys]))
    return levels.merge(
        prophet[~partly], on=["level", "region_id", "product_id", "period"], how="left"
    )


def _describe(panel: Panel, nodes: pd.DataFrame, model: str, quantiles: Floats) -> pd.DataFrame:
    origins = panel.date_of(nodes["origin"].to_numpy(np.int64))
    made = pd.DataFrame(
        {
            "origin": origins,
            "level": nodes["level"],
            "region": nodes["region_id"],
            "product": nodes["product_id"],
            "date": panel.date_of(nodes["period"].to_numpy(np.int64)),
            "bucket": nodes["bucket"],
            "units": nodes["units"],
            "mean": nodes[model],
            "model": model,
            "season_error": nodes["season_error"],
            "step_error": nodes["step_error"],
        }
    ).reset_index(drop=True)
    made[list(QUANTILE_NAMES)] = quantiles
    return made
