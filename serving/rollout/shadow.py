"""Scoring in shadow: after the answer, in a thread of its own, as far as there is room."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from serving.send_times import CustomerSendTimes, SendTimeQuery

if TYPE_CHECKING:
    from serving.rollout.held import Held


@dataclass(frozen=True)
class ShadowAnswer:
    """What a challenger would have answered.

    Attributes
    ----------
    query : SendTimeQuery
        Of the customers that belong to its share.
    now : datetime or None
        What it was answered as of.
    answer : list of CustomerSendTimes
        In the order of `query.customers`.
    model_version : str
    role : str
    """

    query: SendTimeQuery
    now: datetime | None
    answer: list[CustomerSendTimes]
    model_version: str
    role: str = "shadow"


Sink = Callable[[ShadowAnswer], None]


class Shadow:
    """The thread in which a challenger scores unseen.

    Parameters
    ----------
    use : callable
        Returns what answers, within a block.
    max_waiting : int
        Queries that may wait.

    Attributes
    ----------
    sink : callable or None
        Takes each answer; while there is none they are only counted.
    """

    def __init__(self, use: Callable[[], AbstractContextManager[Held]], max_waiting: int) -> None:
        self.use, self.max_waiting = use, max_waiting
        self.sink: Sink | None = None
        self._waiting: deque[tuple[SendTimeQuery, datetime | None]] = deque()
        self._turn = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="challenger-shadow", daemon=True)
        self._thread.start()

    def offer(self, query: SendTimeQuery, now: datetime | None) -> bool:
        """Take a query to be scored; False, and nothing is taken, where too many wait."""
        with self._turn:
            if self._is_stopping or len(self._waiting) >= self.max_waiting:
                return False
            self._waiting.append((query, now))
            self._turn.notify()
            return True

    def stop(self) -> None:
        """Leave what waits, and end the thread."""
        with self._turn:
            self._is_stopping = True
            self._waiting.clear()
            self._turn.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._turn:
                while not (self._waiting or self._is_stopping):
                    self._turn.wait()
                if self._is_stopping:
                    return
                query, now = self._waiting.popleft()
            with self.use() as held:
                self._score(held, query, now)

    def _score(self, held: Held, query: SendTimeQuery, now: datetime | None) -> None:
        trial = held.trial
        if trial is None or trial.settings.mode != "shadow":
            return  # it was taken back while this waited
        try:
            answer = trial.answer(query, now, "shadow").customers
            if self.sink is not None:
                self.sink(ShadowAnswer(query, now, answer, trial.challenger.version))
        except Exception as error:  # noqa: BLE001 - it must not end the thread
            trial.report(error, len(query.customers))
            return
        trial.count("shadow", len(query.customers))
