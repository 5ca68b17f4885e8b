"""Send times of many customers as lines: answered and sent in parts, so that memory stays flat.

Each line is one customer; the last line says whether these are all of them. A reader who finds no
last line that says `"complete":true` does not have the whole answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter
from starlette.types import Receive, Scope, Send

from serving.bodies import NDJSON
from serving.logs import FIELDS, LOGGER
from serving.predictor import SendTimes
from serving.problems import Kind, Problem
from serving.send_times import SendTimeQuery

PART = 250
"""Customers answered at once."""
SHARE = 0.9
"""Of the deadline: what is left is for the last line to reach a reader."""
log = logging.getLogger(LOGGER)
_ENCODER = msgspec.json.Encoder()


class LastLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What closes the lines: whether all customers asked for are above it, and what holds for all.

    Attributes
    ----------
    complete : bool
    customers : int
        Lines above.
    degraded : bool
        Whether something that normally answers did not, for any of them.
    model_version : str
    profiles_as_of : datetime
    window : dict
        As in the JSON answer.
    problem : str
        Why it is incomplete, as a problem's type.
    detail : str
        What to do.
    """

    complete: bool
    customers: int
    degraded: bool
    model_version: str
    profiles_as_of: datetime
    window: dict[str, datetime]
    problem: str = ""
    detail: str = ""


def split_query(query: SendTimeQuery, size: int = PART) -> Iterator[SendTimeQuery]:
    """Yield the query in parts of some customers each."""
    for start in range(0, len(query.customers), size):
        yield replace(query, customers=query.customers[start : start + size])


class SendTimeLines:
    """A response that is made while it is sent.

    Parameters
    ----------
    hold : callable
        Returns a context manager: what answers a part, in a thread, with the same models within.
    parts : sequence of SendTimeQuery
    limiter : CapacityLimiter
        Of the thread; given back between parts, so that others get their turn.
    seconds : float
        After this long no further part is begun.
    """

    def __init__(
        self,
        hold: Callable[[], AbstractContextManager[Callable[[SendTimeQuery], SendTimes]]],
        parts: Sequence[SendTimeQuery],
        limiter: CapacityLimiter,
        seconds: float,
    ) -> None:
        self.hold, self.parts, self.limiter = hold, parts, limiter
        self.seconds = seconds * SHARE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the head when the first part is there, so that a refusal is still a refusal."""
        with self.hold() as answer:
            await self._stream(answer, send)

    async def _stream(self, answer: Callable[[SendTimeQuery], SendTimes], send: Send) -> None:
        stop_at = time.monotonic() + self.seconds
        found = await self._find(answer, self.parts[0])
        first, count, is_degraded = found, 0, False
        await send(_head(found))
        problem: Problem | None = None
        for at in range(len(self.parts)):
            count, is_degraded = count + len(found.customers), is_degraded or found.degraded
            await _send(send, _ENCODER.encode_lines(found.customers))
            if at + 1 == len(self.parts):
                break
            if time.monotonic() > stop_at:
                problem = Problem(Kind.TIMEOUT, "Ask for the customers that are missing.")
                break
            try:
                found = await self._find(answer, self.parts[at + 1])
            except Exception as error:  # noqa: BLE001 - the head is sent: only a line can tell
                problem = _as_problem(error)
                break
            if found.model_version != first.model_version:
                problem = Problem(Kind.NOT_LOADED, "The model changed; ask for all of them again.")
                break
        await _send(send, _end(problem, count, first, is_degraded=is_degraded))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _find(
        self, answer: Callable[[SendTimeQuery], SendTimes], part: SendTimeQuery
    ) -> SendTimes:
        return await anyio.to_thread.run_sync(answer, part, limiter=self.limiter)


def _head(found: SendTimes) -> dict[str, object]:
    headers = {
        "content-type": NDJSON,
        "cache-control": "no-store",
        "vary": "Accept",
        "x-model-version": found.model_version,
    }
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


async def _send(send: Send, lines: bytes) -> None:
    await send({"type": "http.response.body", "body": lines, "more_body": True})


def _end(problem: Problem | None, count: int, first: SendTimes, *, is_degraded: bool) -> bytes:
    line = LastLine(
        problem is None, count, is_degraded,
        first.model_version, first.profiles_as_of, first.window,
    )  # fmt: skip
    if problem is not None:
        line = msgspec.structs.replace(line, problem=problem.kind.type, detail=problem.detail)
    return _ENCODER.encode(line) + b"\n"


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    log.error("request failed", exc_info=error, extra={FIELDS: {"route": "/v1/send-times"}})
    return Problem(Kind.FAILED, "The fault is ours; ask for the customers that are missing.")
