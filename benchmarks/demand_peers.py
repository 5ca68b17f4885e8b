"""The forecasters that people use, each as its documentation shows it.

Seasonal naive, AutoETS, AutoTheta and Prophet are fitted to every node's own history; LightGBM
through mlforecast is one model of all bottom series, summed upwards. A peer is a function of a
dataset and returns one frame over all origins, `demand_frames.COLUMNS`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.demand_data import Dataset, build_grid, build_nodes
from benchmarks.demand_frames import (
    INTERVALS,
    QUANTILE_NAMES,
    QUANTILES,
    finish_forecasts,
    read_intervals,
)

PROPHET_NODES = 150
"""Prophet is fitted to levels of at most so many nodes: it takes half a second a series."""
PROPHET_SAMPLES = 500
GROWING = {"seasonality_mode": "multiplicative", "changepoint_range": 0.95}
"""For turnover: chosen on the scored window itself, so in Prophet's favour."""
LONGEST = {"day": 3 * 364, "week": 520, "month": 600, "quarter": 400}
"""Newest periods that ETS and Theta are fitted to; it binds for long daily series only."""
SHORTEST = 3


def forecast_statistical(dataset: Dataset, name: str) -> pd.DataFrame:
    """Forecast every node with a model of statsforecast."""
    from statsforecast import StatsForecast
    from statsforecast.models import Naive

    nodes = build_nodes(dataset, build_grid(dataset), known=())
    parts = []
    for origin in dataset.origins:
        past = nodes.loc[nodes["date"] <= origin, ["unique_id", "date", "history"]]
        past = past.rename(columns={"date": "ds", "history": "y"})
        past = past.groupby("unique_id").tail(LONGEST[dataset.frequency])
        past = past[past.groupby("unique_id")["y"].transform("size") >= SHORTEST]
        for season, rows in _split_by_length(past, dataset, name):
            runner = StatsForecast(
                [_make_statistical(name, season)], freq=dataset.freq, fallback_model=Naive()
            )
            made = runner.forecast(h=dataset.reach, df=rows, level=list(INTERVALS))
            made = read_intervals(made.ffill(), _STATISTICAL[name])
            parts.append(finish_forecasts(made, nodes, origin))
    return _keep_horizon(dataset, pd.concat(parts, ignore_index=True))


def forecast_prophet(dataset: Dataset, _: str = "prophet") -> pd.DataFrame:
    """Forecast the nodes of the smaller levels with Prophet.

    The known-ahead columns, averaged over the series of a node, are its regressors; daily data
    has the country's holidays.
    """
    for noisy in ("prophet", "cmdstanpy"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    nodes = build_nodes(dataset, build_grid(dataset))
    counts = nodes.groupby("level")["unique_id"].nunique()
    nodes = nodes[nodes["level"].isin(counts.index[counts <= PROPHET_NODES])]
    parts = []
    for origin in dataset.origins:
        for unique_id, rows in nodes.groupby("unique_id"):
            made = _fit_prophet(dataset, rows, origin)
            if made is not None:
                parts.append(finish_forecasts(made.assign(unique_id=unique_id), rows, origin))
    return _keep_horizon(dataset, pd.concat(parts, ignore_index=True))


def _fit_prophet(dataset: Dataset, rows: pd.DataFrame, origin: pd.Timestamp) -> pd.DataFrame | None:
    from prophet import Prophet

    frame = rows.rename(columns={"date": "ds", "history": "y"})
    past, ahead = frame[frame["ds"] <= origin], frame[frame["ds"] > origin].head(dataset.reach)
    if len(past) < SHORTEST:
        return None
    # a turnover's season grows with its level; a trend of decades is still bending at its end
    growing = {} if dataset.is_count else GROWING
    model = Prophet(
        uncertainty_samples=PROPHET_SAMPLES,
        **growing,
        daily_seasonality=False,
    )
    if dataset.frequency == "day" and dataset.country:
        model.add_country_holidays(dataset.country)
    used = [name for name in dataset.known_ahead if past[name].min() < past[name].max()]
    for name in used:
        model.add_regressor(name)
    model.fit(past[["ds", "y", *used]], seed=7)
    np.random.seed(7)  # noqa: NPY002 - Prophet samples from the global generator
    samples = model.predictive_samples(ahead[["ds", *used]])["yhat"]
    model.uncertainty_samples = 0
    return pd.DataFrame(
        {
            "date": ahead["ds"].to_numpy(),
            "mean": model.predict(ahead[["ds", *used]])["yhat"].to_numpy(),
            **dict(zip(QUANTILE_NAMES, np.quantile(samples, QUANTILES, axis=1), strict=True)),
        }
    )


def _make_statistical(name: str, season: int) -> Any:
    from statsforecast import models

    if name == "seasonal_naive":
        return models.SeasonalNaive(season_length=season)
    if name == "autoets":
        return models.AutoETS(season_length=season)
    return models.AutoTheta(season_length=season)


_STATISTICAL = {
    "seasonal_naive": "SeasonalNaive",
    "autoets": "AutoETS",
    "autotheta": "AutoTheta",
}


def _split_by_length(
    past: pd.DataFrame, dataset: Dataset, name: str
) -> list[tuple[int, pd.DataFrame]]:
    """Split off the series that are too short for the season; ETS takes none beyond 24 periods."""
    if name == "autoets" and dataset.season > 24:
        return [(1, past)]
    needed = 1 if name == "seasonal_naive" else 2
    size = past.groupby("unique_id")["y"].transform("size")
    is_long = size >= needed * dataset.season
    parts = [(dataset.season, past[is_long]), (1, past[~is_long])]
    return [(season, rows) for season, rows in parts if len(rows)]


def _keep_horizon(dataset: Dataset, forecasts: pd.DataFrame) -> pd.DataFrame:
    """Drop the steps within the gap."""
    place = pd.Series(range(len(dataset.dates)), index=dataset.dates)
    steps = forecasts["date"].map(place) - forecasts["origin"].map(place)
    return forecasts[steps > dataset.gap].reset_index(drop=True)


def _run_lightgbm(dataset: Dataset, _: str) -> pd.DataFrame:
    from benchmarks.demand_mlforecast import forecast_lightgbm

    return _keep_horizon(dataset, forecast_lightgbm(dataset))


PEERS: dict[str, Callable[[Dataset, str], pd.DataFrame]] = {
    "seasonal_naive": forecast_statistical,
    "mlforecast": _run_lightgbm,
    "autoets": forecast_statistical,
    "autotheta": forecast_statistical,
    "prophet": forecast_prophet,
}


def run_peer(dataset: Dataset, name: str) -> pd.DataFrame:
    """Run one of `PEERS` over all origins, without the warnings of its libraries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PEERS[name](dataset, name)
