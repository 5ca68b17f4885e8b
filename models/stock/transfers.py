"""Transfers between locations: what to move where, when every shipment costs something.

Expected profit at a location is concave and piecewise linear in whole packs, so that the best plan
is a small mixed-integer programme, solved by HiGHS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from models.stock.inputs import ROUNDING, Floats, Whole, check_values, read_per_item
from models.stock.lanes import Lanes, check_lanes
from models.stock.profit import ProfitPieces, build_profit_pieces, check_samples

TIME_LIMIT_SECONDS = 30.0


@dataclass(frozen=True)
class TransferPlan:
    """What to move.

    Attributes
    ----------
    units : array of shape (n_items, n_lanes)
        Units of each item on each lane, in whole packs.
    gain : float
        Expected profit that the new stocks add, in money.
    cost : float
        What the shipments cost, in money.
    best_possible : float
        Money that no plan can exceed, gain less cost: how good a plan is whose search the time
        limit ended.
    """

    units: Floats
    gain: float
    cost: float
    best_possible: float

    @property
    def is_optimal(self) -> bool:
        """Whether no plan is better, by more than rounding."""
        return self.gain - self.cost >= self.best_possible - 1e-6 * max(1.0, self.best_possible)


def plan_transfers(
    samples: npt.ArrayLike,
    on_hand: npt.ArrayLike,
    lanes: Lanes,
    *,
    margin: npt.ArrayLike,
    overage_cost: npt.ArrayLike = 0.0,
    pack_size: npt.ArrayLike = 1.0,
    time_limit_seconds: float = TIME_LIMIT_SECONDS,
) -> TransferPlan:
    """Plan the shipments of highest expected profit, less what they cost.

    One shipment on a lane carries any number of items and pays its cost once. Only what is there
    can be sent: goods do not pass through a location. Shared shipments are hard: some 10 locations
    with all lanes between them are proven best for few items, and come close for many.

    Parameters
    ----------
    samples : array of shape (n_items, n_locations, n_samples)
        Demand until the next delivery, in units: sums along sample paths.
    on_hand : array of shape (n_items, n_locations)
        Units there now; >= 0.
    lanes : Lanes
        From `models.stock.lanes.build_lanes`.
    margin : array that broadcasts to (n_items, n_locations)
        Money earned per unit sold; >= 0.
    overage_cost : array that broadcasts to (n_items, n_locations)
        Money lost per unit left over; >= 0.
    pack_size : number or array of shape (n_items,)
        Units per pack; > 0.
    time_limit_seconds : float
        Longest search; the best plan found until then is returned, with what it may fall short.

    Returns
    -------
    TransferPlan
        Moves nothing where nothing is worth its cost.

    Raises
    ------
    ValueError
        If a value is NaN or out of range, or no plan was found in time.
    """
    demand = np.asarray(samples, dtype=np.float64)
    check_samples(demand, 3)
    shape = demand.shape[:2]
    stock = _read_grid("on_hand", on_hand, shape)
    earned, wasted = _read_grid("margin", margin, shape), _read_grid("overage", overage_cost, shape)
    packs = read_per_item("pack_size", pack_size, shape[0], at_least=np.finfo(float).tiny)
    check_lanes(lanes, shape[1])
    pieces = build_profit_pieces(demand, stock, earned, wasted, packs)
    sendable = np.floor(stock / packs[:, None] + ROUNDING)
    n_lanes = len(lanes.origin)
    if n_lanes == 0:
        return TransferPlan(np.zeros((shape[0], n_lanes)), 0.0, 0.0, 0.0)
    solution, best_possible = _solve(pieces, sendable, packs, lanes, time_limit_seconds)
    n_moves = shape[0] * n_lanes
    moved = np.rint(solution[:n_moves]).reshape(shape[0], n_lanes) * packs[:, None]
    paid = moved.sum(axis=0) * lanes.unit_cost + (moved.sum(axis=0) > 0) * lanes.shipment_cost
    gain, cost = float(pieces.gain @ solution[n_moves + n_lanes :]), float(paid.sum())
    if gain < cost:  # a search cut short may have found nothing better than what is there
        return TransferPlan(np.zeros_like(moved), 0.0, 0.0, best_possible)
    return TransferPlan(moved, gain, cost, best_possible)


def _solve(
    pieces: ProfitPieces, sendable: Floats, packs: Floats, lanes: Lanes, seconds: float
) -> tuple[Floats, float]:
    """Solve for the packs moved (n_items x n_lanes), the lanes used, and the pieces filled.

    With the lanes chosen, what is left is a network flow, whole of itself: the search branches on
    the lanes alone, and a second, small programme makes its packs whole.
    """
    n_items, n_lanes, n_pieces = len(packs), len(lanes.origin), len(pieces.gain)
    n_moves = n_items * n_lanes
    most = sendable[:, lanes.origin]
    money = np.concatenate(
        [np.outer(packs, lanes.unit_cost).ravel(), lanes.shipment_cost, -pieces.gain]
    )
    rules = _build_constraints(pieces, sendable, most, lanes)

    def search(is_whole: tuple[float, float], open_lanes: Floats) -> Any:
        result = milp(
            money,
            integrality=np.repeat([*is_whole, 0.0], [n_moves, n_lanes, n_pieces]),
            bounds=Bounds(0.0, np.concatenate([most.ravel(), open_lanes, pieces.width])),
            constraints=rules,
            options={"time_limit": seconds, "mip_rel_gap": 1e-9},
        )
        if result.x is None:
            raise ValueError(f"transfers: no plan within {seconds:g} s; allow more time")
        return result

    chosen = search((0.0, 1.0), np.ones(n_lanes))
    used = np.rint(chosen.x[n_moves : n_moves + n_lanes])
    return np.asarray(search((1.0, 1.0), used).x), -float(chosen.mip_dual_bound)


def _build_constraints(
    pieces: ProfitPieces, sendable: Floats, most: Floats, lanes: Lanes
) -> list[LinearConstraint]:
    """Return: only lanes used carry, curves follow the stock moved, only what is there is sent."""
    n_stocks, n_moves = sendable.size, most.size
    n_lanes, n_pieces = len(lanes.origin), len(pieces.gain)
    into, out_of = _build_incidence(sendable.shape, lanes)
    room = sparse.vstack([sparse.diags_array(-row) for row in most])
    carried = sparse.hstack(
        [sparse.eye_array(n_moves), room, sparse.csr_array((n_moves, n_pieces))], format="csr"
    )
    at = (pieces.curve, np.arange(n_pieces))
    filled = sparse.csr_array((-pieces.sign, at), shape=(n_stocks, n_pieces))
    unused = sparse.csr_array((n_stocks, n_lanes))
    balance = sparse.hstack([into - out_of, unused, filled], format="csr")
    sent = sparse.hstack([out_of, unused, sparse.csr_array((n_stocks, n_pieces))], format="csr")
    return [
        LinearConstraint(carried, -np.inf, 0.0),
        LinearConstraint(balance, 0.0, 0.0),
        LinearConstraint(sent, -np.inf, sendable.ravel()),
    ]


def _build_incidence(
    shape: tuple[int, ...], lanes: Lanes
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return which moves enter, and which leave, each item's stock at each location."""
    n_items, n_locations = shape
    n_lanes = len(lanes.origin)
    item = np.repeat(np.arange(n_items), n_lanes)
    moves, ones = np.arange(n_items * n_lanes), np.ones(n_items * n_lanes)
    size = (n_items * n_locations, n_items * n_lanes)

    def place(at: Whole) -> sparse.csr_array:
        rows = item * n_locations + np.tile(at, n_items)
        return sparse.csr_array((ones, (rows, moves)), shape=size)

    return place(lanes.destination), place(lanes.origin)


def _read_grid(name: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    check_values(name, array, at_least=0.0)
    if np.isinf(array).any():
        raise ValueError(f"{name}: expected finite numbers, got inf; correct it")
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"{name}: expected a number or shape {shape}, items by locations, got {array.shape}"
        ) from None
