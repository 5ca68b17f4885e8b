"""Stock policies over the scored folds of a backtest: simulated with lost sales, in money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.panel import Panel
from models.demand.coherent import draw_block
from models.stock.policy import StockLevels, set_levels_by_cost, set_levels_by_service
from models.stock.protection import sum_interval_demand
from models.stock.scores import PolicyScore, find_saving
from models.stock.simulation import compare_policies
from models.stock.tuning import tune_service_level
from training.demand.calibration import CalibratedFold
from training.demand.stock_inputs import Rules
from training.demand.stock_peers import (
    MEAN_SD,
    NAIVE,
    Past,
    add_quantiles,
    set_by_rules,
    set_independent,
)

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

ALMANAC, TUNED = "almanac", "almanac_tuned"
ADDED, INDEPENDENT = "lightgbm_quantiles", "lightgbm_independent"
MAX_SERIES = 1_000
"""Series that are simulated; of more, evenly spaced ones."""
LEAD_TIME_DRAWS = 8
"""Runs of the same demand with other lead times."""
COLUMNS = (
    "policy", "fill_rate", "cycle_service_level", "mean_on_hand", "demand_units", "lost_units",
    "orders", "holding_money", "lost_money", "order_money", "total_money",
    "saving", "saving_low", "saving_high", "n_series", "n_periods", "money",
)  # fmt: skip


def score_policies(
    panel: Panel, folds: Sequence[CalibratedFold], rules: Rules, seed: int
) -> pd.DataFrame:
    """Simulate stock policies over what was really sold in the scored folds.

    Every policy knows what was known at the origin of the fold, meets the same demand with the
    same lead times, and starts with its own level. Levels for reviews late in a fold come from
    the same origin: a policy in use, which forecasts at every review, does better than all here.

    Parameters
    ----------
    panel : Panel
    folds : sequence of CalibratedFold
    rules : Rules
    seed : int

    Returns
    -------
    DataFrame
        One row per policy, `COLUMNS`; savings are against the seasonal naive rule, with a 95 %
        interval over series. Empty where no series was listed in all scored folds.
    """
    scored = [fold for fold in folds if fold.fold.is_scored]
    listed = np.all([fold.made.members.is_listed for fold in scored], axis=0)
    chosen = np.flatnonzero(listed)
    if len(chosen) == 0:
        return pd.DataFrame(columns=list(COLUMNS))
    chosen = chosen[:: -(-len(chosen) // MAX_SERIES)]
    past = _lay_out(panel, scored, chosen, rules.review_periods)
    levels = _set_all_levels(panel, scored, chosen, past, rules, seed)
    mean_days = np.full(len(chosen), rules.settings.lead_time_days)
    n_reviews = len(past.reviews)
    leads = rules.draw_lead_times(mean_days, n_reviews * LEAD_TIME_DRAWS, seed + 1)
    costs, words = rules.price()
    reach = rules.review_periods + int(np.ceil(rules.settings.lead_time_days / rules.days))
    scores = compare_policies(
        np.repeat(past.demand[:, :, None], LEAD_TIME_DRAWS, axis=2),
        levels,
        lead_times=leads.reshape(len(chosen), n_reviews, LEAD_TIME_DRAWS),
        costs=costs,
        review_periods=rules.review_periods,
        pack_size=rules.settings.pack_size,
        minimum_order=rules.settings.minimum_order,
        warm_up=reach if past.n_periods >= 4 * reach else 0,
    )
    return _tabulate(scores, past.n_periods, words)


def _lay_out(
    panel: Panel, scored: Sequence[CalibratedFold], chosen: Whole, review_periods: int
) -> Past:
    """Join the folds: each up to the next one's origin, the last one to the end of its horizon."""
    n_steps = scored[0].made.members.n_steps
    origins = np.array([fold.fold.origin for fold in scored])
    lengths = np.append(np.minimum(np.diff(origins), n_steps), n_steps)
    starts = origins + 1 - panel.first_period
    fold_of = np.repeat(np.arange(len(scored)), lengths)
    step_of = np.concatenate([np.arange(length) for length in lengths])
    reviews = [
        (int(fold_of[at]), int(step_of[at])) for at in range(0, len(fold_of), review_periods)
    ]
    return Past(_read_sales(panel, chosen), starts, reviews, len(fold_of))


def _read_sales(panel: Panel, chosen: Whole) -> Floats:
    """Return what was sold; on a stock-out what was sold all the same, before listing nothing."""
    width = panel.origin_period - panel.first_period + 1
    sales = np.zeros((len(chosen), width))
    rows = panel.series.iloc[chosen]
    pairs = zip(rows["first_period"].to_numpy(), rows["start_row"].to_numpy(), strict=True)
    for place, (first, start) in enumerate(pairs):
        count = panel.origin_period - first + 1
        units = panel.units[start : start + count]
        filled = np.where(np.isfinite(units), units, panel.sold[start : start + count])
        sales[place, first - panel.first_period :] = np.nan_to_num(filled)
    return sales


