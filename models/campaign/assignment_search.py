"""The prices at which customers' own choices fit the limits, and the messages at them.

Prices are learned on few customers with limits in proportion, then on more, then on all. Each
step lets prices move within a box that is as wide as the linear programme may be large, and ends
where the box no longer binds: there the programme is solved for every option of every customer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.campaign.assignment_candidates import (
    Box,
    Options,
    Rules,
    choose_at,
    find_candidates,
    find_decided,
)
from models.campaign.assignment_limits import Floats, Limits, Whole
from models.campaign.assignment_master import Groups, group_alike, solve_linear, solve_whole
from models.campaign.assignment_rounding import (
    fill_up,
    join_options,
    shed_excess,
    sort_options,
    take_whole,
)
from models.campaign.assignment_source import Source, hold, spread_evenly

SAMPLES = (500, 4_000, 32_000, 128_000)
"""Customers on whom prices are learned first, where there are at least three times as many."""
NARROWEST = 0.01
"""Share of the widest side of a box that its narrowest has at least, each as far as it reaches."""
PROBE = 500
"""Customers on whom the width of a box is tried."""
COLUMNS, COLUMNS_LEARNING = 40_000, 20_000
"""Options that the linear programme may hold, of all customers and of a sample."""
EACH = 12
"""Options a customer that it may hold of a small audience."""
SEVERAL = 2
"""What an option counts for whose customer may get several messages, and so has more rows."""
STEPS = 40
"""Boxes that may be tried with the same customers."""
NARROWER = 0.7
"""From a box that is too wide to the next."""
WIDER = 8.0
"""How much wider than the last one a box may be."""
FEW = 2_000
"""Options up to which whole messages are searched for by branch and bound."""


@dataclass(frozen=True)
class Found:
    """Messages, and how good they are.

    Attributes
    ----------
    sent : Options
    bound : float
        No plan is worth more.
    prices : array of shape (n_limits,)
    steps : int
        Linear programmes solved with all customers.
    is_solved : bool
        True if the linear programme is solved over every option of every customer.
    """

    sent: Options
    bound: float
    prices: Floats
    steps: int
    is_solved: bool


@dataclass(frozen=True)
class _Problem:
    source: Source
    limits: Limits
    rules: Rules
    columns: int
    probe: Floats
    probe_rows: Whole


@dataclass(frozen=True)
class _Step:
    decided: Options
    open: Options
    groups: Groups
    messages: Floats
    prices: Floats
    shape: Floats
    bound: float
    is_inside: bool


def search(source: Source, limits: Limits, rules: Rules) -> Found:
    """Choose messages for all customers within all limits.

    Parameters
    ----------
    source : Source
    limits : Limits
    rules : Rules
        Of the source's customers.

    Raises
    ------
    InvalidRequest
        If HiGHS cannot solve a programme.
    ValueError
        If the source cannot be read.
    """
    sizes = [size for size in SAMPLES if 3 * size <= source.n]
    rows = spread_evenly(source.n, sizes[-1] if sizes else min(PROBE, source.n))
    prices = np.zeros(len(limits.amounts))
    free, surplus, sample = _choose(source, limits, rules, prices, rows)
    if (limits.find_spare(free.option) >= 0).all():
        return Found(free, surplus, prices, 0, True)
    part = spread_evenly(len(rows), min(PROBE, len(rows)))
    whole = _Problem(source, limits, rules, COLUMNS, sample[part].astype(np.float64), rows[part])
    scale = float(free.value.mean())
    # no limit is worth more of a message's value than by the message that uses least of it
    least = np.minimum.reduceat(limits.uses.data, limits.uses.indptr[:-1])
    reach = free.value.max() / least
    shape = reach
    for size in sizes:
        part = spread_evenly(len(rows), size)
        *_, last = _descend(_shrink(whole, sample[part], rows[part]), prices, shape, reach, scale)
        prices, shape = last.prices, last.shape
    steps = list(_descend(whole, prices, shape, reach, scale))
    _, bound, _ = _choose(source, limits, rules, steps[-1].prices)
    sent = _round(whole, steps[-1], scale)
    bound = min(bound, *(step.bound for step in steps))
    return Found(sent, bound, steps[-1].prices, len(steps), steps[-1].is_inside)


def _shrink(whole: _Problem, values: Floats, rows: Whole) -> _Problem:
    """Return the problem of some customers, with limits in proportion."""
    probe = spread_evenly(len(rows), min(PROBE, len(rows)))
    return _Problem(
        hold(values, whole.source),
        replace(whole.limits, amounts=whole.limits.amounts * (len(rows) / whole.source.n)),
        replace(whole.rules, most=whole.rules.most[rows]),
        COLUMNS_LEARNING,
        values[probe].astype(np.float64),
        probe,
    )


def _choose(
    source: Source, limits: Limits, rules: Rules, prices: Floats, rows: Whole | None = None
) -> tuple[Options, float, Floats]:
    """Return everybody's choice at prices, the dual function there, and values of some rows."""
    price = limits.price_options(prices)
    surplus, kept = float(limits.amounts @ prices), [np.zeros((0, len(price)), dtype=np.float32)]
    chosen = [Options(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))]
    wanted = np.zeros(0, dtype=np.int64) if rows is None else rows
    for where, value in source.read():
        options, gained = choose_at(value, rules.most[where], price, rules)
        chosen.append(replace(options, customer=options.customer + where.start))
        surplus += gained
        inside = wanted[(wanted >= where.start) & (wanted < where.stop)]
        kept.append(value[inside - where.start].astype(np.float32))
    return join_options(chosen), surplus, np.concatenate(kept)


