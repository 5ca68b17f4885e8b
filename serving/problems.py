"""Refusals as `application/problem+json` (RFC 9457): what was wrong, where, and what to change.

A problem never repeats what the caller sent: values can be personal data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
from pydantic import ValidationError
from pydantic_core import ErrorDetails

MEDIA_TYPE = "application/problem+json"


class Kind(Enum):
    """Every problem the service answers with: its `type`, status and title.

    The `type` is stable: clients may switch on it.
    """

    BAD_JSON = ("bad-json", 400, "The body is not valid JSON")
    UNAUTHORIZED = ("unauthorized", 401, "A key is needed")
    FORBIDDEN = ("forbidden", 403, "The key may not do this")
    UNKNOWN_CUSTOMER = ("unknown-customer", 404, "Nobody is known by this")
    UNKNOWN_SEGMENT = ("unknown-segment", 404, "Nobody is in this segment")
    NOT_FOUND = ("not-found", 404, "There is no such address")
    NOT_REPORTED = ("not-reported", 404, "This report has not been made")
    NOT_FORECAST = ("not-forecast", 404, "Nothing is forecast for this")
    WRONG_METHOD = ("wrong-method", 405, "The address does not take this method")
    NOT_ACCEPTABLE = ("not-acceptable", 406, "No acceptable media type")
    NOT_PLANNED = ("not-planned", 409, "The published model cannot decide this")
    UNDER_WAY = ("request-under-way", 409, "A request with this key is under way")
    TOO_LARGE = ("too-large", 413, "The body is too large")
    WRONG_MEDIA_TYPE = ("wrong-media-type", 415, "The body is of a type that is not read")
    INVALID = ("invalid-request", 422, "The request breaks the contract")
    REJECTED = ("rejected-message", 422, "The message was not taken")
    KEY_REUSED = ("idempotency-key-reused", 422, "The key was used for another request")
    OVERLOADED = ("overloaded", 429, "Too many requests at once")
    RATE_LIMITED = ("rate-limited", 429, "The key has used up its requests")
    FAILED = ("internal-error", 500, "The service failed")
    NOT_STORED = ("not-stored", 503, "The store takes nothing now")
    NOT_LOADED = ("model-not-loaded", 503, "The model for this is not loaded")
    TIMEOUT = ("timeout", 504, "The answer took too long")

    @property
    def type(self) -> str:
        """The stable name that clients may switch on."""
        return f"urn:almanac:problem:{self.value[0]}"

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[1]

    @property
    def title(self) -> str:
        """The same words for every problem of the kind."""
        return self.value[2]


@dataclass(frozen=True)
class Fault:
    """One thing to change: `pointer` into the body (RFC 6901), or the query `parameter`."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def as_json(self) -> dict[str, str]:
        """Return the members that are there."""
        members = {"detail": self.detail, "pointer": self.pointer, "parameter": self.parameter}
        return {key: value for key, value in members.items() if value is not None}


class Problem(Exception):
    """A request that is refused.

    Parameters
    ----------
    kind : Kind
        Decides type, status and title.
    detail : str
        One sentence that says what to change.
    faults : sequence of Fault
        Where the request is wrong, if that is one place or several.
    headers : mapping
        Further response headers: Allow, Retry-After.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind, self.detail, self.faults = kind, detail, tuple(faults)
        self.headers = dict(headers or {})
        super().__init__(detail)

    def body(self, request_id: str) -> bytes:
        """Return the problem document."""
        document: dict[str, Any] = {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.faults:
            document["errors"] = [fault.as_json() for fault in self.faults]
        return msgspec.json.encode(document)


def as_sentence(error: Exception) -> str:
    """Return what an error says as a sentence.

    Examples
    --------
    >>> as_sentence(ValueError("the disk is full"))
    'The disk is full.'
    """
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."


MAX_FAULTS = 8

_SENTENCES = {
    "missing": "this field is required",
    "extra_forbidden": "holds a name that is not known; remove it or see /openapi.json",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have {min_length} or more entries",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "timezone_aware": "needs an offset from UTC, such as Z or -05:00",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
}
"""Pydantic's error types in words that say what to change; none of them repeats the input."""


def describe_invalid(error: ValidationError, *, is_query: bool = False) -> Problem:
    """Turn a failed validation into a problem, without the values that failed.

    Parameters
    ----------
    error : ValidationError
        Of a model of `serving.contract`.
    is_query : bool
        Whether the fields are query parameters, not members of a body.
    """
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return Problem(Kind.BAD_JSON, "Send one JSON object in UTF-8, as the contract says.")
    faults = [_fault(entry, is_query=is_query) for entry in found[:MAX_FAULTS]]
    first = faults[0]
    place = (first.pointer or "#").replace("#", "the query" if is_query else "the body", 1)
    where = first.parameter or place
    return Problem(Kind.INVALID, f"{where}: {first.detail}.", faults)


def _fault(entry: ErrorDetails, *, is_query: bool) -> Fault:
    location, context = entry["loc"], entry.get("ctx", {})
    if entry["type"] == "extra_forbidden":
        # The unknown name is the caller's own text, so the place that holds it is named instead.
        location = location[:-1]
    sentence = _sentence(entry["type"], context)
    if is_query:
        return Fault(sentence, parameter=str(location[0]) if location else None)
    return Fault(sentence, pointer=_pointer(location))


def _sentence(kind: str, context: Mapping[str, Any]) -> str:
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind.startswith("datetime"):
        return "must be a time, as text"
    if kind.startswith("date_"):
        return "must be a date, as text"
    return _SENTENCES.get(kind, "is not what the contract says").format_map(context)


def _pointer(location: Sequence[str | int]) -> str:
    """Return `location` as a JSON pointer in a URI fragment."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "#" + "".join(f"/{part}" for part in parts)
