"""Expected profit of stock at a place, pack by pack, from samples of its demand.

The expected profit is concave in the stock: each further pack sells less surely than the one
before it. Allocation and transfers rest on that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.stock.inputs import ROUNDING, Floats, Whole, check_values


@dataclass(frozen=True)
class ProfitPieces:
    """Linear pieces of profit curves, one curve for each item and location.

    Attributes
    ----------
    gain : array of shape (n_pieces,)
        Expected profit of each pack of the piece, in money; of taking it away where `sign` is -1.
    width : array of shape (n_pieces,)
        Packs of the piece.
    sign : array of shape (n_pieces,)
        1 for packs added to the stock, -1 for packs taken from it.
    curve : array of shape (n_pieces,)
        item * n_locations + location.
    """

    gain: Floats
    width: Floats
    sign: Floats
    curve: Whole


def find_expected_profit(
    samples: Floats, stock: Floats, *, margin: float, overage_cost: float
) -> Floats:
    """Return the expected profit of several stocks of one item at one place.

    Parameters
    ----------
    samples : array of shape (n_samples,)
        Demand until the next delivery, in units.
    stock : array of shape (n_stocks,)
        Units at hand; below zero sells nothing.
    margin : float
        Money earned per unit sold.
    overage_cost : float
        Money lost per unit left over.

    Returns
    -------
    array of shape (n_stocks,)
        margin E min(D, x) - overage_cost E (x - D)+, in money.

    Examples
    --------
    >>> samples = np.array([0.0, 2.0])
    >>> find_expected_profit(samples, np.array([1.0, 2.0]), margin=3.0, overage_cost=1.0).tolist()
    [1.0, 2.0]
    """
    drawn = np.sort(samples)
    totals = np.concatenate([[0.0], np.cumsum(drawn)])
    held = np.maximum(stock, 0.0)
    met = np.searchsorted(drawn, held, side="right")
    sold = (totals[met] + held * (len(drawn) - met)) / len(drawn)
    return np.asarray((margin + overage_cost) * sold - overage_cost * held)


def find_pack_gains(
    samples: Floats,
    stock: float,
    n_packs: int,
    *,
    pack_size: float,
    margin: float,
    overage_cost: float,
) -> Floats:
    """Return what each further pack adds to the expected profit; it never rises from pack to pack.

    Parameters
    ----------
    samples, margin, overage_cost
        As in `find_expected_profit`.
    stock : float
        Units at hand before the first pack.
    n_packs : int
        Number of packs.
    pack_size : float
        Units per pack; below zero for packs taken away.

    Returns
    -------
    array of shape (n_packs,)
        Money per pack.
    """
    at = np.asarray(stock + pack_size * np.arange(n_packs + 1), dtype=np.float64)
    profit = find_expected_profit(samples, at, margin=margin, overage_cost=overage_cost)
    # sums of samples differ in their last digits: a pack never gains more than the one before it
    return np.asarray(np.minimum.accumulate(np.diff(profit)))


def count_useful_packs(samples: Floats, stock: float, pack_size: float) -> int:
    """Return after how many packs no sample of demand is left unmet."""
    return max(0, int(np.ceil((float(samples.max()) - stock) / pack_size - ROUNDING)))


def check_samples(samples: Floats, n_dimensions: int) -> None:
    """Check samples of demand: dimensions, finite, none below zero.

    Raises
    ------
    ValueError
        If they are not.
    """
    if samples.ndim != n_dimensions or 0 in samples.shape:
        wanted = ("(n_locations, n_samples)", "(n_items, n_locations, n_samples)")[n_dimensions - 2]
        raise ValueError(f"samples: expected shape {wanted}, none empty, got {samples.shape}")
    check_values("samples", samples, at_least=0.0)
    if np.isinf(samples).any():
        raise ValueError("samples: expected finite demand, got inf; correct it")


def build_profit_pieces(
    demand: Floats, stock: Floats, margin: Floats, overage: Floats, packs: Floats
) -> ProfitPieces:
    """Return the profit curves around the stocks there are; packs of equal gain are one piece.

    Parameters
    ----------
    demand : array of shape (n_items, n_locations, n_samples)
        Units until the next delivery.
    stock, margin, overage : arrays of shape (n_items, n_locations)
        Units at hand, money per unit sold, money per unit left over.
    packs : array of shape (n_items,)
        Units per pack.
    """
    rows: list[tuple[float, float, float, int]] = []
    n_items, n_locations = stock.shape
    for item in range(n_items):
        size = float(packs[item])
        everything = int(np.ceil(stock[item].sum() / size))
        for place in range(n_locations):
            drawn, at = demand[item, place], float(stock[item, place])
            rates = {"margin": margin[item, place], "overage_cost": overage[item, place]}
            above = min(count_useful_packs(drawn, at, size), everything)
            up = find_pack_gains(drawn, at, above, pack_size=size, **rates)
            below = int(np.floor(at / size + ROUNDING))
            down = find_pack_gains(drawn, at, below, pack_size=-size, **rates)
            curve = item * n_locations + place
            rows += [(g, n, 1.0, curve) for g, n in _merge(up)]
            rows.append((-rates["overage_cost"] * size, float(everything), 1.0, curve))
            rows += [(g, n, -1.0, curve) for g, n in _merge(down)]
    table = np.array(rows).reshape(-1, 4)
    return ProfitPieces(table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(np.int64))


def _merge(gains: Floats) -> list[tuple[float, float]]:
    """Return runs of equal gains as (gain, length)."""
    values, counts = np.unique(np.round(gains, 9), return_counts=True)
    return list(zip(values.tolist(), counts.astype(float).tolist(), strict=True))
