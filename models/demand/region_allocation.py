"""Scarce units of a product over regions: who gets what, what it sells there, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.stock.allocation import allocate_units
from models.stock.profit import find_pack_gains

Floats = npt.NDArray[np.float64]

INTERVAL = (0.1, 0.9)
COLUMNS = (
    "region_id", "units", "on_hand", "expected_demand", "demand_lower", "demand_upper",
    "expected_sales", "expected_lost", "gain", "marginal_profit", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Offer:
    """What there is to give, and what it earns.

    Attributes
    ----------
    supply, pack_size : float
        Units.
    overage_cost : float
        Money per unit left over.
    margin, on_hand, minimum, maximum : array of shape (n_regions,)
        Money per unit sold, and units; the maximum may be inf.
    """

    supply: float
    pack_size: float
    overage_cost: float
    margin: Floats
    on_hand: Floats
    minimum: Floats
    maximum: Floats


@dataclass(frozen=True)
class RegionAllocation:
    """Who gets what.

    Attributes
    ----------
    regions : DataFrame
        `COLUMNS`, one row per region, in the order given.
    left_over : float
        Units kept back.
    next_pack_gain : float
        Expected profit of one more pack, had there been one.
    """

    regions: pd.DataFrame
    left_over: float
    next_pack_gain: float


def allocate_regions(demand: Floats, names: tuple[str, ...], offer: Offer) -> RegionAllocation:
    """Allocate by marginal expected profit, and say what each region sells and loses with it.

    Parameters
    ----------
    demand : array of shape (n_regions, n_paths)
        Units until the next delivery, summed along sample paths.
    names : tuple of str
    offer : Offer

    Raises
    ------
    ValueError
        As of `allocate_units`.
    """
    found = allocate_units(
        demand,
        offer.supply,
        margin=offer.margin,
        overage_cost=offer.overage_cost,
        on_hand=offer.on_hand,
        minimum=offer.minimum,
        maximum=offer.maximum,
        pack_size=offer.pack_size,
    )
    there = offer.on_hand + found.units
    sold = np.minimum(demand, there[:, None])
    lower, upper = np.quantile(demand, INTERVAL, axis=1)
    table = pd.DataFrame(
        {
            "region_id": list(names),
            "units": found.units,
            "on_hand": offer.on_hand,
            "expected_demand": demand.mean(axis=1),
            "demand_lower": lower,
            "demand_upper": upper,
            "expected_sales": sold.mean(axis=1),
            "expected_lost": (demand - sold).mean(axis=1),
            "gain": found.gain,
            "marginal_profit": [
                _find_next_gain(drawn, stock, margin, offer)
                for drawn, stock, margin in zip(demand, there, offer.margin, strict=True)
            ],
        }
    )
    covered = (demand <= there[:, None]).mean(axis=1)
    reasons = [_explain(table, covered, at, offer) for at in range(len(table))]
    return RegionAllocation(
        table.assign(reason=reasons)[list(COLUMNS)],
        max(found.left_over, 0.0),
        found.next_pack_gain,
    )


def _find_next_gain(drawn: Floats, stock: float, margin: float, offer: Offer) -> float:
    (gain,) = find_pack_gains(
        drawn, stock, 1, pack_size=offer.pack_size, margin=margin, overage_cost=offer.overage_cost
    )
    return float(gain)


def _explain(table: pd.DataFrame, covered: Floats, at: int, offer: Offer) -> str:
    row = table.iloc[at]
    units, gain = float(row["units"]), float(row["marginal_profit"])
    words = (
        f"demand {row['expected_demand']:.0f} "
        f"({row['demand_lower']:.0f}–{row['demand_upper']:.0f}); {units + row['on_hand']:g} units "
        f"meet all of it with probability {100 * covered[at]:.0f} %"
    )
    if units + offer.pack_size > offer.maximum[at] + 1e-9:
        return f"{words}; its maximum is reached"
    if offer.minimum[at] > 0 and units - offer.pack_size < offer.minimum[at] - 1e-9:
        return f"{words}; its minimum"
    if gain <= 0:
        return f"{words}; one more pack would earn nothing"
    return f"{words}; one more pack would earn {gain:.3g}, no more than where the last one went"
