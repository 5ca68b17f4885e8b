import asyncio
import json
import logging

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route, Router

from serving.edge import Edge
from serving.logs import FIELDS, LOGGER, JsonLines
from serving.metrics import Metrics


def build(endpoint, **changes):
    limits = {"timeout_seconds": 5.0, "max_concurrency": 2, "is_request_logged": True}
    routes = [Route("/work", endpoint), Route("/livez", endpoint)]
    return Edge(Router(routes), Metrics(), **{**limits, **changes})


def ask(app, *urls, headers=None):
    async def run():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://almanac") as client:
            return await asyncio.gather(*(client.get(url, headers=headers) for url in urls))

    return asyncio.run(run())


async def answer(request):
    return Response("fine")


@pytest.fixture
def lines():
    """The lines that the service logs, as JSON."""
    found, handler = [], logging.Handler()
    formatter = JsonLines()
    handler.emit = lambda record: found.append(json.loads(formatter.format(record)))
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)  # which, unlike its attribute, forgets what was off before
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("abc-1.2_3", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ('a"<', False)],
)
def test_a_sane_request_id_is_kept(given, is_kept):
    (response,) = ask(build(answer), "/work", headers={"x-request-id": given})
    assert (response.headers["x-request-id"] == given) == is_kept
    assert response.headers["x-request-id"]


def test_answers_and_problems_carry_secure_headers():
    for response in ask(build(answer), "/work", "/nowhere"):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in response.headers["content-security-policy"]


def test_too_many_at_once_are_told_to_come_back_and_probes_are_answered():
    async def slow(request):
        await asyncio.sleep(0.1)
        return Response("fine")

    responses = ask(build(slow), *["/work"] * 6, "/livez")
    assert [r.status_code for r in responses] == [200, 200, 429, 429, 429, 429, 200]
    shed = responses[3]
    assert shed.headers["retry-after"] == "1"
    assert shed.json()["type"] == "urn:almanac:problem:overloaded"
    app = build(slow)
    assert [r.status_code for _ in range(3) for r in ask(app, "/work")] == [200] * 3


def test_what_takes_too_long_is_504():
    async def endless(request):
        await asyncio.sleep(60)

    (response,) = ask(build(endless, timeout_seconds=0.05), "/work")
    assert response.status_code == 504
    assert response.json()["type"] == "urn:almanac:problem:timeout"


def test_a_failure_is_500_and_its_words_stay_inside(lines):
    async def fail(request):
        raise KeyError("customer anna@example.org")

    (response,) = ask(build(fail), "/work?customer=anna@example.org")
    assert response.status_code == 500
    assert "anna" not in response.text
    assert response.json()["request_id"] in {line["request_id"] for line in lines}
    failure = next(line for line in lines if line["level"] == "error")
    assert failure["error"] == "KeyError"
    assert failure["at"][-1].startswith("fail:")
    assert "anna" not in json.dumps(lines)


def test_a_line_per_answer_without_query_or_path(lines):
    ask(build(answer), "/work?customer=anna-c7", "/customers/anna-c7")
    assert [(line["route"], line["status"]) for line in lines] == [("/work", 200), ("other", 404)]
    assert "anna-c7" not in json.dumps(lines)
    assert all(line["ms"] >= 0 for line in lines)


def test_quiet_probes_are_not_logged(lines):
    ask(build(answer), "/livez")
    assert lines == []


def test_unforeseen_http_errors_are_failures():
    async def teapot(request):
        raise HTTPException(418)

    (response,) = ask(build(teapot), "/work")
    assert response.status_code == 500


def test_a_log_line_is_json_whatever_it_holds():
    record = logging.LogRecord("x", logging.INFO, "f", 1, "line\n%s", ('"quoted"',), None)
    setattr(record, FIELDS, {"kind": "demand"})
    line = json.loads(JsonLines().format(record))
    assert (line["message"], line["kind"]) == ('line\n"quoted"', "demand")
    assert line["time"].endswith("+00:00")
