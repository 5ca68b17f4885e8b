"""Folds of a backtest calibrated in order, each from the outcomes known at its origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.progress import Progress
from features.region.panel import Panel
from models.demand.coherent import Calibration, Coherent, make_coherent, spread_nodes
from models.demand.intervals import ResidualIntervals
from models.demand.learning import learn_calibration
from models.demand.members import LIGHTGBM, NODE_MEMBERS, SERIES_MEMBERS, Members
from models.demand.quantiles import QUANTILE_NAMES, complete_quantiles
from training.folds import Fold

Floats = npt.NDArray[np.float64]

ALMANAC = "almanac"
PROPHET = "prophet"
SCORED_MODELS = (*SERIES_MEMBERS, PROPHET, ALMANAC)
"""All models that are scored; Prophet on the totals it forecasts only."""


@dataclass(frozen=True)
class CalibratedFold:
    """One fold with the forecast that would have been published.

    Attributes
    ----------
    fold : Fold
    made : Coherent
    calibration : Calibration
        Learned from earlier folds.
    seen : array of bool, shape (n_series, n_steps)
        Forecast, and with a known outcome: what is scored.
    quantiles : array of shape (n_nodes, n_steps, 9)
        Of what is seen of each node; empty where the fold is not scored.
    """

    fold: Fold
    made: Coherent
    calibration: Calibration
    seen: npt.NDArray[np.bool_]
    quantiles: Floats


def calibrate_folds(
    panel: Panel,
    folds: Sequence[Fold],
    members: Sequence[Members],
    progress: Progress,
    *,
    seed: int,
) -> list[CalibratedFold]:
    """Calibrate each fold, in order, from the outcomes known at its origin."""
    done: list[CalibratedFold] = []
    pairs = list(zip(folds, members, strict=True))
    for fold, found in progress.track(pairs, "calibrate", len(pairs)):
        calibration = learn(panel, done, fold.origin, seed=seed, members=found)
        made = make_coherent(found, calibration)
        seen = np.isfinite(found.units) & found.is_listed[:, None]
        spread = np.empty(0)
        if fold.is_scored:
            names = found.nodes.names
            spread = spread_nodes(made, calibration.shocks, names, seed, seen=seen)
        done.append(CalibratedFold(fold, made, calibration, seen, spread))
    return done


def learn(
    panel: Panel,
    done: Sequence[CalibratedFold],
    known_until: int,
    *,
    seed: int,
    members: Members | None = None,
) -> Calibration:
    """Learn the calibration from folds, by what was known of them at a period."""
    nodes = done[0].made.members.nodes if members is None else members.nodes
    return learn_calibration(
        [fold.made for fold in done],
        nodes,
        known_until,
        seed=seed,
        smallest_sale=_find_smallest_sale(panel, known_until),
    )


def tabulate(panel: Panel, folds: Sequence[CalibratedFold], model: str) -> pd.DataFrame:
    """Return one model's forecasts of every node in the scored folds, with quantiles.

    Parameters
    ----------
    panel : Panel
    folds : sequence of CalibratedFold
        In order; quantiles of all models but the published one come from the errors of the folds
        before.
    model : str
        One of `SCORED_MODELS`.

    Returns
    -------
    DataFrame
        Long: origin, level, region, product, date, bucket, units, mean, model, season_error,
        step_error, q025 … q975; only nodes and periods with a known outcome.
    """
    described = [_describe(panel, fold, model) for fold in folds]
    parts = []
    for place, (fold, rows) in enumerate(zip(folds, described, strict=True)):
        if not fold.fold.is_scored:
            continue
        if model == ALMANAC:
            values = fold.quantiles[rows["node"], rows["step"]]
        else:
            values = _spread_residuals(described[:place], fold, model, rows)
        made = rows.drop(columns=["node", "step", "period", "scale"])
        made[list(QUANTILE_NAMES)] = values
        parts.append(made)
    return pd.concat(parts, ignore_index=True)


def _describe(panel: Panel, fold: CalibratedFold, model: str) -> pd.DataFrame:
    members = fold.made.members
    nodes = members.nodes
    units = nodes.sum(np.where(fold.seen, np.nan_to_num(members.units), 0.0))
    mean = _means(fold, model)
    there = (nodes.sum(fold.seen.astype(np.float64)) > 0) & np.isfinite(mean)
    node, step = np.nonzero(there)
    table, scales = nodes.table.iloc[node], members.scales.iloc[node]
    season = scales["season_error"].to_numpy(np.float64)
    return pd.DataFrame(
        {
            "origin": panel.date_of(np.full(len(node), members.origin)),
            "level": table["level"].to_numpy(),
            "region": table["region_id"].to_numpy(),
            "product": table["product_id"].to_numpy(),
            "date": panel.date_of(members.periods[step]),
            "bucket": members.buckets[step].astype(object),
            "units": units[there],
            "mean": mean[there],
            "model": model,
            "season_error": season,
            "step_error": scales["step_error"].to_numpy(np.float64),
            "node": node,
            "step": step,
            "period": members.periods[step],
            "scale": np.where(season > 0, season, np.sqrt(np.maximum(mean[there], 0.25))),
        }
    )


def _means(fold: CalibratedFold, model: str) -> Floats:
    """Return a model's means of all nodes, shape (n_nodes, n_steps); NaN where it has none."""
    members = fold.made.members
    nodes = members.nodes
    if model == ALMANAC:
        return nodes.sum(np.where(fold.seen, fold.made.mean, 0.0))
    summed = np.full((len(nodes.table), members.n_steps), np.nan)
    if model in members.series:
        summed = nodes.sum(np.where(fold.seen, members.series[model], 0.0))
    if model not in NODE_MEMBERS:
        return summed
    # A node's own forecast is of all of it, so it is compared where all of it is known.
    missing = nodes.sum((members.is_listed[:, None] & ~fold.seen).astype(np.float64))
    own = np.where(missing > 0, np.nan, members.upper[model])
    return np.where(nodes.is_single[:, None], summed, own)


