"""The linear programme over the customers who have not decided, solved by HiGHS.

Within a box of prices: a limit may be exceeded at the upper price, and left unused at the lower
one. Where the solution does neither, the box did not bind and the solution is the optimum.

References
----------
.. [1] Huangfu & Hall (2018), "Parallelizing the dual revised simplex method", Mathematical
   Programming Computation 10(1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from features.errors import InvalidRequest
from models.campaign.assignment_candidates import Options, Rules, find_starts
from models.campaign.assignment_limits import Floats, Limits, Whole

WHOLE = 1e-6
"""What a message of the linear programme may lack of a whole one by rounding."""
TIE = 1e-6
"""Share of a typical value by which the last hour is worth less than the first, to break ties."""
NODES = 200
"""Branches that the integer programme may try."""


@dataclass(frozen=True)
class Groups:
    """Options of customers where those who are alike count as one.

    Attributes
    ----------
    options : Options
        Of one customer of each group.
    weight : array of float64
        Customers of the option's group.
    members : array of int64
        All customers, by group, then customer.
    start : array of int64
        Where the option's group begins in `members`.
    """

    options: Options
    weight: Floats
    members: Whole
    start: Whole


@dataclass(frozen=True)
class Solution:
    """Messages by the linear programme.

    Attributes
    ----------
    messages : array
        One number per option of the groups; fractions may remain.
    prices : array of shape (n_limits,)
        Value of one more unit of each limit.
    is_inside : bool
        True if the box of prices did not bind.
    """

    messages: Floats
    prices: Floats
    is_inside: bool


def group_alike(options: Options, rules: Rules) -> Groups:
    """Let customers with one message each and the same options at the same values be one.

    Where thousands have no history of their own, and so one forecast, the programme stays small.
    """
    first = find_starts(options.customer)
    count = np.diff(np.append(first, len(options)))
    customer = options.customer[first]
    key = np.stack([*_hash(options, first), count.astype(np.uint64)], axis=1)
    several = rules.most[customer] > 1
    key[several, 2] = np.uint64(1 << 32) + customer[several].astype(np.uint64)
    _, lead, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(lead))  # groups in the order of their first customers
    group, lead = rank[group.ravel()], np.sort(lead)
    size = np.bincount(group, minlength=len(lead))
    is_lead = np.zeros(len(first), dtype=bool)
    is_lead[lead] = True
    begins = np.cumsum(size) - size
    return Groups(
        options.take(np.repeat(is_lead, count)),
        np.repeat(size, count[lead]).astype(np.float64),
        customer[np.argsort(group, kind="stable")],
        np.repeat(begins, count[lead]),
    )


def solve_linear(
    groups: Groups,
    limits: Limits,
    spare: Floats,
    rules: Rules,
    *,
    prices: Floats,
    width: Floats,
    scale: float,
) -> Solution:
    """Solve the linear programme with prices within `width` of `prices`.

    Parameters
    ----------
    groups : Groups
    limits : Limits
    spare : array of shape (n_limits,)
        What those who have decided leave of each limit; may be below zero.
    rules : Rules
    prices, width : array of shape (n_limits,)
        Middle and half-width of the box; no price falls below zero.
    scale : float
        A typical value of a message; > 0.

    Raises
    ------
    InvalidRequest
        If HiGHS finds no solution, as may be with values of very different magnitudes.
    """
    n, n_limits = len(groups.options), len(spare)
    low = np.maximum(prices - width, 0.0)
    own, most = _build_own_rows(groups, rules)
    eye = sp.identity(n_limits, format="csr")
    shared = sp.hstack([limits.uses[:, groups.options.option], -eye, eye])
    padded = sp.hstack([own, sp.csr_matrix((own.shape[0], 2 * n_limits))])
    worth = np.concatenate([_break_ties(groups.options, limits, scale), -(prices + width), low])
    result = linprog(
        -worth / scale,
        A_ub=sp.vstack([shared, padded], format="csr"),
        b_ub=np.concatenate([spare, most]),
        bounds=np.column_stack(
            [np.zeros(n + 2 * n_limits), np.append(groups.weight, np.full(2 * n_limits, np.inf))]
        ),
        method="highs-ipm",
    )
    if result.x is None:
        raise InvalidRequest(
            f"assignment: expected an optimum, got '{result.message}' from HiGHS; bring values, "
            "costs and the budget to magnitudes nearer to 1"
        )
    found = np.maximum(-result.ineqlin.marginals[:n_limits] * scale, 0.0)
    outside = result.x[n : n + n_limits].sum() + result.x[n + n_limits :][low > 0].sum()
    return Solution(result.x[:n], found, bool(outside <= WHOLE))


def solve_whole(
    groups: Groups, limits: Limits, spare: Floats, rules: Rules, scale: float
) -> Floats | None:
    """Solve for whole messages; None if no plan is found within the branches allowed."""
    own, most = _build_own_rows(groups, rules)
    result = milp(
        -_break_ties(groups.options, limits, scale) / scale,
        integrality=np.ones(len(groups.options)),
        bounds=Bounds(0, groups.weight),
        constraints=LinearConstraint(
            sp.vstack([limits.uses[:, groups.options.option], own], format="csr"),
            ub=np.concatenate([spare, most]),
        ),
        options={"node_limit": NODES, "mip_rel_gap": 0.0},
    )
    return None if result.x is None else np.asarray(result.x, dtype=np.float64)


def _build_own_rows(groups: Groups, rules: Rules) -> tuple[sp.csr_matrix, Floats]:
    """Return the rows of each group alone: messages in all, and one in any `gap` hours."""
    options, gap = groups.options, rules.gap
    first = find_starts(options.customer)
    count = np.diff(np.append(first, len(options)))
    most, weight = rules.most[options.customer[first]], groups.weight[first]
    is_bound = count > most
    starts, ends = [first[is_bound]], [(first + count)[is_bound]]
    bound = [(most * weight)[is_bound]]
    hour = options.option // rules.shape[1]
    stride = rules.shape[0] + gap
    place = options.customer * stride + hour
    until = np.searchsorted(place, place + gap)
    fresh = (rules.most[options.customer] > 1) & (until - np.arange(len(options)) > 1)
    fresh[1:] &= (until[1:] > until[:-1]) | (np.diff(options.customer) > 0)
    starts.append(np.flatnonzero(fresh))
    ends.append(until[fresh])
    bound.append(groups.weight[fresh])
    start, end = np.concatenate(starts), np.concatenate(ends)
    pointer = np.append(0, np.cumsum(end - start))
    columns = np.arange(pointer[-1]) + np.repeat(start - pointer[:-1], end - start)
    rows = sp.csr_matrix(
        (np.ones(len(columns)), columns, pointer), shape=(len(start), len(options))
    )
    return rows, np.concatenate(bound).astype(np.float64)


def _break_ties(options: Options, limits: Limits, scale: float) -> Floats:
    return options.value - TIE * scale * options.option / len(limits.is_open)


def _hash(options: Options, first: Whole) -> list[np.ndarray]:
    """Return two numbers of 64 bits for each customer's options and values."""
    bits = (options.value + 0.0).view(np.uint64)
    found = []
    for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F):
        mixed = (bits ^ (options.option.astype(np.uint64) * np.uint64(odd))) * np.uint64(odd)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
        found.append(np.add.reduceat(mixed, first))
    return found
