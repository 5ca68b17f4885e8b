"""A write with a key that is sent again: one effect, one answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.responses import Response
from starlette.routing import Route, Router

from serving.api import build_api
from serving.contract import ProblemDocument
from serving.customers.customers import open_customers
from serving.customers.kept_answers import Claim
from serving.customers.routes import make_idempotency
from serving.edge import Edge
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.problems import Kind, Problem
from serving.settings import ServingSettings
from tests.customer_messages import write_project

SETTINGS = ServingSettings(is_request_logged=False, timeout_seconds=2.0, max_concurrency=200)
START = datetime(2026, 11, 4, 15, 30, tzinfo=UTC)
BODY = {"messageId": "m1", "userId": "ann", "event": "Product Viewed"}


class Worker:
    """One worker: its own store over the shared file, the API, and a route that counts."""

    def __init__(self, project, published, house):
        predictor = Predictor.load(published)
        self.customers = predictor.customers = open_customers(project, predictor.champions)
        self.house = house
        idempotency = make_idempotency(self.customers, house.clock, SETTINGS)
        routes = [Route("/work", idempotency.wrap(house.work, 1000), methods=["POST"])]
        limits = {"timeout_seconds": 2.0, "max_concurrency": 200, "is_request_logged": False}
        self.bare = Edge(Router(routes), Metrics(), **limits)
        self.api = build_api(predictor, SETTINGS, clock=house.clock)


class House:
    """Two workers, a clock, and what was done."""

    def __init__(self, folder, published):
        self.now, self.done, self.fails_with, self.seconds = START, 0, None, 0.05
        self.project = write_project(folder)
        self.workers = [Worker(self.project, published, self) for _ in range(2)]

    def clock(self):
        return self.now

    async def work(self, request):
        body = await request.body()
        await asyncio.sleep(self.seconds)
        if self.fails_with is not None:
            raise self.fails_with
        self.done += 1
        return Response(f"{self.done} {body.decode()}", media_type="text/plain")

    def send(self, *asked, is_bare=True):
        """Send requests at once, in turn to each of the workers; (key, body) and caller, token."""

        async def one(at, key, body, caller="", token=""):
            worker = self.workers[at % 2]
            app = worker.bare if is_bare else worker.api

            async def call(scope, receive, send):
                if caller:
                    scope["almanac.key_id"] = caller
                await app(scope, receive, send)

            transport = httpx.ASGITransport(app=call)
            async with httpx.AsyncClient(transport=transport, base_url="http://almanac") as client:
                path = "/work" if is_bare else "/v1/track"
                headers = {"content-type": "application/json"}
                if token:
                    headers["authorization"] = token
                if key is not None:
                    headers["idempotency-key"] = key
                return await client.post(path, content=body, headers=headers)

        async def run():
            return await asyncio.gather(*(one(at, *parts) for at, parts in enumerate(asked)))

        return asyncio.run(run())


@pytest.fixture
def house(tmp_path, published):
    house = House(tmp_path, published)
    yield house
    for worker in house.workers:
        worker.customers.close()


def problem_of(answer, kind):
    assert answer.headers["content-type"] == "application/problem+json"
    problem = ProblemDocument.model_validate_json(answer.content)
    assert problem.type == f"urn:almanac:problem:{kind}"
    return problem


def test_fifty_at_once_over_two_workers_have_one_effect_and_one_answer(house):
    answers = house.send(*[("k1", b"x")] * 50)
    assert {(a.status_code, a.content) for a in answers} == {(200, b"1 x")}
    assert house.done == 1
    replayed = [a.headers.get("idempotency-replayed") for a in answers]
    assert (replayed.count("true"), replayed.count(None)) == (49, 1)


def test_without_a_key_every_request_has_its_effect(house):
    answers = house.send(*[(None, b"x")] * 3)
    assert sorted(a.content for a in answers) == [b"1 x", b"2 x", b"3 x"]


def test_another_body_with_the_key_is_refused(house):
    house.send(("k", b"x"))
    for at in range(2):
        (other,) = house.send(*[(None, b"")] * at, ("k", b"y"))[-1:]
        assert other.status_code == 422
        assert "new Idempotency-Key" in problem_of(other, "idempotency-key-reused").detail
    both = house.send(("k2", b"x"), (None, b""), ("k2", b"y"))
    assert {both[0].status_code, both[2].status_code} == {200, 422}


def test_a_key_is_its_callers_own(house):
    answers = house.send(("k", b"x", "ann"), (None, b"z"), ("k", b"x", "bob"))
    assert len({a.content for a in answers}) == 3
    assert all("idempotency-replayed" not in a.headers for a in answers)


def test_a_caller_who_is_not_named_is_known_by_what_they_show(house):
    answers = [house.send(("k", b"x", "", token))[0] for token in ("a", "b", "a")]
    assert [a.content for a in answers] == [b"1 x", b"2 x", b"1 x"]
    answers = [house.send(("k", b"x", "ann", token))[0] for token in ("a", "b")]
    assert [a.content for a in answers] == [b"3 x", b"3 x"]


def test_what_failed_is_not_kept_and_may_be_sent_again(house):
    house.fails_with = KeyError("x")
    (failed,) = house.send(("k", b"x"))
    assert failed.status_code == 500
    house.fails_with = Problem(Kind.NOT_STORED, "Later.")
    (refused,) = house.send(("k", b"x"))
    assert refused.status_code == 503
    house.fails_with = None
    assert house.send(("k", b"x"))[0].content == b"1 x"


def test_answers_are_kept_for_a_day_and_no_longer(house):
    house.send(("k", b"x"))
    house.now += timedelta(hours=23, minutes=59)
    assert house.send(("k", b"x"))[0].headers["idempotency-replayed"] == "true"
    house.now += timedelta(minutes=2)
    assert house.send(("k", b"x"))[0].content == b"2 x"


def test_who_waits_too_long_is_told_to_come_back_and_the_first_is_not_lost(house):
    house.seconds = 1.9
    first, other = house.send(("k", b"x"), ("k", b"x"))
    assert {first.status_code, other.status_code} == {200, 409}
    late = first if first.status_code == 409 else other
    assert late.headers["retry-after"] == "1"
    problem_of(late, "request-under-way")
    assert house.send(("k", b"x"))[0].headers["idempotency-replayed"] == "true"
    assert house.done == 1


def test_the_claim_of_a_dead_worker_expires(house):
    worker = house.workers[0]
    answers = make_idempotency(worker.customers, house.clock, SETTINGS)._answers
    # What a worker leaves behind that is killed between its claim and its answer.
    asyncio.run(
        answers.claim(
            Claim(answers.mark("k", "shown", "\x1f", "POST", "/work"),
                  answers.mark("/work", "", "application/json", "",
                               hashlib.sha256(b"x").hexdigest()),
                  "dead"),
            round(START.timestamp() * 1e6),
        )
    )  # fmt: skip
    (blocked,) = house.send(("k", b"x"))
    assert blocked.status_code == 409
    house.now += timedelta(seconds=8)
    (answer,) = house.send(("k", b"x"))
    assert (answer.status_code, answer.content) == (200, b"1 x")


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ä", "a\x7f"])
def test_keys_that_are_none(house, key):
    (refused,) = house.send((key.encode("latin-1"), b"x"))
    assert refused.status_code == 422
    assert "255" in problem_of(refused, "invalid-request").detail
    assert house.done == 0


def test_the_longest_key_is_taken(house):
    assert house.send(("x" * 255, b"x"))[0].status_code == 200


def test_bodies_that_are_too_long_are_refused_before_they_are_hashed(house):
    assert house.send(("k", b"x" * 1001))[0].status_code == 413


def test_messages_and_erasures_are_written_once(house):
    body = json.dumps(BODY).encode()
    answers = house.send(*[("m", body)] * 10, is_bare=False)
    assert {a.content for a in answers} == {
        b'{"success":true,"accepted":1,"duplicates":0,"rejected":[]}'
    }
    erased = erase(house, "ann", "e")
    assert (erased.status_code, erased.json()["erased"]["events"]) == (200, 1)
    again = erase(house, "ann", "e")
    assert (again.status_code, again.content) == (200, erased.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert erase(house, "bob", "e").status_code == 422
    assert erase(house, "ann", "other").status_code == 404


def erase(house, customer, key):
    async def run():
        transport = httpx.ASGITransport(app=house.workers[0].api)
        async with httpx.AsyncClient(transport=transport, base_url="http://almanac") as client:
            url = f"/v1/customers/{customer}"
            return await client.request("DELETE", url, headers={"idempotency-key": key})

    return asyncio.run(run())


def test_an_erasure_clears_the_answers_that_name_message_ids(house):
    lines = "\n".join(
        json.dumps({**BODY, "type": "track", "messageId": name, "timestamp": at})
        for name, at in (("ann@example.org", "1970-01-01T00:00:00Z"), ("fine", None))
    )
    session = house.workers[0].customers.writer.store.session

    async def run():
        transport = httpx.ASGITransport(app=house.workers[0].api)
        async with httpx.AsyncClient(transport=transport, base_url="http://almanac") as client:
            headers = {"idempotency-key": "b", "content-type": "application/x-ndjson"}
            return await client.post("/v1/batch", content=lines, headers=headers)

    assert asyncio.run(run()).json()["rejected"][0]["message_id"] == "ann@example.org"
    house.send(("other", json.dumps({**BODY, "messageId": "m9"}).encode()), is_bare=False)
    assert "ann@example.org" in str(session.rows("SELECT * FROM kept_answers"))
    assert erase(house, "ann", "e").status_code == 200
    kept = session.rows("SELECT * FROM kept_answers")
    assert len(kept) == 2
    assert "ann" not in str(kept)
