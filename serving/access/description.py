"""What the OpenAPI document says of access, read from the table that the gate reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serving.access.scopes import find_scope, name_operation
from serving.access.signatures import SIGNATURE, WEBHOOK
from serving.problems import Kind

SCHEMES: dict[str, Any] = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The key as user, with an empty password.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The key, or a token of the configured identity provider.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": SIGNATURE,
        "description": "HMAC of the body in hex, with the secret that both sides know.",
    },
}

HEADERS: dict[str, Any] = {
    "RateLimit": {
        "description": "What is left to this key: r requests, and t seconds until more are. Absent "
        "where it has no limit.",
        "schema": {"type": "string", "examples": ['"key";r=599;t=1']},
    },
    "RateLimitPolicy": {
        "description": "The limit of this key: q requests in w seconds.",
        "schema": {"type": "string", "examples": ['"key";q=600;w=60']},
    },
}
"""Told to whoever has a limit, by draft-ietf-httpapi-ratelimit-headers-10."""
_LIMITS = {
    "RateLimit": {"$ref": "#/components/headers/RateLimit"},
    "RateLimit-Policy": {"$ref": "#/components/headers/RateLimitPolicy"},
}


def describe_access(paths: dict[str, Any], answer: Callable[[Kind], dict[str, Any]]) -> None:
    """Add to every operation what it asks for, and how it refuses who does not have it.

    Parameters
    ----------
    paths : dict
        `paths` of the document; changed in place.
    answer : callable
        Returns the response object of a problem.
    """
    for path, methods in paths.items():
        for method, operation in methods.items():
            name = name_operation(method.upper(), path)
            scope = find_scope(name)
            if name == WEBHOOK:
                operation["security"] = [{"signature": []}]
            elif scope is None:
                operation["security"] = []
            else:
                operation["security"] = [{"basic": [scope.value]}, {"bearer": [scope.value]}]
                both = (Kind.OVERLOADED.title, Kind.RATE_LIMITED.title)
                operation["responses"]["429"]["description"] = "; or: ".join(both)
                for kind in (Kind.UNAUTHORIZED, Kind.FORBIDDEN):
                    operation["responses"].setdefault(str(kind.status), answer(kind))
                _tell_limits(operation["responses"])


def _tell_limits(responses: dict[str, Any]) -> None:
    """Add the headers of limits to what a caller is answered who was let in."""
    unknown = str(Kind.UNAUTHORIZED.status)
    for status, response in responses.items():
        if status != unknown:
            responses[status] = {**response, "headers": {**response["headers"], **_LIMITS}}
