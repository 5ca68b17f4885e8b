"""The demand that an order has to bridge, summed along each sample path.

Quantiles of days do not add up to the quantile of their sum: demand is summed along each path, over
the lead time drawn for it and the time to the next review, before any quantile is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.stock.inputs import Floats, Whole, check_paths, check_values, split_items
from models.stock.lead_times import read_lead_times


@dataclass(frozen=True)
class IntervalDemand:
    """Demand over the intervals that an order has to bridge, along each sample path.

    Attributes
    ----------
    protection : array of shape (n_items, n_paths)
        Units over the lead time and the time to the next review.
    lead_time_mean : array of shape (n_items,)
        Mean units over the lead time alone.
    review : array of shape (n_items, n_paths)
        Units of that until the next review.
    beyond_share : array of shape (n_items,)
        Share of paths whose interval ends after the last period; 0 to 1.
    """

    protection: Floats
    lead_time_mean: Floats
    review: Floats
    beyond_share: Floats


def sum_interval_demand(
    paths: npt.NDArray[np.floating],
    lead_times: npt.ArrayLike,
    *,
    review_periods: int = 1,
    is_extended: bool = False,
) -> IntervalDemand:
    """Sum demand along each path over its own lead time and the time to the next review.

    An order placed at the start of period 0 is followed by one at `review_periods`, which arrives
    its lead time later: until then, periods 0 to review + lead time - 1, this one must last.

    Parameters
    ----------
    paths : array of shape (n_items, n_periods, n_paths)
        Units per period from the order on; >= 0, no NaN. float32 is not copied as a whole.
    lead_times : number, array of shape (n_items,) or (n_items, n_paths)
        Whole periods; one for each path when they are uncertain.
    review_periods : int
        Periods between two reviews (R); >= 1.
    is_extended : bool
        Carry a path on at its own mean where the interval ends after the last period, instead of
        raising an error.

    Returns
    -------
    IntervalDemand
        The units of `paths`.

    Raises
    ------
    ValueError
        If paths, lead times or review are out of range, or the paths are too short.
    """
    check_paths(paths)
    n_items, n_periods, n_paths = paths.shape
    check_review(review_periods)
    leads = read_lead_times(lead_times, (n_items, n_paths))
    ends = leads + review_periods
    if not is_extended:
        check_covered(ends, n_periods)
    protection, review = np.empty((n_items, n_paths)), np.empty((n_items, n_paths))
    lead_mean = np.empty(n_items)
    for rows in split_items(paths.shape):
        totals = np.zeros((rows.stop - rows.start, n_periods + 1, n_paths))
        np.cumsum(paths[rows], axis=1, dtype=np.float64, out=totals[:, 1:])
        protection[rows] = _sum_until(totals, ends[rows])
        lead_mean[rows] = _sum_until(totals, leads[rows]).mean(axis=1)
        review[rows] = _sum_until(totals, np.full_like(ends[rows], review_periods))
    return IntervalDemand(protection, lead_mean, review, (ends > n_periods).mean(axis=1))


def check_review(review_periods: int) -> None:
    """Check that a review interval is a whole number of periods, one at least."""
    check_values("review_periods", review_periods, at_least=1.0)
    if int(review_periods) != review_periods:
        raise ValueError(f"review_periods: expected a whole number, got {review_periods}; round it")


def check_covered(ends: Whole, n_periods: int) -> None:
    """Check that no interval, shape (n_items, n_paths), ends after the last period."""
    longest = int(ends.max(initial=0))
    if longest > n_periods:
        item = int(np.argwhere(ends > n_periods)[0, 0])
        raise ValueError(
            f"paths: expected {longest} periods, the longest lead time and review, got {n_periods} "
            f"(first for item {item}); forecast further ahead, or extend the paths at their mean"
        )


def _sum_until(totals: Floats, ends: Whole) -> Floats:
    """Return running totals at each path's end; beyond the last one at the path's own mean."""
    last = totals.shape[1] - 1
    at = np.minimum(ends, last)[:, None, :]
    summed = np.take_along_axis(totals, at, axis=1)[:, 0, :]
    return np.asarray(summed * np.maximum(ends / last, 1.0))