def _descend(
    problem: _Problem, prices: Floats, shape: Floats, reach: Floats, scale: float
) -> Iterator[_Step]:
    """Yield step after step, the last of which is inside its box if all goes well."""
    for _ in range(STEPS):
        shape = np.maximum(shape, NARROWEST * reach * (shape / reach).max(initial=0.0))
        width = _choose_width(problem, prices, np.minimum(WIDER * shape, reach))
        step = _take_step(problem, prices, width, scale)
        yield step
        if step.is_inside:
            return
        prices, shape = step.prices, step.shape


def _make_box(limits: Limits, prices: Floats, width: Floats) -> Box:
    rise, fall = limits.price_options(width), limits.price_options(np.minimum(width, prices))
    return Box(limits.price_options(prices), rise, fall)


def _choose_width(problem: _Problem, prices: Floats, shape: Floats) -> Floats:
    """Return the widest box of a shape for which the linear programme is small enough."""
    own = replace(problem.rules, most=problem.rules.most[problem.probe_rows])
    values, width = problem.probe, shape
    n = problem.source.n
    allowed = min(problem.columns, max(FEW, EACH * n)) * len(values) / n
    for _ in range(60):
        box = _make_box(problem.limits, prices, width)
        found = find_candidates(values, own.most, box, own)
        counts = np.where(own.most[found.customer] > 1, SEVERAL, 1)
        if counts[~find_decided(found, box, own)].sum() <= allowed:
            break
        width = width * NARROWER
    return width


def _take_step(problem: _Problem, prices: Floats, width: Floats, scale: float) -> _Step:
    limits, rules = problem.limits, problem.rules
    box = _make_box(limits, prices, width)
    parts, bound = [], float(limits.amounts @ prices)
    for where, value in problem.source.read():
        most = rules.most[where]
        found = find_candidates(value, most, box, rules)
        parts.append(replace(found, customer=found.customer + where.start))
        bound += choose_at(value, most, box.prices, rules)[1]
    candidates = join_options(parts)
    is_decided = find_decided(candidates, box, rules)
    decided, undecided = candidates.take(is_decided), candidates.take(~is_decided)
    groups = group_alike(undecided, rules)
    spare = limits.amounts - limits.find_load(decided.option)
    solved = solve_linear(groups, limits, spare, rules, prices=prices, width=width, scale=scale)
    moved = np.abs(solved.prices - prices)
    shape = np.where(moved > 0.99 * width, 2 * width, np.maximum(moved, width / 4))
    return _Step(
        decided, undecided, groups, solved.messages, solved.prices, shape, bound, solved.is_inside
    )


def _round(problem: _Problem, step: _Step, scale: float) -> Options:
    """Return whole messages within every limit."""
    limits, rules = problem.limits, problem.rules
    price = limits.price_options(step.prices)
    plans = [step.messages]
    if len(step.groups.options) <= FEW and step.is_inside:
        spare = limits.amounts - limits.find_load(step.decided.option)
        exact = solve_whole(step.groups, limits, spare, rules, scale)
        plans += [] if exact is None else [exact]
    results = []
    for messages in plans:
        taken = take_whole(step.groups, messages, rules)
        sent = sort_options(join_options([step.decided, taken]))
        sent = shed_excess(sent, limits, price)
        results.append(fill_up(sent, join_options([step.decided, step.open]), limits, rules, price))
    return max(results, key=lambda sent: float(sent.value.sum()))
