"""The client against the real application, and against one that is busy."""

from __future__ import annotations

import hmac
import inspect
import json
from datetime import UTC, datetime

import httpx
import pytest

from serving import contract, scenario_contract, stock_contract
from serving.api import build_api
from serving.client import Almanac, Incomplete, Refused, Retries
from serving.client_campaigns import CampaignCalls
from serving.customers.customers import open_customers
from serving.openapi import build_openapi
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.customer_messages import write_project

SETTINGS = ServingSettings(is_request_logged=False)
NOW = datetime(2026, 11, 4, 15, 30, tzinfo=UTC)
TRACK = {"messageId": "m1", "userId": "ann@x", "event": "Product Viewed"}


class Over(httpx.BaseTransport):
    """A transport over an ASGI application."""

    def __init__(self, call):
        self.call, self.seen = call, []

    def handle_request(self, request):
        self.seen.append(request)
        answer = self.call(
            request.method, str(request.url), content=request.read(), headers=request.headers.raw
        )
        # The answer is unpacked already.
        headers = [(k, v) for k, v in answer.headers.raw if k.lower() != b"content-encoding"]
        return httpx.Response(answer.status_code, headers=headers, content=answer.content)


class Scripted(httpx.BaseTransport):
    """A transport that answers as it is told, in turn."""

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    def handle_request(self, request):
        self.seen.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, headers, body = answer
        return httpx.Response(status, headers=headers, content=json.dumps(body).encode())


@pytest.fixture
def pauses(monkeypatch):
    found = []
    monkeypatch.setattr("serving.client_calls.time.sleep", found.append)
    return found


@pytest.fixture
def almanac(tmp_path, published, open_client):
    predictor = Predictor.load(published)
    predictor.customers = open_customers(write_project(tmp_path), predictor.champions)
    call = open_client(build_api(predictor, SETTINGS, clock=lambda: NOW))
    with Almanac("http://almanac", transport=Over(call)) as client:
        yield client
    predictor.customers.close()


def test_there_is_a_method_for_every_operation():
    operations = {
        (method.upper(), path)
        for path, methods in build_openapi("0")["paths"].items()
        for method in methods
    }
    source = inspect.getsource(Almanac) + inspect.getsource(CampaignCalls)
    for _, path in operations:
        kind = path.rsplit("/", 1)[-1]
        is_kind = kind in ("identify", "track", "page", "screen", "group", "alias")
        told = "/v1/{kind}" if is_kind else path.replace("/v1/customers/{customer}", "_path(name)")
        told = told.removesuffix("/export").removesuffix("/timeline")
        assert told in source, path


def test_a_timeline_comes_page_after_page(almanac):
    for number in range(7):
        almanac.collect("track", {"messageId": f"m{number}", "userId": "ann", "event": "X"})
    entries = list(almanac.timeline("ann", limit=3))
    assert [entry.kind for entry in entries] == ["event"] * 7
    paths = [request.url.path for request in almanac._caller.client._transport.seen]
    assert paths.count("/v1/customers/ann/timeline") == 3
    assert list(almanac.timeline("ann", channel="store")) == []


def test_forecasts_come_page_after_page(almanac, forecast_table):
    found = list(almanac.forecasts(level="store/category", limit=50))
    assert len(found) == 120 == (forecast_table["level"] == "store/category").sum()
    assert isinstance(found[0], contract.Forecast)
    requests = almanac._caller.client._transport.seen
    assert len(requests) == 3
    assert almanac.forecast_levels().levels[0].level == "all/all"


def test_send_times_whole_and_by_line(almanac):
    names = [f"c{i}" for i in range(300)]
    whole = almanac.send_times(names)
    assert whole.model_version == "3"
    assert list(almanac.send_time_lines(names)) == list(whole.customers)
    asked = contract.SendTimesRequest(customers=["c0"], channels=["push"], top_k=1)
    assert len(almanac.send_times(asked).customers[0].slots) <= 1


def test_customers_are_told_of_found_and_erased(almanac, monkeypatch):
    assert almanac.collect("track", TRACK).accepted == 1
    assert almanac.collect_batch([{**TRACK, "type": "track"}, {}]).duplicates == 1
    body = json.dumps({**TRACK, "messageId": "m2", "type": "track"}).encode()
    monkeypatch.setenv("ALMANAC_WEBHOOK_SECRET", "s")
    signature = hmac.digest(b"s", body, "sha256").hex()
    assert almanac.webhook(body, signature).accepted == 1
    assert almanac.customer("ann@x").identifiers[0].value == "ann@x"
    assert len(almanac.export_customer("ann@x").events) == 2
    assert almanac.erase_customer("ann@x").erased["events"] == 2
    with pytest.raises(Refused) as refused:
        almanac.customer("ann@x")
    assert (refused.value.status, refused.value.type) == (
        404, "urn:almanac:problem:unknown-customer",
    )  # fmt: skip
    keys = [r.headers.get("idempotency-key") for r in almanac._caller.client._transport.seen]
    assert len({key for key in keys if key}) == 4


