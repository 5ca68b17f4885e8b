"""What earlier forecasts teach a later one: weights, agreement of levels, spread, shared errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.region.nodes import Nodes
from models.demand.blend import fit_blend_weights
from models.demand.coherent import NODE_PRIOR, SERIES_PRIOR, Calibration, Coherent
from models.demand.marginals import Rows, find_deviation, find_slope, fit_marginals
from models.demand.members import LIGHTGBM, NODE_MEMBERS, SERIES_MEMBERS
from models.demand.reconcile import METHODS, ErrorModel, describe_choice, fit_errors
from models.demand.shocks import Shocks, Tried, find_shock_levels, fit_shocks

Floats = npt.NDArray[np.float64]

_MOST_ROWS = 100_000
_MOST_SHOCK_STEPS = 8
_PRIOR_ORIGINS = 2.0
"""Origins that prior weights count for beside those that were tried."""
_ERROR_PRIOR = 10.0
"""Rows that a series' naive error counts for beside its own forecast errors."""


@dataclass(frozen=True)
class _Past:
    """One earlier forecast, with the outcomes known by now: units are NaN elsewhere."""

    made: Coherent
    units: Floats

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        return np.isfinite(self.units)

    @property
    def node_units(self) -> Floats:
        """Units of the nodes; NaN unless all listed series below are known."""
        members = self.made.members
        total = members.nodes.sum(np.nan_to_num(self.units))
        unknown = members.nodes.sum((~self.known & members.is_listed[:, None]).astype(np.float64))
        return np.where(unknown > 0, np.nan, total)


def learn_calibration(
    done: Sequence[Coherent], nodes: Nodes, known_until: int, *, seed: int, smallest_sale: float
) -> Calibration:
    """Learn from earlier forecasts what is known of their outcomes by a period.

    Parameters
    ----------
    done : sequence of Coherent
        Earliest origin first; all over the same nodes.
    nodes : Nodes
    known_until : int
        Period; no outcome after it is read.
    seed : int
    smallest_sale : float
        Smallest number of units ever sold in a period; a forecast below half of it is zero.

    Returns
    -------
    Calibration
        Without earlier forecasts: the priors, sums from below, LightGBM's own quantiles.
    """
    past = [_look_back(one, known_until) for one in done]
    past = [one for one in past if one.known.any()]
    losses = _compare_methods(past)
    choice = describe_choice(losses)
    return Calibration(
        series_weights=_learn_series_weights(past, seed),
        node_weights=_learn_node_weights(past),
        method=choice["method"],
        reason=choice["reason"],
        losses=losses,
        errors=_learn_errors(past),
        typical=_learn_typical(past),
        marginals=fit_marginals(
            *_collect(past),
            [one.made.trial.until(known_until) for one in past],
            smallest_sale,
            seed,
        ),
        shocks=_learn_shocks(past, nodes),
        seed=seed,
    )


def _look_back(made: Coherent, known_until: int) -> _Past:
    members = made.members
    known = (members.periods <= known_until) & members.is_listed[:, None]
    return _Past(made, np.where(known, members.units, np.nan).astype(np.float64))


def _learn_series_weights(past: Sequence[_Past], seed: int) -> dict[str, Floats]:
    weights = {}
    buckets = list(dict.fromkeys(str(name) for one in past for name in one.made.members.buckets))
    for bucket in buckets:
        forecasts, units = [], []
        for one in past:
            steps = one.made.members.buckets == bucket
            known = one.known[:, steps]
            columns = [one.made.members.series[name][:, steps][known] for name in SERIES_MEMBERS]
            forecasts.append(np.column_stack(columns).astype(np.float64))
            units.append(one.units[:, steps][known])
        table, actual = np.concatenate(forecasts), np.concatenate(units)
        kept = np.random.default_rng(seed).permutation(len(actual))[:_MOST_ROWS]
        table, actual = table[kept], actual[kept]
        if not len(actual):
            continue
        weights[bucket] = fit_blend_weights(
            table,
            actual,
            np.sqrt(np.maximum(table[:, :2].mean(axis=1), 0.25)),
            SERIES_PRIOR,
            prior_share=_PRIOR_ORIGINS / len(past),
        )
    return weights


def _learn_node_weights(past: Sequence[_Past]) -> dict[str, Floats]:
    if not past:
        return {}
    nodes = past[0].made.members.nodes
    weights = {}
    for level, places in nodes.levels.items():
        several = places[~nodes.is_single[places]]
        if not len(several):
            continue
        tables: list[Floats] = []
        units: list[Floats] = []
        for one in past:
            members = one.made.members
            summed = nodes.sum(one.made.by_method["bottom_up"])
            own = [members.upper[name][several] for name in NODE_MEMBERS[1:]]
            tables.append(np.stack([summed[several], *own], axis=-1))
            units.append(one.node_units[several])
        table = np.concatenate(tables).reshape(-1, len(NODE_MEMBERS)).astype(np.float64)
        actual = np.concatenate(units).ravel()
        if not np.isfinite(actual).any():
            continue
        weights[level] = fit_blend_weights(
            table,
            actual,
            np.sqrt(np.maximum(table[:, 0], 1.0)),
            NODE_PRIOR,
            prior_share=_PRIOR_ORIGINS / len(past),
        )
    return weights


