"""Drawing what is tried out: a share of customers gets a first slot that is not the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from serving.decisions.rows import Draw
from serving.predictor import SendTimes
from serving.send_times import CustomerSendTimes, SendTimeQuery

Ask = Callable[[SendTimeQuery], SendTimes]
_EVERY_SLOT = 31 * 24
_TRIES = 3


class Explorer:
    """Answers a query so that some customers' first slot is drawn evenly over the permitted ones.

    With share e and n permitted slots the best one comes first with probability 1 − e + e ÷ n, each
    other one with e ÷ n: whatever is drawn, drawn evenly, and known.

    Parameters
    ----------
    share : float
        0 to 1.
    rng : numpy.random.Generator
    """

    def __init__(self, share: float, rng: np.random.Generator) -> None:
        self.share, self.rng = share, rng

    def answer(self, query: SendTimeQuery, ask: Ask) -> tuple[SendTimes, dict[int, Draw]]:
        """Return an answer, with every probability told, and what was drawn for whom.

        Parameters
        ----------
        query : SendTimeQuery
        ask : callable
            The predictor.
        """
        told = replace(query, has_all_slots=True)
        answer = ask(told)
        tried = np.flatnonzero(self.rng.random(len(query.customers)) < self.share).tolist()
        if not tried:
            return answer, {}
        asked = replace(query, customers=[query.customers[at] for at in tried], top_k=_EVERY_SLOT)
        for _ in range(_TRIES):
            every = ask(asked)
            # a model published meanwhile would have its slots mixed with those of the one before
            if every.model_version == answer.model_version:
                return self._put_together(query, answer, every, tried)
            answer = ask(told)
        return answer, {}

    def _put_together(
        self, query: SendTimeQuery, answer: SendTimes, every: SendTimes, tried: list[int]
    ) -> tuple[SendTimes, dict[int, Draw]]:
        customers, draws = list(answer.customers), dict[int, Draw]()
        for place, whole in zip(tried, every.customers, strict=True):
            if not whole.slots:
                continue
            draws[place] = draw = Draw(whole.slots, int(self.rng.integers(len(whole.slots))))
            customers[place] = _put_first(customers[place], draw, query.top_k)
        is_degraded = answer.degraded or every.degraded
        return msgspec.structs.replace(answer, customers=customers, degraded=is_degraded), draws


def _put_first(customer: CustomerSendTimes, draw: Draw, top_k: int) -> CustomerSendTimes:
    drawn = draw.slots[draw.at]
    others = [slot for at, slot in enumerate(draw.slots[:top_k]) if at != draw.at]
    return msgspec.structs.replace(customer, slots=[drawn, *others][:top_k], explored=True)
