"""What a caller may do, and which address asks for what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Scope(StrEnum):
    """A right that a key or a token holds."""

    CAMPAIGNS = "campaigns"
    """Send times: when to write to whom."""
    MERCHANDISING = "merchandising"
    """Forecasts, scenarios, stock advice."""
    INGEST = "ingest"
    """Send messages of customers in; its keys lie in web pages, where everybody can read them."""
    PROFILES_READ = "profiles:read"
    """Look single customers up, by whatever identifies them."""
    PROFILES_ERASE = "profiles:erase"
    MODELS_READ = "models:read"
    """See how models were judged, and whether they still hold."""
    METRICS = "metrics"
    ADMIN = "admin"
    """Everything."""


IMPLIED: Mapping[Scope, frozenset[Scope]] = {
    Scope.MODELS_READ: frozenset({Scope.CAMPAIGNS, Scope.MERCHANDISING, Scope.METRICS}),
}
"""Scopes of which each holds the named one too: whoever acts by a model may see how good it is."""

OPEN = None
"""Of an address that asks for no key."""

SCOPES: Mapping[str, Scope | None] = {
    "POST /v1/send-times": Scope.CAMPAIGNS,
    "POST /v1/outcomes": Scope.CAMPAIGNS,
    "GET /v1/models": Scope.MODELS_READ,
    "GET /v1/forecasts": Scope.MERCHANDISING,
    "POST /v1/forecasts/what-if": Scope.MERCHANDISING,
    "GET /v1/forecasts/levels": Scope.MERCHANDISING,
    "GET /v1/stock-advice": Scope.MERCHANDISING,
    "POST /v1/allocations": Scope.MERCHANDISING,
    "GET /v1/assortment": Scope.MERCHANDISING,
    "POST /v1/identify": Scope.INGEST,
    "POST /v1/track": Scope.INGEST,
    "POST /v1/page": Scope.INGEST,
    "POST /v1/screen": Scope.INGEST,
    "POST /v1/group": Scope.INGEST,
    "POST /v1/alias": Scope.INGEST,
    "POST /v1/batch": Scope.INGEST,
    "POST /v1/webhook": OPEN,
    "GET /v1/customers/{customer}": Scope.PROFILES_READ,
    "GET /v1/customers/{customer}/export": Scope.PROFILES_READ,
    "DELETE /v1/customers/{customer}": Scope.PROFILES_ERASE,
    "GET /metrics": Scope.METRICS,
    "GET /livez": OPEN,
    "GET /readyz": OPEN,
    "GET /openapi.json": OPEN,
    "GET /": OPEN,
}
"""The scope of every operation; the routes and the OpenAPI document both read it here.

A webhook is signed instead, see `serving.access.signatures`.
"""

AUDITED: Mapping[str, str] = {
    "GET /v1/customers/{customer}/export": "export",
    "DELETE /v1/customers/{customer}": "erasure",
}
"""Operations of which every call is put down in the audit log, and under which action."""


def name_operation(method: str, path: str) -> str:
    """Return an operation as `SCOPES` names it; HEAD asks for what GET does.

    Examples
    --------
    >>> name_operation("HEAD", "/v1/customers/{customer:path}")
    'GET /v1/customers/{customer}'
    """
    return f"{'GET' if method == 'HEAD' else method} {path.replace(':path}', '}')}"


def find_scope(operation: str) -> Scope | None:
    """Return the scope that an operation asks for; one that states none is the admin's."""
    return SCOPES.get(operation, Scope.ADMIN)


def is_held(needed: Scope, held: frozenset[Scope]) -> bool:
    """Say whether scopes open what asks for `needed`.

    Examples
    --------
    >>> is_held(Scope.MODELS_READ, frozenset({Scope.CAMPAIGNS}))
    True
    >>> is_held(Scope.MODELS_READ, frozenset({Scope.INGEST}))
    False
    """
    return bool(held & {needed, Scope.ADMIN, *IMPLIED.get(needed, ())})
