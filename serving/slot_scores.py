"""The probability behind every send time: of a response where one is learned, else of activity.

The one place where requests, batch files and campaigns get their probabilities from, so that they
agree to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from features.schema import SLOTS_PER_WEEK
from models.receptivity.histories import Histories
from models.receptivity.reach import INBOXES, REACH_HOURS, find_reach
from models.receptivity.send_time_base import SendTimeModel
from serving.message_memory import MessageMemory

Measure = Literal["response", "reach", "activity"]
LEVEL = 0.9
"""Of the intervals."""
_ALL = slice(None)
_EVERY_SLOT = np.arange(SLOTS_PER_WEEK)[None, :]


@dataclass(frozen=True)
class SlotScores:
    """Probabilities of n customers over one channel.

    Attributes
    ----------
    measure : str
        'response': that a message sent in the slot is answered within the model's window;
        'reach': that the customer is active within three hours from the start of the slot;
        'activity': that the customer is active in the slot of a week.
    probability : array of float64, shape (n, 168)
    """

    measure: Measure
    probability: np.ndarray


@dataclass(frozen=True)
class _Part:
    """Customers who are scored together: the known ones, or those who are not.

    Attributes
    ----------
    places : array of int64, shape (n,), or slice
        In what was asked for.
    rows : array of int64, shape (m,)
        In the profiles; -1 for those who are not known, of whom one stands for all with an offer.
    histories : Histories
        Of the m.
    discount : array of float64, shape (m,)
    copies : array of int64, shape (n,), or slice
        Which of the m each of the n is.
    """

    places: np.ndarray | slice
    rows: np.ndarray
    histories: Histories
    discount: np.ndarray
    copies: np.ndarray | slice


class SlotScorer:
    """Scores customers by their row in the published profiles; row -1 is somebody not known.

    Parameters
    ----------
    model : SendTimeModel
        Fitted.
    histories : Histories
        Of the published profiles, in their order.
    memory : MessageMemory or None
        The response model with what it remembers of the same customers; None where no response
        was learned.
    """

    def __init__(
        self, model: SendTimeModel, histories: Histories, memory: MessageMemory | None = None
    ) -> None:
        if "threads" in model.get_params():
            # More threads cost a request of one customer a hundred times the work itself.
            model.set_params(threads=1)
        self.model, self.histories, self.memory = model, histories, memory
        self._nobody = Histories.unknown([""])

    def measure(self, channel: str) -> Measure:
        """Say what a score over the channel is the probability of."""
        if self._memory_of(channel) is not None:
            return "response"
        return "reach" if channel in INBOXES else "activity"

    def find_source(self, channel: str) -> tuple[Measure, str]:
        """Return what a channel's scores are made from: channels that share it have the same."""
        measure = self.measure(channel)
        has_own = measure == "response" or channel in self.model.channels
        return measure, channel if has_own else ""

    def score(
        self, rows: np.ndarray, channel: str, *, discount: float | np.ndarray = np.nan
    ) -> SlotScores:
        """Return the probabilities of the customers at `rows`.

        Parameters
        ----------
        rows : array of int64, shape (n,)
            -1 = not known.
        channel : str
        discount : float or array of shape (n,)
            Of the promotion that is offered, as a fraction; NaN = none. Activity does not read it.
        """
        probability = np.empty((len(rows), SLOTS_PER_WEEK))
        for part in self._parts(rows, discount):
            probability[part.places] = self._predict(part, channel)[part.copies]
        return SlotScores(self.measure(channel), probability)

    def bound(
        self,
        rows: np.ndarray,
        channel: str,
        slots: np.ndarray,
        *,
        discount: float | np.ndarray = np.nan,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return between which bounds the probabilities lie with 90 %.

        Parameters
        ----------
        rows : array of int64, shape (n,)
        channel : str
        slots : array of int64, shape (n, k)
            Which slots of each customer.
        discount : float or array of shape (n,)

        Returns
        -------
        low, high : arrays of float64, shape (n, k)
        """
        low, high = np.empty(slots.shape), np.empty(slots.shape)
        for part in self._parts(rows, discount):
            own = slots[part.places]
            if part.rows[0] >= 0:
                low[part.places], high[part.places] = self._bound(part, channel, own)
            else:
                every = np.broadcast_to(_EVERY_SLOT, (len(part.rows), SLOTS_PER_WEEK))
                whole = self._bound(part, channel, every)
                low[part.places], high[part.places] = (
                    np.take_along_axis(bound[part.copies], own, axis=1) for bound in whole
                )
        return low, high

    def _predict(self, part: _Part, channel: str) -> np.ndarray:
        memory = self._memory_of(channel)
        if memory is None:
            active = self.model.predict_channel(part.histories, channel)
            return find_reach(active) if channel in INBOXES else active
        context = memory.context(part.rows, part.histories, self.model, part.discount)
        return memory.model.predict(context, channel)

    def _bound(self, part: _Part, channel: str, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds at some slots of the m customers of a part, shape (m, k) both."""
        memory = self._memory_of(channel)
        if memory is None:
            return self._bound_activity(part.histories, channel, slots)
        context = memory.context(part.rows, part.histories, self.model, part.discount)
        whole = memory.model.predict_interval(context, channel, LEVEL)
        low, high = (np.take_along_axis(bound, slots, axis=1) for bound in whole)
        return low, high

    def _bound_activity(
        self, histories: Histories, channel: str, slots: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds of activity, or of reach where messages wait."""
        ahead = REACH_HOURS if channel in INBOXES else 1
        return self.model.predict_interval(
            histories, slots, channel=channel, level=LEVEL, ahead=ahead
        )

    def _memory_of(self, channel: str) -> MessageMemory | None:
        memory = self.memory
        return memory if memory is not None and channel in memory.channels else None

    def _parts(self, rows: np.ndarray, discount: float | np.ndarray) -> list[_Part]:
        """Return known and unknown customers apart; nobody is scored twice for the same offer."""
        offers = np.full(rows.shape, discount, dtype=np.float64)
        if len(rows) and rows.min() >= 0:
            return [_Part(_ALL, rows, self.histories.take(rows), offers, _ALL)]
        known, unknown = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
        parts = []
        if len(known):
            own = rows[known]
            parts.append(_Part(known, own, self.histories.take(own), offers[known], _ALL))
        if len(unknown):
            distinct, copies = np.unique(offers[unknown], return_inverse=True)
            nobody = np.zeros(len(distinct), dtype=np.int64)
            parts.append(_Part(unknown, nobody - 1, self._nobody.take(nobody), distinct, copies))
        return parts