def _set_all_levels(
    panel: Panel,
    scored: Sequence[CalibratedFold],
    chosen: Whole,
    past: Past,
    rules: Rules,
    seed: int,
) -> dict[str, tuple[Floats, Floats]]:
    """Return reorder points and order-up-to levels by policy, shape (n_series, n_reviews)."""
    own = _set_by_paths(scored, chosen, past, rules, seed)
    points = np.stack([level.reorder_point for level in own], axis=1)
    tuned = _set_tuned(scored, chosen, past, rules, seed)
    lots = np.stack([level.order_up_to for level in own], axis=1) - points
    share = own[0].service_level
    interval = rules.settings.lead_time_days / rules.days + rules.review_periods
    peers = set_by_rules(panel, past, rules, interval, share)
    peers[ADDED] = add_quantiles(scored, chosen, past, int(np.ceil(interval)), share)
    peers[INDEPENDENT] = set_independent(scored, chosen, past, rules, share, seed)
    # Lots follow from the cost of an order, not from the forecast: all policies have the same.
    every = {ALMANAC: points, **tuned, **peers}
    return {name: (level, level + lots) for name, level in every.items()}


def _set_by_paths(
    scored: Sequence[CalibratedFold],
    chosen: Whole,
    past: Past,
    rules: Rules,
    seed: int,
    share: Floats | None = None,
) -> list[StockLevels]:
    """Return the levels at each review; of a share for each series instead of the settings' aim."""
    found, drawn_of, drawn = [], -1, np.empty(0, np.float32)
    for fold, step in past.reviews:
        if fold != drawn_of:
            drawn, drawn_of = _draw(scored[fold], chosen, seed), fold
        found.append(_set_levels(drawn[:, step:], rules, seed, share))
    return found


def _draw(fold: CalibratedFold, chosen: Whole, seed: int) -> npt.NDArray[np.float32]:
    names = fold.made.members.nodes.names
    drawn = draw_block(fold.made, fold.calibration.shocks, names, chosen, seed)
    return np.maximum(drawn, np.float32(0.0))


def _set_tuned(
    scored: Sequence[CalibratedFold],
    chosen: Whole,
    past: Past,
    rules: Rules,
    seed: int,
) -> dict[str, Floats]:
    """Set levels of the service level that pays with lost sales on the first fold's sample paths.

    Nothing where lead time and review reach beyond the paths.
    """
    drawn = _draw(scored[0], chosen, seed)
    mean_days = np.full(len(chosen), rules.settings.lead_time_days)
    leads = rules.draw_lead_times(mean_days, drawn.shape[2], seed)
    if int(leads.max()) + rules.review_periods > drawn.shape[1]:
        return {}
    share = tune_service_level(
        drawn,
        leads,
        costs=rules.price()[0],
        review_periods=rules.review_periods,
        pack_size=rules.settings.pack_size,
        minimum_order=rules.settings.minimum_order,
    )
    levels = _set_by_paths(scored, chosen, past, rules, seed, share)
    return {TUNED: np.stack([level.reorder_point for level in levels], axis=1)}


def _set_levels(
    drawn: npt.NDArray[np.float32], rules: Rules, seed: int, share: Floats | None
) -> StockLevels:
    mean_days = np.full(len(drawn), rules.settings.lead_time_days)
    leads = rules.draw_lead_times(mean_days, drawn.shape[2], seed)
    demand = sum_interval_demand(
        drawn, leads, review_periods=rules.review_periods, is_extended=True
    )
    aim = rules.service_level if share is None else share
    if aim is not None:
        return set_levels_by_service(demand, aim)
    return set_levels_by_cost(
        demand,
        review_periods=rules.review_periods,
        lost_margin=rules.lost_margin or 0.0,
        holding_cost=rules.holding_cost or 0.0,
        order_cost=rules.settings.order_cost,
    )


def _tabulate(scores: Mapping[str, PolicyScore], n_periods: int, words: str) -> pd.DataFrame:
    against = scores.get(NAIVE, scores[MEAN_SD])
    rows = []
    for name, score in scores.items():
        saving = find_saving(score, against)
        rows.append(
            {
                "policy": name,
                "fill_rate": score.fill_rate,
                "cycle_service_level": score.cycle_service_level,
                "mean_on_hand": float(score.mean_on_hand.sum()),
                "demand_units": float(score.demand_units.sum()),
                "lost_units": float(score.lost_units.sum()),
                "orders": float(score.orders.sum()),
                "holding_money": float(score.holding_cost.sum()),
                "lost_money": float(score.lost_margin.sum()),
                "order_money": float(score.order_cost.sum()),
                "total_money": float(score.total_cost.sum()),
                "saving": saving.money,
                "saving_low": saving.lower,
                "saving_high": saving.upper,
                "n_series": len(score.orders),
                "n_periods": n_periods,
                "money": words,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
