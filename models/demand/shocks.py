"""Errors that series share: how much of them, and sample paths that share them alike.

A forecast is wrong for reasons of the series alone and for reasons that a whole region, product
or the market has in common; and wrong for one period or for the whole horizon. The normal score
of series i in period t is

    z_it = sum over levels c of  sqrt(q_c) e_c(node, t) + sqrt(p_c) h_c(node),

with independent standard normal shocks e (of one period) and h (lasting), of the node of level c
that holds i; the series itself is the last level. The shares q, p sum to one, so every series
keeps its own distribution (a Gaussian copula), while sums over series and over periods are as
uncertain as they were in earlier forecasts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from features.region.nodes import Nodes, name_pairs
from models.demand.marginals import KNOTS

Floats = npt.NDArray[np.float64]
Paths = npt.NDArray[np.float32]

OWN = "series"
"""Name of the level of shocks that a series has for itself."""
_PRIOR_ROWS = 0.02
_MOST_COMMON = 0.95


@dataclass(frozen=True)
class Shocks:
    """Shares of the variance of normal scores.

    Attributes
    ----------
    levels : tuple of str
        Crossed levels with common shocks, then `OWN`.
    passing, lasting : arrays of shape (n_levels,)
        Shares of shocks of one period, and of shocks that last the horizon; together one.
    """

    levels: tuple[str, ...]
    passing: Floats
    lasting: Floats


@dataclass(frozen=True)
class Tried:
    """One earlier forecast whose outcome is known.

    Attributes
    ----------
    error : array of shape (n_series, n_steps)
        Forecast − units; 0 where unknown.
    slope : array of shape (n_series, n_steps)
        How much of each distribution moves with its normal score; 0 where unknown.
    rest : array of shape (n_series, n_steps)
        Stated variance beyond the squared slope, which hardly correlates; 0 where unknown.
    """

    error: Floats
    slope: Floats
    rest: Floats


def find_shock_levels(nodes: Nodes) -> tuple[str, ...]:
    """Return the levels whose nodes hold several series, without those alike, and `OWN`."""
    found: dict[bytes, str] = {}
    for level, places in nodes.levels.items():
        if nodes.table["n_series"].to_numpy()[places].max() > 1:
            found.setdefault(code_series(nodes, level).tobytes(), level)
    return (*sorted(found.values()), OWN)


def code_series(nodes: Nodes, level: str) -> npt.NDArray[np.int64]:
    """Return the node of a level that holds each series, counted from 0; −1 for none."""
    n_series = nodes.summing.shape[1]
    if level == OWN:
        return np.arange(n_series)
    places = nodes.levels[level]
    below = nodes.summing[places].tocoo()
    found = np.full(n_series, -1, np.int64)
    found[below.col] = below.row
    return found


def fit_shocks(nodes: Nodes, tried: Sequence[Tried], levels: tuple[str, ...]) -> Shocks:
    """Estimate the shares from the squared errors of all levels.

    For each level, period and earlier forecast, the squared errors of the level's nodes are
    regressed, non-negatively, on what shocks of each kind would have added to them; and so are
    the squared errors of the whole horizon, which tell passing from lasting shocks.

    Parameters
    ----------
    nodes : Nodes
    tried : sequence of Tried
        Without any, series are independent and half of each shock lasts.
    levels : tuple of str
        From `find_shock_levels`.
    """
    count = len(levels)
    codes = [code_series(nodes, level) for level in levels]
    rows, targets = [], []
    for one in tried:
        for places in codes:
            design, target = _compare(places, codes, one)
            rows.append(design)
            targets.append(target)
    prior = np.zeros(2 * count)
    prior[[count - 1, 2 * count - 1]] = 0.5
    if not rows:
        return Shocks(levels, prior[:count], prior[count:])
    system, target = np.concatenate(rows), np.concatenate(targets)
    # A little of the prior keeps shares finite where levels cannot be told apart.
    pull = np.sqrt(_PRIOR_ROWS * len(target)) * np.eye(2 * count)
    found, _ = nnls(np.vstack([system, pull]), np.concatenate([target, pull @ prior]))
    return Shocks(levels, *_complete(found, count))


def _complete(found: Floats, count: int) -> tuple[Floats, Floats]:
    """Leave to the series themselves what common shocks do not take, so that all sum to one."""
    own = np.zeros(2 * count, bool)
    own[[count - 1, 2 * count - 1]] = True
    common = np.where(own, 0.0, found)
    common *= min(1.0, _MOST_COMMON / max(common.sum(), 1e-12))
    parts = np.where(own, found, 0.0)
    parts = parts / parts.sum() if parts.sum() > 0 else own / 2.0
    shares = common + parts * (1.0 - common.sum())
    return shares[:count], shares[count:]


def _compare(
    places: npt.NDArray[np.int64], codes: list[npt.NDArray[np.int64]], one: Tried
) -> tuple[Floats, Floats]:
    """Return, for one level, what each kind of shock adds to its squared errors, and these.

    One row per period and one for the whole horizon, each divided by what independent series
    would have, so that rows of all levels count alike.
    """
    inside = places >= 0
    total = one.slope.sum(axis=1)
    passing = [_square_sums(places, code, one.slope, inside) for code in codes]
    lasting = [_square_sums(places, code, total[:, None], inside) for code in codes]
    errors = _sum_by(places[inside], one.error[inside])
    rest = one.rest[inside].sum(axis=0)
    alone = (one.slope[inside] ** 2).sum(axis=0) + rest
    each = np.column_stack([*passing, *passing])
    whole = np.concatenate([[part.sum() for part in passing], [part.sum() for part in lasting]])
    squares = np.append((errors**2).sum(axis=0), (errors.sum(axis=1) ** 2).sum())
    squares = squares - np.append(rest, rest.sum())
    scale = np.append(alone, alone.sum())
    usable = scale > 0
    system = np.vstack([each, whole])[usable] / scale[usable, None]
    # Levels count alike, and the one row of the horizon as much as all its periods.
    weight = 1.0 / np.maximum(system.mean(axis=1), 1e-9)
    if usable[-1]:
        weight[-1] *= np.sqrt(one.slope.shape[1])
    return system * weight[:, None], squares[usable] / scale[usable] * weight


def _square_sums(
    places: npt.NDArray[np.int64],
    code: npt.NDArray[np.int64],
    slope: Floats,
    inside: npt.NDArray[np.bool_],
) -> Floats:
    """Sum slopes over series that share both nodes, square, and sum: shape (n_steps,)."""
    both = inside & (code >= 0)
    pair = places[both] * (code.max() + 1) + code[both]
    _, compact = np.unique(pair, return_inverse=True)
    return np.asarray((_sum_by(compact, slope[both]) ** 2).sum(axis=0))


def _sum_by(groups: npt.NDArray[np.int64], values: Floats) -> Floats:
    """Sum rows by group, shape (n_groups, n_steps)."""
    found = np.zeros((int(groups.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(found, groups, values)
    return found


def draw_paths(
    nodes: Nodes,
    shocks: Shocks,
    values: npt.NDArray[np.floating],
    names: npt.NDArray[np.object_],
    *,
    series: npt.NDArray[np.int64],
    n_paths: int,
    seed: int,
) -> Paths:
    """Draw sample paths of some series.

    The same series has the same paths whichever others are drawn with it: every shock is drawn
    from its node's own name. The second half of the paths has the shocks of the first with the
    opposite sign.

    Parameters
    ----------
    nodes : Nodes
        Over all series.
    shocks : Shocks
    values : array of shape (n_chosen, n_steps, n_knots)
        Distributions of the chosen series at `KNOTS`.
    names : array of str, shape (n_series,)
        A name for each of all series.
    series : array of int, shape (n_chosen,)
        Positions of the chosen series.
    n_paths : int
        Even.
    seed : int

    Returns
    -------
    float32 array of shape (n_chosen, n_steps, n_paths)
        Units.
    """
    n_steps, half = values.shape[1], n_paths // 2
    scores = np.zeros((len(series), n_steps, half), np.float32)
    for level, passing, lasting in zip(shocks.levels, shocks.passing, shocks.lasting, strict=True):
        code = code_series(nodes, level)[series]
        there = code >= 0
        if passing + lasting <= 0 or not there.any():
            continue
        labels = names if level == OWN else _name_nodes(nodes, level)
        drawn_nodes, place = np.unique(code[there], return_inverse=True)
        drawn = np.stack(
            [_draw(f"{level}|{labels[node]}", (n_steps + 1, half), seed) for node in drawn_nodes]
        )
        # The lasting shock is drawn first, so that a shorter horizon has the start of these paths.
        mixed = np.float32(np.sqrt(passing)) * drawn[:, 1:]
        mixed += np.float32(np.sqrt(lasting)) * drawn[:, :1]
        scores[there] += mixed[place]
    # A series outside some level lacks that level's share.
    scores /= np.sqrt(_explained(nodes, shocks, series))[:, None, None].astype(np.float32)
    return read_scores(values, np.concatenate([scores, -scores], axis=2))


def read_scores(values: npt.NDArray[np.floating], scores: Paths) -> Paths:
    """Read distributions at normal scores.

    Parameters
    ----------
    values : array of shape (n, n_steps, n_knots)
    scores : float32 array of shape (n, n_steps, n_paths)

    Returns
    -------
    float32 array of shape (n, n_steps, n_paths)
    """
    step = np.float32(KNOTS[1] - KNOTS[0])
    at = np.clip((scores - np.float32(KNOTS[0])) / step, 0, len(KNOTS) - 1.0001)
    left = at.astype(np.int64)
    share = (at - left).astype(np.float32)
    table = values.astype(np.float32, copy=False)
    low = np.take_along_axis(table, left, axis=2)
    return np.asarray(low + share * (np.take_along_axis(table, left + 1, axis=2) - low))


def iterate_blocks(n_series: int, block: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the positions of all series, some at a time."""
    for start in range(0, n_series, block):
        yield np.arange(start, min(start + block, n_series))


def _name_nodes(nodes: Nodes, level: str) -> npt.NDArray[np.object_]:
    table = nodes.table.iloc[nodes.levels[level]]
    return name_pairs(table)


def _explained(nodes: Nodes, shocks: Shocks, series: npt.NDArray[np.int64]) -> Floats:
    """Return the shares that reach each series; 1 where it lies in all levels."""
    total = np.zeros(len(series))
    for level, share in zip(shocks.levels, shocks.passing + shocks.lasting, strict=True):
        total += np.where(code_series(nodes, level)[series] >= 0, share, 0.0)
    return np.where(total > 0, total, 1.0)


def _draw(name: str, shape: tuple[int, int], seed: int) -> Paths:
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return rng.standard_normal(shape, dtype=np.float32)
