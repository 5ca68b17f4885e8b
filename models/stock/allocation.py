"""Scarce units over locations, by what each further pack adds to the expected profit.

References
----------
.. [1] Fox (1966), "Discrete optimization via marginal analysis", Management Science 13(3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.stock.inputs import ROUNDING, Floats, Whole, check_values, read_per_item
from models.stock.profit import check_samples, count_useful_packs, find_pack_gains

TIE_DIGITS = 9
"""Digits of money after the point to which two gains are compared."""


@dataclass(frozen=True)
class Allocation:
    """Who gets what.

    Attributes
    ----------
    units : array of shape (n_locations,)
        Units for each location, in whole packs.
    gain : array of shape (n_locations,)
        Expected profit that they add there, in money.
    left_over : float
        Units kept back, because there is less than a pack, or nobody gains by one.
    next_pack_gain : float
        Expected profit of one more pack, had there been one; 0 where nobody gains by it.
    """

    units: Floats
    gain: Floats
    left_over: float
    next_pack_gain: float


def allocate_units(
    samples: npt.ArrayLike,
    supply: float,
    *,
    margin: npt.ArrayLike,
    overage_cost: npt.ArrayLike = 0.0,
    on_hand: npt.ArrayLike = 0.0,
    minimum: npt.ArrayLike = 0.0,
    maximum: npt.ArrayLike = np.inf,
    pack_size: float = 1.0,
) -> Allocation:
    """Give packs of one item, one after the other, to where the next one gains most.

    Expected profit is concave in the stock and all packs are alike, so that this is optimal [1]_.
    Ties go to the location that has had fewer packs, then to the earlier one. A pack that gains
    nothing is kept back.

    Parameters
    ----------
    samples : array of shape (n_locations, n_samples)
        Demand until the next delivery, in units: sums along sample paths.
    supply : float
        Units to give away; >= 0.
    margin : number or array of shape (n_locations,)
        Money earned per unit sold; >= 0.
    overage_cost : number or array of shape (n_locations,)
        Money lost per unit left over: holding, markdown, transport; >= 0.
    on_hand : number or array of shape (n_locations,)
        Units already there; >= 0.
    minimum, maximum : number or array of shape (n_locations,)
        Least and most units to give; the minimum is rounded up to packs, the maximum down.
    pack_size : float
        Units per pack; > 0.

    Returns
    -------
    Allocation
        Deterministic.

    Raises
    ------
    ValueError
        If a value is NaN or out of range, a minimum is above its maximum, or the supply does not
        reach for all minimums.

    Examples
    --------
    >>> allocate_units([[1, 3], [4, 4]], 4, margin=1.0).units.tolist()
    [1.0, 3.0]
    """
    demand = np.asarray(samples, dtype=np.float64)
    check_samples(demand, 2)
    n_locations = len(demand)
    check_values("pack_size", pack_size, at_least=np.finfo(float).tiny)
    check_values("supply", supply, at_least=0.0)
    earned = read_per_item("margin", margin, n_locations, at_least=0.0)
    wasted = read_per_item("overage_cost", overage_cost, n_locations, at_least=0.0)
    stock = read_per_item("on_hand", on_hand, n_locations, at_least=0.0)
    packs = int(np.floor(supply / pack_size + ROUNDING))
    least, most = _read_bounds(minimum, maximum, n_locations, pack_size, packs)
    gains = []
    for at in range(n_locations):
        useful = count_useful_packs(demand[at], stock[at], pack_size)
        n_packs = max(int(least[at]), min(int(most[at]), useful))
        gains.append(
            find_pack_gains(
                demand[at],
                stock[at],
                n_packs,
                pack_size=pack_size,
                margin=earned[at],
                overage_cost=wasted[at],
            )
        )
    given, next_gain = _pick_packs(gains, least, packs)
    gain = np.array([float(gains[at][: given[at]].sum()) for at in range(n_locations)])
    units = np.asarray(given * pack_size, dtype=np.float64)
    return Allocation(units, gain, float(supply - units.sum()), next_gain)


def _pick_packs(gains: list[Floats], least: Whole, packs: int) -> tuple[Whole, float]:
    """Return the packs of each location, and what the first pack not given would have gained."""
    free = [gain[start:] for gain, start in zip(gains, least, strict=True)]
    location = np.repeat(np.arange(len(free)), [len(gain) for gain in free])
    turn = np.concatenate([start + np.arange(len(g)) for g, start in zip(free, least, strict=True)])
    value = np.round(np.concatenate(free), TIE_DIGITS)
    order = np.lexsort((location, turn, -value))
    order = order[value[order] > 0]
    spare = packs - int(least.sum())
    given = least + np.bincount(location[order[:spare]], minlength=len(free))
    return given, float(value[order[spare]]) if len(order) > spare else 0.0


def _read_bounds(
    minimum: npt.ArrayLike, maximum: npt.ArrayLike, n_locations: int, pack_size: float, packs: int
) -> tuple[Whole, Whole]:
    """Return the least and the most packs of each location."""
    low = read_per_item("minimum", minimum, n_locations, at_least=0.0)
    high = read_per_item("maximum", maximum, n_locations, at_least=0.0, is_finite=False)
    least = np.ceil(low / pack_size - ROUNDING).astype(np.int64)
    most = np.minimum(np.floor(high / pack_size + ROUNDING), packs).astype(np.int64)
    if int(least.sum()) > packs:
        raise ValueError(
            f"minimum: expected at most the {packs} packs of the supply together, got "
            f"{int(least.sum())}; lower the minimums"
        )
    if (least > most).any():
        at = int(np.argmax(least > most))
        raise ValueError(
            f"maximum: expected room for the minimum in whole packs of {pack_size:g}, got "
            f"{low[at]:g} to {high[at]:g} for location {at}; widen it"
        )
    return least, most
