"""The newsvendor, and base stock under a lead time, for normal, Poisson and sampled demand.

References
----------
.. [1] Arrow, Harris & Marschak (1951), "Optimal inventory policy", Econometrica 19.
.. [2] Snyder & Shen (2019), "Fundamentals of Supply Chain Theory", 2nd ed., chapter 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from models.stock.inputs import ROUNDING, Floats, check_values


@dataclass(frozen=True)
class BaseStock:
    """An order-up-to level and what it costs.

    Attributes
    ----------
    level : array
        Order-up-to level in units.
    cost : array
        Expected holding and shortage cost per period, in money.
    """

    level: Floats
    cost: Floats


def find_critical_ratio(underage_cost: npt.ArrayLike, overage_cost: npt.ArrayLike) -> Floats:
    """Return the share of demand outcomes that it pays to cover.

    Parameters
    ----------
    underage_cost : number or array
        Money lost per unit short (p): margin, goodwill; >= 0.
    overage_cost : number or array
        Money lost per unit left over (h): holding, markdown; >= 0.

    Returns
    -------
    array
        p / (p + h); 0 to 1.

    Raises
    ------
    ValueError
        If a cost is negative or NaN, or both are zero.

    Examples
    --------
    >>> float(find_critical_ratio(4.0, 1.0))
    0.8
    """
    under = np.asarray(underage_cost, dtype=np.float64)
    over = np.asarray(overage_cost, dtype=np.float64)
    check_values("underage_cost", under, at_least=0.0)
    check_values("overage_cost", over, at_least=0.0)
    if not (under + over > 0).all():
        raise ValueError("underage_cost + overage_cost: expected > 0, got 0; give one of the costs")
    return np.asarray(under / (under + over))


def solve_normal_newsvendor(
    mean: npt.ArrayLike,
    sd: npt.ArrayLike,
    *,
    underage_cost: npt.ArrayLike,
    overage_cost: npt.ArrayLike,
    lead_time: npt.ArrayLike = 0.0,
) -> BaseStock:
    """Return the optimal order-up-to level for independent normal demand.

    Parameters
    ----------
    mean, sd : number or array
        Demand per period in units; sd >= 0.
    underage_cost, overage_cost : number or array
        Money per unit short, and per unit left over, at the end of a period.
    lead_time : number or array
        Periods from an order to its arrival; >= 0. Stock is reviewed every period, so that a level
        covers `lead_time` + 1 periods.

    Returns
    -------
    BaseStock
        Level in units, cost in money per period.

    Raises
    ------
    ValueError
        If sd or lead time is negative, or the costs are refused by `find_critical_ratio`.

    Examples
    --------
    >>> float(solve_normal_newsvendor(50, 8, underage_cost=0.7, overage_cost=0.18).level.round(3))
    56.604
    """
    ratio = find_critical_ratio(underage_cost, overage_cost)
    per_period, periods = np.asarray(sd, dtype=np.float64), _read_covered_periods(lead_time)
    check_values("sd", per_period, at_least=0.0)
    check_values("mean", mean)
    spread = per_period * np.sqrt(periods)
    z = stats.norm.ppf(ratio)
    costs = np.asarray(underage_cost, dtype=np.float64) + np.asarray(overage_cost)
    level = np.asarray(mean, dtype=np.float64) * periods + spread * z
    return BaseStock(np.asarray(level), np.asarray(costs * spread * stats.norm.pdf(z)))


def solve_poisson_newsvendor(
    mean: npt.ArrayLike,
    *,
    underage_cost: npt.ArrayLike,
    overage_cost: npt.ArrayLike,
    lead_time: npt.ArrayLike = 0.0,
) -> BaseStock:
    """Return the optimal whole order-up-to level for independent Poisson demand.

    Parameters and errors are those of `solve_normal_newsvendor`; `mean` >= 0.
    """
    ratio = find_critical_ratio(underage_cost, overage_cost)
    rate = np.asarray(mean, dtype=np.float64)
    check_values("mean", rate, at_least=0.0)
    covered = rate * _read_covered_periods(lead_time)
    level = np.asarray(stats.poisson.ppf(ratio, covered), dtype=np.float64)
    short = covered * stats.poisson.sf(level - 1, covered) - level * stats.poisson.sf(
        level, covered
    )
    left = level - covered + short
    return BaseStock(level, np.asarray(underage_cost * short + overage_cost * left))


def solve_sampled_newsvendor(
    samples: npt.ArrayLike, *, underage_cost: npt.ArrayLike, overage_cost: npt.ArrayLike
) -> BaseStock:
    """Return the optimal order-up-to level for demand known by samples.

    Parameters
    ----------
    samples : array of shape (..., n_samples)
        Demand over the interval to cover, in units.
    underage_cost, overage_cost : number or array of shape (...)
        Money per unit short, and per unit left over.

    Returns
    -------
    BaseStock
        The level is one of the samples: no other has a lower cost on them.

    Raises
    ------
    ValueError
        If a sample is NaN, there is none, or the costs are refused.
    """
    drawn = np.asarray(samples, dtype=np.float64)
    ratio = find_critical_ratio(underage_cost, overage_cost)
    level = find_sample_quantile(drawn, ratio)
    left = np.maximum(level[..., None] - drawn, 0.0).mean(axis=-1)
    short = np.maximum(drawn - level[..., None], 0.0).mean(axis=-1)
    return BaseStock(level, np.asarray(underage_cost * short + overage_cost * left))


def find_sample_quantile(samples: Floats, share: npt.ArrayLike) -> Floats:
    """Return the smallest sample that covers a share of them, for each row.

    Parameters
    ----------
    samples : array of shape (..., n_samples)
        At least one sample in a row; no NaN.
    share : number or array of shape (...)
        Between 0 and 1, one for all rows or one for each.

    Returns
    -------
    array of shape (...)
        Inverse of the empirical distribution: optimal in the newsvendor, where an interpolated
        quantile is not.

    Examples
    --------
    >>> float(find_sample_quantile(np.array([4.0, 1.0, 3.0, 2.0]), 0.75))
    3.0
    """
    n_samples = samples.shape[-1] if samples.ndim else 0
    if n_samples == 0:
        raise ValueError("samples: expected at least one per row, got none; draw some")
    check_values("samples", samples)
    shares = np.asarray(share, dtype=np.float64)
    check_values("share", shares, at_least=0.0)
    check_values("1 - share", 1.0 - shares, at_least=0.0)
    rank = np.clip(np.ceil(shares * n_samples - ROUNDING).astype(np.int64) - 1, 0, n_samples - 1)
    ranks = np.broadcast_to(rank, samples.shape[:-1])[..., None]
    return np.asarray(np.take_along_axis(np.sort(samples, axis=-1), ranks, axis=-1)[..., 0])


def _read_covered_periods(lead_time: npt.ArrayLike) -> Floats:
    periods = np.asarray(lead_time, dtype=np.float64)
    check_values("lead_time", periods, at_least=0.0)
    return np.asarray(periods + 1.0)
