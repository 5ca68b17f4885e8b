"""Purchase tables and outcomes of simulated customers, as the features build them."""

import numpy as np
import pandas as pd

from features.customer.purchases import COLUMNS, WINDOW_COLUMNS, WINDOWS_DAYS
from models.value.histories import PurchaseHistories, PurchaseOutcomes


def summarise(days, as_of, who, value=20.0):
    """Return one row of `build_purchases` from the days (whole numbers) a customer bought on."""
    known = as_of - 1
    past = sorted({day for day in days if day <= known})
    gaps = np.diff(past)
    row = dict.fromkeys(COLUMNS, np.nan) | {"customer_id": who, "purchase_days": len(past)}
    row |= {"frequency": max(len(past) - 1, 0), "orders": len(past), "valued_days": len(past)}
    row |= {"valued_repeats": row["frequency"]}
    for name, window in zip(WINDOW_COLUMNS, WINDOWS_DAYS, strict=True):
        row[name] = sum(known - day < window for day in past)
    if past:
        row |= {"recency_weeks": (past[-1] - past[0]) / 7, "age_weeks": (known - past[0]) / 7}
        row |= {"spend": value * len(past), "mean_value": value, "last_value": value}
        row |= {"days_since_last": known - past[-1], "last_weekday": past[-1] % 7}
    if len(past) > 1:
        row |= {"mean_repeat_value": value, "last_gap_days": gaps[-1], "mean_gap_days": gaps.mean()}
    if len(past) > 2:
        row["sd_gap_days"] = gaps.std(ddof=1)
    return row


def draw_regulars(n, *, n_days, seed):
    """Return days bought on: every customer has a gap of their own and keeps to it closely.

    One in five stops for good in the middle; one in twenty never buys.
    """
    rng = np.random.default_rng(seed)
    customers = []
    for who in range(n):
        gap = rng.uniform(5, 40)
        end = n_days / 2 if rng.random() < 0.2 else n_days
        steps = np.maximum(rng.normal(gap, 0.15 * gap, int(n_days / gap * 2) + 2), 1)
        days = np.floor(rng.uniform(0, gap) + np.cumsum(steps)).astype(int)
        customers.append([] if who % 20 == 0 else [int(day) for day in days if day < end])
    return customers


def cut(customers, as_of, n_days=28):
    """Return the purchase table, the histories and the outcomes of a cut-off."""
    rng = np.random.default_rng(0)
    values = rng.uniform(5, 80, len(customers))
    rows = [
        summarise(days, as_of, f"c{who:04d}", values[who]) for who, days in enumerate(customers)
    ]
    table = pd.DataFrame(rows)[list(COLUMNS)]
    after = [sorted({day for day in days if as_of <= day < as_of + n_days}) for days in customers]
    outcomes = PurchaseOutcomes(
        n_days,
        np.array([len(days) for days in after], dtype=float),
        np.array([v * len(days) for v, days in zip(values, after, strict=True)]),
        np.array([days[0] - as_of + 1 if days else np.nan for days in after]),
    )
    return table, PurchaseHistories.from_table(table), outcomes
