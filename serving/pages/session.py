"""`/session`: a key is entered once; a signed cookie that scripts cannot read speaks for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.access.audit import REFUSED, Entry
from serving.access.callers import Access, Caller
from serving.access.gate import KEY_ID, REQUEST_ID, count
from serving.access.sessions import COOKIE, is_same_origin, read_cookie
from serving.bodies import JSON, read_body
from serving.problems import Kind, Problem
from serving.responses import check_no_query, respond

FORM = "application/x-www-form-urlencoded"
MAX_BYTES = 4_096
OPENED, ENDED = "session opened", "session ended"


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    key: str


class SessionEndpoints:
    """Opens, tells of and ends sessions.

    Parameters
    ----------
    access : Access or None
        None where there are neither keys nor tokens.
    clock : callable
        Returns the time, with a zone.
    """

    def __init__(self, access: Access | None, clock: Callable[[], datetime]) -> None:
        self.access, self.clock = access, clock

    async def show(self, request: Request) -> Response:
        """Tell whether keys are asked for, and whose session this is."""
        check_no_query(request)
        return self._tell(self._find(request))

    async def open(self, request: Request) -> Response:
        """Take a key, as a form or as JSON, and answer with the cookie."""
        check_no_query(request)
        _check_origin(request)
        is_form, text, following = await _read_key(request)
        if self.access is None or not self.access.is_asked or self.access.sessions is None:
            return _go(following) if is_form else self._tell(None)
        now = self.clock()
        key = self.access.find_key(text.strip(), now)
        if key is None:
            self._audit(request, REFUSED, 401)
            raise Problem(Kind.UNAUTHORIZED, "This key is not known, or has ended.")
        cookie, ends = self.access.sessions.write(key, text.strip(), now)
        caller = self.access.identify_session(cookie, now)
        if caller is not None:
            request.scope[KEY_ID] = caller.key_id
            count(self.access, caller, request.scope)
        self._audit(request, OPENED, 303 if is_form else 200)
        answer = _go(following) if is_form else self._tell(caller)
        _set_cookie(request, answer, cookie, int((ends - now).total_seconds()))
        return answer

    async def end(self, request: Request) -> Response:
        """Sign out: the browser forgets the cookie."""
        check_no_query(request)
        _check_origin(request)
        if (caller := self._find(request)) is not None:
            request.scope[KEY_ID] = caller.key_id
            self._audit(request, ENDED, 200)
        answer = self._tell(None)
        _set_cookie(request, answer, "", 0)
        return answer

    def _find(self, request: Request) -> Caller | None:
        cookie = read_cookie(request.scope["headers"])
        if self.access is None or cookie is None:
            return None
        return self.access.identify_session(cookie, self.clock())

    def _tell(self, caller: Caller | None) -> Response:
        content = {
            "is_asked": self.access is not None and self.access.is_asked,
            "key_id": None if caller is None else caller.key_id,
            "scopes": [] if caller is None else sorted(caller.scopes),
        }
        return respond(msgspec.json.encode(content))

    def _audit(self, request: Request, action: str, status: int) -> None:
        if self.access is not None:
            scope = request.scope
            route = f"{scope['method']} /session"
            entry = Entry(
                self.clock(), action, scope.get(KEY_ID), route, status, scope.get(REQUEST_ID)
            )
            self.access.audit.write(entry)


async def _read_key(request: Request) -> tuple[bool, str, str]:
    """Return whether it was a form, the key, and where the reader goes afterwards."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in (FORM, JSON):
        raise Problem(Kind.WRONG_MEDIA_TYPE, f"Send the key as {FORM} or {JSON}.")
    body = await read_body(request, MAX_BYTES)
    if media_type == JSON:
        try:
            return False, msgspec.json.decode(body, type=_Given).key, "/"
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Problem(Kind.BAD_JSON, 'Send one JSON object: {"key": "alm_…"}.') from None
    fields = parse_qs(body.decode("latin-1"))
    return True, fields.get("key", [""])[0], fields.get("next", ["/"])[0]


def _check_origin(request: Request) -> None:
    """Refuse what another site's page has a browser send: it could sign a reader in as another."""
    headers = request.scope["headers"]
    is_browser = any(name in (b"origin", b"sec-fetch-site") for name, _ in headers)
    if is_browser and not is_same_origin(headers):
        raise Problem(Kind.FORBIDDEN, "Sessions are opened and ended on the service's own pages.")


def _go(following: str) -> Response:
    """Send the reader on, to a page of this service and nowhere else."""
    is_ours = following.isascii() and following[:1] == "/" and following[1:2] not in ("/", "\\")
    is_ours = is_ours and following.isprintable()
    return respond(b"", status=303, headers={"Location": following if is_ours else "/"})


def _set_cookie(request: Request, answer: Response, value: str, seconds: int) -> None:
    answer.set_cookie(
        COOKIE,
        value,
        max_age=seconds,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
