"""Lanes: between which locations goods may move, and what a shipment costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.stock.inputs import Floats, Whole, read_per_item


@dataclass(frozen=True)
class Lanes:
    """Where goods may move.

    Attributes
    ----------
    origin, destination : arrays of shape (n_lanes,)
        Positions of locations.
    shipment_cost : array of shape (n_lanes,)
        Money per shipment, whatever is in it; >= 0.
    unit_cost : array of shape (n_lanes,)
        Money per unit moved; >= 0.
    """

    origin: Whole
    destination: Whole
    shipment_cost: Floats
    unit_cost: Floats


def build_lanes(
    origin: npt.ArrayLike,
    destination: npt.ArrayLike,
    *,
    shipment_cost: npt.ArrayLike,
    unit_cost: npt.ArrayLike,
    n_locations: int,
) -> Lanes:
    """Build lanes, checked.

    Parameters
    ----------
    origin, destination : arrays of shape (n_lanes,)
        Positions of locations, 0 to n_locations - 1.
    shipment_cost, unit_cost : number or array of shape (n_lanes,)
        Money per shipment and per unit; >= 0.
    n_locations : int
        Number of locations.

    Raises
    ------
    ValueError
        If a location does not exist, a lane leads back to its origin, or a cost is out of range.
    """
    start, end = np.asarray(origin, dtype=np.int64), np.asarray(destination, dtype=np.int64)
    if start.ndim != 1 or start.shape != end.shape:
        raise ValueError(
            f"lanes: expected origin and destination of one length, got {start.shape} and "
            f"{end.shape}; give one pair per lane"
        )
    for name, place in (("origin", start), ("destination", end)):
        if not ((place >= 0) & (place < n_locations)).all():
            raise ValueError(
                f"{name}: expected positions 0 to {n_locations - 1}; correct the lanes"
            )
    if (start == end).any():
        raise ValueError(f"lanes: lane {int(np.argmax(start == end))} leads to its origin; drop it")
    return Lanes(
        start,
        end,
        read_per_item("shipment_cost", shipment_cost, len(start), at_least=0.0),
        read_per_item("unit_cost", unit_cost, len(start), at_least=0.0),
    )


def check_lanes(lanes: Lanes, n_locations: int) -> None:
    """Check that lanes lead between locations that exist."""
    last = int(max(lanes.origin.max(initial=-1), lanes.destination.max(initial=-1)))
    if last >= n_locations:
        raise ValueError(
            f"lanes: expected locations 0 to {n_locations - 1}, got {last}; build the lanes for "
            "the locations of the samples"
        )
