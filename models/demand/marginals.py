"""The distribution of each series' units in each period, around its mean, as values at z knots.

Three candidates are averaged at each probability: LightGBM's quantiles, past ratios of units to
mean, and past residuals in units of the series' own error. How much each counts is learned from
the pinball loss of earlier forecasts; what then remains wrong with the probabilities is corrected
by pooled conformal recalibration, per horizon bucket and volume class.

References
----------
.. [1] Romano, Patterson & Candès (2019), "Conformalized Quantile Regression".
.. [2] Kuleshov, Fenner & Ermon (2018), "Accurate uncertainties for deep learning using calibrated
   regression" (recalibration of probabilities).
.. [3] Czado, Gneiting & Held (2009), "Predictive model assessment for count data" (the randomised
   probability integral transform).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from models.demand.quantiles import NODES, QUANTILES

Floats = npt.NDArray[np.float64]

KNOTS = np.arange(-3.0, 3.01, 0.25)
"""Standard normal scores at which a distribution is kept."""
PROBABILITIES = stats.norm.cdf(KNOTS)
_MASS = np.diff(stats.norm.cdf(np.concatenate([[-np.inf], (KNOTS[1:] + KNOTS[:-1]) / 2, [np.inf]])))
CANDIDATES = ("lightgbm", "ratio", "residual")
N_RATIO_BINS = 8
N_CLASSES = 3
MIN_ROWS = 150
_FEW_FREEDOM = 4


@dataclass(frozen=True)
class Rows:
    """Forecasts of single series and periods, whatever origin they were made from.

    Attributes
    ----------
    mean : array of shape (n_rows,)
    lightgbm : array of shape (n_rows,)
        LightGBM's own mean, which its quantiles belong to.
    nodes : array of shape (n_rows, 5)
        LightGBM's quantiles at `NODES`.
    error : array of shape (n_rows,)
        Typical error of the row's series, in units, > 0.
    bucket : array of str, shape (n_rows,)
    """

    mean: Floats
    lightgbm: Floats
    nodes: Floats
    error: Floats
    bucket: npt.NDArray[np.str_]

    def take(self, where: npt.NDArray[Any]) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.mean[where],
            self.lightgbm[where],
            self.nodes[where],
            self.error[where],
            self.bucket[where],
        )


@dataclass(frozen=True)
class Pools:
    """Past ratios and residuals by bucket, as values at `KNOTS`.

    Attributes
    ----------
    ratio_edges, class_edges : tuple of float
        Bounds of the bins of the mean.
    ratio, residual : dict of 'bucket|bin' to array of shape (n_knots,)
        '' pools everything.
    """

    ratio_edges: tuple[float, ...]
    class_edges: tuple[float, ...]
    ratio: Mapping[str, Floats]
    residual: Mapping[str, Floats]


def fit_pools(rows: Rows, units: Floats) -> Pools:
    """Learn the pools from forecasts whose outcome is known."""
    ratio_edges = _edges(rows.mean, N_RATIO_BINS)
    class_edges = _edges(rows.mean, N_CLASSES)
    ratio = units / np.maximum(rows.mean, 1e-9)
    residual = (units - rows.mean) / rows.error
    return Pools(
        ratio_edges,
        class_edges,
        _pool(ratio[rows.mean > 0], name_bins(rows, ratio_edges)[rows.mean > 0], 1.0),
        _pool(residual, name_bins(rows, class_edges), 0.0),
    )


def build_candidates(rows: Rows, pools: Pools | None) -> Floats:
    """Return the three candidates, shape (3, n_rows, n_knots); without pools all are LightGBM's."""
    scale = np.clip(rows.mean / np.maximum(rows.lightgbm, 1e-9), 0.1, 10.0)
    at = stats.norm.ppf(NODES)
    modelled = _interpolate(at, np.sort(rows.nodes, axis=1) * scale[:, None], KNOTS)
    if pools is None or "" not in pools.ratio:
        return np.asarray(np.stack([_centre(modelled, rows.mean)] * len(CANDIDATES)))
    ratio = rows.mean[:, None] * _look_up(pools.ratio, name_bins(rows, pools.ratio_edges))
    offsets = _look_up(pools.residual, name_bins(rows, pools.class_edges))
    residual = rows.mean[:, None] + rows.error[:, None] * offsets
    return np.stack([_centre(values, rows.mean) for values in (modelled, ratio, residual)])


def name_bins(rows: Rows, edges: tuple[float, ...]) -> npt.NDArray[np.str_]:
    """Name each row's pool: its horizon bucket and the bin of its mean, such as '8-14|2'."""
    bins = np.searchsorted(np.asarray(edges), rows.mean, side="right")
    return np.char.add(np.char.add(rows.bucket, "|"), bins.astype(str))


