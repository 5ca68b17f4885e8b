"""Scarce units over regions, from the sample paths of the champion."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.stock.allocation import Allocation, allocate_units
from models.stock.profit import find_pack_gains
from serving.planning import Demand, Planning
from serving.problems import Fault, Kind, Problem
from serving.stock_contract import AllocationRequest, RegionBounds

MAX_PACKS = 1_000_000
"""Packs that one request may weigh against each other."""


def allocate(planning: Planning, asked: AllocationRequest) -> dict[str, Any]:
    """Allocate, and say what each region sells and loses with it.

    Raises
    ------
    UnknownNode, NotForecast, NotPlanned
        As of `Planning.sum_demand`.
    Problem
        If there are more packs than one request may weigh.
    """
    horizon = None
    if asked.horizon_days is not None:
        horizon = max(1, int(np.ceil(asked.horizon_days / planning.days_per_period - 1e-9)))
    names = None if asked.regions is None else [bounds.region for bounds in asked.regions]
    demand = planning.sum_demand(asked.product, names, horizon)
    bounds = asked.regions or [RegionBounds(region=name) for name in demand.regions]
    _check_packs(demand, bounds, asked)
    margins = [asked.margin if one.margin is None else one.margin for one in bounds]
    found = allocate_units(
        demand.units,
        asked.units,
        margin=margins,
        overage_cost=asked.overage_cost,
        on_hand=[one.on_hand for one in bounds],
        minimum=[one.minimum for one in bounds],
        maximum=[np.inf if one.maximum is None else one.maximum for one in bounds],
        pack_size=asked.pack_size,
    )
    return {
        "product_id": asked.product,
        "first_date": str(demand.first_date),
        "last_date": str(demand.last_date),
        "units": float(found.units.sum()),
        "left_over": max(found.left_over, 0.0),
        "gain": float(found.gain.sum()),
        "next_pack_gain": found.next_pack_gain,
        "regions": [
            _describe(demand, found, bounds[at], margins[at], at, asked)
            for at in range(len(bounds))
        ],
    }


def _check_packs(demand: Demand, bounds: list[RegionBounds], asked: AllocationRequest) -> None:
    needed = np.ceil(demand.units.max(axis=1) / asked.pack_size).sum()
    needed += sum(one.minimum for one in bounds) / asked.pack_size
    if needed > MAX_PACKS:
        detail = f"makes {needed:.0f} packs to weigh, more than {MAX_PACKS}; use larger packs"
        raise Problem(
            Kind.INVALID, f"#/pack_size: {detail}.", [Fault(detail, pointer="#/pack_size")]
        )


def _describe(
    demand: Demand,
    found: Allocation,
    bounds: RegionBounds,
    margin: float,
    at: int,
    asked: AllocationRequest,
) -> dict[str, Any]:
    drawn, units = demand.units[at], float(found.units[at])
    there = bounds.on_hand + units
    sold = np.minimum(drawn, there)
    lower, upper = np.quantile(drawn, (0.1, 0.9))
    (next_gain,) = find_pack_gains(
        drawn, there, 1, pack_size=asked.pack_size, margin=margin, overage_cost=asked.overage_cost
    )
    return {
        "region_id": demand.regions[at],
        "units": units,
        "on_hand": bounds.on_hand,
        "expected_demand": float(drawn.mean()),
        "demand_lower": float(lower),
        "demand_upper": float(upper),
        "expected_sales": float(sold.mean()),
        "expected_lost": float((drawn - sold).mean()),
        "gain": float(found.gain[at]),
        "marginal_profit": float(next_gain),
        "reason": _explain(drawn, there, units, bounds, asked, float(next_gain)),
    }


def _explain(
    drawn: np.ndarray,
    there: float,
    units: float,
    bounds: RegionBounds,
    asked: AllocationRequest,
    next_gain: float,
) -> str:
    short = float((drawn > there).mean())
    words = (
        f"demand {drawn.mean():.0f} ({np.quantile(drawn, 0.1):.0f}–{np.quantile(drawn, 0.9):.0f}); "
        f"{there:g} units meet all of it with probability {100 * (1 - short):.0f} %"
    )
    if bounds.maximum is not None and units + asked.pack_size > bounds.maximum + 1e-9:
        return f"{words}; its maximum is reached"
    if bounds.minimum > 0 and units - asked.pack_size < bounds.minimum - 1e-9:
        return f"{words}; its minimum"
    if next_gain <= 0:
        return f"{words}; one more pack would earn nothing"
    return f"{words}; one more pack would earn {next_gain:.3g}, less than elsewhere or none is left"
