"""The decision log of one worker: answers, each with the id of its row."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import msgspec
import numpy as np

from features.project import Project
from features.served.places import CHAMPION, SHADOW, ServedPlaces
from features.served.pseudonyms import Pseudonyms, load_key
from serving.decisions.exploration import Ask, Explorer
from serving.decisions.identifiers import DecisionIds
from serving.decisions.people import is_address
from serving.decisions.rows import Draw, Occasion, RowMaker
from serving.decisions.settings import DecisionSettings, read_settings
from serving.decisions.spool import Spool, SpoolFull
from serving.logs import FIELDS, LOGGER
from serving.predictor import SendTimes
from serving.problems import Kind, Problem, as_sentence
from serving.rollout.shadow import ShadowAnswer
from serving.send_times import CustomerSendTimes, SendTimeQuery

log = logging.getLogger(LOGGER)

LOGGED, LOST = "logged", "lost"
_COMPLAIN_SECONDS = 60.0
_NONE: Mapping[str, str] = MappingProxyType({})
Count = Callable[[str, int], None]


class DecisionLog:
    """Answers queries for send times, and keeps what was answered.

    Parameters
    ----------
    places : ServedPlaces
    key : bytes
        Of the workspace.
    settings : DecisionSettings
    rng : numpy.random.Generator
        Draws what is tried out.
    """

    def __init__(
        self, places: ServedPlaces, key: bytes, settings: DecisionSettings, rng: np.random.Generator
    ) -> None:
        self.settings, self.ids = settings, DecisionIds(key)
        self.spool = Spool(places.decision_spool, settings.max_spool_bytes)
        self.outcomes = Spool(places.outcome_spool, settings.max_spool_bytes)
        self.explorer = Explorer(settings.exploration, rng)
        self.count: Count = _count_nothing
        """Told of every outcome, "logged" or "lost", and how many rows; set by the service."""
        self._rows = RowMaker(Pseudonyms(key), settings.max_candidates)
        self._encoder = msgspec.json.Encoder()
        self._complained_at = -_COMPLAIN_SECONDS

    @classmethod
    def open(cls, project: Project, rng: np.random.Generator) -> DecisionLog | None:
        """Open the log of a project's workspace; None where the project keeps none."""
        settings, root = read_settings(project), project.workspace.root
        if not settings.is_logged:
            return None
        return cls(ServedPlaces(root), load_key(root), settings, rng)

    def answer(
        self,
        query: SendTimeQuery,
        ask: Ask,
        *,
        request_id: str,
        decided_at: datetime,
        ids: Mapping[str, str] = _NONE,
    ) -> SendTimes:
        """Answer a query, try out what is to be tried, and log it.

        Parameters
        ----------
        query : SendTimeQuery
        ask : callable
            The predictor; asked again for those who are drawn for.
        request_id : str
        decided_at : datetime
            With a zone.
        ids : mapping of str to str, optional
            Customer ids of those who are named by something else.

        Raises
        ------
        Problem
            503 if the log takes nothing, and `[decisions] when_full` is "refuse".
        """
        draws: Mapping[int, Draw] = {}
        if self.settings.exploration:
            answer, draws = self.explorer.answer(query, ask)
        else:
            answer = ask(query)
        logged = self.record(
            query, answer, request_id=request_id, decided_at=decided_at, draws=draws, ids=ids
        )
        if self.settings.exploration and not query.has_all_slots:
            customers = [
                msgspec.structs.replace(customer, probabilities=None)
                for customer in logged.customers
            ]
            logged = msgspec.structs.replace(logged, customers=customers)
        return logged

    def record(
        self,
        query: SendTimeQuery,
        answer: SendTimes,
        *,
        role: str = CHAMPION,
        model_version: str | None = None,
        request_id: str = "",
        decided_at: datetime,
        draws: Mapping[int, Draw] | None = None,
        ids: Mapping[str, str] = _NONE,
    ) -> SendTimes:
        """Log an answer and return it with the id of each customer's row.

        Parameters
        ----------
        query : SendTimeQuery
        answer : SendTimes
        role : str
            Whose answer it is: champion, challenger, or shadow.
        model_version : str, optional
            Default: what the answer says.
        request_id : str
        decided_at : datetime
            With a zone.
        draws : mapping of int to Draw, optional
            By place of the customer: what was drawn; others got the best.
        ids : mapping of str to str, optional
            Customer ids of those who are named by something else; see `find_ids`.

        Returns
        -------
        SendTimes
            Where nothing could be logged, without ids and degraded.

        Raises
        ------
        Problem
            503 if nothing could be logged, and `[decisions] when_full` is "refuse".
        """
        occasion = Occasion(
            request_id, role, model_version or answer.model_version, decided_at,
            self.settings.exploration if role == CHAMPION else 0.0, draws or {}, ids,
        )  # fmt: skip
        made = self.ids.make_many(int(decided_at.timestamp()), len(answer.customers))
        try:
            self.spool.append(self._encode(query, answer, made, occasion), decided_at)
        except SpoolFull as error:
            self.count(LOST, len(made))
            self._complain(error)
            if self.settings.when_full == "refuse" and role != SHADOW:
                raise as_problem(error) from None
            return msgspec.structs.replace(answer, degraded=True)
        self.count(LOGGED, len(made))
        return msgspec.structs.replace(answer, customers=_name(answer.customers, made))

    def record_shadow(self, shadow: ShadowAnswer) -> None:
        """Log what a challenger would have answered; nobody is told these ids.

        Who was asked for by an address is left out: the thread that scores cannot look up whose it
        is, and a row under another pseudonym would outlive an erasure.
        """
        decided_at = shadow.now
        if decided_at is None:  # answered as published, at no moment
            return
        customers = [one for one in shadow.answer if not is_address(one.customer_id)]
        window = {"start": shadow.query.start, "end": shadow.query.end}
        answer = SendTimes(shadow.model_version, decided_at, window, False, customers)
        self.record(shadow.query, answer, role=shadow.role, decided_at=decided_at)

    def close(self) -> None:
        """Bring all to the disk; nothing is logged after."""
        self.spool.close()
        self.outcomes.close()

    def _encode(
        self, query: SendTimeQuery, answer: SendTimes, ids: Sequence[str], occasion: Occasion
    ) -> bytes:
        rows = self._rows.make(query, answer, ids, occasion)
        encode = self._encoder.encode
        return b"".join([encode(row) + b"\n" for row in rows])

    def _complain(self, error: SpoolFull) -> None:
        now = time.monotonic()
        if now - self._complained_at >= _COMPLAIN_SECONDS:
            self._complained_at = now
            log.error("decisions are not logged", extra={FIELDS: {"reason": str(error)}})


def as_problem(error: SpoolFull) -> Problem:
    """Return what a caller is told where nothing can be logged."""
    return Problem(Kind.NOT_STORED, as_sentence(error), headers={"Retry-After": "30"})


def _name(customers: Sequence[CustomerSendTimes], ids: Sequence[str]) -> list[CustomerSendTimes]:
    replace = msgspec.structs.replace
    return [
        replace(customer, decision_id=decision_id)
        for customer, decision_id in zip(customers, ids, strict=True)
    ]


def _count_nothing(outcome: str, rows: int) -> None:
    """Stand in until the service says who counts."""
