"""Answers that may be kept and compared: an entity tag of model and query, and compression.

What a published model answers to a query never changes, so its tag is known before anything is
looked up: who holds the answer already is told so (304) at the cost of a hash.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serving.bodies import read_qualities
from serving.champions import Champion

SMALLEST = 1024
"""Bytes below which compression saves nothing."""
LEVEL = 1
"""Of gzip: half the time of its default for a tenth more bytes."""
VARY = "Accept, Accept-Encoding"
_CODE = version("almanac")


@dataclass(frozen=True)
class Asked:
    """What was asked of which model, and as what it is to be answered.

    Parameters
    ----------
    request : Request
    champion : Champion
        That answers.
    query : object
        The checked query; its `repr` is the one canonical spelling.
    media_type : str
        As what it is answered.
    """

    request: Request
    champion: Champion[Any]
    query: object
    media_type: str

    @cached_property
    def tag(self) -> str:
        """The entity tag; weak, as it is the same for the answer compressed and not."""
        parts = (
            _CODE,
            self.champion.digest,
            self.champion.version,
            self.request.scope["path"],
            repr(self.query),
            self.media_type,
        )
        digest = hashlib.blake2b("\x1f".join(parts).encode(errors="replace"), digest_size=16)
        return f'W/"{digest.hexdigest()}"'

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer, and of a 304."""
        return {
            "ETag": self.tag,
            "Cache-Control": "private, no-cache",
            "Vary": VARY,
            "X-Model-Version": self.champion.version,
        }


def find_held(asked: Asked) -> Response | None:
    """Return 304 if the caller names the tag of the answer, before it is looked up; else None."""
    if _opaque(asked.tag) in _read_tags(asked.request):
        return Response(status_code=304, headers=asked.headers)
    return None


def represent(asked: Asked, content: bytes, more: Mapping[str, str], content_type: str) -> Response:
    """Return the answer with its tag, compressed where the caller likes it and it is worth it."""
    if "*" in _read_tags(asked.request):
        return Response(status_code=304, headers=asked.headers)
    headers = {"Content-Type": content_type, **asked.headers, **more}
    if _is_gzip_chosen(asked.request.headers.get("accept-encoding"), len(content)):
        content = gzip.compress(content, LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(content, headers=headers)


def _read_tags(request: Request) -> set[str]:
    lines = ",".join(request.headers.getlist("if-none-match"))
    return {_opaque(tag.strip()) for tag in lines.split(",") if tag.strip()}


def _opaque(tag: str) -> str:
    """Return a tag without the mark of weakness: If-None-Match compares weakly (RFC 9110)."""
    return tag.removeprefix("W/")


def _is_gzip_chosen(accepted: str | None, n_bytes: int) -> bool:
    """Say whether to compress, by an Accept-Encoding header.

    Examples
    --------
    >>> _is_gzip_chosen("gzip", 2000), _is_gzip_chosen("gzip;q=0, *", 2000)
    (True, False)
    >>> _is_gzip_chosen("gzip;q=0.5, identity", 2000), _is_gzip_chosen("gzip", 20)
    (False, False)
    """
    if not accepted:
        return False
    qualities = read_qualities(accepted)
    anything = qualities.get("*")
    gzip_quality = qualities.get("gzip", qualities.get("x-gzip", anything or 0.0))
    # What is not named is acceptable as it is, unless "*" refuses it; and then as a last resort.
    plain_quality = qualities.get("identity", 0.001 if anything is None else anything)
    if gzip_quality == 0.0 or gzip_quality < plain_quality:
        return False
    return n_bytes >= SMALLEST or plain_quality == 0.0
