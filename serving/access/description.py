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
