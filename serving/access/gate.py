"""The gate before every route: who asks, whether they may, and whether not too often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from serving.access.audit import REFUSED, Entry
from serving.access.callers import Access, Caller
from serving.access.credentials import read_body_key, read_credential
from serving.access.scopes import AUDITED, Scope, find_scope, is_held, name_operation
from serving.access.sessions import SAFE_METHODS, is_same_origin, read_cookie
from serving.problems import Kind, Problem

KEY_ID, HEADERS, REQUEST_ID = "almanac.key_id", "almanac.headers", "almanac.request_id"
"""What a connection's scope holds: who asks (a str, absent while there are no keys), what the edge
adds to the headers of the answer, and the id of the request."""
SCOPES_HELD = "almanac.scopes"
_PENDING = "almanac.admit"
_BEARER = 'Bearer realm="key"'
_ASK = f'Basic realm="key", charset="UTF-8", {_BEARER}'
PAGE_HEADER = b"x-almanac-page"
"""What our own pages send with every request."""


def guard(
    routes: Iterable[Route], access: Access | None, clock: Callable[[], datetime]
) -> list[Route]:
    """Put the gate before every route; what a route asks for is in `serving.access.scopes`.

    Parameters
    ----------
    routes : iterable of Route
    access : Access or None
        None where there are neither keys nor tokens: everybody on this machine may do all.
    clock : callable
        Returns the time, with a zone.
    """
    guarded = list(routes)
    for route in guarded:
        route.app = Gate(route.app, route.path, access, clock)
    return guarded


async def admit_body(request: Request, body: bytes) -> None:
    """Refuse what is sent in without a key in its headers, if there is none in its body either.

    Raises
    ------
    Problem
        401, 403 or 429.
    """
    admit: Callable[[str | None], Awaitable[None]] | None = request.scope.pop(_PENDING, None)
    if admit is not None:
        await admit(read_body_key(body))


def may_name_anybody(request: Request) -> bool:
    """Say whether a caller may ask for customers by e-mail address, number and the like.

    Whose key only opens campaigns must not find out who has which address.
    """
    held = request.scope.get(SCOPES_HELD)
    return held is None or bool(held & {Scope.PROFILES_READ, Scope.ADMIN})


class Gate:
    """An ASGI application that asks for a key before one route.

    Parameters
    ----------
    app : ASGI application
    path : str
        Template of the route.
    access : Access or None
    clock : callable
        Returns the time, with a zone.
    """

    def __init__(
        self, app: ASGIApp, path: str, access: Access | None, clock: Callable[[], datetime]
    ) -> None:
        self.app, self.path, self.access, self.clock = app, path, access, clock

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        operation = name_operation(scope["method"], self.path)
        status = 500

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if _PENDING in scope:
                    raise _unauthorized(
                        scope
                    )  # no endpoint may forget to look for the key in a body
            await send(message)

        try:
            await self._admit(scope, find_scope(operation))
            await self.app(scope, receive, send_watched)
        except Problem as problem:
            status = problem.kind.status
            raise
        finally:
            self._audit(scope, operation, status)

    async def _admit(self, scope: Connection, needed: Scope | None) -> None:
        if needed is None:
            return
        access = self.access
        if access is None or not access.is_asked:
            _check_local(scope)
            return

        def let_in(caller: Caller | None) -> None:
            if caller is None:
                raise _unauthorized(scope)
            scope[KEY_ID], scope[SCOPES_HELD] = caller.key_id, caller.scopes
            count(access, caller, scope)
            _check_scope(caller, needed)

        async def admit(text: str | None) -> None:
            let_in(None if text is None else await access.identify(text, self.clock()))

        text = read_credential(scope["headers"])
        if text is None and (caller := _find_session(access, scope, self.clock())):
            let_in(caller)
            return
        if text is None and needed is Scope.INGEST:
            scope[_PENDING] = admit
            return
        await admit(text)

    def _audit(self, scope: Connection, operation: str, status: int) -> None:
        action = REFUSED if status in (401, 403) else AUDITED.get(operation)
        if self.access is None or action is None:
            return
        entry = Entry(
            self.clock(), action, scope.get(KEY_ID), operation, status, scope.get(REQUEST_ID)
        )
        self.access.audit.write(entry)


def _find_session(access: Access, scope: Connection, now: datetime) -> Caller | None:
    """Return whose session of the pages a request belongs to.

    Any page of the web can have a browser send a request; only ours may have one change something
    in a session's name.
    """
    cookie = read_cookie(scope["headers"])
    caller = None if cookie is None else access.identify_session(cookie, now)
    if caller is None or scope["method"] in SAFE_METHODS or is_same_origin(scope["headers"]):
        return caller
    scope[KEY_ID] = caller.key_id
    raise Problem(
        Kind.FORBIDDEN, "In a session, changes are taken from the service's own pages alone."
    )


def count(access: Access, caller: Caller, scope: Connection) -> None:
    """Count one request of a caller, and tell them what is left.

    Raises
    ------
    Problem
        429, if there is nothing left.
    """
    quota = access.count(caller)
    if quota is None:
        return
    headers = quota.headers()
    told = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope.setdefault(HEADERS, []).extend(told)
    if not quota.is_allowed:
        raise Problem(
            Kind.RATE_LIMITED,
            f"This key may send {quota.limit} requests a minute; send the request again later.",
            headers={"Retry-After": str(quota.retry_seconds)},
        )


def _check_scope(caller: Caller, needed: Scope) -> None:
    if not is_held(needed, caller.scopes):
        raise Problem(Kind.FORBIDDEN, f"Use a key with the scope '{needed}'.")


def _check_local(scope: Connection) -> None:
    """Refuse what reached a socket that others than this machine can reach.

    And what a web page of elsewhere had a browser on this machine ask, by a name of its own that it
    made point here: the name stands in the header Host.
    """
    server = scope.get("server")
    if not server or not _is_address(server[0]):  # a socket of the file system, or none
        return
    if not _is_loopback(server[0]):
        raise Problem(
            Kind.FORBIDDEN,
            "No keys have been made, so only this machine is answered: "
            "make one with `almanac keys create`.",
        )
    named = next((value for name, value in scope["headers"] if name == b"host"), b"localhost")
    if not _names_this_machine(named.decode("latin-1")):
        raise Problem(
            Kind.FORBIDDEN,
            "No keys have been made, so the service is asked as localhost alone, not by another "
            "name: make a key with `almanac keys create`.",
        )


def _names_this_machine(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower().rstrip(".") == "localhost" or name.lower().endswith(".localhost"):
        return True
    return _is_address(name) and _is_loopback(name)


@lru_cache(maxsize=256)
def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def _is_loopback(address: str) -> bool:
    parsed = ip_address(address)
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def _unauthorized(scope: Connection) -> Problem:
    # Asked for Basic, a browser opens a window of its own over the page, and the page waits.
    is_script = any(
        name == PAGE_HEADER or (name == b"sec-fetch-mode" and value != b"navigate")
        for name, value in scope["headers"]
    )
    return Problem(
        Kind.UNAUTHORIZED,
        "Send a key that lives as the user of HTTP Basic, with an empty password, or a key or "
        "token as Bearer.",
        headers={"WWW-Authenticate": _BEARER if is_script else _ASK},
    )
