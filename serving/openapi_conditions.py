"""What the OpenAPI document says of answers that are held, and of writes that are sent again."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "Names this write, so that it can be sent again: a second one with the same key and body "
        "has no effect and is answered as the first was, with Idempotency-Replayed: true."
    ),
    "schema": {**_TEXT, "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_CONDITIONS = (
    {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "ETags that the caller holds; if one is that of the answer, it is 304.",
        "schema": _TEXT,
    },
    {
        "name": "Accept-Encoding",
        "in": "header",
        "required": False,
        "description": "With gzip, answers above 1 kB are compressed.",
        "schema": _TEXT,
    },
)
_HELD_HEADERS = {
    "ETag": {
        "description": "Of the published model, the query and the media type; weak.",
        "schema": {**_TEXT, "pattern": '^W/"[0-9a-f]{32}"$'},
    },
    "Cache-Control": {
        "description": "May be kept by the caller, and is to be asked for again.",
        "schema": {"const": "private, no-cache"},
    },
    "Vary": {
        "description": "What the answer depends on beside the address.",
        "schema": {"const": "Accept, Accept-Encoding"},
    },
    "X-Model-Version": {"description": "What made it.", "schema": _TEXT},
}


RETRIED = frozenset({"429", "503", "504"})
RETRY_AFTER = {
    "description": "Seconds after which the request can be sent again.",
    "schema": {"type": "integer", "minimum": 0},
}


def name_model(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer with the header that names what made it."""
    named = {"X-Model-Version": _HELD_HEADERS["X-Model-Version"]}
    return {**answer, "headers": {**answer["headers"], **named}}


def add_conditions(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the operation with tags, 304 and compression."""
    responses = dict(operation["responses"])
    answer = dict(responses["200"])
    answer["headers"] = {**answer["headers"], **_HELD_HEADERS}
    held = {
        "description": "The caller holds the answer already.",
        "headers": {**_HELD_HEADERS, "X-Request-Id": answer["headers"]["X-Request-Id"]},
    }
    responses["200"] = answer
    return {
        **operation,
        "parameters": [*operation.get("parameters", ()), *_CONDITIONS],
        "responses": {"200": answer, "304": held, **_without(responses, "200")},
    }


def add_replays(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the operation with the parameter Idempotency-Key."""
    answer = dict(operation["responses"]["200"])
    answer["headers"] = {
        **answer["headers"],
        "Idempotency-Replayed": {
            "description": "Whether this is the answer that a first request with the key got.",
            "schema": {"const": "true"},
        },
    }
    return {
        **operation,
        "parameters": [*operation.get("parameters", ()), IDEMPOTENCY_KEY],
        "responses": {"200": answer, **_without(operation["responses"], "200")},
    }


def _without(responses: dict[str, Any], status: str) -> dict[str, Any]:
    return {key: value for key, value in responses.items() if key != status}
