"""Stock advice for every series, from the sample paths of its forecast."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.demand.coherent import N_PATHS
from models.demand.sample_paths import SamplePaths, count_block
from models.demand.shocks import iterate_blocks
from models.stock.advice import StockAdvice, advise_stock
from models.stock.protection import IntervalDemand, sum_interval_demand
from training.demand.stock_inputs import NOTHING, KnownStock, Rules

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

INTERVAL = (0.1, 0.9)
"""Quantiles of the demand over lead time and review that are shown: its 80 % interval."""
LIKELY = 0.5
"""Probability from which on a stock-out is called likely."""
KNOWN_ONLY = (
    "position", "order_now", "stock_out_probability", "expected_lost_units",
    "cover_days_lower", "cover_days", "cover_days_upper",
)  # fmt: skip
"""Columns that are empty where no stock is known."""


def advise(
    paths: SamplePaths, rules: Rules, stock: KnownStock, rows: Whole | None = None
) -> pd.DataFrame:
    """Advise on the stock of series.

    Parameters
    ----------
    paths : SamplePaths
    rules : Rules
        From `make_rules`.
    stock : KnownStock
        Of all series of `paths`.
    rows : array of int, optional
        Positions of the series that are wanted; all by default. The advice on one does not depend
        on the others.

    Returns
    -------
    DataFrame
        One row per series, sorted by region_id and product_id: what is in stock, the levels, what
        to order now, what is at risk within the outlook if nothing more is ordered, every setting
        behind it, and `reason` in words. `KNOWN_ONLY` and the lists `stock_out_by` are empty where
        no stock is known.
    """
    wanted = np.arange(len(paths.series)) if rows is None else np.sort(rows)
    parts = [
        _advise_block(paths, rules, stock.take(wanted[block]), wanted[block])
        for block in iterate_blocks(len(wanted), count_block(paths.n_steps, N_PATHS))
    ]
    if not parts:
        return _advise_block(paths, rules, stock.take(wanted), wanted)
    return pd.concat(parts, ignore_index=True)


def _advise_block(
    paths: SamplePaths, rules: Rules, stock: KnownStock, chosen: Whole
) -> pd.DataFrame:
    drawn = paths.draw(chosen)
    leads = rules.draw_lead_times(stock.lead_time_days, drawn.shape[2], paths.seed)
    demand = sum_interval_demand(
        drawn, leads, review_periods=rules.review_periods, is_extended=True
    )
    is_known = np.isfinite(stock.on_hand)
    arrivals, later = place_arrivals(stock, paths.dates, rules.days)
    settings = rules.settings
    advice = advise_stock(
        drawn,
        leads,
        on_hand=np.where(is_known, stock.on_hand, 0.0),
        reserved=stock.reserved,
        arrivals=arrivals,
        later_arrivals=later,
        review_periods=rules.review_periods,
        service_level=rules.service_level,
        lost_margin=rules.lost_margin,
        holding_cost=rules.holding_cost,
        order_cost=settings.order_cost,
        pack_size=settings.pack_size,
        minimum_order=settings.minimum_order,
        is_extended=True,
    )
    table = paths.series.iloc[chosen].reset_index(drop=True)
    table = _add_stock(table, stock, paths)
    table = _add_levels(table, advice, demand)
    table = _add_outlook(table, advice, paths, rules)
    table = _add_settings(table, rules, stock)
    table.loc[~is_known, list(KNOWN_ONLY)] = np.nan
    table.loc[~is_known, "likely_out_on"] = pd.NaT
    lists = [by if known else [] for by, known in zip(table["stock_out_by"], is_known, strict=True)]
    table["stock_out_by"] = pd.Series(lists, index=table.index, dtype=object)
    return table.assign(reason=_explain(table))


def place_arrivals(
    stock: KnownStock, dates: npt.NDArray[np.datetime64], days: float
) -> tuple[Floats, Floats]:
    """Return what arrives at the start of each period, and what arrives later or nobody knows when.

    What should have arrived already counts as arriving at once.
    """
    arrivals = np.zeros((len(stock.incoming), len(dates)))
    is_dated = ~np.isnat(stock.expected_on) & (stock.incoming > 0)
    at = np.searchsorted(dates, stock.expected_on, side="right") - 1
    end = dates[-1] + np.timedelta64(round(days), "D")
    is_within = is_dated & (stock.expected_on < end)
    rows = np.flatnonzero(is_within)
    arrivals[rows, np.maximum(at[rows], 0)] = stock.incoming[rows]
    return arrivals, np.where(is_within, 0.0, stock.incoming)


def _add_stock(table: pd.DataFrame, stock: KnownStock, paths: SamplePaths) -> pd.DataFrame:
    return table.assign(
        origin=np.full(len(table), paths.origin.astype("datetime64[s]")),
        on_hand=stock.on_hand,
        reserved=stock.reserved,
        incoming=stock.incoming,
        incoming_on=stock.expected_on.astype("datetime64[s]"),
        stock_as_of=stock.as_of.astype("datetime64[s]"),
        stock_source=stock.source,
    )


def _add_levels(table: pd.DataFrame, advice: StockAdvice, demand: IntervalDemand) -> pd.DataFrame:
    levels = advice.levels
    lower, upper = np.quantile(demand.protection, INTERVAL, axis=1)
    return table.assign(
        position=advice.position,
        reorder_point=levels.reorder_point,
        order_up_to=levels.order_up_to,
        safety_stock=levels.safety_stock,
        order_now=advice.order,
        lead_time_demand=levels.lead_time_demand,
        interval_demand=levels.protection_demand,
        interval_demand_lower=lower,
        interval_demand_upper=upper,
        beyond_share=levels.beyond_share,
        service_level=levels.service_level,
    )


def _add_outlook(
    table: pd.DataFrame, advice: StockAdvice, paths: SamplePaths, rules: Rules
) -> pd.DataFrame:
    """Add what happens within the outlook if nothing more is ordered."""
    n_periods = rules.outlook_periods
    outlook = advice.outlook
    by = outlook.stock_out_by[:, :n_periods]
    is_likely = by >= LIKELY
    first = paths.dates[np.argmax(is_likely, axis=1)].astype("datetime64[s]")
    cover = np.minimum(outlook.days_of_cover, n_periods) * rules.days
    return table.assign(
        outlook_days=n_periods * rules.days,
        stock_out_probability=by[:, -1],
        expected_lost_units=outlook.lost_units[:, :n_periods].sum(axis=1),
        cover_days_lower=cover[:, 0],
        cover_days=cover[:, 1],
        cover_days_upper=cover[:, 2],
        likely_out_on=np.where(is_likely.any(axis=1), first, np.datetime64("NaT", "s")),
        stock_out_by=pd.Series(np.round(by, 4).tolist(), index=table.index, dtype=object),
    )


def _add_settings(table: pd.DataFrame, rules: Rules, stock: KnownStock) -> pd.DataFrame:
    settings = rules.settings

    def fill(value: float | None) -> Floats:
        return np.full(len(table), np.nan if value is None else value)

    return table.assign(
        lead_time_days=stock.lead_time_days,
        lead_time_sd_days=fill(settings.lead_time_sd_days),
        review_days=fill(rules.review_periods * rules.days),
        lost_margin=fill(settings.lost_margin),
        holding_cost=fill(settings.holding_cost),
        order_cost=fill(settings.order_cost),
        pack_size=fill(settings.pack_size),
        minimum_order=fill(settings.minimum_order),
    )


def _explain(table: pd.DataFrame) -> list[str]:
    return [_explain_one(row) for row in table.to_dict("records")]


def _explain_one(row: Mapping[Hashable, Any]) -> str:
    aim = "service level" if np.isnan(row["lost_margin"]) else "critical ratio"
    parts = [
        f"lead time {row['lead_time_days']:g} ± {row['lead_time_sd_days']:g} d + review "
        f"{row['review_days']:g} d",
        f"{aim} {100 * row['service_level']:.3g} %",
        f"demand over it {row['interval_demand']:.0f} "
        f"({row['interval_demand_lower']:.0f}–{row['interval_demand_upper']:.0f})",
    ]
    if row["beyond_share"] > 0:
        parts.append(
            f"{100 * row['beyond_share']:.0f} % of the sample paths reach beyond the forecast and "
            "are carried on at their own mean"
        )
    if row["stock_source"] == NOTHING:
        return "; ".join([*parts, f"{NOTHING}: levels only"])
    position, point = row["position"], row["reorder_point"]
    if row["order_now"] > 0:
        parts.append(
            f"position {position:.0f} is at or below {point:.0f}: order {row['order_now']:g} to "
            f"reach {row['order_up_to']:.0f}"
        )
    else:
        parts.append(f"position {position:.0f} covers {point:.0f}: order nothing")
    return "; ".join(parts)
