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
from serving.metrics import Metrics
from serving.problems import Kind, Problem

ONE = "/v1/customers/{customer}"
"""As the contract writes it; an id may hold a slash, so the routes take all of the path."""
_ONE, _EXPORT = "/v1/customers/{customer:path}", "/v1/customers/{customer:path}/export"


def make_customer_routes(
    customers: Customers | None, use: Use, metrics: Metrics, clock: Callable[[], datetime]
) -> list[Route]:
    """Return the routes of live customers; without a store each says that there is none."""
    if customers is None:
        methods = {
            **{f"/v1/{name}": ["POST"] for name in (*PATHS, "batch", "webhook")},
            _EXPORT: ["GET"],
            _ONE: ["GET", "DELETE"],
        }
        return [Route(path, _refuse, methods=own) for path, own in methods.items()]
    collect = CollectEndpoints(
        customers.writer, customers.reader, customers.settings, metrics, clock
    )
    one = CustomerEndpoints(use, customers.writer, clock)
    return [
        *(Route(f"/v1/{name}", collect.one, methods=["POST"]) for name in PATHS),
        Route("/v1/batch", collect.batch, methods=["POST"]),
        Route("/v1/webhook", collect.webhook, methods=["POST"]),
        Route(_EXPORT, one.export, methods=["GET"]),
        Route(_ONE, one.serve, methods=["GET", "DELETE"]),
    ]


async def _refuse(request: Request) -> Response:  # noqa: ARG001
    raise Problem(
        Kind.NOT_STORED,
        "The store of customers could not be opened; the log says why.",
        headers={"Retry-After": "30"},
    )
