"""`Idempotency-Key`: a write that is sent again has one effect, and one answer.

A route is wrapped where it is declared; a request without the header pays nothing. Of requests
with one key the first runs and the others wait for it, in this process or in another. What
succeeded is kept; what was refused or failed had no effect, is not kept, and may be sent again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from features.errors import AlmanacError
from serving.access.gate import KEY_ID
from serving.bodies import read_body
from serving.customers.kept_answers import Claim, KeptAnswer, KeptAnswers, Standing
from serving.customers.person import to_microseconds_of
from serving.logs import FIELDS, LOGGER
from serving.problems import Kind, Problem, as_sentence

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
POLL_SECONDS = 0.05
PATIENCE = 0.8
"""Share of the deadline that a request waits for the first one with its key."""
_KEY = re.compile(r"[!-~]{1,255}")
_RETRY = {"Retry-After": "1"}
Endpoint = Callable[[Request], Awaitable[Response]]
Clock = Callable[[], datetime]
log = logging.getLogger(LOGGER)


class Idempotency:
    """Wraps the endpoints that write.

    Parameters
    ----------
    answers : KeptAnswers
    clock : callable
        Returns the time, with a zone.
    timeout_seconds : float
        Deadline of a request.
    """

    def __init__(self, answers: KeptAnswers, clock: Clock, timeout_seconds: float) -> None:
        self._answers, self._clock = answers, clock
        self._patience = timeout_seconds * PATIENCE
        self._running: dict[str, tuple[str, asyncio.Task[Response]]] = {}

    def wrap(self, endpoint: Endpoint, max_bytes: int) -> Endpoint:
        """Return the endpoint, in which a key is honoured.

        Parameters
        ----------
        endpoint : callable
        max_bytes : int
            Of a body; those of other sizes are refused before they are hashed.
        """

        async def serve(request: Request) -> Response:
            keys = request.headers.getlist(HEADER)
            if not keys or request.method not in ("POST", "DELETE"):
                return await endpoint(request)
            return await self._serve(endpoint, request, _check(keys), max_bytes)

        return serve

    async def _serve(
        self, endpoint: Endpoint, request: Request, key: str, max_bytes: int
    ) -> Response:
        body = await read_body(request, max_bytes)
        claim = self._name(request, key, body)
        running = self._running.get(claim.mark)
        if running is None:
            # Noted before anything is awaited: of many in one process one asks the store.
            task = asyncio.ensure_future(self._run(endpoint, _again(request, body), claim))
            self._running[claim.mark] = (claim.fingerprint, task)
            task.add_done_callback(lambda done: self._forget(claim.mark, done))
            # Who waits may give up; what was begun ends, and its answer is kept.
            return await asyncio.shield(task)
        fingerprint, task = running
        if fingerprint != claim.fingerprint:
            raise _reused()
        await asyncio.wait([task], timeout=self._patience)
        if not task.done():
            raise _under_way()
        return _replay(task.result())

    async def _run(self, endpoint: Endpoint, request: Request, claim: Claim) -> Response:
        kept = await self._claim(claim)
        if kept is not None:
            return Response(kept.body, kept.status, {**kept.headers, REPLAYED: "true"})
        is_kept = False
        try:
            response = await endpoint(request)
            if 200 <= response.status_code < 300:
                await self._keep(claim, response)
                is_kept = True
        finally:
            if not is_kept:
                await self._release(claim)
        return response

    async def _claim(self, claim: Claim) -> KeptAnswer | None:
        """Return None when the request is ours to do, or what it was answered with before."""
        stop_at = time.monotonic() + self._patience
        while True:
            standing = await self._look(claim)
            if standing.is_ours or standing.kept is not None:
                return standing.kept
            if standing.is_other:
                raise _reused()
            if time.monotonic() > stop_at:
                raise _under_way()
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self, claim: Claim) -> Standing:
        try:
            return await self._answers.claim(claim, to_microseconds_of(self._clock()))
        except AlmanacError as error:
            raise Problem(Kind.NOT_STORED, as_sentence(error), headers=_RETRY) from None

    async def _keep(self, claim: Claim, response: Response) -> None:
        headers = {"Content-Type": response.headers["content-type"], "Cache-Control": "no-store"}
        answer = KeptAnswer(response.status_code, headers, bytes(response.body).decode())
        try:
            await self._answers.keep(claim, answer, to_microseconds_of(self._clock()))
        except AlmanacError as error:
            # The effect is there and is told; sent again within the lease it is 409, then anew.
            fields = {"state": "not kept", "reason": str(error)}
            log.warning("idempotency", extra={FIELDS: fields})

    async def _release(self, claim: Claim) -> None:
        try:
            await self._answers.release(claim)
        except AlmanacError as error:
            fields = {"state": "not released", "reason": str(error)}
            log.warning("idempotency", extra={FIELDS: fields})

    def _name(self, request: Request, key: str, body: bytes) -> Claim:
        """Return the claim: a key is its caller's own, and of one route."""
        route = getattr(request.scope.get("route"), "path", request.url.path)
        mark = self._answers.mark(key, *_find_caller(request), request.method, route)
        told = (request.headers.get(name, "") for name in ("content-type", "content-encoding"))
        content = hashlib.sha256(body).hexdigest()
        fingerprint = self._answers.mark(request.url.path, request.url.query, *told, content)
        return Claim(mark, fingerprint, secrets.token_hex(16))

    def _forget(self, mark: str, task: asyncio.Task[Response]) -> None:
        del self._running[mark]
        if not task.cancelled():
            task.exception()  # told to who waits; nobody need


def _find_caller(request: Request) -> tuple[str, str]:
    """Return who asks; nobody gets another's answer.

    Where access has named the caller a new token of theirs is theirs, too; else what they show
    decides.
    """
    caller = request.scope.get(KEY_ID, "")
    if caller:
        return "key", caller
    shown = (request.headers.get(name, "") for name in ("authorization", "x-signature"))
    return "shown", "\x1f".join(shown)


def _check(keys: list[str]) -> str:
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise Problem(
            Kind.INVALID,
            f"{HEADER}: send one key of 1 to 255 printable ASCII characters without spaces, such "
            "as a UUID.",
        )
    return keys[0]


def _reused() -> Problem:
    return Problem(
        Kind.KEY_REUSED, f"Send the same request as before, or this one with a new {HEADER}."
    )


def _under_way() -> Problem:
    return Problem(
        Kind.UNDER_WAY, "Send it again after a second to learn what came of it.", headers=_RETRY
    )


def _replay(response: Response) -> Response:
    """Return the same answer for another request."""
    headers = {"Content-Type": response.headers["content-type"], "Cache-Control": "no-store"}
    return Response(response.body, response.status_code, {**headers, REPLAYED: "true"})


def _again(request: Request, body: bytes) -> Request:
    """Return a request whose body is read already."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, receive)
