"""Which customer gets a message at which hour over which channel, within shared limits.

Maximises the value of all messages as a linear programme. Few limits couple the customers, so
that prices of the limits say all that one customer needs to know of the others: at the right
prices each chooses alone. HiGHS finds these prices; the customers who are torn between options
stay in its programme, the others have decided. The dual function at any prices is an upper bound
on every plan, and is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.campaign.assignment_candidates import Rules
from models.campaign.assignment_limits import Floats, Limits, Whole, build_limits
from models.campaign.assignment_search import search
from models.campaign.assignment_source import Blocks, Source


@dataclass(frozen=True)
class Assignment:
    """Messages, one a row, by customer, then hour; and what the limits cost.

    Attributes
    ----------
    customer, hour, channel : array of int64, shape (n_messages,)
        Indices into the axes of `value`.
    value : float
        Sum of the messages' values.
    bound : float
        No plan within the limits is worth more: the dual function at `prices`.
    gap : float
        (bound - value) / bound, a fraction; 0 where nothing can be gained.
    prices : array of shape (n_hours, n_channels)
        Value of one more message in the hour and channel: 0 where the hour is not full. A message
        is sent where its value exceeds its prices in all and no other hour exceeds them by more.
    channel_prices : array of shape (n_channels,)
        Value of one more message over the channel, whatever the hour.
    budget_price : float
        Value of one more unit of money.
    iterations : int
        Linear programmes solved with all customers; 0 where no limit binds.
    is_solved : bool
        True if the linear programme is solved over every option of every customer, so that the
        gap is that of whole messages only.
    """

    customer: Whole
    hour: Whole
    channel: Whole
    value: float
    bound: float
    gap: float
    prices: Floats
    channel_prices: Floats
    budget_price: float
    iterations: int
    is_solved: bool


def assign(
    value: npt.NDArray[np.floating],
    *,
    capacity: npt.ArrayLike,
    cost: npt.ArrayLike,
    budget: float | None,
    most_per_customer: npt.ArrayLike,
    min_gap_hours: int = 0,
    channel_capacity: npt.ArrayLike = np.inf,
) -> Assignment:
    """Choose the messages that are worth most together.

    Parameters
    ----------
    value : array of shape (n, n_hours, n_channels)
        Expected value of a message, in any unit; NaN = not permitted. Nothing is sent at a value
        of zero or below. float32 halves the memory.
    capacity : array that broadcasts to (n_hours, n_channels)
        Messages an hour and channel; >= 0, inf = no limit. Fractions of a message are cut.
    cost : number or array of shape (n_channels,)
        Money a message; >= 0.
    budget : float or None
        Money in all; >= 0, None = no limit.
    most_per_customer : int or array of shape (n,)
        Messages a customer at most; >= 0.
    min_gap_hours : int
        Hours from one message of a customer to the next, at least; never two in one hour.
    channel_capacity : number or array of shape (n_channels,)
        Messages a channel over all hours; >= 0, inf = no limit.

    Returns
    -------
    Assignment
        Deterministic. Ties go to the earliest hour, then the first channel, as far as the limits
        allow.

    Raises
    ------
    ValueError
        If shapes differ, or a number is not in its range.
    InvalidRequest
        If HiGHS cannot solve a programme.

    Examples
    --------
    Both want hour 1, which has room for one; the second customer loses less by hour 0.

    >>> value = np.array([[[1.0], [5.0]], [[3.0], [4.0]]])
    >>> found = assign(
    ...     value, capacity=[[9], [1]], cost=0.0, budget=None, most_per_customer=1
    ... )
    >>> found.hour.tolist(), found.value, round(found.gap, 6)
    ([1, 0], 8.0, 0.0)
    """
    if value.ndim != 3:
        raise ValueError(
            f"value: expected shape (n, n_hours, n_channels), got {value.shape}; add the axis"
        )
    most = np.broadcast_to(np.asarray(most_per_customer), _check_fit(most_per_customer, len(value)))
    return assign_blocks(
        lambda: (value,),
        shape=(value.shape[1], value.shape[2]),
        capacity=capacity,
        cost=cost,
        budget=budget,
        most_per_customer=most,
        min_gap_hours=min_gap_hours,
        channel_capacity=channel_capacity,
    )


def assign_blocks(
    blocks: Blocks,
    *,
    shape: tuple[int, int],
    capacity: npt.ArrayLike,
    cost: npt.ArrayLike,
    budget: float | None,
    most_per_customer: npt.NDArray[np.integer],
    min_gap_hours: int = 0,
    channel_capacity: npt.ArrayLike = np.inf,
) -> Assignment:
    """Choose as `assign` does, with values that need not be in memory.

    Parameters
    ----------
    blocks : callable
        Called for each reading, some five times; yields arrays of shape
        (any, n_hours, n_channels), in the order of customers and the same each time.
    shape : tuple of int
        (n_hours, n_channels).
    capacity, cost, budget, min_gap_hours, channel_capacity
        As for `assign`.
    most_per_customer : array of int, shape (n,)
        Says also how many customers there are.

    Returns
    -------
    Assignment

    Raises
    ------
    ValueError
        As for `assign`; also if blocks do not hold n customers in all.
    InvalidRequest
        If HiGHS cannot solve a programme.
    """
    limits = _read_limits(shape, capacity, cost, budget, channel_capacity)
    rules = _read_rules(shape, most_per_customer, min_gap_hours)
    found = search(Source(blocks, len(rules.most), shape, limits.is_open), limits, rules)
    prices, channel_prices, budget_price = limits.split_prices(found.prices)
    value = float(found.sent.value.sum())
    bound = max(found.bound, value)
    return Assignment(
        customer=found.sent.customer,
        hour=found.sent.option // shape[1],
        channel=found.sent.option % shape[1],
        value=value,
        bound=bound,
        gap=(bound - value) / bound if bound > 0 else 0.0,
        prices=prices,
        channel_prices=channel_prices,
        budget_price=budget_price,
        iterations=found.steps,
        is_solved=found.is_solved,
    )


def _read_limits(
    shape: tuple[int, int],
    capacity: npt.ArrayLike,
    cost: npt.ArrayLike,
    budget: float | None,
    channel_capacity: npt.ArrayLike,
) -> Limits:
    if min(shape) < 1:
        raise ValueError(f"value: expected an hour and a channel at least, got shape {shape}")
    per_cell = _read_numbers("capacity", capacity, shape)
    money = _read_numbers("cost", cost, shape[1:], is_finite=True)
    per_channel = _read_numbers("channel_capacity", channel_capacity, shape[1:])
    if budget is not None:
        budget = float(_read_numbers("budget", budget, (), is_finite=True))
    return build_limits(per_cell, money, budget, per_channel)


def _read_rules(
    shape: tuple[int, int], most_per_customer: npt.NDArray[np.integer], min_gap_hours: int
) -> Rules:
    most = _read_numbers("most_per_customer", most_per_customer, np.shape(most_per_customer))
    if most.ndim != 1 or (most != np.floor(most)).any():
        raise ValueError(
            f"most_per_customer: expected one whole number a customer, got shape {most.shape}; "
            "give 0, 1, 2 ... for each"
        )
    if min_gap_hours < 0:
        raise ValueError(f"min_gap_hours: expected 0 or more hours, got {min_gap_hours}")
    gap = max(1, int(min_gap_hours))
    return Rules(np.minimum(most, -(-shape[0] // gap)).astype(np.int64), gap, shape)


def _read_numbers(
    name: str, values: npt.ArrayLike, shape: tuple[int, ...], *, is_finite: bool = False
) -> Floats:
    """Return numbers >= 0 in a shape."""
    array = np.asarray(values, dtype=np.float64)
    full = np.broadcast_to(array, _check_fit(array, *shape, name=name))
    bad = ~(full >= 0) | (np.isinf(full) if is_finite else False)
    if bad.any():
        raise ValueError(
            f"{name}: expected {'finite ' if is_finite else ''}numbers >= 0, got "
            f"{full[bad].flat[0]:g}; correct it, inf stands for no limit"
        )
    return full


def _check_fit(
    values: npt.ArrayLike, *shape: int, name: str = "most_per_customer"
) -> tuple[int, ...]:
    """Return the shape, if values broadcast to it."""
    try:
        np.broadcast_shapes(np.shape(values), shape)
        fits = np.broadcast_shapes(np.shape(values), shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name}: expected one number or shape {shape}, got {np.shape(values)}; give one each"
        )
    return shape
