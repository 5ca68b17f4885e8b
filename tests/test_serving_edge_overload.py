import asyncio
import collections

from starlette.responses import Response

from serving.edge import Edge
from serving.metrics import Metrics


async def answer(scope, receive, send):
    """Answer without ever letting another request run, as the inference of few customers does."""
    await Response(b"ok")(scope, receive, send)


async def ask(edge, path):
    statuses = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    await edge(scope, receive, send)
    return path, statuses[0]


def test_what_arrived_at_once_is_counted_before_it_is_answered():
    edge = Edge(answer, Metrics(), timeout_seconds=1.0, max_concurrency=4, is_request_logged=False)

    async def ask_all():
        paths = [*["/v1/send-times"] * 10, "/livez", "/v1/send-times"]
        tasks = [asyncio.ensure_future(ask(edge, path)) for path in paths]
        done = []
        for task in tasks:
            task.add_done_callback(lambda task: done.append(task.result()))
        await asyncio.gather(*tasks)
        await asyncio.sleep(0)
        return done

    done = asyncio.run(ask_all())
    assert collections.Counter(status for _, status in done) == {200: 5, 429: 7}
    # The refusals and the probe do not wait for those that are answered.
    assert [status for _, status in done[-4:]] == [200, 200, 200, 200]
    assert ("/livez", 200) in done[:-4]
