"""A challenger beside the champion: it answers a share of customers, or scores them unseen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec

from serving.champions import Champion, Champions
from serving.customers.answers import LiveAnswer, LiveAnswers
from serving.logs import FIELDS, LOGGER
from serving.rollout.answering import answer_query
from serving.rollout.settings import ChallengerSettings
from serving.rollout.share import find_share
from serving.send_times import SendTimePredictor, SendTimeQuery

Thread = Literal["inline", "batch", "shadow"]
"""Which thread asks: the event loop, the one for large requests, or the shadow's own."""
Count = Callable[[str, int], None]
"""Counts customers by what the challenger did of them."""
Offer = Callable[[SendTimeQuery, datetime | None], bool]
"""Takes a query to be scored later; False where there is no room."""

log = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class Trial:
    """A challenger that was loaded and checked.

    Attributes
    ----------
    settings : ChallengerSettings
    models : Champions
        With the challenger as its `promotion`.
    live : mapping of thread to LiveAnswers
        The challenger over live profiles, one reader for each thread that asks it.
    offer : callable
        Where queries go that are scored in shadow.
    count : callable
    """

    settings: ChallengerSettings
    models: Champions
    live: Mapping[Thread, LiveAnswers]
    offer: Offer
    count: Count

    @property
    def challenger(self) -> Champion[SendTimePredictor]:
        """The challenger itself."""
        if self.models.promotion is None:
            raise LookupError("a trial was begun without a challenger")
        return self.models.promotion

    def close(self) -> None:
        """Close what reads live profiles with it."""
        for answers in self.live.values():
            answers.live.close()

    def join(
        self, query: SendTimeQuery, now: datetime | None, answered: LiveAnswer, thread: Thread
    ) -> LiveAnswer:
        """Return an answer in which a share of customers has the challenger's.

        Parameters
        ----------
        query : SendTimeQuery
        now : datetime or None
        answered : LiveAnswer
            The champion's to all of `query`; it stands wherever the challenger fails.
        thread : str
            'inline' or 'batch'.
        """
        version = self.challenger.version
        places = find_share(query.customers, version, self.settings.share)
        if not places:
            return answered
        part = replace(query, customers=[query.customers[place] for place in places])
        if self.settings.mode == "shadow":
            self.count("waiting" if self.offer(part, now) else "dropped", len(places))
            return answered
        try:
            own = self.answer(part, now, thread)
            customers = list(answered.customers)
            for place, answer in zip(places, own.customers, strict=True):
                customers[place] = msgspec.structs.replace(answer, model_version=version)
        except Exception as error:  # noqa: BLE001 - whatever it is, the champion has answered
            self.report(error, len(places))
            return answered
        self.count("canary", len(places))
        return LiveAnswer(customers, answered.is_degraded or own.is_degraded)

    def answer(self, query: SendTimeQuery, now: datetime | None, thread: Thread) -> LiveAnswer:
        """Return the challenger's answer."""
        return answer_query(self.challenger.model, self.live.get(thread), query, now)

    def report(self, error: Exception, n_customers: int) -> None:
        """Count and log that it failed."""
        self.count("failed", n_customers)
        fields = {"version": self.challenger.version, "customers": n_customers}
        log.error("challenger failed", exc_info=error, extra={FIELDS: fields})
