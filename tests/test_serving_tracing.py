"""Traces: off for nothing, and on without anything personal."""

from __future__ import annotations

import asyncio
import importlib.util
import json

import httpx
import pytest

from features.errors import ProjectError
from serving.api import build_api
from serving.settings import ServingSettings, TracingSettings
from serving.span_export import EXPORTED, Scrubbed
from serving.tracing import open_provider, trace_api
from tests.test_serving_edge import lines  # noqa: F401 - a fixture

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRETS = ("ann@example.org", "c0", "secret", "4915112345678")


@pytest.fixture
def traced(predictor, tmp_path):
    """Send requests to the whole API with traces to a file, and return answers and spans."""

    def run(*requests, **changes):
        settings = ServingSettings(tracing=TracingSettings(exporter="file", **changes))
        provider = open_provider(settings.tracing, tmp_path)
        app = trace_api(build_api(predictor, settings), provider)

        async def ask():
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://almanac") as client:
                return [await client.request(*request[:2], **request[2]) for request in requests]

        answers = asyncio.run(ask())
        provider.shutdown()
        path = tmp_path / "traces.jsonl"
        told = path.read_text().splitlines() if path.exists() else []
        return answers, [json.loads(line) for line in told]

    return run


def test_off_is_the_application_itself(tmp_path):
    assert open_provider(TracingSettings(), tmp_path) is None

    async def app(scope, receive, send):
        pass

    assert trace_api(app, None) is app
    assert not list(tmp_path.iterdir())


def test_spans_are_named_by_route_and_take_over_the_callers_trace(traced, lines):  # noqa: F811
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    answers, spans = traced(
        ("POST", "/v1/send-times", {"json": {"customers": ["c0"]}, "headers": headers}),
        ("GET", "/v1/forecasts?region=s1", {}),
        ("GET", "/nowhere", {}),
        ("GET", "/livez", {}),
    )
    assert [answer.status_code for answer in answers] == [200, 200, 404, 200]
    names = [span["name"] for span in spans]
    assert names == ["POST /v1/send-times", "GET /v1/forecasts", "GET other"]
    first, second, _ = spans
    assert (first["trace_id"], first["parent_id"]) == (TRACE, SPAN)
    assert second["trace_id"] not in (TRACE, None)
    assert second["parent_id"] is None
    assert first["attributes"]["http.route"] == "/v1/send-times"
    assert first["attributes"]["http.status_code"] == 200
    assert first["end"] > first["start"]
    logged = {line["route"]: line for line in lines if line["message"] == "request"}
    assert logged["/v1/send-times"]["trace_id"] == TRACE
    request_id = answers[0].headers["x-request-id"]
    assert logged["/v1/send-times"]["request_id"] == request_id


def test_nothing_personal_and_nothing_of_headers_is_in_a_span(traced, tmp_path, monkeypatch):
    for side in ("REQUEST", "RESPONSE"):
        monkeypatch.setenv(f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_{side}", ".*")
    headers = {"authorization": "Bearer secret", "x-request-id": "c0", "user-agent": "secret"}
    _, spans = traced(
        ("GET", "/v1/customers/ann@example.org?phone=4915112345678", {"headers": headers}),
        ("GET", "/v1/forecasts?region=c0", {"headers": headers}),
        ("POST", "/v1/send-times", {"json": {"customers": ["c0"]}, "headers": headers}),
        ("SECRET", "/ann@example.org", {}),
    )
    assert len(spans) == 4
    for span in spans:
        assert set(span["attributes"]) <= EXPORTED
        shown = json.dumps({key: span[key] for key in ("name", "attributes", "resource")})
        assert not any(secret in shown for secret in SECRETS), shown


def test_a_query_that_is_no_text_is_answered_all_the_same(predictor, tmp_path):
    settings = TracingSettings(exporter="file")
    provider = open_provider(settings, tmp_path)
    app, sent = trace_api(build_api(predictor, ServingSettings()), provider), []
    scope = {
        "type": "http", "method": "GET", "path": "/v1/forecasts", "raw_path": b"/v1/forecasts",
        "query_string": b"region=\xff", "root_path": "", "client": None,
        "headers": [(b"traceparent", b"\xff"), (b"tracestate", b"\xff")],
    }  # fmt: skip

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    provider.shutdown()
    assert sent[0]["status"] in (404, 422)


@pytest.mark.parametrize(("rate", "n_spans"), [(0.0, 1), (1.0, 2)])
def test_a_share_is_sampled_and_the_callers_decision_goes_before(traced, rate, n_spans):
    sampled = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    dropped = {"traceparent": f"00-{TRACE}-{SPAN}-00"}
    _, spans = traced(
        ("GET", "/", {}), ("GET", "/", {"headers": sampled}), ("GET", "/", {"headers": dropped}),
        sample_rate=rate,
    )  # fmt: skip
    assert len(spans) == n_spans


def test_a_file_that_cannot_be_written_loses_spans_and_no_request(predictor, tmp_path, lines):  # noqa: F811
    (tmp_path / "traces.jsonl").mkdir()
    provider = open_provider(TracingSettings(exporter="file"), tmp_path)
    app = trace_api(build_api(predictor, ServingSettings()), provider)

    async def ask():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://almanac") as client:
            return await client.get("/")

    assert asyncio.run(ask()).status_code == 200
    provider.shutdown()
    assert [line["lost"] for line in lines if line["message"] == "traces"] == [1]


@pytest.mark.skipif(
    importlib.util.find_spec("opentelemetry.exporter") is not None,
    reason="an exporter of OpenTelemetry is installed",
)
def test_otlp_without_its_package_says_which_one_it_needs(tmp_path):
    with pytest.raises(ProjectError, match="opentelemetry-exporter-otlp-proto-http"):
        open_provider(TracingSettings(exporter="otlp"), tmp_path)


def test_a_collector_is_handed_nothing_else_either(tmp_path):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider, memory = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(Scrubbed(memory)))
    with provider.get_tracer("test").start_as_current_span("GET /v1/x") as span:
        span.set_attribute("http.url", "http://x/ann@example.org")
        span.set_attribute("http.route", "/v1/x")
        span.add_event("said", {"who": "ann@example.org"})
    (told,) = memory.get_finished_spans()
    provider.shutdown()
    assert dict(told.attributes) == {"http.route": "/v1/x"}
    assert not told.events
