"""`POST /v1/send-times`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response

from models.campaign.send_slots import QuietHours
from serving.access.gate import REQUEST_ID, may_name_anybody
from serving.bodies import JSON, NDJSON, choose_media_type, decode_body, read_json_body
from serving.contract import SendTimesRequest
from serving.decisions.log import DecisionLog
from serving.decisions.people import find_ids
from serving.metrics import Metrics
from serving.predictor import Predictor, SendTimes
from serving.problems import Fault, Kind, Problem
from serving.responses import as_problems, check_no_query, respond
from serving.send_time_stream import SendTimeLines, split_query
from serving.send_times import SendTimeQuery, count_evidence, default_window
from serving.settings import ServingSettings

Clock = Callable[[], datetime]


class SendTimeEndpoint:
    """The best times to reach up to 10,000 customers.

    Parameters
    ----------
    predictor : Predictor
        Answers.
    settings : ServingSettings
        Limits.
    metrics : Metrics
        Counts the customers answered.
    clock : callable
        Returns the time, with a zone; read only where the request states no window.
    decisions : DecisionLog, optional
        Keeps what is answered.
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: ServingSettings,
        metrics: Metrics,
        clock: Clock,
        decisions: DecisionLog | None = None,
    ) -> None:
        self.predictor, self.settings, self.metrics = predictor, settings, metrics
        self.clock, self.decisions = clock, decisions
        # A batch keeps one core busy; two at once would only share it, and the event loop starve.
        self.one_batch = CapacityLimiter(1)

    async def send_times(self, request: Request) -> Response | SendTimeLines:
        """Answer one request: few customers at once, many in a thread so that others are served."""
        check_no_query(request)
        media_type = choose_media_type(request.headers.get("accept", ""), (JSON, NDJSON))
        body = await read_json_body(request, self.settings.max_body_bytes)
        query = self._read(body, may_name_anybody=may_name_anybody(request))
        request_id = request.scope.get(REQUEST_ID, "")
        if media_type == NDJSON:
            return self._stream(query, request_id)
        is_large = len(query.customers) > self.settings.inline_customers
        answer = partial(self._answer, query, request_id, in_thread=is_large)
        if not is_large:
            return answer()
        return await anyio.to_thread.run_sync(answer, limiter=self.one_batch)

    def _read(self, body: bytes, *, may_name_anybody: bool) -> SendTimeQuery:
        asked = decode_body(body, SendTimesRequest)
        most = self.settings.max_customers
        if len(asked.customers) > most:
            fault = Fault(f"must have at most {most} entries", pointer="#/customers")
            raise Problem(Kind.INVALID, f"#/customers: {fault.detail}.", [fault])
        window, quiet = asked.window, asked.quiet_hours
        start, end = (window.start, window.end) if window else default_window(self.clock())
        return SendTimeQuery(
            customers=asked.customers,
            start=start,
            end=end,
            channels=tuple(asked.channels),
            quiet_hours=QuietHours.parse(quiet.start, quiet.end) if quiet else None,
            top_k=asked.top_k,
            has_all_slots=asked.all_slots,
            has_reasons=asked.reasons,
            may_name_anybody=may_name_anybody,
        )

    def _stream(self, query: SendTimeQuery, request_id: str) -> SendTimeLines:
        parts = list(split_query(query))
        hold = partial(self._hold, request_id)
        return SendTimeLines(hold, parts, self.one_batch, self.settings.timeout_seconds)

    @contextmanager
    def _hold(self, request_id: str) -> Iterator[Callable[[SendTimeQuery], SendTimes]]:
        """Return what answers parts: while lines are sent, with what was loaded at their first."""
        with self.predictor.pin() as predictor:
            yield partial(self._find, predictor, request_id=request_id, in_thread=True)

    def _answer(self, query: SendTimeQuery, request_id: str, *, in_thread: bool) -> Response:
        found = self._find(self.predictor, query, request_id, in_thread=in_thread)
        headers = {"X-Model-Version": found.model_version, "Vary": "Accept"}
        return respond(msgspec.json.encode(found), headers=headers)

    def _find(
        self, predictor: Predictor, query: SendTimeQuery, request_id: str, *, in_thread: bool
    ) -> SendTimes:
        now = self.clock()

        def ask(asked: SendTimeQuery) -> SendTimes:
            return predictor.send_times(asked, now, in_thread=in_thread)

        with as_problems():
            if self.decisions is None:
                answer = ask(query)
            else:
                answer = self.decisions.answer(
                    query,
                    ask,
                    request_id=request_id,
                    decided_at=now,
                    ids=find_ids(predictor, query.customers, in_thread=in_thread),
                )
        self.metrics.count_customers(count_evidence(answer.customers))
        return answer
