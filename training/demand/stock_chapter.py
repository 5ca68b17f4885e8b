"""What the report says of stock decisions."""

from __future__ import annotations

import pandas as pd

from training.chapters import Section, make_grid, write_number
from training.palette import name_of

NAMES = {
    "almanac": "Almanac, sample paths",
    "almanac_tuned": "Almanac, tuned for lost sales",
    "seasonal_naive": "seasonal naive + z·sd",
    "mean_sd": "mean + z·sd of the last 28 periods",
    "lightgbm_quantiles": "LightGBM's quantiles, added up",
    "lightgbm_independent": "LightGBM's quantiles, periods independent",
}


def write_stock(policies: pd.DataFrame | None) -> list[Section]:
    """Write the section on stock policies; none where nothing was simulated.

    Parameters
    ----------
    policies : DataFrame or None
        Evidence `stock_policies`, from `training.demand.stock_backtest.score_policies`.
    """
    if policies is None or policies.empty:
        return []
    ranked = policies.sort_values("total_money", kind="stable")
    ranked = ranked.assign(name=[NAMES.get(one, name_of(one)) for one in ranked["policy"]])
    first = policies.iloc[0]
    grid = make_grid(
        "Stock policies over the scored folds, the cheapest first",
        ranked,
        [
            ("name", "levels from", None), ("total_money", "money", 0),
            ("holding_money", "holding", 0), ("lost_money", "lost sales", 0),
            ("order_money", "orders", 0), ("fill_rate", "met", 1),
            ("cycle_service_level", "cycles without loss", 1),
            ("mean_on_hand", "units on hand", 0), ("saving", "saves", 0),
            ("saving_low", "from", 0), ("saving_high", "to", 0),
        ],
        percent=("fill_rate", "cycle_service_level"),
    )  # fmt: skip
    sentences = (
        f"Each policy set its levels from what was known at the origins and met what was really "
        f"sold of {write_number(first['n_series'], 0)} series over "
        f"{write_number(first['n_periods'], 0)} periods, all with the same lead times; what was "
        "not on the shelf was lost.",
        f"Money is {first['money']}. Savings are against the seasonal naive rule, with a 95 % "
        "interval over series.",
    )
    return [Section("What stock decisions by it would have cost", sentences, grids=(grid,))]
