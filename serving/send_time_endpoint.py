"""`POST /v1/send-times`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from functools import partial

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response

from models.campaign.send_slots import QuietHours
from serving.bodies import JSON, NDJSON, choose_media_type, decode_body, read_json_body
from serving.contract import SendTimesRequest
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
    """

    def __init__(
        self, predictor: Predictor, settings: ServingSettings, metrics: Metrics, clock: Clock
    ) -> None:
        self.predictor, self.settings, self.metrics = predictor, settings, metrics
        self.clock = clock
        # A batch keeps one core busy; two at once would only share it, and the event loop starve.
        self._one_batch = CapacityLimiter(1)

    async def send_times(self, request: Request) -> Response | SendTimeLines:
        """Answer one request: few customers at once, many in a thread so that others are served."""
        check_no_query(request)
        media_type = choose_media_type(request.headers.get("accept", ""), (JSON, NDJSON))
        body = await read_json_body(request, self.settings.max_body_bytes)
        query = self._read(body)
        if media_type == NDJSON:
            return self._stream(query)
        is_large = len(query.customers) > self.settings.inline_customers
        answer = partial(self._answer, query, in_thread=is_large)
        if not is_large:
            return answer()
        return await anyio.to_thread.run_sync(answer, limiter=self._one_batch)

    def _read(self, body: bytes) -> SendTimeQuery:
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
        )

    def _stream(self, query: SendTimeQuery) -> SendTimeLines:
        parts = list(split_query(query))
        return SendTimeLines(self._hold, parts, self._one_batch, self.settings.timeout_seconds)

    @contextmanager
    def _hold(self) -> Iterator[Callable[[SendTimeQuery], SendTimes]]:
        """Return what answers parts: while lines are sent, with what was loaded at their first."""
        yield partial(self._find, predictor=copy(self.predictor), in_thread=True)

    def _answer(self, query: SendTimeQuery, *, in_thread: bool) -> Response:
        found = self._find(query, self.predictor, in_thread=in_thread)
        headers = {"X-Model-Version": found.model_version, "Vary": "Accept"}
        return respond(msgspec.json.encode(found), headers=headers)

    def _find(self, query: SendTimeQuery, predictor: Predictor, *, in_thread: bool) -> SendTimes:
        with as_problems():
            answer = predictor.send_times(query, self.clock(), in_thread=in_thread)
        self.metrics.count_customers(count_evidence(answer.customers))
        return answer
