"""Who a customer of a request is, where they are named by an address and not by their id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from serving.customers.database import StoreUnavailable
from serving.predictor import Predictor

NOBODY = ""


def is_address(name: str) -> bool:
    """Say whether a name can be something else than a customer's id: `kind:value`, an e-mail."""
    return ":" in name or "@" in name


def find_ids(predictor: Predictor, names: Sequence[str], *, in_thread: bool) -> Mapping[str, str]:
    """Return the customer ids of those named by an address; `NOBODY` where it is nobody's.

    The log holds a person under one pseudonym, whatever they are asked for by: so that an erasure
    finds all of it.

    Parameters
    ----------
    predictor : Predictor
        Holds the live customers, if any are kept.
    names : sequence of str
        As they were asked for; those that can only be an id are not looked up.
    in_thread : bool
        Whether this is the thread for large requests, not the event loop.
    """
    addressed = [name for name in names if is_address(name)]
    if not addressed:
        return {}
    with predictor.use() as held:
        customers = held.customers
        if customers is None:
            return {}
        answers = customers.batch_answers if in_thread else customers.inline_answers
        if answers is None:
            return {}
        try:
            found = answers.live.find(addressed, is_strict=True)
        except StoreUnavailable:
            return dict.fromkeys(addressed, NOBODY)
    return {name: found[name].stated.customer_id if name in found else NOBODY for name in addressed}
