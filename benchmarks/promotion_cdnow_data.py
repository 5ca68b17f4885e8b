"""CDNOW: which customers are the published sample, and their histories by an independent way."""

from __future__ import annotations

import numpy as np
import pandas as pd

START = pd.Timestamp("1997-01-01")
CUTOFF = pd.Timestamp("1997-10-01")
"""The calibration period: 39 weeks from the one up to the other."""


def pick_sample(orders: pd.DataFrame) -> np.ndarray:
    """Return the customers of the published 1/10 systematic sample.

    Customers are put in the order of the week of their first purchase and, within it, of what
    they spent afterwards until the cut-off, highest first; every tenth is taken. What they spent
    afterwards is the whole less that of the first day, in doubles: that breaks ties as published.
    """
    known = orders[orders["date"] < CUTOFF]
    customers, code = np.unique(known["customer_id"].to_numpy(), return_inverse=True)
    first = known.groupby("customer_id")["date"].min()
    value = known["dollar_value"].to_numpy()
    on_first_day = (known["date"] == first.reindex(known["customer_id"]).to_numpy()).to_numpy()
    later = np.bincount(code, value) - np.bincount(code, np.where(on_first_day, value, 0.0))
    week = (first - START).dt.days.to_numpy() // 7
    return customers[np.lexsort((customers, -later, week))][9::10]


def build_histories(orders: pd.DataFrame, cutoff: pd.Timestamp = CUTOFF) -> pd.DataFrame:
    """Build frequency, recency_weeks, age_weeks and repeat values by pandas, customer by customer.

    An independent way to what `features.customer.purchases` builds.
    """
    known = orders[orders["date"] < cutoff]
    days = known.groupby(["customer_id", "date"], as_index=False)["dollar_value"].sum()
    days["is_repeat"] = days["customer_id"].duplicated()
    dates = days.groupby("customer_id")["date"].agg(["min", "max", "size"])
    repeats = days[days["is_repeat"]].groupby("customer_id")["dollar_value"].agg(["size", "mean"])
    last_day = cutoff - pd.Timedelta(days=1)
    return pd.DataFrame(
        {
            "customer_id": dates.index,
            "frequency": dates["size"].to_numpy() - 1.0,
            "recency_weeks": (dates["max"] - dates["min"]).dt.days.to_numpy() / 7,
            "age_weeks": (last_day - dates["min"]).dt.days.to_numpy() / 7,
            "valued_repeats": repeats["size"].reindex(dates.index).fillna(0).to_numpy(),
            "mean_repeat_value": repeats["mean"].reindex(dates.index).to_numpy(),
        }
    )
