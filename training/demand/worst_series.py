"""The series that are forecast worst, and what about them explains it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.errors import NotEnoughData
from models.demand.quantiles import QUANTILE_NAMES
from training.findings import PUBLISHED, take_finest
from training.gates import DEMAND_BASELINES

_MOST_SALES = 0.8
_ONE_DAY = 0.25
_BIAS = 0.2
_SHIFT = 1.5
_MOSTLY_ZERO = 0.5
_TOO_NARROW = 0.65
_CLEARLY = 0.95


def find_worst_series(forecasts: pd.DataFrame, *, most: int = 12) -> pd.DataFrame:
    """Find the series with the greatest WAPE among those that make up most of what is sold.

    Among all series the worst are always those that sell next to nothing, whose WAPE says little:
    ranked are the largest that together sold four fifths.

    Parameters
    ----------
    forecasts : DataFrame
        `DemandBacktest.forecasts`; rows without units do not count.
    most : int
        How many at most.

    Returns
    -------
    DataFrame
        region, product, units, wape, bias, baseline, baseline_wape (of the best baseline of this
        series), coverage_80, zero_share, share_of_error (of all absolute error at this level),
        because (what stands out, as a sentence); the greatest WAPE first.

    Raises
    ------
    NotEnoughData
        If nothing was sold in the scored folds.
    """
    rows = take_finest(forecasts)
    own = rows[rows["model"] == PUBLISHED]
    keys = ["region", "product"]
    sums = own.groupby(keys, sort=True)[["units", "error", "signed"]].sum()
    whole = float(sums["error"].sum())
    larger = sums.sort_values("units", ascending=False, kind="stable")
    before = larger["units"].cumsum().shift(fill_value=0.0)
    larger = larger[(before < _MOST_SALES * larger["units"].sum()) & (larger["units"] > 0)]
    ranked = larger.assign(wape=larger["error"] / larger["units"]).sort_values(
        "wape", ascending=False, kind="stable"
    )
    chosen = ranked.head(most)
    best = _find_best_baselines(rows)
    own_rows = dict(list(own.groupby(keys)))
    table = [
        _describe(key, row, own_rows[key], best.loc[key], whole)
        for key, row in zip(chosen.index, chosen.to_dict("records"), strict=True)
    ]
    return pd.DataFrame(table)


def take_series(forecasts: pd.DataFrame, region: str, product: str) -> pd.DataFrame:
    """Return the published model's rows of one series, as `draw_series` reads them.

    Raises
    ------
    NotEnoughData
        If there is none.
    """
    rows = take_finest(forecasts)
    is_it = (rows["model"] == PUBLISHED) & (rows["region"] == region) & (rows["product"] == product)
    if not is_it.any():
        raise NotEnoughData(f"backtest: no forecast of region {region} and product {product}")
    return rows.loc[is_it, ["origin", "date", "units", "mean", *QUANTILE_NAMES]]


def _find_best_baselines(rows: pd.DataFrame) -> pd.DataFrame:
    others = rows[rows["model"].isin(DEMAND_BASELINES)]
    sums = others.pivot_table(
        index=["region", "product"], columns="model", values="error", aggfunc="sum", observed=True
    )
    return pd.DataFrame({"baseline": sums.idxmin(axis=1), "error": sums.min(axis=1)})


def _describe(
    key: tuple[str, str],
    sums: Mapping[Hashable, Any],
    rows: pd.DataFrame,
    baseline: pd.Series,
    whole: float,
) -> dict[str, Any]:
    units = rows["units"].to_numpy(dtype=np.float64)
    inside = (units >= rows["q10"]) & (units <= rows["q90"])
    described = {
        "region": key[0], "product": key[1], "units": sums["units"], "wape": sums["wape"],
        "bias": sums["signed"] / sums["units"], "baseline": str(baseline["baseline"]),
        "baseline_wape": float(baseline["error"]) / sums["units"],
        "coverage_80": float(inside.mean()), "zero_share": float((units == 0).mean()),
        "share_of_error": sums["error"] / whole if whole > 0 else 0.0,
    }  # fmt: skip
    return described | {"because": _explain(described, rows)}


def _explain(about: Mapping[str, Any], rows: pd.DataFrame) -> str:
    """Say what stands out, the most telling first; at most two things."""
    worst = rows.iloc[int(rows["error"].to_numpy().argmax())]
    share = float(worst["error"] / rows["error"].sum()) if rows["error"].sum() > 0 else 0.0
    by_origin = rows.groupby("origin")["units"].mean()
    first, last = float(by_origin.iloc[0]), float(by_origin.iloc[-1])
    told = {
        f"one date makes {share:.0%} of its error: {pd.Timestamp(worst['date']):%Y-%m-%d}, "
        f"{worst['units']:,.0f} sold and {worst['mean']:,.0f} forecast": share > _ONE_DAY,
        "forecast too high throughout: look for a delisting or a lost display":
            about["bias"] > _BIAS,
        "forecast too low throughout: look for a promotion that the plan does not hold":
            about["bias"] < -_BIAS,
        f"sales rose from {first:,.1f} to {last:,.1f} a period between the origins":
            first > 0 and last > _SHIFT * first,
        f"sales fell from {first:,.1f} to {last:,.1f} a period between the origins":
            last * _SHIFT < first,
        "a baseline does better here: its own past tells more than what it has in common":
            about["baseline_wape"] < _CLEARLY * about["wape"],
        f"sells on {1 - about['zero_share']:.0%} of the dates only: which dates is chance":
            about["zero_share"] > _MOSTLY_ZERO,
        "its intervals are too narrow": about["coverage_80"] < _TOO_NARROW,
    }  # fmt: skip
    words = [words for words, is_true in told.items() if is_true][:2]
    return "; ".join(words) or "nothing stands out: it varies more than what is known explains"