@dataclass(frozen=True)
class Marginals:
    """What turns a mean into a distribution.

    Attributes
    ----------
    pools : Pools or None
        None before anything was learned.
    weights : array of shape (3,)
        Of the `CANDIDATES`.
    recalibration : dict of 'bucket|class' to array of shape (n_knots,)
        Normal score to read the average at instead of each knot; '' pools everything.
    smallest_sale : float
        A value below half of it is zero.
    """

    pools: Pools | None
    weights: Floats
    recalibration: Mapping[str, Floats]
    smallest_sale: float

    def predict(self, rows: Rows) -> Floats:
        """Return each row's distribution, shape (n_rows, n_knots): ascending, >= 0, mean kept."""
        candidates = build_candidates(rows, self.pools)
        values = np.tensordot(self.weights, candidates, axes=1)
        if self.recalibration and self.pools is not None:
            groups = name_bins(rows, self.pools.class_edges)
            for group in np.unique(groups):
                member = groups == group
                scores = self.recalibration.get(str(group), self.recalibration[""])
                values[member] = _interpolate(KNOTS, values[member], scores)
        values = _centre(values, rows.mean)
        return np.where(values < self.smallest_sale / 2, 0.0, values)


@dataclass(frozen=True)
class Trial:
    """Candidates of an earlier origin, made from what was known then, and what came.

    Attributes
    ----------
    candidates : array of shape (3, n_rows, n_knots)
    rows : Rows
    units : array of shape (n_rows,)
    periods : array of int, shape (n_rows,)
        When it came.
    """

    candidates: Floats
    rows: Rows
    units: Floats
    periods: npt.NDArray[np.int64]

    def until(self, period: int) -> Trial:
        """Return what is known up to a period."""
        known = self.periods <= period
        return Trial(
            self.candidates[:, known], self.rows.take(known), self.units[known], self.periods[known]
        )


def fit_marginals(
    rows: Rows, units: Floats, trials: list[Trial], smallest_sale: float, seed: int
) -> Marginals:
    """Learn pools from all known rows, and weights and recalibration from the trials.

    Parameters
    ----------
    rows, units : Rows, array of shape (n_rows,)
        All earlier forecasts with a known outcome.
    trials : list of Trial
        Honest candidates of earlier origins.
    smallest_sale : float
        Of the training data, in units.
    seed : int
        Breaks the ties of the probability integral transform.
    """
    if not len(units):
        return Marginals(None, np.array([1.0, 0.0, 0.0]), {}, smallest_sale)
    pools = fit_pools(rows, units)
    tried = [trial for trial in trials if len(trial.units)]
    if sum(len(trial.units) for trial in tried) < MIN_ROWS:
        # Too little to choose by, or to learn quantiles from: the errors that were made have to do.
        return Marginals(pools, np.array([0.0, 0.0, 1.0]), {}, smallest_sale)
    candidates = np.concatenate([trial.candidates for trial in tried], axis=1)
    actual = np.concatenate([trial.units for trial in tried])
    weights = _choose_weights(candidates, actual)
    values = np.tensordot(weights, candidates, axes=1)
    values = np.where(values < smallest_sale / 2, 0.0, values)
    groups = np.concatenate([name_bins(trial.rows, pools.class_edges) for trial in tried])
    scores = transform(values, actual, np.random.default_rng(seed))
    return Marginals(pools, weights, _recalibrate(scores, groups), smallest_sale)


def transform(values: Floats, units: Floats, rng: np.random.Generator) -> Floats:
    """Return the randomised probability integral transform of what came, shape (n_rows,).

    Parameters
    ----------
    values : array of shape (n_rows, n_knots)
        Distributions, ascending.
    units : array of shape (n_rows,)
    rng : Generator
        Where several knots have the value that came, as at zero, any of them may be meant.
    """
    below = (values < units[:, None]).sum(axis=1)
    up_to = (values <= units[:, None]).sum(axis=1)
    low = _probability_at(values, units, below)
    high = _probability_at(values, units, up_to)
    return np.asarray(low + rng.random(len(units)) * (high - low))


def read_quantiles(values: Floats) -> Floats:
    """Return the published quantiles of distributions at `KNOTS`: shape (n_rows, 9)."""
    return _interpolate(KNOTS, values, stats.norm.ppf(QUANTILES))


def find_deviation(values: Floats) -> Floats:
    """Return the standard deviation of distributions at `KNOTS`: shape (n_rows,)."""
    mean = values @ _MASS
    return np.asarray(np.sqrt(np.maximum(values**2 @ _MASS - mean**2, 0.0)))


def find_slope(values: Floats) -> Floats:
    """Return E[x z], how much of each distribution moves in step with its normal score.

    The first Hermite coefficient: with scores correlated by r, two distributions have a covariance
    of about r times the product of their slopes; less than r times that of their deviations where
    they are skewed or often zero. Shape (n_rows,), in units.
    """
    return np.asarray(values @ (_MASS * KNOTS))


