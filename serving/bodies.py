"""Reading what was sent and agreeing on what is answered: media types, encodings, sizes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from serving.problems import Fault, Kind, Problem, describe_invalid

Model = TypeVar("Model", bound=BaseModel)

JSON, CSV, TEXT = "application/json", "text/csv", "text/plain"
NDJSON = "application/x-ndjson"


async def read_json_body(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request that claims to be plain JSON.

    Raises
    ------
    Problem
        415 if it claims another type or an encoding, 413 if it is longer than `max_bytes`.
    """
    _check_content_type(request.headers.get("content-type", ""), (JSON,))
    if _read_encoding(request) not in ("", "identity"):
        raise Problem(
            Kind.WRONG_MEDIA_TYPE,
            "Send the body without a Content-Encoding: compressed bodies are not read.",
            headers={"Accept-Encoding": "identity"},
        )
    return await read_body(request, max_bytes)


async def read_collected_body(
    request: Request, max_bytes: int, known: Sequence[str] = (JSON, TEXT)
) -> bytes:
    """Return the JSON body that a tracking library sends: also as text/plain, also compressed.

    Libraries in browsers send text/plain, as that needs no preflight; those on servers gzip.

    Raises
    ------
    Problem
        415 if it claims another type or encoding, 413 if it is longer than `max_bytes`, whether
        compressed or not, 400 if it is not gzip though it says so.
    """
    _check_content_type(request.headers.get("content-type", ""), known)
    encoding = _read_encoding(request)
    if encoding not in ("", "identity", "gzip"):
        raise Problem(
            Kind.WRONG_MEDIA_TYPE,
            "Send the body as it is, or with Content-Encoding: gzip.",
            headers={"Accept-Encoding": "identity, gzip"},
        )
    body = await read_body(request, max_bytes)
    return _decompress(body, max_bytes) if encoding == "gzip" else body


def is_ndjson(request: Request) -> bool:
    """Say whether the body claims to be one JSON object per line."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == NDJSON


def _decompress(body: bytes, max_bytes: int) -> bytes:
    reader = zlib.decompressobj(wbits=31)
    try:
        content = reader.decompress(body, max_bytes + 1)
    except zlib.error:
        raise Problem(Kind.BAD_JSON, "The body is not gzip, though it says so.") from None
    if len(content) > max_bytes:
        raise _too_large(max_bytes)
    if not reader.eof:
        raise Problem(Kind.BAD_JSON, "The body is cut off: its gzip has no end.")
    return content


def _read_encoding(request: Request) -> str:
    return str(request.headers.get("content-encoding", "identity")).strip().lower()


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body as it was sent.

    Raises
    ------
    Problem
        413 if it is longer than `max_bytes`.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > max_bytes:
        raise _too_large(max_bytes)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def decode_body(body: bytes, model: type[Model]) -> Model:
    """Return the body as a model of the contract says it is.

    Raises
    ------
    Problem
        422 if it breaks the contract; 400 if it is not JSON, or states a member twice: readers
        disagree on which of the two counts, so what one checked another would not obey.
    """
    try:
        found = model.model_validate_json(body)
    except ValidationError as error:
        raise describe_invalid(error) from None
    # Depth is bounded by now, and every text is UTF-8; numbers are left as they are spelt.
    if body.count(b":") > 1:
        _NAMES.decode(body.decode())
    return found


def _check_names(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Problem(Kind.BAD_JSON, "Send each member of an object once; one is there twice.")


_NAMES = json.JSONDecoder(object_pairs_hook=_check_names, parse_int=str, parse_float=str)


def choose_media_type(accept: str, offered: Sequence[str]) -> str:
    """Return the offered media type that the Accept header prefers; the first one among equals.

    Parameters
    ----------
    accept : str
        The header; empty means anything.
    offered : sequence of str
        Types without parameters.

    Raises
    ------
    Problem
        406 if it accepts none of them.

    Examples
    --------
    >>> choose_media_type("text/csv, application/json;q=0.5", ("application/json", "text/csv"))
    'text/csv'
    """
    if not accept.strip():
        return offered[0]
    ranges = [_read_range(part) for part in accept.split(",")]
    best, best_quality = "", 0.0
    for media_type in offered:
        fitting = [(weight, q) for name, q in ranges if (weight := _fit(name, media_type))]
        quality = max(fitting)[1] if fitting else 0.0
        if quality > best_quality:
            best, best_quality = media_type, quality
    if not best:
        raise Problem(Kind.NOT_ACCEPTABLE, f"Accept one of: {', '.join(offered)}.")
    return best


def read_qualities(header: str) -> dict[str, float]:
    """Return the names in an Accept header of any kind, in lower case, with their quality.

    Examples
    --------
    >>> read_qualities("gzip;q=0.5, br")
    {'gzip': 0.5, 'br': 1.0}
    """
    return dict(_read_range(part) for part in header.split(",") if part.strip())


def _check_content_type(header: str, known: Sequence[str]) -> None:
    media_type, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = [p.removeprefix("charset=").strip('"') for p in parameters if "charset=" in p]
    own = " or ".join(name for name in known if name != TEXT)
    if media_type not in known or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise Problem(Kind.WRONG_MEDIA_TYPE, f"Send the body as Content-Type: {own}, in UTF-8.")


def _too_large(max_bytes: int) -> Problem:
    return Problem(
        Kind.TOO_LARGE,
        f"Send at most {max_bytes} bytes; split what you ask or tell over several requests.",
        [Fault(f"at most {max_bytes} bytes", pointer="#")],
        # What was not read of the body would be taken for the next request.
        headers={"Connection": "close"},
    )


def _read_range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                return name, 0.0
    return name, 1.0


def _fit(name: str, media_type: str) -> int:
    """Return how closely a media range fits: 3 the type itself, 2 its family, 1 anything, 0 not."""
    if name == media_type:
        return 3
    if name == media_type.split("/")[0] + "/*":
        return 2
    return 1 if name == "*/*" else 0
