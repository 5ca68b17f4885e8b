"""Where a request carries its key or token."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

import msgspec


class _Keyed(msgspec.Struct, rename="camel"):
    write_key: str | None = None


def read_credential(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the key or token of a request's headers; None where there is none.

    A key is the user of HTTP Basic, whose password is empty, or a bearer token.
    """
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, token = given[0].decode("latin-1").strip().partition(" ")
    if scheme.lower() == "bearer":
        return token.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(token.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return text.partition(":")[0] or None


def read_body_key(body: bytes) -> str | None:
    """Return the member `writeKey` of a message or batch, as Segment's own senders put it."""
    try:
        return msgspec.json.decode(body, type=_Keyed).write_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
