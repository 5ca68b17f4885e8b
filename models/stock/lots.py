"""Lots: reorder points and order-up-to levels where an order costs something whatever its size.

Orders then come less often than reviews. A review finds the position below s by an undershoot U,
the residual life of the demand between two reviews, so that s has to bridge the lead time's demand
and U, and S = s + Q less the mean of U.

References
----------
.. [1] Silver, Pyke & Thomas (2017), "Inventory and Production Management in Supply Chains", 4th
   ed., chapter 6.
.. [2] Karlin (1958), "The application of renewal theory to the study of inventory policies", in
   "Studies in the Mathematical Theory of Inventory and Production".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.stock.inputs import ROUNDING, Floats, Whole, read_per_item, split_items
from models.stock.protection import IntervalDemand

UNDERSHOOT_STEPS = (np.arange(8) + 0.5) / 8
"""Where in the demand between two reviews the position may fall through s."""


def find_economic_lots(
    demand: IntervalDemand,
    review_periods: int,
    *,
    order_cost: npt.ArrayLike,
    holding_cost: npt.ArrayLike,
) -> Floats:
    """Return the economic order quantity, sqrt(2 K d / h), at the mean demand of the next review.

    Parameters
    ----------
    demand : IntervalDemand
        From `sum_interval_demand`.
    review_periods : int
        The one that `demand` was summed with.
    order_cost : number or array of shape (n_items,)
        Money per order (K); >= 0.
    holding_cost : number or array of shape (n_items,)
        Money per unit held over one period (h); > 0 where an order costs anything.

    Returns
    -------
    array of shape (n_items,)
        Units.

    Raises
    ------
    ValueError
        If a cost is out of range.
    """
    n_items = len(demand.review)
    fixed = read_per_item("order_cost", order_cost, n_items, at_least=0.0)
    holding = read_per_item("holding_cost", holding_cost, n_items, at_least=0.0)
    if ((fixed > 0) & (holding == 0)).any():
        raise ValueError(
            "holding_cost: expected > 0 where orders cost, got 0; lots would be endless"
        )
    rate = demand.review.mean(axis=1) / review_periods
    return np.asarray(np.sqrt(2 * fixed * rate / np.where(holding > 0, holding, 1.0)))


def find_lot_levels(demand: IntervalDemand, rows: Whole, share: Floats, lots: Floats) -> Floats:
    """Return s, S and the mean demand that s bridges, for some items.

    Parameters
    ----------
    demand : IntervalDemand
        Of all items.
    rows : array of shape (n_rows,)
        The items; their demand between reviews is not all zero, or their lots are.
    share : array of shape (n_rows,)
        Share of the outcomes that s covers.
    lots : array of shape (n_rows,)
        Units of an order (Q).

    Returns
    -------
    array of shape (n_rows, 3)
        In units.
    """
    found = np.empty((len(rows), 3))
    for part in split_items((len(rows), len(UNDERSHOOT_STEPS) * demand.review.shape[1])):
        review = demand.review[rows[part]]
        lead = demand.protection[rows[part]] - review
        # residual life: a path is met in proportion to its demand, anywhere within it
        total = review.sum(axis=1, keepdims=True)
        weight = np.where(total > 0, review, 1.0) / np.where(total > 0, total, review.shape[1])
        reach = lead[:, None, :] + UNDERSHOOT_STEPS[:, None] * review[:, None, :]
        undershoot = (weight * review).sum(axis=1) / 2
        found[part, 0] = _find_weighted_quantiles(reach, weight, share[part])
        found[part, 1] = found[part, 0] + np.maximum(lots[part] - undershoot, 0.0)
        found[part, 2] = undershoot + (weight * lead).sum(axis=1)
    return found


def _find_weighted_quantiles(values: Floats, weight: Floats, share: Floats) -> Floats:
    """Return the smallest value that covers a share of each row.

    `values` has shape (n_rows, n_steps, n_paths); `weight`, (n_rows, n_paths), sums to 1 by row.
    """
    flat = values.reshape(len(values), -1)
    order = np.argsort(flat, axis=1, kind="stable")
    spread = np.tile(weight / values.shape[1], (1, values.shape[1]))
    covered = np.cumsum(np.take_along_axis(spread, order, axis=1), axis=1)
    at = np.minimum((covered < share[:, None] - ROUNDING).sum(axis=1), flat.shape[1] - 1)
    picked = np.take_along_axis(order, at[:, None], axis=1)
    return np.asarray(np.take_along_axis(flat, picked, axis=1)[:, 0])
