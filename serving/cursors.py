"""Opaque cursors: where the next page starts, bound to one model and one query.

A cursor holds a place and a keyed hash over that place and the query. Where the place is a row of
what a model published, the key is the model's digest, so a cursor of another model or another query
is refused, not misread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct

_HASH_BYTES = 12
_POSITION = struct.Struct(">Q")


class BadCursor(ValueError):
    """The cursor was not made for this query and this model."""


def encode_cursor(position: int, query: str, key: str) -> str:
    """Return the cursor of `position`.

    Parameters
    ----------
    position : int
        Row number of the first row of the next page; >= 0.
    query : str
        The query, without cursor and limit, in one canonical spelling.
    key : str
        Digest of the published model.

    Examples
    --------
    >>> decode_cursor(encode_cursor(100, "region=North", "digest"), "region=North", "digest")
    100
    """
    return seal(_POSITION.pack(position), query, key)


def decode_cursor(cursor: str, query: str, key: str) -> int:
    """Return the position in `cursor`.

    Raises
    ------
    BadCursor
        If it is damaged, or was made for another query or another model.
    """
    packed = unseal(cursor, _POSITION.size, query, key)
    if packed is None:
        raise BadCursor(
            "does not belong to this query and the model that answers now; start without a cursor"
        )
    return int(_POSITION.unpack(packed)[0])


def seal(packed: bytes, query: str, key: str) -> str:
    """Return the cursor of a place that was packed into bytes.

    Parameters
    ----------
    packed : bytes
    query : str
        As for `encode_cursor`.
    key : str
        Nobody without it can make a cursor.
    """
    return base64.urlsafe_b64encode(packed + _sign(packed, query, key)).decode().rstrip("=")


def unseal(cursor: str, size: int, query: str, key: str) -> bytes | None:
    """Return the `size` bytes in a cursor; None if it is damaged or not of this query and key."""
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    packed, signature = content[:size], content[size:]
    if len(packed) < size or not hmac.compare_digest(signature, _sign(packed, query, key)):
        return None
    return packed


def _sign(packed: bytes, query: str, key: str) -> bytes:
    return hashlib.blake2b(
        packed + query.encode(), key=key.encode()[:64], digest_size=_HASH_BYTES
    ).digest()
