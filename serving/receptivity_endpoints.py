"""`GET /v1/receptivity`, `GET /v1/receptivity/segments` and `POST /v1/receptivity`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import anyio.to_thread
import msgspec
import numpy as np
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response

from features.schema import SLOTS_PER_WEEK
from serving.access.gate import may_name_anybody
from serving.bodies import JSON, choose_media_type, decode_body, read_json_body
from serving.forecast_endpoints import read_query
from serving.predictor import Predictor
from serving.problems import Fault, Kind, Problem, as_sentence
from serving.receptivity import UnknownSegment
from serving.receptivity_contract import ReceptivityQuery, ReceptivityRequest
from serving.receptivity_words import describe_evidence, describe_week
from serving.responses import as_problems, check_no_query, respond
from serving.rollout.held import Held
from serving.segment_source import SegmentSource, find_champion
from serving.send_time_endpoint import Clock
from serving.send_times import CustomerSendTimes, SendTimeQuery
from serving.settings import ServingSettings

INLINE_CUSTOMERS = 4
"""Up to this many are scored on the event loop: all 168 hours of each have their bounds."""
WINDOW = timedelta(days=8)
"""Within which every hour of the local week lies, also where the clock is put forward."""


class ReceptivityEndpoints:
    """The 24 × 7 hours of customers and segments.

    Parameters
    ----------
    predictor : Predictor
    settings : ServingSettings
        Limits.
    clock : callable
        Returns the time, with a zone.
    one_batch : CapacityLimiter
        Of the one thread that answers large requests of customers.
    source : SegmentSource
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: ServingSettings,
        clock: Clock,
        one_batch: CapacityLimiter,
        source: SegmentSource,
    ) -> None:
        self.predictor, self.settings, self.clock = predictor, settings, clock
        self._one_batch, self._one_segment = one_batch, CapacityLimiter(1)
        self._source = source

    async def serve(self, request: Request) -> Response:
        """Answer the week of one segment, or of the customers that a body names."""
        if request.method == "POST":
            return await self._serve_customers(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        asked = read_query(request, ReceptivityQuery)
        return await self._run(partial(self._tell_segment, asked))

    async def segments(self, request: Request) -> Response:
        """Answer which segments there are."""
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        return await self._run(self._list_segments)

    async def _serve_customers(self, request: Request) -> Response:
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        body = await read_json_body(request, self.settings.max_body_bytes)
        asked = decode_body(body, ReceptivityRequest)
        may_name, is_large = may_name_anybody(request), len(asked.customers) > INLINE_CUSTOMERS
        work = partial(self._tell_customers, asked, may_name=may_name, in_thread=is_large)
        if not is_large:
            return work()
        return await anyio.to_thread.run_sync(work, limiter=self._one_batch)

    async def _run(self, work: Callable[[], Response]) -> Response:
        with as_problems():
            return await anyio.to_thread.run_sync(work, limiter=self._one_segment)

    def _list_segments(self) -> Response:
        with self.predictor.use() as held:
            segments = self._source.open(held)
            about = _about(held)
        return respond(
            msgspec.json.encode({**about, "segments": segments.list_segments()}),
            headers=_name(about),
        )

    def _tell_segment(self, asked: ReceptivityQuery) -> Response:
        with self.predictor.use() as held:
            segments, about = self._source.open(held), _about(held)
            try:
                week = segments.tell_week(asked.segment, asked.channel)
            except UnknownSegment as error:
                fault = Fault(str(error), parameter="segment")
                raise Problem(Kind.UNKNOWN_SEGMENT, as_sentence(error), [fault]) from None
        words = [
            *describe_week(week.measure, week.probability),
            describe_evidence(week.evidence, week.customers, week.scored),
        ]
        content = {
            **about,
            "segment": asked.segment,
            "channel": asked.channel,
            "measure": week.measure,
            "customers": week.customers,
            "scored": week.scored,
            **_list_slots(week.probability, week.low, week.high),
            "evidence": week.evidence,
            "without_consent": 0,
            "unknown": 0,
            "time_zone": None,
            "words": words,
        }
        return respond(msgspec.json.encode(content), headers=_name(about))

    def _tell_customers(
        self, asked: ReceptivityRequest, *, may_name: bool, in_thread: bool
    ) -> Response:
        now = self.clock()
        query = SendTimeQuery(
            customers=asked.customers,
            start=now,
            end=now + WINDOW,
            channels=(asked.channel,),
            quiet_hours=None,
            top_k=2 * SLOTS_PER_WEEK,
            has_all_slots=True,
            has_reasons=len(asked.customers) == 1,
            may_name_anybody=may_name,
        )
        with as_problems():
            found = self.predictor.send_times(query, now, in_thread=in_thread)
        about = {"model_version": found.model_version, "profiles_as_of": found.profiles_as_of}
        content = {
            **about,
            "segment": None,
            "channel": asked.channel,
            **_tell_answers(found.customers),
        }
        return respond(msgspec.json.encode(content), headers=_name(about))


def _tell_answers(answers: Sequence[CustomerSendTimes]) -> dict[str, Any]:
    """Return the mean week of customers, and what it rests on."""
    probability = np.mean([answer.probabilities or [] for answer in answers], axis=0)
    allowed = [answer for answer in answers if answer.slots]
    bounds = np.mean([_read_bounds(answer) for answer in allowed], axis=0) if allowed else None
    evidence = Counter(answer.evidence.label for answer in answers)
    measure = answers[0].measure
    words = describe_week(measure, probability)
    if len(answers) == 1:
        (one,) = answers
        words += [one.evidence.words, *(one.reasons or ())]
    else:
        words.append(describe_evidence(evidence, len(answers), len(answers)))
    words += sorted({gone.words for answer in answers for gone in answer.exclusions})
    low, high = (None, None) if bounds is None else bounds
    return {
        "measure": measure,
        "customers": len(answers),
        "scored": len(answers),
        **_list_slots(probability, low, high),
        "evidence": evidence,
        "without_consent": len(answers) - len(allowed),
        "unknown": sum(not answer.is_known for answer in answers),
        "time_zone": answers[0].time_zone if len(answers) == 1 else None,
        "words": words,
    }


def _read_bounds(answer: CustomerSendTimes) -> np.ndarray:
    """Return the bounds of a customer's 168 hours, shape (2, 168)."""
    bounds = np.full((2, SLOTS_PER_WEEK), np.nan)
    for slot in answer.slots:
        bounds[:, slot.slot] = slot.low, slot.high
    return bounds


def _list_slots(
    probability: np.ndarray, low: np.ndarray | None, high: np.ndarray | None
) -> dict[str, Any]:
    mean = float(probability.mean())
    nothing = [None] * SLOTS_PER_WEEK
    columns = {
        "slot": list(range(SLOTS_PER_WEEK)),
        "probability": probability.tolist(),
        "low": nothing if low is None else low.tolist(),
        "high": nothing if high is None else high.tolist(),
        "lift": (probability / mean).tolist(),
        "lift_low": nothing if low is None else (low / mean).tolist(),
        "lift_high": nothing if high is None else (high / mean).tolist(),
    }
    rows = zip(*columns.values(), strict=True)
    return {"mean": mean, "slots": [dict(zip(columns, row, strict=True)) for row in rows]}


def _about(held: Held) -> dict[str, str | datetime]:
    champion = find_champion(held)
    return {"model_version": champion.version, "profiles_as_of": champion.model.profiles.as_of}


def _name(about: dict[str, Any]) -> dict[str, str]:
    return {"X-Model-Version": str(about["model_version"])}
