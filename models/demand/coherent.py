"""Members made into one coherent forecast: blended, reconciled, and with sample paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.demand.blend import blend_members
from models.demand.marginals import (
    KNOTS,
    Marginals,
    Rows,
    Trial,
    build_candidates,
    read_quantiles,
)
from models.demand.members import LIGHTGBM, NODE_MEMBERS, SERIES_MEMBERS, Members
from models.demand.quantiles import QUANTILES
from models.demand.reconcile import (
    METHODS,
    SHRINK,
    VARIANCE,
    ErrorModel,
    choose_anchors,
    reconcile,
)
from models.demand.shocks import Paths, Shocks, draw_paths, iterate_blocks

Floats = npt.NDArray[np.float64]

SERIES_PRIOR = np.array([0.4, 0.4, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0])
"""Of `SERIES_MEMBERS`, until earlier origins show better."""
NODE_PRIOR = np.array([0.6, 0.4, 0.0, 0.0])
"""Of `NODE_MEMBERS`."""
N_PATHS = 200
_BLOCK_VALUES = 200_000
_TRIAL_ROWS = 6_000


@dataclass(frozen=True)
class Calibration:
    """What earlier forecasts taught.

    Attributes
    ----------
    series_weights : dict of horizon bucket to array of shape (8,)
        Of `SERIES_MEMBERS`; a bucket never seen has `SERIES_PRIOR`.
    node_weights : dict of level to array of shape (4,)
        Of `NODE_MEMBERS`; a level never seen has `NODE_PRIOR`.
    method, reason : str
        How levels are made to agree, and why so.
    losses : dict of method to dict of level to float
        WAPE of earlier forecasts by each method.
    errors : ErrorModel or None
        Of all nodes; None before anything is known.
    typical : array of shape (n_series,)
        Typical error of each series in units; empty before anything is known.
    marginals : Marginals
    shocks : Shocks
    seed : int
    """

    series_weights: Mapping[str, Floats]
    node_weights: Mapping[str, Floats]
    method: str
    reason: str
    losses: Mapping[str, Mapping[str, float]]
    errors: ErrorModel | None
    typical: Floats
    marginals: Marginals
    shocks: Shocks
    seed: int


@dataclass(frozen=True)
class Coherent:
    """A coherent forecast from one origin.

    Attributes
    ----------
    members : Members
    weights : dict of horizon bucket to array of shape (8,)
        What the series were blended with.
    by_method : dict of method to array of shape (n_series, n_steps)
        Means of the series as each reconciliation makes them.
    mean : array of shape (n_series, n_steps)
        Those of the chosen one: what is published, and summed to every node.
    node_base : array of shape (n_nodes, n_steps)
        Blended forecasts of the nodes before reconciliation.
    knots : float32, shape (n_series, n_steps, n_knots)
        Distributions of the series at `KNOTS`.
    trial : Trial
        Some rows, kept to learn weights and recalibration from later.
    """

    members: Members
    weights: Mapping[str, Floats]
    by_method: Mapping[str, Floats]
    mean: Floats
    node_base: Floats
    knots: npt.NDArray[np.float32]
    trial: Trial

    def shorten(self, n_steps: int) -> Coherent:
        """Return the first steps of it."""
        return replace(
            self,
            members=self.members.shorten(n_steps),
            by_method={name: mean[:, :n_steps] for name, mean in self.by_method.items()},
            mean=self.mean[:, :n_steps],
            node_base=self.node_base[:, :n_steps],
            knots=self.knots[:, :n_steps],
        )


def make_coherent(members: Members, calibration: Calibration) -> Coherent:
    """Blend, reconcile and spread the forecasts of the members."""
    base = _blend_series(members, calibration.series_weights)
    node_base = _blend_nodes(members, base, calibration.node_weights)
    anchors = choose_anchors(members.nodes)
    by_method = {
        method: reconcile(
            method, members.nodes, base, node_base[anchors], anchors, calibration.errors
        )
        for method in METHODS
        if calibration.errors is not None or method not in (VARIANCE, SHRINK)
    }
    mean = by_method[calibration.method]
    rows = _collect_rows(members, mean, calibration.typical)
    values = np.zeros((*mean.shape, len(KNOTS)), np.float32)
    chosen = np.flatnonzero(members.is_listed)
    for block in iterate_blocks(len(chosen), 1 + _BLOCK_VALUES // members.n_steps):
        where = _places_of(chosen[block], members.n_steps)
        made = calibration.marginals.predict(rows.take(where))
        values[chosen[block]] = made.reshape(len(block), members.n_steps, -1)
    trial = _take_trial(members, rows, calibration)
    weights = calibration.series_weights
    return Coherent(members, weights, by_method, mean, node_base, values, trial)


def spread_nodes(
    made: Coherent,
    shocks: Shocks,
    names: npt.NDArray[np.object_],
    seed: int,
    *,
    seen: npt.NDArray[np.bool_] | None = None,
    n_paths: int = N_PATHS,
) -> Floats:
    """Return the quantiles of every node: of one series its own, of several from sample paths.

    Parameters
    ----------
    made : Coherent
    shocks : Shocks
    names : array of str, shape (n_series,)
        A name for each series.
    seed : int
    seen : array of bool, shape (n_series, n_steps), optional
        Series and periods that count; all by default.
    n_paths : int

    Returns
    -------
    array of shape (n_nodes, n_steps, 9)
        At `QUANTILES`, ascending, >= 0.
    """
    nodes, n_steps = made.members.nodes, made.members.n_steps
    several = np.flatnonzero(~nodes.is_single)
    found = np.zeros((len(nodes.table), n_steps, len(QUANTILES)))
    totals = np.zeros((len(several), n_steps * n_paths), np.float32)
    chosen = np.flatnonzero(made.members.is_listed)
    summing = nodes.summing[several].astype(np.float32).tocsc()
    for block in iterate_blocks(len(chosen), 1 + 20 * _BLOCK_VALUES // (n_steps * n_paths)):
        paths = draw_block(made, shocks, names, chosen[block], seed, n_paths)
        if seen is not None:
            paths *= seen[chosen[block], :, None]
        below = summing[:, chosen[block]].tocsr()
        # Most nodes lie above none of the block's series.
        above = np.flatnonzero(np.diff(below.indptr))
        totals[above] += below[above] @ paths.reshape(len(block), -1)
    drawn = totals.reshape(len(several), n_steps, n_paths)
    found[several] = np.moveaxis(np.quantile(drawn, QUANTILES, axis=2), 0, 2)
    single = np.flatnonzero(nodes.is_single)
    own = nodes.table["series"].to_numpy()[single]
    flat = made.knots[own].reshape(-1, len(KNOTS)).astype(np.float64)
    found[single] = read_quantiles(flat).reshape(len(own), n_steps, -1)
    return np.asarray(np.maximum(found, 0.0))


def draw_block(
    made: Coherent,
    shocks: Shocks,
    names: npt.NDArray[np.object_],
    series: npt.NDArray[np.int64],
    seed: int,
    n_paths: int = N_PATHS,
) -> Paths:
    """Draw the sample paths of some series, shape (n_chosen, n_steps, n_paths), in units."""
    return draw_paths(
        made.members.nodes,
        shocks,
        made.knots[series],
        names,
        series=series,
        n_paths=n_paths,
        seed=seed,
    )


def _blend_series(members: Members, weights: Mapping[str, Floats]) -> Floats:
    stacked = np.stack([members.series[name] for name in SERIES_MEMBERS], axis=-1)
    given = np.stack([weights.get(str(name), SERIES_PRIOR) for name in members.buckets])
    return np.asarray(np.einsum("ihm,hm->ih", stacked, given))


def _blend_nodes(members: Members, base: Floats, weights: Mapping[str, Floats]) -> Floats:
    """Blend the forecasts of each node; one that only its sum forecasts keeps its sum."""
    summed = members.nodes.sum(base)
    stacked = np.stack([summed, *(members.upper[name] for name in NODE_MEMBERS[1:])], axis=-1)
    given = np.stack([weights.get(level, NODE_PRIOR) for level in members.nodes.table["level"]])
    repeated = np.repeat(given, members.n_steps, axis=0)
    blended = blend_members(stacked.reshape(-1, len(NODE_MEMBERS)), repeated)
    return blended.reshape(summed.shape)


def _collect_rows(members: Members, mean: Floats, typical: Floats) -> Rows:
    """Flatten what the distributions are made from, series by series."""
    error = typical if len(typical) else members.spread.astype(np.float64)
    return Rows(
        mean=mean.ravel(),
        lightgbm=members.series[LIGHTGBM].astype(np.float64).ravel(),
        nodes=members.quantiles.reshape(-1, members.quantiles.shape[2]).astype(np.float64),
        error=np.repeat(error, members.n_steps),
        bucket=np.tile(members.buckets, len(mean)),
    )


def _places_of(series: npt.NDArray[np.int64], n_steps: int) -> npt.NDArray[np.int64]:
    return (series[:, None] * n_steps + np.arange(n_steps)).ravel()


def _take_trial(members: Members, rows: Rows, calibration: Calibration) -> Trial:
    """Keep the candidates of some of the rows whose outcome is known."""
    units = members.units.astype(np.float64).ravel()
    known = np.flatnonzero(np.isfinite(units) & np.repeat(members.is_listed, members.n_steps))
    rng = np.random.default_rng([calibration.seed, members.origin])
    kept = np.sort(rng.permutation(known)[:_TRIAL_ROWS])
    some = rows.take(kept)
    candidates = build_candidates(some, calibration.marginals.pools)
    return Trial(candidates, some, units[kept], members.periods[kept % members.n_steps])
