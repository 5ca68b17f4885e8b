"""Who may write and read customers: keys, of which only hashes are kept, and signed webhooks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence

import msgspec
from starlette.requests import Request

from serving.customers.settings import CustomersSettings
from serving.problems import Kind, Problem

SIGNATURE = "x-signature"
_ASK = {"WWW-Authenticate": 'Basic realm="key", charset="UTF-8"'}


class _Keyed(msgspec.Struct, rename="camel"):
    write_key: str | None = None


def check_key(
    request: Request, settings: CustomersSettings, keys: Sequence[str], body: bytes | None = None
) -> None:
    """Refuse a request without a key that may do this.

    The key is the user of HTTP Basic, whose password is empty, or a bearer token; of what is sent
    in, also the member `writeKey` of the body. Where the project states no key of any kind, any
    will do.

    Parameters
    ----------
    request : Request
    settings : CustomersSettings
    keys : sequence of str
        SHA-256, in hex, of those that may.
    body : bytes, optional
        Of what is sent in.

    Raises
    ------
    Problem
        401.
    """
    if not settings.has_keys:
        return
    given = _read_key(request.headers.get("authorization", ""))
    if given is None and body is not None:
        given = _read_body_key(body)
    known = hashlib.sha256((given or "").encode()).hexdigest()
    # Every key is compared, in constant time: how long it takes tells nothing.
    matches = [hmac.compare_digest(known, key) for key in keys]
    if given is None or not any(matches):
        raise Problem(
            Kind.UNAUTHORIZED,
            "Send a key that may do this as the user of HTTP Basic, with an empty password.",
            headers=_ASK,
        )


def check_signature(request: Request, settings: CustomersSettings, body: bytes) -> None:
    """Refuse a webhook that is not signed: HMAC of its body with the shared secret, in hex.

    Segment's webhooks sign with SHA-1; SHA-256 is taken, too.

    Raises
    ------
    Problem
        401; also where the service knows no secret.
    """
    secret = os.environ.get(settings.webhook_secret_variable, "").encode()
    given = request.headers.get(SIGNATURE, "").strip().lower().removeprefix("sha256=")
    expected = [hmac.digest(secret, body, name).hex() for name in ("sha1", "sha256")]
    matches = [hmac.compare_digest(given.encode(), one.encode()) for one in expected]
    if not secret or not any(matches):
        raise Problem(
            Kind.UNAUTHORIZED,
            "Sign the body: X-Signature is its HMAC in hex, with the secret that the service has "
            f"in {settings.webhook_secret_variable}.",
        )


def _read_key(header: str) -> str | None:
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return token.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(token.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text.partition(":")[0] or None


def _read_body_key(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Keyed).write_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
