"""The edge of the service: what holds for every request before and after its endpoint.

Request ids, secure headers, the limit on concurrency, the deadline, metrics, logs, and the one
place where an exception becomes a problem document.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.gate import HEADERS, REQUEST_ID
from serving.drain import Drain
from serving.logs import FIELDS, LOGGER, TRACE_ID
from serving.metrics import METHODS, OTHER, Metrics
from serving.problems import MEDIA_TYPE, Kind, Problem
from serving.refusals import Refusals
from serving.turns import Turns

log = logging.getLogger(LOGGER)

PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Answered under any load, so that whoever watches can tell busy from dead."""
READING_PER_PLACE = 16
"""Requests whose bodies are still coming in, for each that is answered; more are refused."""
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECURE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_SECURE_CHANNEL = [(b"strict-transport-security", b"max-age=31536000")]
"""Over TLS: from now on never without it."""
_RETRY = {"Retry-After": "1"}


@dataclass
class _Exchange:
    """One request on its way through."""

    request_id: str
    started: float
    status: int = 0
    is_body_read: bool = False
    n_bytes: int = 0


class Edge:
    """ASGI middleware around the routes.

    Parameters
    ----------
    app : ASGI application
        The routes; raises `Problem` or Starlette's HTTPException to refuse.
    metrics : Metrics
        Counts every answer.
    timeout_seconds : float
        After this long the answer is 504.
    max_concurrency : int
        Requests answered at a time; more are answered with 429.
    is_request_logged : bool
        Whether every answer is logged, or only failures.
    drain : Drain, optional
        While it is under way connections are closed after their answers.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        *,
        timeout_seconds: float,
        max_concurrency: int,
        is_request_logged: bool,
        drain: Drain | None = None,
    ) -> None:
        self.app, self.metrics, self.drain = app, metrics, drain
        self.timeout_seconds, self.max_concurrency = timeout_seconds, max_concurrency
        self.is_request_logged = is_request_logged
        self._turns, self._refusals = Turns(), Refusals()
        self._in_flight = self._reading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(_request_id(scope), time.perf_counter())
        # Starlette's routes answer 404 and 405 by themselves, unless an application is around them.
        scope["app"] = self
        scope[REQUEST_ID] = exchange.request_id

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                own = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", exchange.request_id.encode()),
                    *((name, value) for name, value in _SECURE_HEADERS if name not in own),
                    *self._closing(),
                    *(_SECURE_CHANNEL if scope.get("scheme") == "https" else ()),
                    *scope.get(HEADERS, ()),
                ]
            else:
                exchange.n_bytes += len(message.get("body", b""))
            await send(message)

        async def receive_aside() -> Message:
            if exchange.is_body_read:  # what follows is word of a disconnect
                return await receive()
            message = await self._receive(receive)
            exchange.is_body_read = not message.get("more_body", False)
            return message

        self._in_flight += 1
        self.metrics.state_in_flight(self._in_flight)
        try:
            await self._answer(scope, receive_aside, send_marked, exchange)
        finally:
            self._in_flight -= 1
            self.metrics.state_in_flight(self._in_flight)
            self._record(scope, exchange)

    async def _receive(self, receive: Receive) -> Message:
        """Wait for more of a body; who sends slowly takes no place from those who are answered."""
        if self._reading >= READING_PER_PLACE * self.max_concurrency:
            raise _overloaded()
        self._in_flight -= 1
        self._reading += 1
        try:
            message = await receive()
        finally:
            self._reading -= 1
            self._in_flight += 1
        if self._in_flight > self.max_concurrency:
            raise _overloaded()
        return message

    async def _hold(self) -> None:
        """Wait until it is time to refuse; who waits for that takes no place."""
        self._in_flight -= 1
        try:
            await self._refusals.wait()
        finally:
            self._in_flight += 1

    def _closing(self) -> list[tuple[bytes, bytes]]:
        is_closing = self.drain is not None and self.drain.is_under_way
        return [(b"connection", b"close")] if is_closing else []

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, exchange: _Exchange
    ) -> None:
        try:
            if self._in_flight > self.max_concurrency and scope["path"] not in PROBES:
                raise _overloaded()
            if scope["path"] not in PROBES:
                # Before each answer all that have arrived are counted: those too many are refused,
                # and probes answered, at once.
                await self._turns.wait()
            async with asyncio.timeout(self.timeout_seconds):
                await self.app(scope, receive, send)
        except Exception as error:
            # The one place where failures become answers.
            problem = _as_problem(error)
            if problem.kind is Kind.OVERLOADED:
                await self._hold()
            if problem.kind is Kind.FAILED:
                log.error("request failed", exc_info=error, extra=_fields(scope, exchange))
            self.metrics.count_problem(problem.kind.type, problem.kind.status)
            if exchange.status == 0:
                await _send_problem(problem, exchange.request_id, scope["method"], send)

    def _record(self, scope: Scope, exchange: _Exchange) -> None:
        seconds = time.perf_counter() - exchange.started
        self.metrics.count_request(
            _route(scope), scope["method"], exchange.status, seconds, exchange.n_bytes
        )
        is_quiet_probe = scope["path"] in PROBES and exchange.status < 400
        if self.is_request_logged and not is_quiet_probe:
            log.info("request", extra=_fields(scope, exchange, ms=round(seconds * 1000, 2)))


def _overloaded() -> Problem:
    return Problem(Kind.OVERLOADED, "Send the request again after a second.", headers=_RETRY)


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, TimeoutError):
        return Problem(Kind.TIMEOUT, "Ask for fewer customers at once, or later.", headers=_RETRY)
    if isinstance(error, HTTPException) and error.status_code == 404:
        return Problem(Kind.NOT_FOUND, "Use one of the addresses in /openapi.json.")
    if isinstance(error, HTTPException) and error.status_code == 405:
        allow = ", ".join(sorted((error.headers or {})["Allow"].split(", ")))
        return Problem(Kind.WRONG_METHOD, f"Use {allow}.", headers={"Allow": allow})
    return Problem(Kind.FAILED, "The fault is ours; quote the request id when you report it.")


async def _send_problem(problem: Problem, request_id: str, method: str, send: Send) -> None:
    body = problem.body(request_id)
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        **problem.headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": problem.kind.status,
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _request_id(scope: Scope) -> str:
    """Return the caller's request id if it is sane, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            if _SANE_ID.fullmatch(text):
                return text
    return secrets.token_hex(16)


def _route(scope: Scope) -> str:
    """Return the template of the route that was found; raw paths are not bounded, nor anonymous."""
    return str(getattr(scope.get("route"), "path", OTHER))


def _fields(scope: Scope, exchange: _Exchange, **more: float) -> Mapping[str, object]:
    """Return what a log line tells of a request: never its query or body, which are personal."""
    return {
        FIELDS: {
            "request_id": exchange.request_id,
            **({"trace_id": scope[TRACE_ID]} if TRACE_ID in scope else {}),
            "method": scope["method"] if scope["method"] in METHODS else OTHER,
            "route": _route(scope),
            "status": exchange.status,
            **more,
        }
    }
