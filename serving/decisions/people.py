"""Who a customer of a request is, where they are named by an address and not by their id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from serving.customers.answers import LiveAnswers
from serving.customers.customers import Customers
from serving.customers.database import StoreUnavailable

NOBODY = ""


def find_ids(
    customers: Customers | None, names: Sequence[str], *, in_thread: bool
) -> Mapping[str, str]:
    """Return the customer ids of those named by an address; `NOBODY` where it is nobody's.

    The log holds a person under one pseudonym, whatever they are asked for by: so that an erasure
    finds all of it.

    Parameters
    ----------
    customers : Customers or None
        None where no live customers are kept.
    names : sequence of str
        As they were asked for; those that can only be an id are not looked up.
    in_thread : bool
        Whether this is the thread for large requests, not the event loop.
    """
    addressed = [name for name in names if ":" in name or "@" in name]
    if customers is None or not addressed:
        return {}
    answers: LiveAnswers | None = customers.batch_answers if in_thread else customers.inline_answers
    if answers is None:
        return {}
    try:
        found = answers.live.find(addressed, is_strict=True)
    except StoreUnavailable:
        return dict.fromkeys(addressed, NOBODY)
    return {name: found[name].stated.customer_id if name in found else NOBODY for name in addressed}
