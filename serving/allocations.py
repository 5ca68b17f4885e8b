"""Scarce units over regions, from the sample paths of the champion."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.demand.region_allocation import Offer, allocate_regions
from serving.planning import Demand, Planning
from serving.problems import Fault, Kind, Problem
from serving.stock_contract import AllocationRequest, RegionBounds

MAX_PACKS = 2_000_000
"""Packs that one request may weigh against each other."""


def allocate(planning: Planning, asked: AllocationRequest) -> dict[str, Any]:
    """Allocate, and say what each region sells and loses with it.

    Raises
    ------
    UnknownNode, NotForecast, NotPlanned, OverlappingRegions
        As of `Planning.sum_demand`.
    Problem
        If there are more packs than one request may weigh.
    """
    horizon = None
    if asked.horizon_days is not None:
        horizon = max(1, int(np.ceil(asked.horizon_days / planning.days_per_period - 1e-9)))
    names = None if asked.regions is None else [bounds.region for bounds in asked.regions]
    demand = planning.sum_demand(asked.product, names, horizon)
    offer = _read_offer(asked, demand)
    _check_packs(demand, offer)
    found = allocate_regions(demand.units, demand.regions, offer)
    return {
        "product_id": asked.product,
        "first_date": str(demand.first_date),
        "last_date": str(demand.last_date),
        "units": float(found.regions["units"].sum()),
        "left_over": found.left_over,
        "gain": float(found.regions["gain"].sum()),
        "next_pack_gain": found.next_pack_gain,
        "regions": found.regions.to_dict("records"),
    }


def _read_offer(asked: AllocationRequest, demand: Demand) -> Offer:
    bounds = asked.regions or [RegionBounds(region=name) for name in demand.regions]
    margins = [asked.margin if one.margin is None else one.margin for one in bounds]
    return Offer(
        supply=asked.units,
        pack_size=asked.pack_size,
        overage_cost=asked.overage_cost,
        margin=np.array(margins, dtype=np.float64),
        on_hand=np.array([one.on_hand for one in bounds], dtype=np.float64),
        minimum=np.array([one.minimum for one in bounds], dtype=np.float64),
        maximum=np.array([np.inf if one.maximum is None else one.maximum for one in bounds]),
    )


def _check_packs(demand: Demand, offer: Offer) -> None:
    useful = np.maximum(demand.units.max(axis=1), offer.minimum)
    needed = np.ceil(np.minimum(useful, offer.supply) / offer.pack_size).sum()
    if needed > MAX_PACKS:
        detail = f"makes {needed:.0f} packs to weigh, more than {MAX_PACKS}; use larger packs"
        fault = Fault(detail, pointer="#/pack_size")
        raise Problem(Kind.INVALID, f"#/pack_size: {detail}.", [fault])
