"""Draining, and clients that send slowly."""

from __future__ import annotations

import asyncio

import httpx
from starlette.responses import Response
from starlette.routing import Route, Router

from serving.drain import Drain
from serving.edge import READING_PER_PLACE, Edge
from serving.metrics import Metrics


async def echo(request):
    return Response(await request.body())


def build(**changes):
    limits = {"timeout_seconds": 0.5, "max_concurrency": 2, "is_request_logged": False}
    return Edge(
        Router([Route("/echo", echo, methods=["POST"])]), Metrics(), **{**limits, **changes}
    )


def run(app, calls):
    async def all_of_them():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://almanac") as client:
            return await asyncio.gather(*(call(client) for call in calls))

    return asyncio.run(all_of_them())


def send(seconds):
    async def body():
        yield b"a"
        await asyncio.sleep(seconds)
        yield b"b"

    async def call(client):
        return await client.post("/echo", content=body())

    return call


def quick(after):
    async def call(client):
        await asyncio.sleep(after)
        return await client.post("/echo", content=b"quick")

    return call


def test_the_mark_is_noticed_and_its_removal_too(tmp_path, monkeypatch):
    monkeypatch.setattr("serving.drain.LOOK_EVERY_SECONDS", 0.0)
    mark = tmp_path / "3000.draining"
    drain = Drain(mark)
    assert not drain.is_under_way
    mark.touch()
    assert drain.is_under_way
    mark.unlink()
    assert not drain.is_under_way


def test_connections_are_closed_while_it_drains(tmp_path):
    mark = tmp_path / "3000.draining"
    (response,) = run(build(drain=Drain(mark)), [quick(0)])
    assert "connection" not in response.headers
    mark.touch()
    (response,) = run(build(drain=Drain(mark)), [quick(0)])
    assert (response.status_code, response.headers["connection"]) == (200, "close")


def test_who_sends_slowly_takes_no_place_from_others():
    slow = [send(0.2) for _ in range(8)]  # four times what is answered at a time
    *_, answered = run(build(), [*slow, quick(0.05)])
    assert (answered.status_code, answered.content) == (200, b"quick")


def test_who_sends_too_slowly_is_told_so_in_time():
    (response,) = run(build(), [send(60.0)])
    assert response.status_code == 504


def test_slow_senders_are_bounded_too():
    most = 2 * READING_PER_PLACE
    responses = run(build(timeout_seconds=5.0), [send(0.3) for _ in range(most + 5)])
    refused = [response for response in responses if response.status_code == 429]
    assert len(refused) >= 5
    assert all(response.headers["retry-after"] == "1" for response in refused)
