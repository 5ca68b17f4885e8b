"""Opaque cursors: where the next page starts, bound to one model and one query.

A cursor holds a row number and a keyed hash over that number and the query; the key is the digest
of the published model, so a cursor of another model or another query is refused, not misread.
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
    packed = _POSITION.pack(position)
    return base64.urlsafe_b64encode(packed + _sign(packed, query, key)).decode().rstrip("=")


def decode_cursor(cursor: str, query: str, key: str) -> int:
    """Return the position in `cursor`.

    Raises
    ------
    BadCursor
        If it is damaged, or was made for another query or another model.
    """
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        content = b""
    packed, signature = content[: _POSITION.size], content[_POSITION.size :]
    if len(packed) < _POSITION.size or not hmac.compare_digest(
        signature, _sign(packed, query, key)
    ):
        raise BadCursor(
            "does not belong to this query and the model that answers now; start without a cursor"
        )
    return int(_POSITION.unpack(packed)[0])


def _sign(packed: bytes, query: str, key: str) -> bytes:
    return hashlib.blake2b(
        packed + query.encode(), key=key.encode()[:64], digest_size=_HASH_BYTES
    ).digest()
