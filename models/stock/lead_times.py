"""Lead times in whole periods, sampled from their mean and deviation, or from observed ones.

References
----------
.. [1] Adan, van Eenige & Resing (1995), "Fitting discrete distributions on the first two moments",
   Probability in the Engineering and Informational Sciences 9(4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.stock.inputs import Floats, Whole, check_values, read_per_item


def sample_lead_times(
    mean: npt.ArrayLike,
    sd: npt.ArrayLike = 0.0,
    *,
    n_items: int,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> Whole:
    """Sample whole lead times that have a given mean and standard deviation.

    Binomial, Poisson, negative binomial and geometric mixtures that meet both moments exactly [1]_.
    No whole numbers scatter less than those next to the mean: where `sd` is below that (as 0 is for
    a mean of 2.5), lead times are the two neighbours of the mean, in the shares that keep it.

    Parameters
    ----------
    mean, sd : number or array of shape (n_items,)
        In periods; >= 0.
    n_items : int
        Number of items.
    shape : tuple of int
        What is drawn for each item, such as (n_paths,) or (n_reviews, n_paths).
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array of shape (n_items, *shape)
        Periods from an order to its arrival; >= 0.

    Raises
    ------
    ValueError
        If a mean or deviation is negative or NaN.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> drawn = sample_lead_times(3.0, 0.8, n_items=1, shape=(100_000,), rng=rng)
    >>> drawn.mean().round(1), drawn.std().round(1)
    (np.float64(3.0), np.float64(0.8))
    """
    centre = read_per_item("lead time mean", mean, n_items, at_least=0.0)
    spread = read_per_item("lead time sd", sd, n_items, at_least=0.0)
    whole = np.floor(centre)
    is_tight = spread**2 <= (centre - whole) * (1 - centre + whole) + 1e-12
    drawn = np.zeros((n_items, *shape), dtype=np.int64)
    for rows, draw in ((is_tight, _draw_neighbours), (~is_tight, _draw_fitted)):
        if rows.any():
            columns = (-1,) + (1,) * len(shape)
            size = (int(rows.sum()), *shape)
            drawn[rows] = draw(
                centre[rows].reshape(columns), spread[rows].reshape(columns), size, rng
            )
    return drawn


def sample_observed_lead_times(
    observed: Sequence[npt.ArrayLike],
    *,
    n_items: int,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> Whole:
    """Sample lead times, with replacement, from those that were observed.

    Parameters
    ----------
    observed : sequence of arrays
        One for each item, or a single one for all of them: whole periods, >= 0.
    n_items, shape, rng
        As in `sample_lead_times`.

    Returns
    -------
    array of shape (n_items, *shape)
        Periods from an order to its arrival.

    Raises
    ------
    ValueError
        If there are neither one nor `n_items` lists, one is empty, or a value is negative, NaN or
        not whole.
    """
    if len(observed) not in (1, n_items):
        raise ValueError(
            f"observed lead times: expected 1 list or {n_items}, got {len(observed)}; "
            "give one for each item"
        )
    pools = [_read_observed(values) for values in observed]
    if len(pools) == 1:
        return rng.choice(pools[0], size=(n_items, *shape))
    return np.array([rng.choice(pool, size=shape) for pool in pools]).reshape(n_items, *shape)


def read_lead_times(lead_times: npt.ArrayLike, shape: tuple[int, ...]) -> Whole:
    """Return lead times in the shape of their use, from one for all, one per item, or all of them.

    Parameters
    ----------
    lead_times : number, array of shape (n_items,), or of `shape`
        Whole periods; >= 0.
    shape : tuple of int
        (n_items, ...).

    Returns
    -------
    array of `shape`
        A read-only view where values are repeated.

    Raises
    ------
    ValueError
        If the shape is another, or a value is negative, NaN or not whole.
    """
    array = np.asarray(lead_times)
    if array.shape not in ((), shape[:1], shape):
        raise ValueError(
            f"lead_times: expected one number, shape {shape[:1]} or {shape}, got {array.shape}; "
            "sample them with sample_lead_times"
        )
    whole = _read_whole(array)
    if whole.ndim == 1:
        whole = whole.reshape(-1, *(1 for _ in shape[1:]))
    return np.broadcast_to(whole, shape)


def _read_observed(values: npt.ArrayLike) -> Whole:
    whole = _read_whole(np.asarray(values).ravel())
    if whole.size == 0:
        raise ValueError("observed lead times: expected at least one, got none; use a mean instead")
    return whole


def _read_whole(values: npt.NDArray[np.floating] | Whole) -> Whole:
    check_values("lead_times", values, at_least=0.0)
    if not np.array_equal(np.floor(values), values) or np.isinf(values).any():
        raise ValueError("lead_times: expected whole periods, got fractions or inf; round them up")
    return values.astype(np.int64)


def _draw_neighbours(
    mean: Floats, _: Floats, size: tuple[int, ...], rng: np.random.Generator
) -> Whole:
    return np.asarray(np.floor(mean + rng.random(size)), dtype=np.int64)


def _draw_fitted(
    mean: Floats, sd: Floats, size: tuple[int, ...], rng: np.random.Generator
) -> Whole:
    """Draw from the family of [1] that the moments ask for; the four cases are the paper's."""
    excess = (sd / mean) ** 2 - 1 / mean
    under = _draw_binomials(mean, np.minimum(excess, -1e-9), size, rng)
    over = _draw_negative_binomials(mean, np.clip(excess, 1e-9, 1.0), size, rng)
    far = _draw_geometrics(mean, np.maximum(excess, 1.0), size, rng)
    near_poisson = rng.poisson(mean, size)
    drawn = np.where(excess < 0, under, np.where(excess < 1, over, far))
    return np.asarray(np.where(np.abs(excess) < 1e-6, near_poisson, drawn), dtype=np.int64)


def _draw_binomials(
    mean: Floats, excess: Floats, size: tuple[int, ...], rng: np.random.Generator
) -> Whole:
    trials = np.floor(-1 / excess + 1e-9)
    root = np.maximum(-excess * trials * (1 + trials) - trials, 0.0)
    share = np.clip((1 + excess * (1 + trials) + np.sqrt(root)) / (1 + excess), 0.0, 1.0)
    chance = np.clip(mean / (trials + 1 - share), 0.0, 1.0)
    needed = (trials + (rng.random(size) >= share)).astype(np.int64)
    return np.asarray(rng.binomial(needed, chance), dtype=np.int64)


def _draw_negative_binomials(
    mean: Floats, excess: Floats, size: tuple[int, ...], rng: np.random.Generator
) -> Whole:
    successes = np.floor(1 / excess + 1e-9)
    root = np.maximum((1 + successes) * (1 - excess * successes), 0.0)
    share = np.clip(((1 + successes) * excess - np.sqrt(root)) / (1 + excess), 0.0, 1.0)
    needed = successes + (rng.random(size) >= share)
    chance = mean / (successes + 1 - share + mean)
    return np.asarray(rng.negative_binomial(needed, 1 - chance), dtype=np.int64)


def _draw_geometrics(
    mean: Floats, excess: Floats, size: tuple[int, ...], rng: np.random.Generator
) -> Whole:
    root = np.sqrt(np.maximum(excess**2 - 1, 0.0))
    high, low = 1 + excess + root, 1 + excess - root
    weight = np.where(rng.random(size) < 1 / high, high, low)
    drawn = rng.geometric(1 - mean * weight / (2 + mean * weight))
    return np.asarray(drawn - 1, dtype=np.int64)