def test_what_is_about_the_service(almanac):
    assert almanac.liveness().status == "alive"
    assert almanac.readiness().is_ready
    assert almanac.landing().name == "Almanac"
    assert "almanac_" in almanac.metrics()
    assert "/v1/forecasts" in almanac.openapi()["paths"]


def test_a_refusal_says_what_to_change(almanac):
    with pytest.raises(Refused) as refused:
        almanac.send_times(contract.SendTimesRequest.model_construct(customers=[]))
    error = refused.value
    assert (error.status, error.type) == (422, "urn:almanac:problem:invalid-request")
    assert error.errors[0]["pointer"] == "#/customers"
    assert error.request_id
    with pytest.raises(Refused):
        list(almanac.stock_advice(region="s1"))
    with pytest.raises(Refused):
        list(almanac.assortment("s1"))
    with pytest.raises(Refused):
        almanac.allocations(stock_contract.AllocationRequest(product="tea", units=5.0))
    with pytest.raises(Refused):
        almanac.what_if(scenario_contract.ScenarioRequest(product="tea", region="s1", price=2.0))


ALIVE = (200, {}, {"status": "alive"})
BUSY = (429, {"retry-after": "3"}, {"type": "urn:almanac:problem:overloaded", "status": 429})


def test_who_is_told_to_come_back_waits_as_long_as_told(pauses):
    transport = Scripted(BUSY, (503, {}, {}), ALIVE)
    assert Almanac("http://a", transport=transport).liveness().status == "alive"
    assert pauses[0] == 3.0
    assert 0.2 <= pauses[1] <= 0.4  # the second pause of its own: 0.4, up to half of it less


def test_a_write_is_tried_again_under_one_key(pauses):
    taken = {"success": True, "accepted": 1, "duplicates": 0, "rejected": []}
    away, under_way = httpx.ReadTimeout("gone"), (409, {"retry-after": "1"}, {})
    transport = Scripted(away, under_way, BUSY, (200, {}, taken))
    assert Almanac("http://a", transport=transport).collect("track", TRACK).accepted == 1
    assert len({request.headers["idempotency-key"] for request in transport.seen}) == 1
    assert len(pauses) == 3


def test_tries_come_to_an_end(pauses):
    transport = Scripted(*[BUSY] * 3)
    client = Almanac("http://a", transport=transport, retries=Retries(most=2))
    with pytest.raises(Refused) as refused:
        client.liveness()
    assert (refused.value.status, refused.value.retry_after, len(pauses)) == (429, 3.0, 2)
    with pytest.raises(httpx.ConnectError):
        Almanac("http://a", transport=Scripted(httpx.ConnectError("x")),
                retries=Retries(most=0)).liveness()  # fmt: skip


def test_a_pause_that_is_too_long_is_not_waited_for(pauses):
    client = Almanac("http://a", transport=Scripted((503, {"retry-after": "3600"}, {})))
    with pytest.raises(Refused):
        client.liveness()
    assert pauses == []


def test_what_is_refused_for_good_is_not_tried_again(pauses):
    with pytest.raises(Refused):
        Almanac("http://a", transport=Scripted((422, {}, {}))).liveness()
    assert pauses == []


def test_a_key_is_a_bearer_token():
    transport = Scripted(ALIVE)
    Almanac("http://a", key="secret", transport=transport).liveness()
    assert transport.seen[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("last", ["", '{"complete":false,"customers":1,"problem":"urn:x"}\n'])
def test_lines_without_a_good_end_are_incomplete(almanac, last):
    answer = almanac.send_times(["c0"]).customers[0].model_dump_json()

    class Lines(httpx.BaseTransport):
        def handle_request(self, request):
            return httpx.Response(200, content=f"{answer}\n{last}".encode())

    lines = Almanac("http://a", transport=Lines()).send_time_lines(["c0", "c1"])
    assert next(lines).customer_id == "c0"
    with pytest.raises(Incomplete) as incomplete:
        next(lines)
    assert incomplete.value.customers == 1
