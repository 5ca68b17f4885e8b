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
from models.receptivity.reach import INBOXES, find_reach, join_hours, list_reached
from models.receptivity.send_time_base import SendTimeModel
from serving.message_memory import MessageMemory

Measure = Literal["response", "reach", "activity"]
LEVEL = 0.9
"""Of the intervals."""


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
        for part, histories, offer in self._parts(rows, discount):
            probability[part] = self._predict(rows[part], histories, channel, offer)
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
        for part, histories, offer in self._parts(rows, discount):
            memory = self._memory_of(channel)
            if memory is None:
                low[part], high[part] = self._bound_activity(histories, channel, slots[part])
            else:
                context = memory.context(rows[part], histories, self.model, offer)
                whole = memory.model.predict_interval(context, channel, LEVEL)
                low[part], high[part] = (
                    np.take_along_axis(bound, slots[part], axis=1) for bound in whole
                )
        return low, high

    def _predict(
        self, rows: np.ndarray, histories: Histories, channel: str, discount: np.ndarray
    ) -> np.ndarray:
        memory = self._memory_of(channel)
        if memory is None:
            active = self.model.predict_channel(histories, channel)
            return find_reach(active) if channel in INBOXES else active
        context = memory.context(rows, histories, self.model, discount)
        return memory.model.predict(context, channel)

    def _bound_activity(
        self, histories: Histories, channel: str, slots: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds of activity; of reach those of its hours together, so rather too wide."""
        if channel not in INBOXES:
            return self.model.predict_interval(histories, slots, channel=channel, level=LEVEL)
        hours = list_reached(slots)
        bounds = self.model.predict_interval(
            histories, hours.reshape(len(slots), -1), channel=channel, level=LEVEL
        )
        low, high = (join_hours(bound.reshape(hours.shape)) for bound in bounds)
        return low, high

    def _memory_of(self, channel: str) -> MessageMemory | None:
        memory = self.memory
        return memory if memory is not None and channel in memory.channels else None

    def _parts(
        self, rows: np.ndarray, discount: float | np.ndarray
    ) -> list[tuple[np.ndarray, Histories, np.ndarray]]:
        """Return known and unknown customers apart: places in `rows`, histories, discounts."""
        offers = np.broadcast_to(np.asarray(discount, dtype=np.float64), rows.shape)
        known, unknown = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
        parts = []
        if len(known):
            parts.append((known, self.histories.take(rows[known]), offers[known]))
        if len(unknown):
            nobody = self._nobody.take(np.zeros(len(unknown), dtype=np.int64))
            parts.append((unknown, nobody, offers[unknown]))
        return parts
