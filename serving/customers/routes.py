"""The addresses of live customers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.customers.collect_endpoints import PATHS, CollectEndpoints
from serving.customers.customer_endpoints import CustomerEndpoints, Use
from serving.customers.customers import Customers
from serving.customers.kept_answers import KeptAnswers
from serving.idempotency import Endpoint, Idempotency
from serving.metrics import Metrics
from serving.problems import Kind, Problem
from serving.settings import ServingSettings

ONE = "/v1/customers/{customer}"
"""As the contract writes it; an id may hold a slash, so the routes take all of the path."""
LEASE_MARGIN_SECONDS = 5.0
"""After its deadline a request may still be storing; then its worker is taken for dead."""
_ONE, _EXPORT = "/v1/customers/{customer:path}", "/v1/customers/{customer:path}/export"
_TIMELINE = "/v1/customers/{customer:path}/timeline"


def make_customer_routes(
    customers: Customers | None,
    use: Use,
    metrics: Metrics,
    clock: Callable[[], datetime],
    idempotency: Idempotency | None,
) -> list[Route]:
    """Return the routes of live customers; without a store each says that there is none."""
    if customers is None or idempotency is None:
        methods = {
            **{f"/v1/{name}": ["POST"] for name in (*PATHS, "batch", "webhook")},
            _EXPORT: ["GET"],
            _TIMELINE: ["GET"],
            _ONE: ["GET", "DELETE"],
        }
        return [Route(path, _refuse, methods=own) for path, own in methods.items()]
    collect = CollectEndpoints(
        customers.writer, customers.reader, customers.settings, metrics, clock
    )
    one = CustomerEndpoints(use, customers.writer, clock)

    def write(endpoint: Endpoint) -> Endpoint:
        return idempotency.wrap(endpoint, customers.settings.max_batch_bytes)

    return [
        *(Route(f"/v1/{name}", write(collect.one), methods=["POST"]) for name in PATHS),
        Route("/v1/batch", write(collect.batch), methods=["POST"]),
        Route("/v1/webhook", write(collect.webhook), methods=["POST"]),
        Route(_EXPORT, one.export, methods=["GET"]),
        Route(_TIMELINE, one.timeline, methods=["GET"]),
        Route(_ONE, write(one.serve), methods=["GET", "DELETE"]),
    ]


def make_idempotency(
    customers: Customers, clock: Callable[[], datetime], serving: ServingSettings
) -> Idempotency:
    """Return what honours `Idempotency-Key`, over the store of customers."""
    answers = KeptAnswers(
        customers.writer,
        keep_seconds=serving.idempotency_hours * 3600,
        lease_seconds=serving.timeout_seconds + LEASE_MARGIN_SECONDS,
    )
    return Idempotency(answers, clock, serving.timeout_seconds)


async def _refuse(request: Request) -> Response:  # noqa: ARG001
    raise Problem(
        Kind.NOT_STORED,
        "The store of customers could not be opened; the log says why.",
        headers={"Retry-After": "30"},
    )