def _probability_at(values: Floats, units: Floats, place: npt.NDArray[np.int64]) -> Floats:
    """Interpolate the probability of `units` between the knots before and at `place`."""
    last = len(KNOTS) - 1
    right = np.clip(place, 1, last)
    rows = np.arange(len(values))
    lower, upper = values[rows, right - 1], values[rows, right]
    gap = upper - lower
    share = np.divide(units - lower, gap, out=np.full(len(gap), 0.5), where=gap > 0)
    score = KNOTS[right - 1] + np.clip(share, 0.0, 1.0) * (KNOTS[right] - KNOTS[right - 1])
    found = stats.norm.cdf(score)
    return np.where(place == 0, 0.0, np.where(place > last, 1.0, found))


def _recalibrate(scores: Floats, groups: npt.NDArray[np.str_]) -> dict[str, Floats]:
    found = {"": _recalibration(scores)}
    for group in np.unique(groups):
        member = groups == group
        if member.sum() >= MIN_ROWS:
            found[str(group)] = _recalibration(scores[member])
    return found


def _recalibration(scores: Floats) -> Floats:
    """Return the normal scores whose probability was reached as often as each knot says."""
    ordered = np.sort(scores)
    rank = np.ceil((len(ordered) + 1) * PROBABILITIES) - 1
    at = ordered[np.clip(rank, 0, len(ordered) - 1).astype(np.int64)]
    # The tails hold too few rows to be corrected by more than their own width.
    inside = (rank >= 1) & (rank < len(ordered) - 1)
    at = np.where(inside, at, PROBABILITIES)
    found = stats.norm.ppf(np.clip(at, PROBABILITIES[0] / 4, 1 - PROBABILITIES[0] / 4))
    return np.asarray(np.maximum.accumulate(found))


def _choose_weights(candidates: Floats, units: Floats) -> Floats:
    """Return the weights, in quarters, whose average has the lowest pinball loss."""
    wanted = np.stack([read_quantiles(values) for values in candidates])
    at = np.asarray(QUANTILES)
    best, chosen = np.inf, np.array([1.0, 0.0, 0.0])
    for parts in product(range(5), repeat=2):
        if sum(parts) > 4:
            continue
        weights = np.array([4 - sum(parts), *parts]) / 4
        error = units[:, None] - np.tensordot(weights, wanted, axes=1)
        loss = float(np.maximum(at * error, (at - 1.0) * error).sum())
        if loss < best * (1 - 1e-9):
            best, chosen = loss, weights
    return chosen


def _pool(values: Floats, groups: npt.NDArray[np.str_], centre: float) -> dict[str, Floats]:
    if not len(values):
        return {}
    found = {"": _quantiles(values, centre)}
    for group in np.unique(groups):
        member = groups == group
        if member.sum() >= MIN_ROWS:
            found[str(group)] = _quantiles(values[member], centre)
    return found


def _quantiles(values: Floats, centre: float) -> Floats:
    """Return conformal quantiles at the knots: the ⌈(n + 1)·p⌉-th smallest value.

    Few values have no tails: they give the spread of Student's t around the centre instead.
    """
    if len(values) < MIN_ROWS:
        spread = np.sqrt(np.mean((values - centre) ** 2))
        return np.asarray(centre + spread * stats.t.ppf(PROBABILITIES, df=_FEW_FREEDOM))
    ordered = np.sort(values)
    rank = np.ceil((len(ordered) + 1) * PROBABILITIES) - 1
    return np.asarray(ordered[np.clip(rank, 0, len(ordered) - 1).astype(np.int64)])


def _look_up(pools: Mapping[str, Floats], groups: npt.NDArray[np.str_]) -> Floats:
    names, places = np.unique(groups, return_inverse=True)
    table = [pools.get(str(name), pools[""]) for name in names]
    return np.array(table).reshape(-1, len(KNOTS))[places]  # no rows have knots, too


def _edges(mean: Floats, n_bins: int) -> tuple[float, ...]:
    inner = np.quantile(mean, np.arange(1, n_bins) / n_bins)
    return tuple(float(edge) for edge in np.unique(inner))


def _centre(values: Floats, mean: Floats) -> Floats:
    """Cut at zero, and scale so that the distribution has the mean it should have."""
    cut = np.maximum(values, 0.0)
    own = cut @ _MASS
    factor = np.divide(mean, own, out=np.ones_like(own), where=own > 1e-9)
    return np.asarray(cut * np.where(mean > 0, np.clip(factor, 0.2, 5.0), 0.0)[:, None])


def _interpolate(at: Floats, values: Floats, wanted: Floats) -> Floats:
    """Interpolate columns linearly, and go on with the last slope beyond them."""
    right = np.clip(np.searchsorted(at, wanted), 1, len(at) - 1)
    share = (wanted - at[right - 1]) / (at[right] - at[right - 1])
    return np.asarray(values[:, right - 1] * (1 - share) + values[:, right] * share)
