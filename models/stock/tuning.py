"""The service level that pays where unmet demand is lost, found by simulation.

The critical ratio reckons as if demand that finds no stock waited for it. Where it is lost instead,
and the lead time is longer than the review interval, that holds too much: an order on its way is
needed less when sales were lost meanwhile. Nor does the ratio know how wrong the sample paths are.
So service levels are tried out: on past sales, with the paths that were forecast at each review;
or, where there is no such past, on the sample paths themselves.

References
----------
.. [1] Bijvank & Vis (2011), "Lost-sales inventory theory: a review", European Journal of
   Operational Research 215(1).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.stock.inputs import Floats, Whole, check_paths, read_per_item, split_items
from models.stock.lead_times import read_lead_times
from models.stock.newsvendor import find_sample_quantile
from models.stock.protection import check_covered, check_review, sum_interval_demand
from models.stock.scores import Costs
from models.stock.simulation import simulate_policy

CANDIDATES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99)
"""Service levels that are tried."""
MAX_PATHS = 32
"""Sample paths that are simulated for each item; more of them change the choice little."""


def score_service_levels(
    demand: npt.NDArray[np.floating],
    protection: npt.NDArray[np.floating],
    *,
    lead_times: npt.ArrayLike,
    costs: Costs,
    review_periods: int = 1,
    pack_size: npt.ArrayLike = 1.0,
    minimum_order: npt.ArrayLike = 0.0,
    warm_up: int = 0,
    candidates: tuple[float, ...] = CANDIDATES,
) -> Floats:
    """Return what each service level would have cost, level by level on the same demand.

    Parameters
    ----------
    demand, lead_times, costs, review_periods, pack_size, minimum_order, warm_up
        As in `models.stock.simulation.simulate_policy`: past sales, with one path.
    protection : array of shape (n_items, n_reviews, n_samples)
        Demand over lead time and review as it was forecast at each review: `protection` of
        `sum_interval_demand`, in units.
    candidates : tuple of float
        Service levels to try, above 0 and below 1.

    Returns
    -------
    array of shape (n_items, n_candidates)
        Money.

    Raises
    ------
    ValueError
        If an input is NaN, out of range or of another shape.
    """
    if protection.ndim != 3:
        raise ValueError(
            f"protection: expected shape (n_items, n_reviews, n_samples), got {protection.shape}; "
            "stack the reviews in the middle"
        )
    ordered = np.sort(protection, axis=2)
    totals = []
    for share in candidates:
        levels = find_sample_quantile(ordered, share)
        score = simulate_policy(
            demand,
            levels,
            levels,
            lead_times=lead_times,
            costs=costs,
            review_periods=review_periods,
            pack_size=pack_size,
            minimum_order=minimum_order,
            warm_up=warm_up,
        )
        totals.append(score.total_cost)
    return np.stack(totals, axis=1)


def pick_service_level(
    money: Floats,
    *,
    groups: npt.ArrayLike | None = None,
    candidates: tuple[float, ...] = CANDIDATES,
) -> Floats:
    """Return the cheapest service level of each item, or of each group of items together.

    Parameters
    ----------
    money : array of shape (n_items, n_candidates)
        From `score_service_levels`.
    groups : array of shape (n_items,), optional
        Labels of groups that share a level: one past is too short to choose for one item.
        Default: each item by itself.
    candidates : tuple of float
        The ones that were scored.

    Returns
    -------
    array of shape (n_items,)
        For `set_levels_by_service`; the first of equals.

    Examples
    --------
    >>> money = np.array([[3.0, 1.0], [1.0, 2.0]])
    >>> pick_service_level(money, groups=["a", "a"], candidates=(0.5, 0.9)).tolist()
    [0.9, 0.9]
    """
    shares = np.asarray(candidates, dtype=np.float64)
    if groups is None:
        return np.asarray(shares[np.argmin(money, axis=1)])
    _, code = np.unique(np.asarray(groups), return_inverse=True)
    pooled = np.zeros((int(code.max(initial=-1)) + 1, len(shares)))
    np.add.at(pooled, code, money)
    return np.asarray(shares[np.argmin(pooled, axis=1)][code])


def tune_service_level(
    paths: npt.NDArray[np.floating],
    lead_times: npt.ArrayLike,
    *,
    costs: Costs,
    review_periods: int = 1,
    pack_size: npt.ArrayLike = 1.0,
    minimum_order: npt.ArrayLike = 0.0,
    candidates: tuple[float, ...] = CANDIDATES,
) -> Floats:
    """Find each item's cheapest service level with lost sales, taking its sample paths as true.

    The horizon is run through twice, another path joining on each time, and only the second run is
    counted. At each review the level is the quantile of the demand that then lies ahead, so that a
    season within the horizon is followed as it would be in use. Paths that are surer than they
    should be lead to levels that are too low: prefer past sales, by `score_service_levels`.

    Parameters
    ----------
    paths : array of shape (n_items, n_periods, n_paths)
        Demand in units per period; whole seasons, such as 28 days, join without a seam.
    lead_times : number, array of shape (n_items,) or (n_items, n_paths)
        Whole periods.
    costs : Costs
        Money.
    review_periods : int
        Periods between two reviews.
    pack_size, minimum_order : number or array of shape (n_items,)
        Units per pack, and least units of an order.
    candidates : tuple of float
        Service levels to try, above 0 and below 1.

    Returns
    -------
    array of shape (n_items,)
        One of `candidates` for each item, the first of equals; for `set_levels_by_service`.

    Raises
    ------
    ValueError
        If an input is NaN, out of range or of another shape, or the paths are shorter than lead
        time and review.
    """
    check_paths(paths)
    check_review(review_periods)
    n_items, n_periods, n_paths = paths.shape
    kept = slice(None, None, -(-n_paths // MAX_PATHS))
    leads = read_lead_times(lead_times, (n_items, n_paths))[:, kept]
    check_covered(leads + review_periods, n_periods)
    pack = read_per_item("pack_size", pack_size, n_items)
    least = read_per_item("minimum_order", minimum_order, n_items)
    best = np.empty(n_items)
    for rows in split_items((n_items, 3 * n_periods * leads.shape[1])):
        demand, ahead, placed = _join(paths[rows][:, :, kept], leads[rows], int(review_periods))
        money = score_service_levels(
            demand,
            ahead,
            lead_times=placed,
            costs=costs.take(rows, n_items),
            review_periods=review_periods,
            pack_size=pack[rows],
            minimum_order=least[rows],
            warm_up=n_periods,
            candidates=candidates,
        )
        best[rows] = pick_service_level(money, candidates=candidates)
    return best


def _join(
    paths: npt.NDArray[np.floating], leads: Whole, review_periods: int
) -> tuple[Floats, Floats, Whole]:
    """Return demand over twice the horizon, and by review the demand ahead and the lead times."""
    n_periods = paths.shape[1]
    reach = int(leads.max(initial=0)) + review_periods
    long = np.concatenate(
        [np.roll(paths, turn, axis=2) for turn in range(3)], axis=1, dtype=np.float64
    )
    ahead, placed = [], []
    for number, start in enumerate(range(0, 2 * n_periods, review_periods)):
        placed.append(np.roll(leads, number, axis=1))
        window = long[:, start : start + reach]
        summed = sum_interval_demand(window, placed[-1], review_periods=review_periods)
        ahead.append(summed.protection)
    return long[:, : 2 * n_periods], np.stack(ahead, axis=1), np.stack(placed, axis=1)
