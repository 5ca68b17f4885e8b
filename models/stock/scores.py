"""What a stock policy did: service, units, and money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt

from models.stock.inputs import Floats, read_per_item

Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Costs:
    """What stock costs; numbers or arrays of shape (n_items,).

    Attributes
    ----------
    lost_margin : money per unit of demand that is lost; >= 0.
    holding_cost : money per unit left at the end of a period; >= 0.
    order_cost : money per order; >= 0.
    """

    lost_margin: npt.ArrayLike
    holding_cost: npt.ArrayLike
    order_cost: npt.ArrayLike = 0.0

    def take(self, rows: slice, n_items: int) -> Costs:
        """Return the costs of some of `n_items` items, checked."""
        names = ("lost_margin", "holding_cost", "order_cost")
        return Costs(
            *(read_per_item(n, getattr(self, n), n_items, at_least=0.0)[rows] for n in names)
        )


@dataclass(frozen=True)
class PolicyScore:
    """What a policy did to each item: arrays of shape (n_items,), means over the paths.

    Attributes
    ----------
    demand_units, lost_units : array
        Units asked for, and units not met.
    mean_on_hand : array
        Units at the end of a period, averaged over the periods.
    orders : array
        Number of orders.
    cycles, short_cycles : array
        Times from one delivery to the next, and those of them in which demand was lost.
    holding_cost, lost_margin, order_cost : array
        Money.
    """

    demand_units: Floats
    lost_units: Floats
    mean_on_hand: Floats
    orders: Floats
    cycles: Floats
    short_cycles: Floats
    holding_cost: Floats
    lost_margin: Floats
    order_cost: Floats

    @property
    def total_cost(self) -> Floats:
        """Money of each item: holding, lost margin and orders; shape (n_items,)."""
        return self.holding_cost + self.lost_margin + self.order_cost

    @property
    def fill_rate(self) -> float:
        """Share of all units asked for that was met; 1 where nothing was asked for."""
        asked = float(self.demand_units.sum())
        return 1.0 - float(self.lost_units.sum()) / asked if asked else 1.0

    @property
    def cycle_service_level(self) -> float:
        """Share of all delivery cycles without lost demand."""
        return 1.0 - float(self.short_cycles.sum() / self.cycles.sum())


@dataclass(frozen=True)
class Saving:
    """Money that one policy saves against another, over all items; with a 95 % interval.

    The interval takes the items as independent; both its ends are NaN for fewer than two items.
    """

    money: float
    lower: float
    upper: float


def find_saving(score: PolicyScore, against: PolicyScore) -> Saving:
    """Return what a policy saves against another that met the same demand.

    Parameters
    ----------
    score, against : PolicyScore
        From one `compare_policies`.

    Returns
    -------
    Saving
        Positive where `score` is cheaper; paired by item.
    """
    saved = against.total_cost - score.total_cost
    if len(saved) < 2:
        return Saving(float(saved.sum()), float("nan"), float("nan"))
    half = Z_95 * float(saved.std(ddof=1)) * len(saved) ** 0.5
    money = float(saved.sum())
    return Saving(money, money - half, money + half)
