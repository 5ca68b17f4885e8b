"""Forecasts of nodes and of the series below them made to agree, by least squares.

All methods solve the same problem: move the forecasts of all nodes as little as possible, in the
measure of an error covariance W, until every node is the sum of its series,

    b~ = b + W_b A' (A W_b A' + W_u − …)⁻¹ (u − A b),

with b the series, u the nodes above, A the sums. They differ in W alone.

References
----------
.. [1] Wickramasuriya, Athanasopoulos & Hyndman (2019), "Optimal forecast reconciliation ...
   through trace minimization", JASA 114.
.. [2] Schäfer & Strimmer (2005), "A shrinkage approach to large-scale covariance matrix
   estimation", equation 8 (the shrinkage intensity of correlations).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from features.region.nodes import Nodes

Floats = npt.NDArray[np.float64]

BOTTOM_UP, STRUCTURE, VARIANCE, SHRINK = "bottom_up", "wls_struct", "wls_error", "mint_shrink"
METHODS = (BOTTOM_UP, STRUCTURE, VARIANCE, SHRINK)
_LEAST_GAIN = 0.005
"""A method has to lower the mean WAPE by so much to be chosen over plain sums."""
_MOST_HARM = 0.01
"""And no level may be worse by more than that."""
MAX_NODES = 1_500
"""Nodes above the series that take part: the levels with fewest nodes first."""


@dataclass(frozen=True)
class ErrorModel:
    """Past errors of the forecasts to reconcile: what W is made from.

    Attributes
    ----------
    variance : array of shape (n_nodes,)
        Mean squared error of each node, in squared units; > 0.
    errors : array of shape (n_nodes, n_past)
        The errors themselves, of which `mint_shrink` takes the correlations.
    """

    variance: Floats
    errors: Floats


def choose_anchors(nodes: Nodes, max_nodes: int = MAX_NODES) -> npt.NDArray[np.int64]:
    """Return the nodes whose own forecasts take part in the reconciliation.

    Those of several series, whole levels at a time, the levels with fewest nodes first, as long
    as they are `max_nodes` together. A node with the same series as another one counts once.
    """
    several = np.flatnonzero(~nodes.is_single)
    level = nodes.table["level"].to_numpy()[several]
    names, counts = np.unique(level, return_counts=True)
    order = names[np.argsort(counts, kind="stable")]
    kept: list[npt.NDArray[np.int64]] = []
    for name in order:
        if sum(len(part) for part in kept) + counts[names == name][0] > max_nodes:
            break
        kept.append(several[level == name])
    found = np.concatenate(kept) if kept else np.empty(0, np.int64)
    pattern = nodes.summing[found]
    signature = pattern @ np.random.default_rng(0).random(pattern.shape[1])
    _, first = np.unique(np.round(signature, 9), return_index=True)
    return np.asarray(np.sort(found[np.sort(first)]), np.int64)


def fit_errors(errors: Floats, scale: Floats) -> ErrorModel:
    """Learn the error variance of each node.

    Parameters
    ----------
    errors : array of shape (n_nodes, n_past)
        Forecast − actual of earlier forecasts; NaN where nothing is known.
    scale : array of shape (n_nodes,)
        Each node's naive error, > 0: where a node has few errors, its variance leans on how all
        nodes' errors compare with their scales.

    Returns
    -------
    ErrorModel
    """
    known = np.isfinite(errors)
    squares = np.where(known, errors, 0.0) ** 2
    count = known.sum(axis=1)
    typical = np.median(squares.sum(axis=1)[count > 0] / count[count > 0] / scale[count > 0] ** 2)
    prior = 10.0
    variance = (prior * typical * scale**2 + squares.sum(axis=1)) / (prior + count)
    # Four bytes are what is kept of an error, so that a model read from its files agrees.
    kept = np.where(known, errors, 0.0).astype(np.float32).astype(np.float64)
    return ErrorModel(np.maximum(variance, 1e-12), kept)


def reconcile(
    method: str,
    nodes: Nodes,
    series: Floats,
    upper: Floats,
    anchors: npt.NDArray[np.int64],
    errors: ErrorModel | None,
) -> Floats:
    """Return the series' forecasts moved towards those of the nodes above.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    nodes : Nodes
    series : array of shape (n_series, n_steps)
        >= 0.
    upper : array of shape (n_anchors, n_steps)
        Forecasts of the nodes `anchors`.
    anchors : array of int, shape (n_anchors,)
        From `choose_anchors`.
    errors : ErrorModel, optional
        Over all nodes; what `wls_error` and `mint_shrink` need.

    Returns
    -------
    array of shape (n_series, n_steps)
        >= 0: what would fall below zero is cut there. Sums of it are coherent.

    Raises
    ------
    ValueError
        If the method is not known, or lacks the errors it needs.
    """
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got '{method}'")
    if method == BOTTOM_UP or not len(anchors):
        return series
    below = nodes.summing[anchors]
    gap = upper - below @ series
    if method == STRUCTURE:
        counts = nodes.table["n_series"].to_numpy(np.float64)[anchors]
        moved = _solve_diagonal(below, np.ones(len(series)), counts, gap)
    elif errors is None:
        raise ValueError(f"{method} needs the errors of earlier forecasts")
    else:
        own = _places_of_series(nodes)
        if method == VARIANCE:
            variance = errors.variance
            moved = _solve_diagonal(below, variance[own], variance[anchors], gap)
        else:
            moved = _solve_shrunk(below, errors, own, anchors, gap)
    return np.asarray(np.maximum(series + np.where(series > 0, moved, 0.0), 0.0))


def _solve_diagonal(
    below: sparse.csr_array, series_variance: Floats, upper_variance: Floats, gap: Floats
) -> Floats:
    spread = below.multiply(series_variance[None, :]).tocsr()
    system = (spread @ below.T).toarray() + np.diag(upper_variance)
    solved = linalg.solve(system, gap, assume_a="pos")
    return np.asarray(spread.T @ solved)


def _solve_shrunk(
    below: sparse.csr_array,
    errors: ErrorModel,
    own: npt.NDArray[np.int64],
    anchors: npt.NDArray[np.int64],
    gap: Floats,
) -> Floats:
    """MinT: W = λ diag(V) + (1 − λ) E E' ÷ n, never formed over all series at once."""
    both = np.concatenate([anchors, own])
    deviation = np.sqrt(errors.variance[both])
    standard = errors.errors[both] / deviation[:, None]
    n_past = max(standard.shape[1], 1)
    share = find_shrinkage(standard)
    factor = np.sqrt((1 - share) / n_past) * deviation[:, None] * standard
    diagonal = share * deviation**2 + 1e-9 * deviation**2
    upper, series = slice(None, len(anchors)), slice(len(anchors), None)
    # C W C' with C = [I, −A], the constraints that must hold.
    low_rank = factor[upper] - below @ factor[series]
    spread = below.multiply(diagonal[series][None, :]).tocsr()
    system = np.diag(diagonal[upper]) + (spread @ below.T).toarray() + low_rank @ low_rank.T
    solved = linalg.solve(system, gap, assume_a="pos")
    # The series' rows of W C', with the sign that moves them towards the nodes above.
    return np.asarray(spread.T @ solved - factor[series] @ (low_rank.T @ solved))


