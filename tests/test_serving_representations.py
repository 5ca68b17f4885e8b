"""Tags, compression and lines, as a caller meets them."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from dataclasses import replace

import pytest

from serving import contract
from serving.api import build_api
from serving.predictor import Predictor
from serving.send_time_stream import SendTimeLines
from serving.settings import ServingSettings

FORECASTS = "/v1/forecasts"
PAGES = (f"{FORECASTS}?limit=30", f"{FORECASTS}/levels")
PLAIN = {"accept-encoding": "identity"}
ROW = {"accept": "application/x-ndjson"}


@pytest.fixture(scope="module")
def planned(champion, open_client):
    """A client of a service with stock advice and sample paths."""
    settings = ServingSettings(is_request_logged=False)
    return open_client(build_api(Predictor.load(champion.project.workspace.published), settings))


@pytest.mark.parametrize("url", PAGES)
def test_who_holds_an_answer_is_told_so(call, url):
    first = call("GET", url)
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["vary"] == "Accept, Accept-Encoding"
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    for told in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        again = call("GET", url, headers={"if-none-match": told})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["vary"] == first.headers["vary"]
        assert again.headers["cache-control"] == "private, no-cache"
    other = call("GET", url, headers={"if-none-match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


def test_nothing_is_looked_up_for_who_holds_it(call, predictor, monkeypatch):
    tag = call("GET", FORECASTS).headers["etag"]

    def find(*args, **options):
        raise AssertionError("looked up")

    monkeypatch.setattr(type(predictor.demand.model), "find", find)
    assert call("GET", FORECASTS, headers={"if-none-match": tag}).status_code == 304


def test_a_tag_is_of_the_query_the_media_type_and_the_model(call, planned):
    urls = ("", "?region=s1", "?limit=3", "?quantiles=0.5", "?from=2026-11-03")
    tags = {call("GET", FORECASTS + url).headers["etag"] for url in urls}
    tags |= {call("GET", FORECASTS, headers={"accept": "text/csv"}).headers["etag"]}
    tags |= {call("GET", FORECASTS, headers=ROW).headers["etag"]}
    tags |= {planned("GET", FORECASTS).headers["etag"]}
    assert len(tags) == len(urls) + 3
    same = [f"{FORECASTS}?limit=3&region=s1", f"{FORECASTS}?region=s1&limit=3"]
    assert len({call("GET", url).headers["etag"] for url in same}) == 1


def test_a_tag_of_nothing_that_is_there_is_no_answer(call):
    refused = call("GET", f"{FORECASTS}?region=nowhere", headers={"if-none-match": "*"})
    assert refused.status_code == 404
    assert "etag" not in refused.headers


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True), ("gzip, br", True), ("*", True), ("GZIP;q=0.3", True),
        ("gzip;q=0", False), ("gzip;q=0, *", False), ("br", False), ("identity", False),
        ("", False), ("*;q=0", False), ("gzip;q=0.2, identity;q=0.9", False), ("gzip;q=x", False),
    ],
)  # fmt: skip
def test_large_answers_are_compressed_for_who_likes_it(call, accepted, is_compressed):
    plain = call("GET", FORECASTS, headers=PLAIN)
    answer = call("GET", FORECASTS, headers={"accept-encoding": accepted})
    assert (answer.headers.get("content-encoding") == "gzip") == is_compressed
    assert answer.content == plain.content  # the client unpacks
    assert answer.headers["etag"] == plain.headers["etag"]
    size = int(answer.headers["content-length"])
    assert (size < len(plain.content)) == is_compressed


def test_small_answers_are_not_compressed(call):
    answer = call("GET", f"{FORECASTS}?limit=1", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers


def test_rows_by_line_are_the_rows_of_the_page(call):
    lines = call("GET", f"{FORECASTS}?limit=7", headers=ROW)
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert 'rel="next"' in lines.headers["link"]
    page = call("GET", f"{FORECASTS}?limit=7").json()["forecasts"]
    assert [json.loads(line) for line in lines.text.splitlines()] == page
    assert len(page) == 7


def test_customers_by_line_are_those_of_the_answer(call):
    body = {"customers": [f"c{i}" for i in range(600)], "top_k": 1}
    lines = call("POST", "/v1/send-times", json=body, headers=ROW)
    assert lines.headers["x-model-version"] == "3"
    *rows, last = (json.loads(line) for line in lines.text.splitlines())
    answer = call("POST", "/v1/send-times", json=body)
    assert answer.headers["x-model-version"] == "3"
    whole = answer.json().pop("customers")
    told = {name: value for name, value in answer.json().items() if name != "customers"}
    assert last == {"complete": True, "customers": 600, **told}
    assert [row["customer_id"] for row in rows] == body["customers"]
    assert [row["slots"][:1] and row["slots"][0]["start"] for row in rows] == [
        row["slots"][:1] and row["slots"][0]["start"] for row in whole
    ]
    contract.CustomerSendTimes.model_validate_json(lines.text.splitlines()[0])


@pytest.mark.parametrize("fault", ["fails", "late", "swapped"])
def test_lines_that_are_not_all_say_so(predictor, open_client, monkeypatch, fault):
    service = build_api(predictor, ServingSettings(is_request_logged=False))
    call, seen = open_client(service), []
    real = SendTimeLines._find

    async def find(self, answer, part):
        seen.append(part)
        found = await real(self, answer, part)
        if len(seen) == 2 and fault == "fails":
            raise OSError("c1@example.org")
        if fault == "late":
            self.seconds = 0.0
            monkeypatch.setattr("serving.send_time_stream.time.monotonic", lambda: 1e12)
        if len(seen) == 2 and fault == "swapped":
            return type(found)("4", *(getattr(found, n) for n in found.__struct_fields__[1:]))
        return found

    monkeypatch.setattr(SendTimeLines, "_find", find)
    body = {"customers": [f"c{i}" for i in range(600)]}
    lines = call("POST", "/v1/send-times", json=body, headers=ROW).text.splitlines()
    last = json.loads(lines[-1])
    assert (last["complete"], last["customers"], len(lines)) == (False, 250, 251)
    kinds = {"fails": "internal-error", "late": "timeout", "swapped": "model-not-loaded"}
    assert last["problem"] == f"urn:almanac:problem:{kinds[fault]}"
    assert "example.org" not in lines[-1]


def test_what_is_refused_by_line_is_a_problem(call):
    refused = call("POST", "/v1/send-times", json={"customers": []}, headers=ROW)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"


def test_memory_does_not_grow_with_the_customers_asked_for(predictor):
    service = build_api(predictor, ServingSettings(is_request_logged=False))

    def measure(count: int, accept: str) -> int:
        """Return the most bytes held at once while an answer is made and its parts dropped."""
        body = json.dumps({"customers": [f"c{i}" for i in range(count)], "all_slots": True})
        headers = [(b"content-type", b"application/json"), (b"accept", accept.encode())]
        scope = {"type": "http", "method": "POST", "path": "/v1/send-times", "headers": headers,
                 "query_string": b"", "server": ("a", 1), "scheme": "http"}  # fmt: skip

        async def receive():
            return {"type": "http.request", "body": body.encode(), "more_body": False}

        async def send(message):
            assert message.get("status", 200) == 200

        tracemalloc.start()
        asyncio.run(service(scope, receive, send))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    measure(250, ROW["accept"])
    few, many = measure(500, ROW["accept"]), measure(2_000, ROW["accept"])
    assert many < 1.3 * few
    assert many < measure(2_000, "application/json") / 3


def test_a_model_that_is_published_meanwhile_answers_the_next_request(
    published, open_client, monkeypatch
):
    predictor = Predictor.load(published)
    call, real = open_client(build_api(predictor, ServingSettings())), SendTimeLines._find

    async def find(self, answer, part):
        found = await real(self, answer, part)
        newer = replace(predictor.champions.promotion, version="4")
        predictor.champions = replace(predictor.champions, promotion=newer)
        return found

    monkeypatch.setattr(SendTimeLines, "_find", find)
    body = {"customers": [f"c{i}" for i in range(600)]}
    lines = call("POST", "/v1/send-times", json=body, headers=ROW)
    last = json.loads(lines.text.splitlines()[-1])
    assert (last["complete"], last["customers"], last["model_version"]) == (True, 600, "3")
    again = call("POST", "/v1/send-times", json=body, headers=ROW)
    assert again.headers["x-model-version"] == "4"