def _compare_methods(past: Sequence[_Past]) -> dict[str, dict[str, float]]:
    """Return the WAPE of each method at each level, over the origins at which all were tried."""
    tried = [one for one in past if len(one.made.by_method) == len(METHODS)]
    if not tried:
        return {}
    losses: dict[str, dict[str, float]] = {}
    for method in tried[0].made.by_method:
        absolute: dict[str, float] = {}
        total: dict[str, float] = {}
        for one in tried:
            nodes, known = one.made.members.nodes, one.known
            actual = nodes.sum(np.nan_to_num(one.units))
            forecast = nodes.sum(np.where(known, one.made.by_method[method], 0.0))
            for level, places in nodes.levels.items():
                error = np.abs(forecast[places] - actual[places]).sum()
                absolute[level] = absolute.get(level, 0.0) + float(error)
                total[level] = total.get(level, 0.0) + float(actual[places].sum())
        losses[method] = {
            level: absolute[level] / total[level] for level in absolute if total[level] > 0
        }
    return losses


def _learn_errors(past: Sequence[_Past]) -> ErrorModel | None:
    """Learn the errors of what is reconciled: blended nodes, and series blended from below."""
    if not past:
        return None
    parts = []
    for one in past:
        nodes = one.made.members.nodes
        error = one.made.node_base - one.node_units
        own = np.flatnonzero(nodes.is_single)
        series = nodes.table["series"].to_numpy()[own]
        error[own] = (one.made.by_method["bottom_up"] - one.units)[series]
        parts.append(error)
    return fit_errors(np.concatenate(parts, axis=1), _naive_errors(past[-1].made))


def _naive_errors(made: Coherent) -> Floats:
    """Return each node's seasonal naive error, else what its size suggests; > 0."""
    error = made.members.scales["season_error"].to_numpy(np.float64)
    size = made.members.nodes.sum(made.mean).mean(axis=1)
    return np.where(error > 0, error, np.sqrt(np.maximum(size, 0.25)))


def _learn_typical(past: Sequence[_Past]) -> Floats:
    """Return each series' root mean squared error, leaning on its spread while rows are few."""
    if not past:
        return np.empty(0)
    spread = past[-1].made.members.spread.astype(np.float64)
    squares, count = np.zeros(len(spread)), np.zeros(len(spread))
    for one in past:
        squares += np.nansum((one.made.mean - one.units) ** 2, axis=1)
        count += one.known.sum(axis=1)
    seen = count > 0
    relation = float(np.median(squares[seen] / count[seen] / spread[seen] ** 2))
    total = _ERROR_PRIOR * relation * spread**2 + squares
    return np.asarray(np.sqrt(np.maximum(total / (_ERROR_PRIOR + count), 1e-12)))


def _collect(past: Sequence[_Past]) -> tuple[Rows, Floats]:
    """Flatten all rows with a known outcome."""
    typical = _learn_typical(past)
    parts, units = [], []
    for one in past:
        members, known = one.made.members, one.known
        series, step = np.nonzero(known)
        parts.append(
            Rows(
                mean=one.made.mean[known],
                lightgbm=members.series[LIGHTGBM][known].astype(np.float64),
                nodes=members.quantiles[known].astype(np.float64),
                error=typical[series],
                bucket=members.buckets[step],
            )
        )
        units.append(one.units[known])
    if not parts:
        none = np.empty(0)
        return Rows(none, none, np.empty((0, 5)), none, np.empty(0, "<U16")), none
    joined = Rows(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("mean", "lightgbm", "nodes", "error", "bucket")
        )
    )
    return joined, np.concatenate(units)


def _learn_shocks(past: Sequence[_Past], nodes: Nodes) -> Shocks:
    levels = find_shock_levels(nodes)
    tried = []
    for one in past:
        shape = one.units.shape
        flat = one.made.knots.reshape(-1, one.made.knots.shape[2]).astype(np.float64)
        slope = find_slope(flat).reshape(shape)
        rest = np.maximum(find_deviation(flat).reshape(shape) ** 2 - slope**2, 0.0)
        error = one.made.mean - np.nan_to_num(one.units)
        parts = (np.where(one.known, values, 0.0) for values in (error, slope, rest))
        tried.append(Tried(*parts))
    return fit_shocks(nodes, tried, levels)
