"""Traces by OpenTelemetry, where they are configured: one span a request, and nothing personal.

A span is named by method and route template. Paths, queries, headers and ids never reach it: the
instrumentation sees a request without them, and what is exported is a fixed list of attributes.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.edge import PROBES
from serving.logs import TRACE_ID
from serving.metrics import METHODS, OTHER

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from serving.settings import TracingSettings

_TAKEN_OVER = frozenset({b"traceparent", b"tracestate"})
_SCOPE = "almanac.scope"


def trace_api(app: ASGIApp, provider: TracerProvider | None) -> ASGIApp:
    """Return the application with a span around every request that is no probe.

    Parameters
    ----------
    app : ASGI application
    provider : TracerProvider or None
        From `open_provider`; None returns `app` itself, so that traces which are off cost nothing.
    """
    if provider is None:
        return app
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.metrics import NoOpMeterProvider

    traced = OpenTelemetryMiddleware(
        _Inside(app),
        default_span_details=lambda scope: (str(scope["method"]), {}),
        tracer_provider=provider,
        meter_provider=NoOpMeterProvider(),
        exclude_spans=["receive", "send"],
    )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await app(scope, receive, send)
        else:
            await traced(_hide(scope), receive, send)

    return answer


def open_provider(settings: TracingSettings, folder: Path) -> TracerProvider | None:
    """Return what makes and exports spans as `[serving.tracing]` says; None where that is off.

    Parameters
    ----------
    settings : TracingSettings
    folder : Path
        What a relative `file` is relative to.

    Raises
    ------
    ProjectError
        If the exporter needs a package that is not installed.
    """
    if settings.exporter == "off":
        return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    from serving.span_export import make_exporter

    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_rate)),
        resource=Resource({"service.name": "almanac", "service.version": version("almanac")}),
    )
    provider.add_span_processor(BatchSpanProcessor(make_exporter(settings, folder)))
    return provider


class _Inside:
    """The application as the instrumentation sees it: handed back the request it was kept from."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, hidden: Scope, receive: Receive, send: Send) -> None:
        """Answer the request that is hidden in the scope, and name its span by the route."""
        from opentelemetry.trace import format_trace_id, get_current_span

        span, scope = get_current_span(), hidden[_SCOPE]
        scope[TRACE_ID] = format_trace_id(span.get_span_context().trace_id)

        async def send_named(message: Message) -> None:
            # Only here is the route known and the span still open.
            if message["type"] == "http.response.start":
                route = str(getattr(scope.get("route"), "path", OTHER))
                span.update_name(f"{hidden['method']} {route}")
                span.set_attribute("http.route", route)
            await send(message)

        await self.app(scope, receive, send_named)


def _hide(scope: Scope) -> Scope:
    """Return what the instrumentation may see of a request."""
    method = scope["method"]
    return {
        "type": "http",
        "method": method if method in METHODS else OTHER.upper(),
        "path": "",
        "scheme": scope.get("scheme", "http"),
        "http_version": scope.get("http_version", "1.1"),
        "headers": [pair for pair in scope["headers"] if pair[0] in _TAKEN_OVER],
        _SCOPE: scope,
    }
