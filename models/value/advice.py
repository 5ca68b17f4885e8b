"""Now or later, in days: written rules over what is known and expected of a customer.

In this order:

1. Who has never bought is written to *now*: there is nothing to wait for.
2. Who probably will not return (churn risk of `LOST_RISK` or more) and has been silent for twice
   their usual gap is *won back*: an ordinary promotion is too late for them.
3. Whose next order is expected within `NEAR_DAYS`, or who is past their usual gap, gets it *now*.
4. Everybody else *waits*, until `NEAR_DAYS` before the day their next order is expected; who is
   expected later than `LONGEST_WAIT_DAYS` from now, or never, waits that long and is then judged
   again.

The usual gap is a customer's own mean gap from three purchase days on, else everybody's.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.customer.purchases import Purchases

NOW, WAIT, WIN_BACK = "now", "wait", "win back"
LOST_RISK = 0.5
LOST_GAPS = 2.0
NEAR_DAYS = 7
LONGEST_WAIT_DAYS = 28
MIN_DAYS_FOR_OWN_GAP = 3


def add_advice(
    predictions: pd.DataFrame, purchases: pd.DataFrame, *, usual_gap_days: float
) -> pd.DataFrame:
    """Add `advice`, `wait_days` and `reason` to predictions.

    Parameters
    ----------
    predictions : DataFrame
        `days_to_next_order` (median, NaN = never) and `churn_risk`.
    purchases : DataFrame
        The histories behind them, row by row.
    usual_gap_days : float
        Of all customers.

    Returns
    -------
    DataFrame
        `predictions` with `advice` ("now", "wait", "win back"), `wait_days` (int64; 0 unless
        "wait") and `reason`, such as "buys every 9 days, last 12 days ago: due now".
    """
    bought = purchases[Purchases.DAYS].to_numpy()
    since = purchases[Purchases.DAYS_SINCE_LAST].to_numpy(dtype=np.float64)
    has_own = bought >= MIN_DAYS_FOR_OWN_GAP
    gap = np.where(has_own, purchases[Purchases.MEAN_GAP].to_numpy(), usual_gap_days)
    median = predictions["days_to_next_order"].to_numpy()
    is_lost = (predictions["churn_risk"].to_numpy() >= LOST_RISK) & (since >= LOST_GAPS * gap)
    is_near = (np.nan_to_num(median, nan=np.inf) <= NEAR_DAYS) | (since >= gap)
    conditions = [bought == 0, is_lost, is_near]
    advice = np.select(conditions, [NOW, WIN_BACK, NOW], WAIT)
    ahead = np.nan_to_num(median, nan=np.inf) - NEAR_DAYS
    wait = np.where(advice == WAIT, np.clip(np.ceil(ahead), 1, LONGEST_WAIT_DAYS), 0)
    return predictions.assign(
        advice=advice,
        wait_days=wait.astype(np.int64),
        reason=_write_reasons(bought, since, gap, median, advice, wait),
    )


def _write_reasons(
    bought: np.ndarray,
    since: np.ndarray,
    gap: np.ndarray,
    median: np.ndarray,
    advice: np.ndarray,
    wait: np.ndarray,
) -> np.ndarray:
    ago = np.where(since < 1, "today", _join(_count_days(since), " ago"))
    habit = np.select(
        [bought >= MIN_DAYS_FOR_OWN_GAP, bought == 2, bought == 1],
        [
            _join("buys every ", _count_days(gap), ", last ", ago),
            _join("bought twice, last ", ago),
            _join("bought once, ", ago),
        ],
        "has not bought yet",
    ).astype(object)
    is_due = (advice == NOW) & (since >= gap)
    end = np.select(
        [bought == 0, advice == WIN_BACK, is_due, advice == NOW, np.isfinite(median)],
        [
            "",
            ": probably lost, win back",
            ": due now",
            _join(": next order expected in ", _count_days(median)),
            _join(": next order expected in ", _count_days(median), ", wait ", _count_days(wait)),
        ],
        _join(": no next order in sight, wait ", _count_days(wait)),
    ).astype(object)
    return np.asarray(habit + end, dtype=object)


def _join(*parts: str | np.ndarray) -> np.ndarray:
    text: np.ndarray | str = ""
    for part in parts:
        text = np.strings.add(text, part)
    return np.asarray(text)


def _count_days(days: np.ndarray) -> np.ndarray:
    whole = np.rint(np.nan_to_num(days, nan=0.0, posinf=0.0)).astype(np.int64)
    return np.where(whole == 1, "1 day", np.strings.add(whole.astype(np.str_), " days"))
