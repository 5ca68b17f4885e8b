"""A decision as a row: what was offered, with what probability, and what was chosen."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import numpy as np

from features.served.places import CHALLENGER
from features.served.pseudonyms import Pseudonyms
from models.campaign.send_slots import QuietHours
from serving.decisions.lines import Candidate, DecisionRow
from serving.decisions.people import NOBODY
from serving.predictor import SendTimes
from serving.send_times import CustomerSendTimes, SendTimeQuery
from serving.slots import Slot, find_permitted

SEND_TIMES = "send-times"
BEST, EXPLORE = "best", "explore"
_GLOBAL = "global"


@dataclass(frozen=True)
class Draw:
    """What was drawn for a customer instead of the best.

    Attributes
    ----------
    slots : list of Slot
        Every permitted one, the likeliest first.
    at : int
        Which of them was drawn.
    """

    slots: list[Slot]
    at: int


@dataclass(frozen=True)
class Occasion:
    """What all rows of one answer share.

    Attributes
    ----------
    request_id, role, model_version : str
    decided_at : datetime
        With a zone.
    exploration : float
        Share of customers for whom the first slot is drawn.
    draws : mapping of int to Draw
        By place of the customer in the answer.
    ids : mapping of str to str
        Customer ids of those who are named by something else, `NOBODY` of somebody not known.
    """

    request_id: str
    role: str
    model_version: str
    decided_at: datetime
    exploration: float
    draws: Mapping[int, Draw]
    ids: Mapping[str, str]


class RowMaker:
    """Makes rows.

    Parameters
    ----------
    pseudonyms : Pseudonyms
    max_candidates : int
        Slots in a row, beside the chosen one.
    """

    def __init__(self, pseudonyms: Pseudonyms, max_candidates: int) -> None:
        self.pseudonyms, self.max_candidates = pseudonyms, max_candidates

    def make(
        self, query: SendTimeQuery, answer: SendTimes, ids: Sequence[str], occasion: Occasion
    ) -> list[DecisionRow]:
        """Return a row for each customer of an answer, in their order."""
        window = (query.start, query.end, query.quiet_hours)
        return [
            self._make_one(place, customer, decision_id, window, answer.degraded, occasion)
            for place, (customer, decision_id) in enumerate(zip(answer.customers, ids, strict=True))
        ]

    def _make_one(
        self,
        place: int,
        customer: CustomerSendTimes,
        decision_id: str,
        window: tuple[datetime, datetime, QuietHours | None],
        degraded: bool,
        occasion: Occasion,
    ) -> DecisionRow:
        draw = occasion.draws.get(place)
        candidates: list[Candidate] = []
        chosen, n_permitted = None, 0
        if customer.slots:
            start, end, quiet = window
            starts, hours = find_permitted(start, end, customer.time_zone, quiet)
            n_permitted = len(starts)
            slots = (
                draw.slots if draw else _list_slots(customer, starts, hours, self.max_candidates)
            )
            at = draw.at if draw else 0
            candidates = self._list_candidates(slots, at, n_permitted, occasion.exploration)
            chosen = min(at, len(candidates) - 1)
        evidence = customer.evidence
        return DecisionRow(
            decision_id,
            occasion.request_id,
            occasion.decided_at,
            self._name(customer, occasion.ids),
            SEND_TIMES,
            CHALLENGER if customer.model_version else occasion.role,
            customer.model_version or occasion.model_version,
            EXPLORE if draw else BEST,
            hash_profile(customer),
            evidence.label,
            candidates,
            chosen,
            None if chosen is None else candidates[chosen].propensity,
            draw is not None,
            evidence.label == _GLOBAL,
            degraded,
            n_permitted,
        )

    def _name(self, customer: CustomerSendTimes, ids: Mapping[str, str]) -> str:
        customer_id = ids.get(customer.customer_id, customer.customer_id)
        if customer_id == NOBODY and not customer.is_known:
            # under the pseudonym of an address nobody could find, or erase, them again
            return secrets.token_hex(16)
        return self.pseudonyms.of(customer_id or customer.customer_id)

    def _list_candidates(
        self, slots: Sequence[Slot], at: int, n_permitted: int, exploration: float
    ) -> list[Candidate]:
        """Return the likeliest slots, and the chosen one behind them where it is none of those."""
        kept = [*slots[: self.max_candidates], *([slots[at]] if at >= self.max_candidates else [])]
        even = exploration / n_permitted
        best = 1.0 - exploration + even
        return [
            Candidate(slot.start, slot.channel, slot.probability, even if rank else best)
            for rank, slot in enumerate(kept)
        ]


def hash_profile(customer: CustomerSendTimes) -> str:
    """Return a short hash of what an answer rests on: equal where nothing new was known."""
    told = (
        customer.as_of, customer.time_zone, customer.measure, customer.evidence, customer.outlook,
    )  # fmt: skip
    return hashlib.blake2b(msgspec.json.encode(told), digest_size=8).hexdigest()


def _list_slots(
    customer: CustomerSendTimes, starts: Sequence[str], hours: np.ndarray, most: int
) -> Sequence[Slot]:
    """Return the slots of an answer, the likeliest first; where it tells of all, the `most` best.

    The first is the chosen one.
    """
    if customer.probabilities is None:
        return customer.slots
    values = np.asarray(customer.probabilities)[hours]
    # stable: the same order as choose_best gives, ties to the left
    best = np.argsort(-values, kind="stable")[:most]
    channel = customer.slots[0].channel
    return [
        Slot(starts[at], int(hours[at]), float(values[at]), 0.0, 0.0, 0.0, channel)
        for at in best.tolist()
    ]
