"""From the linear programme's fractions to whole messages within every limit."""

from __future__ import annotations

import numpy as np

from models.campaign.assignment_candidates import Options, Rules
from models.campaign.assignment_limits import Floats, Limits, Whole
from models.campaign.assignment_master import WHOLE, Groups


def take_whole(groups: Groups, messages: Floats, rules: Rules) -> Options:
    """Return the whole messages of each group, given to its members in their order.

    Parameters
    ----------
    groups : Groups
    messages : array
        One number per option of the groups.
    rules : Rules
    """
    options = groups.options
    count = np.floor(messages + WHOLE).astype(np.int64)
    single = rules.most[options.customer] == 1
    taken = np.cumsum(count) - count
    before = taken - taken[np.searchsorted(options.customer, options.customer)]
    offset = np.where(single, before, 0)
    position = np.repeat(groups.start + offset - taken, count) + np.arange(count.sum())
    option, value = np.repeat(options.option, count), np.repeat(options.value, count)
    return sort_options(Options(groups.members[position], option, value))


def shed_excess(sent: Options, limits: Limits, price: Floats) -> Options:
    """Drop the messages that gain least, until every limit holds.

    Parameters
    ----------
    sent : Options
    limits : Limits
    price : array of shape (n_options,)
        Price of a message.
    """
    spare = limits.find_spare(sent.option)
    order = np.argsort(sent.value - price[sent.option], kind="stable")
    kept = np.ones(len(sent), dtype=bool)
    for row in np.flatnonzero(spare < 0):
        uses = limits.uses[row].toarray().ravel()[sent.option[order]]
        users = order[(uses > 0) & kept[order]]
        short = -limits.find_spare(sent.option[kept])[row]
        taken = np.cumsum(limits.uses[row].toarray().ravel()[sent.option[users]])
        if short > 0:
            kept[users[: np.searchsorted(taken, short * (1 - 1e-12)) + 1]] = False
    return sent.take(kept)


def fill_up(
    sent: Options, candidates: Options, limits: Limits, rules: Rules, price: Floats
) -> Options:
    """Add messages where room is left, those that gain most first.

    Parameters
    ----------
    sent : Options
        Within all limits.
    candidates : Options
        What may be added; customers may have messages in `sent`.
    limits, rules, price
        As for `shed_excess`.
    """
    spare, uses = limits.find_spare(sent.option), limits.uses.tocsc()
    has_room = (limits.uses.toarray() <= spare[:, None]).all(axis=0)
    count = np.bincount(sent.customer, minlength=len(rules.most))
    is_open = count[candidates.customer] < rules.most[candidates.customer]
    is_open &= has_room[candidates.option] & (candidates.value > 0)
    places = np.flatnonzero(is_open)
    gain = candidates.value[places] - price[candidates.option[places]]
    places = places[np.lexsort((places, -gain))]
    hours = _list_hours(sent, candidates.customer[places], rules)
    added: list[int] = []
    for place in places.tolist():
        customer, option = int(candidates.customer[place]), int(candidates.option[place])
        hour, taken = option // rules.shape[1], hours[customer]
        used = slice(uses.indptr[option], uses.indptr[option + 1])
        rows, amounts = uses.indices[used], uses.data[used]
        is_crowded = any(abs(hour - other) < rules.gap for other in taken)
        is_full = len(taken) >= rules.most[customer] or bool((amounts > spare[rows]).any())
        if is_crowded or is_full:
            continue
        spare[rows] -= amounts
        taken.append(hour)
        added.append(place)
    extra = candidates.take(np.array(added, dtype=np.int64))
    return sort_options(join_options([sent, extra]))


def join_options(parts: list[Options]) -> Options:
    """Put parts one after the other."""
    return Options(
        np.concatenate([part.customer for part in parts]),
        np.concatenate([part.option for part in parts]),
        np.concatenate([part.value for part in parts]),
    )


def sort_options(options: Options) -> Options:
    """Order by customer, then option."""
    return options.take(np.lexsort((options.option, options.customer)))


def _list_hours(sent: Options, customers: Whole, rules: Rules) -> dict[int, list[int]]:
    """Return the hours of the messages that these customers have."""
    hours: dict[int, list[int]] = {customer: [] for customer in customers.tolist()}
    which = np.isin(sent.customer, customers)
    for customer, option in zip(
        sent.customer[which].tolist(), sent.option[which].tolist(), strict=True
    ):
        hours[customer].append(option // rules.shape[1])
    return hours
