"""What lost conversions are worth: orders lost, times the mean value of an order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from features.journeys.funnels import Attempts

_Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class OrderValue:
    """The mean value of an order and its standard error, in the unit of `value`.

    Attributes
    ----------
    mean, error : float
        1 and 0 where no order has a value: then what is at stake is counted in orders.
    is_known : bool
    """

    mean: float
    error: float
    is_known: bool


def measure_order_value(ordered: pd.DataFrame) -> OrderValue:
    """Measure the value of the attempts that reached the last step.

    Parameters
    ----------
    ordered : DataFrame
        Rows of `features.journeys.funnels.build_attempts`.
    """
    values = ordered[Attempts.VALUE].dropna().to_numpy(dtype=np.float64)
    if len(values) == 0 or values.mean() <= 0.0:
        return OrderValue(1.0, 0.0, is_known=False)
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    return OrderValue(float(values.mean()), error, is_known=True)


def estimate_stake(
    inside: npt.NDArray[np.bool_],
    outside: npt.NDArray[np.bool_],
    value: OrderValue,
    *,
    onwards: float = 1.0,
) -> dict[str, float]:
    """Estimate what was lost by converting as inside and not as outside.

    Parameters
    ----------
    inside, outside : array of shape (n_inside,), (n_outside,)
        Whether each attempt converted; neither is empty.
    value : OrderValue
    onwards : float
        Share of those who convert that go on to order; 1 where converting is ordering. Taken as
        known: it belongs to the days or groups that nothing is wrong with.

    Returns
    -------
    dict
        `lost_orders`, `revenue`, and its 95 % interval by the delta method, `revenue_low` and
        `revenue_high`.
    """
    n = len(inside)
    share_in, share_out = float(inside.mean()), float(outside.mean())
    gap = share_out - share_in
    variance = _smooth_variance(inside) / n + _smooth_variance(outside) / len(outside)
    onwards = 0.0 if np.isnan(onwards) else onwards
    per_gap = n * onwards * value.mean
    error = np.sqrt(per_gap**2 * variance + (gap * n * onwards * value.error) ** 2)
    return {
        "lost_orders": gap * n * onwards,
        "revenue": gap * per_gap,
        "revenue_low": gap * per_gap - _Z * float(error),
        "revenue_high": gap * per_gap + _Z * float(error),
    }


def _smooth_variance(success: npt.NDArray[np.bool_]) -> float:
    """Return p(1 − p) with one success and one failure added: a share of 0 is not certain."""
    share = (float(success.sum()) + 1.0) / (len(success) + 2.0)
    return share * (1.0 - share)
