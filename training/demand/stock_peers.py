"""The levels that others would set: planners by mean + z sd, and users of LightGBM's quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from features.region.panel import Panel
from models.demand.marginals import KNOTS
from models.demand.quantiles import NODES
from models.demand.shocks import read_scores
from models.stock.policy import set_levels_by_service
from models.stock.protection import sum_interval_demand
from models.stock.rules import set_mean_sd_levels, set_seasonal_naive_levels
from training.demand.calibration import CalibratedFold
from training.demand.stock_inputs import Rules

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

NAIVE, MEAN_SD = "seasonal_naive", "mean_sd"
N_PATHS = 200


@dataclass(frozen=True)
class Past:
    """Demand that the policies meet, and the reviews at which they set their levels.

    `sales` has shape (n_series, n_periods) from the first period of the panel on; `starts` are the
    first periods of the folds within it, `reviews` are (fold, step of that fold) by review.
    """

    sales: Floats
    starts: Whole
    reviews: list[tuple[int, int]]
    n_periods: int

    @property
    def demand(self) -> Floats:
        """What the policies meet, shape (n_series, n_periods)."""
        first = int(self.starts[0])
        return self.sales[:, first : first + self.n_periods]


def set_by_rules(
    panel: Panel, past: Past, rules: Rules, interval: float, share: Floats
) -> dict[str, Floats]:
    """Set levels by mean + z sd, at the origin of the fold of each review."""
    at = np.array([past.starts[fold] for fold, _ in past.reviews])
    found = {
        MEAN_SD: set_mean_sd_levels(
            past.sales,
            at,
            interval_periods=interval,
            service_level=share,
            lead_time_sd=rules.settings.lead_time_sd_days / rules.days,
        )
    }
    season = panel.frequency.season
    if at.min() > season + int(np.ceil(interval)):
        found[NAIVE] = set_seasonal_naive_levels(
            past.sales, at, interval_periods=interval, service_level=share, season=season
        )
    return found


def add_quantiles(
    scored: Sequence[CalibratedFold], chosen: Whole, past: Past, interval: int, share: Floats
) -> Floats:
    """Add LightGBM's quantiles of the single periods, as is often done and does not hold."""
    columns = []
    for fold, step in past.reviews:
        nodes = scored[fold].made.members.quantiles[chosen].astype(np.float64)
        each = _read_nodes(nodes, np.repeat(stats.norm.ppf(share)[:, None], nodes.shape[1], axis=1))
        ahead = each[:, step : step + interval]
        columns.append(ahead.mean(axis=1) * interval)
    return np.stack(columns, axis=1)


def set_independent(
    scored: Sequence[CalibratedFold],
    chosen: Whole,
    past: Past,
    rules: Rules,
    share: Floats,
    seed: int,
) -> Floats:
    """Sum draws from LightGBM's quantiles as if periods were independent of each other."""
    columns = []
    for fold, step in past.reviews:
        nodes = scored[fold].made.members.quantiles[chosen, step:].astype(np.float64)
        rng = np.random.default_rng([seed, fold, step])
        scores = rng.standard_normal((*nodes.shape[:2], N_PATHS), dtype=np.float32)
        knots = np.stack(
            [_read_nodes(nodes, np.full(nodes.shape[:2], knot)) for knot in KNOTS], axis=2
        )
        drawn = np.maximum(read_scores(knots, scores), np.float32(0.0))
        mean_days = np.full(len(drawn), rules.settings.lead_time_days)
        leads = rules.draw_lead_times(mean_days, drawn.shape[2], seed)
        demand = sum_interval_demand(
            drawn, leads, review_periods=rules.review_periods, is_extended=True
        )
        columns.append(set_levels_by_service(demand, share).reorder_point)
    return np.stack(columns, axis=1)


def _read_nodes(nodes: Floats, scores: Floats) -> Floats:
    """Read quantiles, shape (n, n_steps, 5), at normal scores (n, n_steps); flat beyond them."""
    at = stats.norm.ppf(NODES)
    ordered = np.sort(np.maximum(nodes, 0.0), axis=2)
    right = np.clip(np.searchsorted(at, scores), 1, len(at) - 1)
    share = np.clip((scores - at[right - 1]) / (at[right] - at[right - 1]), 0.0, 1.0)
    low = np.take_along_axis(ordered, (right - 1)[..., None], axis=2)[..., 0]
    high = np.take_along_axis(ordered, right[..., None], axis=2)[..., 0]
    return np.asarray(low + share * (high - low))