def find_shrinkage(standard: Floats) -> float:
    """Return the weight of the diagonal target when correlations are shrunk.

    Parameters
    ----------
    standard : array of shape (n_nodes, n_past)
        Errors ÷ their root mean squares.

    Returns
    -------
    float
        In [0, 1]; sum of Var(r_ij) ÷ sum of r_ij² over i ≠ j, Schäfer & Strimmer's equation 8.
        Over at most 600 nodes, drawn evenly.
    """
    n_past = standard.shape[1]
    if n_past < 2:
        return 1.0
    some = standard[:: max(1, len(standard) // 600)]
    correlation = some @ some.T / n_past
    fourth = (some**2) @ (some**2).T / n_past
    variance = (fourth - correlation**2) * n_past / (n_past - 1) / n_past
    off = ~np.eye(len(some), dtype=bool)
    total = float((correlation[off] ** 2).sum())
    return float(np.clip(variance[off].sum() / total, 0.0, 1.0)) if total > 0 else 1.0


def _places_of_series(nodes: Nodes) -> npt.NDArray[np.int64]:
    """Return the node that holds each series alone; that of its finest level if none does."""
    found = np.full(nodes.summing.shape[1], -1, np.int64)
    order = np.argsort(-nodes.table["n_series"].to_numpy(), kind="stable")
    below = nodes.summing[order].tocoo()
    # Written in order of falling size, so the smallest node that holds a series stays.
    found[below.col] = order[below.row]
    return found


def describe_choice(losses: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Choose the method whose WAPE is lowest on average over the levels.

    By at least half a percent against plain sums, and without any level a percent worse.

    Parameters
    ----------
    losses : mapping of method to mapping of level to float
        WAPE of earlier forecasts that each method would have made.

    Returns
    -------
    dict
        `method`, and `reason` in words.
    """
    if not losses:
        return {"method": BOTTOM_UP, "reason": "no earlier origin to choose by"}
    base = losses[BOTTOM_UP]
    gains = {
        method: float(
            np.mean([np.log(max(by[level], 1e-9) / max(base[level], 1e-9)) for level in base])
        )
        for method, by in losses.items()
    }
    harmless = [
        method
        for method, by in losses.items()
        if all(by[level] <= base[level] * (1 + _MOST_HARM) for level in base)
    ]
    best = min(harmless, key=lambda method: (gains[method], METHODS.index(method)))
    if gains[best] > -_LEAST_GAIN:
        best = BOTTOM_UP
    # Adding zero takes the sign from what rounds to nothing.
    rest = ", ".join(
        f"{name} {round(float(np.expm1(gains[name])), 3) + 0.0:+.1%}"
        for name in gains
        if name != BOTTOM_UP
    )
    return {
        "method": best,
        "reason": f"mean WAPE over {len(base)} levels against bottom_up: {rest}",
    }
