"""What the stock functions accept, checked once at the door."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

CHUNK_CELLS = 4_000_000
"""Cells of the sample paths that are worked on at a time: 32 MB for each array in between."""
ROUNDING = 1e-9
"""Differences below this are rounding: a need of 12.0000000001 units is two packs of six."""


def check_values(name: str, values: npt.ArrayLike, *, at_least: float | None = None) -> None:
    """Check that all values are numbers, and not below a bound.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    values : array of any shape
        Values to check; inf is a number here, NaN is not.
    at_least : float, optional
        Lowest value allowed.

    Raises
    ------
    ValueError
        With the first offending value and where it stands.
    """
    array = np.asarray(values, dtype=np.float64)
    floor = -np.inf if at_least is None else at_least
    if array.min(initial=np.inf) >= floor:
        return
    bad = np.argwhere(~(array >= floor))[0]
    where = f" at {tuple(bad.tolist())}" if array.ndim else ""
    wanted = "numbers" if at_least is None else f"numbers >= {at_least:g}"
    got = float(array[tuple(bad)])
    fix = "fill or drop the item" if np.isnan(got) else "correct it"
    raise ValueError(f"{name}: expected {wanted}, got {got:g}{where}; {fix}")


def read_per_item(
    name: str,
    values: npt.ArrayLike,
    n_items: int,
    *,
    at_least: float | None = None,
    is_finite: bool = True,
) -> Floats:
    """Return one value per item from one for all, or one for each.

    Parameters
    ----------
    name : str
        Name of the argument, for the messages.
    values : number or array of shape (n_items,)
        What the caller gave.
    n_items : int
        How many items there are.
    at_least : float, optional
        Lowest value allowed.
    is_finite : bool
        Whether inf is refused.

    Returns
    -------
    array of shape (n_items,)
        As float64; the caller's array is not touched.

    Raises
    ------
    ValueError
        If the shape, or any value, is not what is expected.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in ((), (n_items,)):
        raise ValueError(
            f"{name}: expected one number or shape ({n_items},), got shape {array.shape}; "
            "give one value per item"
        )
    check_values(name, array, at_least=at_least)
    if is_finite and np.isinf(array).any():
        raise ValueError(f"{name}: expected finite numbers, got inf; correct it")
    return np.array(np.broadcast_to(array, (n_items,)))


def check_paths(paths: npt.NDArray[np.floating], name: str = "paths") -> None:
    """Check sample paths of demand: three dimensions, finite, no demand below zero.

    Parameters
    ----------
    paths : array of shape (n_items, n_periods, n_paths)
        Demand in units per period.
    name : str
        Name of the argument, for the messages.

    Raises
    ------
    ValueError
        With the first item and period that is wrong.
    """
    if paths.ndim != 3 or 0 in paths.shape[1:]:
        raise ValueError(
            f"{name}: expected shape (n_items, n_periods, n_paths), none of the last two empty, "
            f"got {paths.shape}; put items first, paths last"
        )
    for rows in split_items(paths.shape):
        part = paths[rows]
        # min and max carry NaN, so that two reductions find every bad value without a mask
        low, high = part.min(), part.max()
        if not (low >= 0 and high < np.inf):
            item, period, path = np.argwhere(~((part >= 0) & (part < np.inf)))[0].tolist()
            raise ValueError(
                f"{name}: expected finite demand >= 0, got {part[item, period, path]} for item "
                f"{rows.start + item}, period {period}, path {path}; clip or drop it"
            )


def split_items(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of items, so small that one array of them has about `CHUNK_CELLS` cells."""
    per_item = max(1, int(np.prod(shape[1:])))
    step = max(1, CHUNK_CELLS // per_item)
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def round_up_to_packs(units: Floats, pack_size: Floats, minimum_order: Floats) -> Floats:
    """Round what is needed up to the minimum order and to whole packs; no need orders nothing.

    Parameters
    ----------
    units : array
        Units needed; zero or below orders nothing.
    pack_size : array that broadcasts with `units`
        Units per pack; > 0.
    minimum_order : array that broadcasts with `units`
        Least units of an order; itself rounded up to whole packs.

    Examples
    --------
    >>> round_up_to_packs(np.array([0.0, 1.0, 13.0]), np.array(6.0), np.array(10.0)).tolist()
    [0.0, 12.0, 18.0]
    """
    packs = np.ceil(np.maximum(units, minimum_order) / pack_size - ROUNDING)
    return np.asarray(np.where(units > ROUNDING, packs * pack_size, 0.0))
