"""Why a message is rejected: stable codes, each with the sentence that says what to change."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

_INDEX = re.compile(r"\[(\d+)\]")


class Reason(StrEnum):
    """Every code that a reader of messages answers with; clients may switch on it."""

    INVALID_JSON = "invalid-json"
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    UNKNOWN_TYPE = "unknown-type"
    INVALID_FIELD = "invalid-field"
    MISSING_MESSAGE_ID = "missing-message-id"
    LONG_MESSAGE_ID = "long-message-id"
    MISSING_IDENTIFIER = "missing-identifier"
    BLOCKED_IDENTIFIER = "blocked-identifier"
    MISSING_EVENT = "missing-event"
    MISSING_PREVIOUS_ID = "missing-previous-id"
    MISSING_ORDER_ID = "missing-order-id"
    INVALID_TIME = "invalid-time"
    TIME_OUT_OF_RANGE = "time-out-of-range"
    INVALID_PROPERTY = "invalid-property"
    INVALID_TRAITS = "invalid-traits"
    INVALID_CONSENT = "invalid-consent"


SENTENCES: dict[Reason, str] = {
    Reason.INVALID_JSON: "expected one JSON object in UTF-8, without NaN or Infinity",
    Reason.TOO_LARGE: "the message is larger than may be; send less with it",
    Reason.TOO_DEEP: "the message is nested more deeply than may be; send it flatter",
    Reason.UNKNOWN_TYPE: (
        "expected type to be identify, track, page, screen, group, alias or delete"
    ),
    Reason.INVALID_FIELD: "a field of the envelope is not of its type",
    Reason.MISSING_MESSAGE_ID: (
        "expected a messageId; give every message one of its own, the same when it is sent again"
    ),
    Reason.LONG_MESSAGE_ID: "expected a shorter messageId, of printable characters",
    Reason.MISSING_IDENTIFIER: (
        "expected a userId, an anonymousId, or another identifier of somebody"
    ),
    Reason.BLOCKED_IDENTIFIER: (
        "every identifier is a placeholder, malformed or blocked; send one that is of one person"
    ),
    Reason.MISSING_EVENT: "expected the name of what happened in event, of at most 100 characters",
    Reason.MISSING_PREVIOUS_ID: "expected a previousId, and a userId that takes its place",
    Reason.MISSING_ORDER_ID: "expected properties.order_id: which order this is about",
    Reason.INVALID_TIME: (
        "expected a time as RFC 3339 text, such as 2026-11-27T09:30:00.000Z; seconds or "
        "milliseconds since 1970 are not read"
    ),
    Reason.TIME_OUT_OF_RANGE: "the message says it is from too long ago, or from the future",
    Reason.INVALID_PROPERTY: "a property is not what it should be",
    Reason.INVALID_TRAITS: "expected traits to be an object that describes a person",
    Reason.INVALID_CONSENT: (
        "expected context.consent.categoryPreferences to map categories to true or false"
    ),
}
"""What is answered with each code, where nothing more can be said."""

_PLACES: tuple[tuple[str, Reason], ...] = (
    ("/properties", Reason.INVALID_PROPERTY),
    ("/context/consent", Reason.INVALID_CONSENT),
    ("/context/traits", Reason.INVALID_TRAITS),
    ("/traits", Reason.INVALID_TRAITS),
    ("/timestamp", Reason.INVALID_TIME),
    ("/originalTimestamp", Reason.INVALID_TIME),
    ("/sentAt", Reason.INVALID_TIME),
    ("/receivedAt", Reason.INVALID_TIME),
    ("/type", Reason.UNKNOWN_TYPE),
    ("/event", Reason.MISSING_EVENT),
    ("/", Reason.INVALID_FIELD),
    ("", Reason.INVALID_JSON),
)
"""Where something of the wrong type stands, and what that means; the first that fits counts."""


class Refused(Exception):
    """A message cannot be read.

    Parameters
    ----------
    reason : Reason
    pointer : str, optional
        Where in the message, as a JSON pointer.
    detail : str, optional
        What is answered; else the sentence of the reason.
    """

    def __init__(self, reason: Reason, pointer: str | None = None, detail: str = "") -> None:
        self.reason, self.pointer, self.detail = reason, pointer, detail or SENTENCES[reason]
        super().__init__(reason.value)


def explain(error: msgspec.ValidationError, place: str = "") -> Refused:
    """Say what is of the wrong type and where, by its type and never by its value.

    Parameters
    ----------
    error : ValidationError
    place : str
        JSON pointer of what was decoded.
    """
    found, _, path = str(error).partition(" - at `$")
    inner = _INDEX.sub(r"/\1", path.rstrip("`").partition("[...]")[0]).replace(".", "/")
    pointer = place + inner
    reason = next(reason for start, reason in _PLACES if pointer.startswith(start))
    detail = f"{SENTENCES[reason]} ({found[:1].lower()}{found[1:]})"
    return Refused(reason, pointer or None, detail)
