"""What happens to the stock there is: stock-outs by day, units lost, days of cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.stock.inputs import (
    ROUNDING,
    Floats,
    check_paths,
    check_values,
    read_per_item,
    split_items,
)
from models.stock.newsvendor import find_sample_quantile

COVER_INTERVAL = (0.1, 0.9)
"""Quantiles of the days of cover that its interval reaches between."""


@dataclass(frozen=True)
class StockOutlook:
    """The stock of each item over the horizon, if nothing more is ordered.

    Attributes
    ----------
    stock_out_probability : array of shape (n_items, n_periods)
        Probability that some demand of that period is not met.
    stock_out_by : array of shape (n_items, n_periods)
        Probability of a stock-out in that period or before it.
    lost_units : array of shape (n_items, n_periods)
        Expected units of demand not met in that period.
    days_of_cover : array of shape (n_items, 3)
        Full periods before the first stock-out: 10 % quantile, median and 90 % quantile.
        The number of periods stands for "no stock-out within the horizon".
    """

    stock_out_probability: Floats
    stock_out_by: Floats
    lost_units: Floats
    days_of_cover: Floats


def project_stock(
    paths: npt.NDArray[np.floating],
    on_hand: npt.ArrayLike,
    *,
    reserved: npt.ArrayLike = 0.0,
    arrivals: npt.ArrayLike | None = None,
) -> StockOutlook:
    """Run the stock down along every sample path; demand that finds none is lost.

    Parameters
    ----------
    paths : array of shape (n_items, n_periods, n_paths)
        Demand in units per period; >= 0, no NaN.
    on_hand : number or array of shape (n_items,)
        Units at the start of period 0.
    reserved : number or array of shape (n_items,)
        Units of it that are promised to others; what is not there yet is taken from arrivals.
    arrivals : array of shape (n_items, n_periods), optional
        Units on order by the period at whose start they arrive; default none.

    Returns
    -------
    StockOutlook
        Units and probabilities; days are periods.

    Raises
    ------
    ValueError
        If an array has another shape, NaN, or negative demand, reservations or arrivals.
    """
    check_paths(paths)
    n_items, n_periods, _ = paths.shape
    due = _read_arrivals(arrivals, n_items, n_periods)
    start = read_per_item("on_hand", on_hand, n_items)
    start -= read_per_item("reserved", reserved, n_items, at_least=0.0)
    chance, chance_by, lost = (np.empty((n_items, n_periods)) for _ in range(3))
    cover = np.empty((n_items, 3))
    for rows in split_items(paths.shape[:1] + paths.shape[2:]):
        stock = np.repeat(start[rows, None], paths.shape[2], axis=1)
        first = np.full(stock.shape, float(n_periods))
        for period in range(n_periods):
            stock += due[rows, period, None]
            short = paths[rows, period] - np.maximum(stock, 0.0)
            is_out = short > ROUNDING
            first[is_out] = np.minimum(first[is_out], period)
            # a reservation not covered yet stays owed, it is no demand that could be lost
            stock = np.where(is_out, np.minimum(stock, 0.0), stock - paths[rows, period])
            chance[rows, period] = is_out.mean(axis=1)
            chance_by[rows, period] = (first <= period).mean(axis=1)
            lost[rows, period] = np.maximum(short, 0.0).mean(axis=1)
        for column, share in enumerate((COVER_INTERVAL[0], 0.5, COVER_INTERVAL[1])):
            cover[rows, column] = find_sample_quantile(first, share)
    return StockOutlook(chance, chance_by, lost, cover)


def _read_arrivals(arrivals: npt.ArrayLike | None, n_items: int, n_periods: int) -> Floats:
    if arrivals is None:
        return np.zeros((n_items, n_periods))
    due = np.asarray(arrivals, dtype=np.float64)
    if due.shape != (n_items, n_periods):
        raise ValueError(
            f"arrivals: expected shape ({n_items}, {n_periods}), items by periods, got "
            f"{due.shape}; put each delivery in the period at whose start it arrives"
        )
    check_values("arrivals", due, at_least=0.0)
    return due
