"""The addresses of the service, assembled into one ASGI application."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from features.project import Workspace
from serving.access.callers import Access
from serving.access.gate import guard
from serving.customers.routes import make_customer_routes, make_idempotency
from serving.decisions.log import DecisionLog
from serving.decisions.outcomes import OutcomesEndpoint
from serving.drain import Drain
from serving.edge import Edge
from serving.forecast_endpoints import ForecastEndpoints
from serving.idempotency import Endpoint
from serving.metrics import MEDIA_TYPE as METRICS_TYPE
from serving.metrics import Metrics
from serving.model_endpoint import ModelsEndpoint
from serving.openapi import build_openapi
from serving.pages.routes import choose_front, make_pages
from serving.predictor import Predictor
from serving.responses import respond
from serving.rollout.status import RolloutStatus
from serving.scenario_endpoint import ScenarioEndpoint
from serving.scrape import Scrape
from serving.send_time_endpoint import Clock, SendTimeEndpoint
from serving.settings import ServingSettings
from serving.stock_endpoints import StockEndpoints

ADDRESSES = {
    "send times": "POST /v1/send-times",
    "forecasts": "GET /v1/forecasts",
    "scenarios": "POST /v1/forecasts/what-if",
    "levels of forecasts": "GET /v1/forecasts/levels",
    "stock advice": "GET /v1/stock-advice",
    "allocations": "POST /v1/allocations",
    "assortment": "GET /v1/assortment",
    "models": "GET /v1/models",
    "outcomes": "POST /v1/outcomes",
    "events": "POST /v1/batch",
    "customers": "GET /v1/customers/{id}",
    "contract": "GET /openapi.json",
    "liveness": "GET /livez",
    "readiness": "GET /readyz",
    "metrics": "GET /metrics",
}


def utc_now() -> datetime:
    """Return the time; the only place of the service that reads the calendar clock."""
    return datetime.now(UTC)


def build_api(
    predictor: Predictor,
    settings: ServingSettings,
    clock: Clock = utc_now,
    *,
    drain: Drain | None = None,
    decisions: DecisionLog | None = None,
    access: Access | None = None,
    metrics: Metrics | None = None,
    rollout: RolloutStatus | None = None,
    workspace: Workspace | None = None,
) -> ASGIApp:
    """Return the ASGI application that answers every address of the service.

    Parameters
    ----------
    predictor : Predictor
        Answers; holds what is loaded.
    settings : ServingSettings
        Limits.
    clock : callable
        Returns the time, with a zone.
    drain : Drain, optional
        Tells when the service is about to end.
    decisions : DecisionLog, optional
        Keeps what is answered, and takes what came of it; without it answers have no ids.
    access : Access, optional
        Who may ask what; without it everybody on this machine may ask all.
    metrics : Metrics, optional
        What is counted, where others count into it too.
    rollout : RolloutStatus, optional
        Tells of the challenger and the registry.
    workspace : Workspace, optional
        Where models are published and `almanac monitor` writes; /metrics tells of both.
    """
    metrics = metrics or Metrics()
    if decisions is not None:
        decisions.count = metrics.count_decisions
    send_times = SendTimeEndpoint(predictor, settings, metrics, clock, decisions)
    forecasts = ForecastEndpoints(predictor, metrics)
    scenarios = ScenarioEndpoint(predictor, settings)
    stock = StockEndpoints(predictor, settings)
    about = AboutEndpoints(predictor, metrics, Scrape(workspace, clock), drain, rollout)
    models = ModelsEndpoint(predictor, workspace, settings.mlflow_url)
    take_outcomes: Endpoint = OutcomesEndpoint(decisions, settings, clock).take
    customers, idempotency = predictor.customers, None
    if customers is not None:
        writer = customers.writer
        metrics.watch_store(lambda: writer.waiting)
        idempotency = make_idempotency(customers, clock, settings)
        take_outcomes = idempotency.wrap(take_outcomes, settings.max_body_bytes)
    routes = [
        Route("/v1/send-times", send_times.send_times, methods=["POST"]),
        Route("/v1/forecasts", forecasts.forecasts, methods=["GET"]),
        Route("/v1/forecasts/levels", forecasts.levels, methods=["GET"]),
        Route("/v1/stock-advice", stock.advice, methods=["GET"]),
        Route("/v1/allocations", stock.allocations, methods=["POST"]),
        Route("/v1/assortment", stock.assortment, methods=["GET"]),
        Route("/v1/forecasts/what-if", scenarios.what_if, methods=["POST"]),
        Route("/v1/models", models.models, methods=["GET"]),
        Route("/v1/outcomes", take_outcomes, methods=["POST"]),
        *make_customer_routes(customers, predictor.use_customers, metrics, clock, idempotency),
        Route("/livez", about.livez, methods=["GET"]),
        Route("/readyz", about.readyz, methods=["GET"]),
        Route("/metrics", about.metrics_text, methods=["GET"]),
        Route("/openapi.json", about.openapi, methods=["GET"]),
        Route("/", choose_front(about.landing), methods=["GET"]),
    ]
    pages = make_pages(access, clock)
    return Edge(
        Router(guard(routes, access, clock), redirect_slashes=False, default=pages),
        metrics,
        timeout_seconds=settings.timeout_seconds,
        max_concurrency=settings.max_concurrency,
        is_request_logged=settings.is_request_logged,
        drain=drain,
    )


class AboutEndpoints:
    """What the service says about itself."""

    def __init__(
        self,
        predictor: Predictor,
        metrics: Metrics,
        scrape: Scrape,
        drain: Drain | None,
        rollout: RolloutStatus | None,
    ) -> None:
        self.predictor, self.metrics, self.scrape = predictor, metrics, scrape
        self.drain, self.rollout = drain, rollout
        self._version = version("almanac")
        self._openapi = msgspec.json.encode(build_openapi(self._version))

    async def livez(self, request: Request) -> Response:  # noqa: ARG002
        """Say that the process runs and answers."""
        return respond(b'{"status":"alive"}')

    async def readyz(self, request: Request) -> Response:  # noqa: ARG002
        """Say what is loaded, and why the rest is not."""
        champions = self.predictor.champions
        is_draining = self.drain is not None and self.drain.is_under_way
        is_ready = champions.is_ready and not is_draining
        content: dict[str, object] = {
            "is_ready": is_ready,
            "is_draining": is_draining,
            "models": champions.states,
        }
        if self.rollout is not None:
            content |= self.rollout.tell()
        return respond(msgspec.json.encode(content), status=200 if is_ready else 503)

    async def metrics_text(self, request: Request) -> Response:  # noqa: ARG002
        """Answer Prometheus text."""
        measured = self.scrape.measure(self.predictor.champions.states)
        return respond(self.metrics.text(measured), METRICS_TYPE)

    async def openapi(self, request: Request) -> Response:  # noqa: ARG002
        """Answer the contract."""
        return respond(self._openapi)

    async def landing(self, request: Request) -> Response:  # noqa: ARG002
        """Say what is where."""
        content = {"name": "Almanac", "version": self._version, "addresses": ADDRESSES}
        return respond(msgspec.json.encode(content))