def _spread_residuals(
    before: Sequence[pd.DataFrame],
    fold: CalibratedFold,
    model: str,
    rows: pd.DataFrame,
) -> Floats:
    """Return quantiles around a model's means from its errors in earlier folds."""
    known = pd.concat([part[part["period"] <= fold.fold.origin] for part in before])
    intervals = ResidualIntervals().fit(
        known["mean"].to_numpy(),
        known["units"].to_numpy(),
        known["scale"].to_numpy(),
        _group(known),
        known["origin"].to_numpy("datetime64[D]").astype(np.int64),
    )
    values = intervals.predict_quantiles(
        rows["mean"].to_numpy(), rows["scale"].to_numpy(), _group(rows)
    )
    if model == LIGHTGBM:
        members = fold.made.members
        single = members.nodes.is_single[rows["node"]]
        own = members.nodes.table["series"].to_numpy()[rows["node"]][single]
        nodes = members.quantiles[own, rows["step"].to_numpy()[single]]
        values[single] = complete_quantiles(nodes.astype(np.float64))
    return values


def _group(rows: pd.DataFrame) -> npt.NDArray[np.object_]:
    return np.asarray((rows["level"] + "|" + rows["bucket"]).to_numpy(object))


def _find_smallest_sale(panel: Panel, known_until: int) -> float:
    """Return the smallest number of units sold in a period up to one; 0 if there is none."""
    first = panel.series["first_period"].to_numpy()
    begin = panel.series["start_row"].to_numpy() - first
    later = np.arange(known_until + 1, panel.last_period + 1)
    is_known = panel.units > 0
    is_known[(begin[:, None] + later)[later >= first[:, None]]] = False
    smallest = float(np.min(panel.units, where=is_known, initial=np.inf))
    return smallest if np.isfinite(smallest) else 0.0
