"""Why a message is rejected: stable codes, each with the sentence that says what to change."""

from __future__ import annotations

from enum import StrEnum


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
    Reason.LONG_MESSAGE_ID: "expected a messageId of at most 100 printable characters",
    Reason.MISSING_IDENTIFIER: (
        "expected a userId, an anonymousId, or another identifier of somebody"
    ),
    Reason.BLOCKED_IDENTIFIER: (
        "every identifier is a placeholder or is blocked; send one that is of one person"
    ),
    Reason.MISSING_EVENT: "expected the name of what happened in event, of at most 100 characters",
    Reason.MISSING_PREVIOUS_ID: "expected a previousId, and a userId that takes its place",
    Reason.MISSING_ORDER_ID: "expected properties.order_id: which order this is about",
    Reason.INVALID_TIME: "expected a time as RFC 3339 text, such as 2026-11-27T09:30:00.000Z",
    Reason.TIME_OUT_OF_RANGE: "the message says it is from too long ago, or from the future",
    Reason.INVALID_PROPERTY: "a property is not what it should be",
    Reason.INVALID_CONSENT: (
        "expected context.consent.categoryPreferences to map categories to true or false"
    ),
}
