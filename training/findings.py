"""What a demand backtest says in numbers a reader asks for: gain, regions, telling series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import NotEnoughData
from features.schema import ALL
from models.demand.quantiles import QUANTILE_NAMES
from training.demand.calibration import ALMANAC
from training.gates import DEMAND_BASELINES

PUBLISHED = ALMANAC
"""The model that is published, by the name it has in the tables of a demand backtest."""


@dataclass(frozen=True)
class WapeGain:
    """What the published model gains over the best baseline on the same rows.

    Attributes
    ----------
    wape, baseline_wape : float
        Fractions of the units sold.
    baseline : str
        The one with the lowest WAPE.
    relative : float
        1 − wape ÷ baseline_wape; above 0 the model is better, NaN if the baseline made no error.
    low, high : float
        95 % bootstrap interval of `relative`; NaN like it.
    """

    wape: float
    baseline_wape: float
    baseline: str
    relative: float
    low: float
    high: float


@dataclass(frozen=True)
class Pick:
    """One series worth looking at: why, which, and the published model's rows of it."""

    why: str
    region: str
    product: str
    rows: pd.DataFrame


def compare_wape(
    forecasts: pd.DataFrame, rng: np.random.Generator, *, n_resamples: int = 1000
) -> WapeGain:
    """Compare the published model with the best baseline at the finest level, over all horizons.

    Errors of one week are alike in all series and errors of one series in all weeks, so both are
    resampled whole and independently: an interval that is rather too wide than too narrow.

    Parameters
    ----------
    forecasts : DataFrame
        `DemandBacktest.forecasts`; rows without units do not count.
    rng : numpy.random.Generator
    n_resamples : int

    Raises
    ------
    NotEnoughData
        If nothing was sold in the scored folds.

    References
    ----------
    .. [1] Owen (2007), "The pigeonhole bootstrap", Annals of Applied Statistics 1(2).
    """
    rows = take_finest(forecasts)
    wapes = _score_models(rows)
    there = [name for name in DEMAND_BASELINES if name in wapes]
    baseline = min(there, key=lambda name: wapes[name])
    if not wapes[baseline] > 0:
        return WapeGain(wapes[PUBLISHED], 0.0, baseline, *(float("nan"),) * 3)
    error = [_tabulate(rows[rows["model"] == name], "error") for name in (PUBLISHED, baseline)]
    ratios = np.empty(n_resamples)
    series, weeks = error[0].shape
    for index in range(n_resamples):
        left = np.bincount(rng.integers(0, series, series), minlength=series)
        right = np.bincount(rng.integers(0, weeks, weeks), minlength=weeks)
        own, other = (left @ table @ right for table in error)
        ratios[index] = own / other if other > 0 else np.nan
    low, high = np.nanquantile(1.0 - ratios, [0.025, 0.975])
    own, other = wapes[PUBLISHED], wapes[baseline]
    return WapeGain(own, other, baseline, 1.0 - own / other, float(low), float(high))


def score_regions(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Score every region at the finest level over all horizons, the greatest error first.

    Parameters
    ----------
    forecasts : DataFrame
        `DemandBacktest.forecasts`.

    Returns
    -------
    DataFrame
        region, units, wape, bias, baseline_wape, relative (1 − wape ÷ baseline_wape); regions
        that sold nothing are left out. `attrs["baseline"]` names the baseline: the best overall.
    """
    rows = take_finest(forecasts)
    wapes = _score_models(rows)
    there = [name for name in DEMAND_BASELINES if name in wapes]
    baseline = min(there, key=lambda name: wapes[name])
    sums = rows.groupby(["model", "region"], sort=True)[["units", "error", "signed"]].sum()
    own, other = sums.loc[PUBLISHED], sums.loc[baseline]
    sold = own["units"].where(own["units"] > 0)
    table = pd.DataFrame(
        {
            "units": own["units"],
            "wape": own["error"] / sold,
            "bias": own["signed"] / sold,
            "baseline_wape": other["error"] / sold,
        }
    ).dropna()
    table["relative"] = 1.0 - table["wape"] / table["baseline_wape"].where(
        table["baseline_wape"] > 0
    )
    ordered = table.sort_values("wape", ascending=False, kind="stable").reset_index()
    ordered.attrs["baseline"] = baseline
    return ordered


def find_zero_share(forecasts: pd.DataFrame) -> float:
    """Return the share of rows at the finest level where nothing was sold."""
    rows = take_finest(forecasts)
    own = rows.loc[rows["model"] == PUBLISHED, "units"]
    return float((own == 0).mean())


def pick_series(forecasts: pd.DataFrame) -> list[Pick]:
    """Pick the series that sold most, the one in the middle, and the worst of the upper half.

    The worst is sought where much is sold: a series that sold one piece has always a great WAPE.
    A series that is two of them is returned once, with both reasons.
    """
    rows = take_finest(forecasts)
    own = rows[rows["model"] == PUBLISHED]
    sums = own.groupby(["region", "product"], sort=True)[["units", "error"]].sum().reset_index()
    ranked = sums[sums["units"] > 0].sort_values("units", ascending=False, kind="stable")
    half = ranked.head(-(-len(ranked) // 2))
    worst = (half["error"] / half["units"]).idxmax()
    chosen = {
        "largest": ranked.index[0],
        "median": ranked.index[(len(ranked) - 1) // 2],
        "worst of the larger half": worst,
    }
    picks = []
    for index in dict.fromkeys(chosen.values()):
        why = ", ".join(reason for reason, place in chosen.items() if place == index)
        region, product = (str(sums.loc[index, name]) for name in ("region", "product"))
        is_it = (own["region"] == region) & (own["product"] == product)
        columns = ["origin", "date", "units", "mean", *QUANTILE_NAMES]
        picks.append(Pick(why, region, product, own.loc[is_it, columns]))
    return picks


def take_finest(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the level with most of them where units are known, with their errors.

    Parameters
    ----------
    forecasts : DataFrame
        `DemandBacktest.forecasts`.

    Returns
    -------
    DataFrame
        The same columns, and `signed` (mean − units), `error` (its size) and `week`.

    Raises
    ------
    NotEnoughData
        If no outcome is known, or nothing was sold.
    """
    known = forecasts[forecasts["units"].notna()]
    counts = known.loc[known["model"] == PUBLISHED, "level"].value_counts()
    if counts.empty:
        raise NotEnoughData("backtest: no forecast of the scored folds has a known outcome")
    # Of levels with as many rows the one that says more, as in `demand_plots.sort_levels`.
    ties = [str(level) for level in counts.index[counts == counts.max()]]
    finest = min(ties, key=lambda name: (name.split("/").count(ALL), name))
    rows = known[known["level"] == finest]
    if not rows["units"].sum() > 0:
        raise NotEnoughData("backtest: nothing was sold in the scored folds, so there is no WAPE")
    signed = rows["mean"] - rows["units"]
    return rows.assign(
        signed=signed,
        error=signed.abs(),
        region=rows["region"].astype(str),
        product=rows["product"].astype(str),
        week=pd.to_datetime(rows["date"]).dt.to_period("W").astype(str),
    )


def _score_models(rows: pd.DataFrame) -> dict[str, float]:
    sums = rows.groupby("model")[["error", "units"]].sum()
    return {str(model): float(wape) for model, wape in (sums["error"] / sums["units"]).items()}


def _tabulate(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Return the sums of a column, shape (n_series, n_weeks)."""
    table = rows.pivot_table(
        index=["region", "product"], columns="week", values=column, aggfunc="sum", fill_value=0.0
    )
    return np.asarray(table.sort_index().to_numpy(np.float64))
