import asyncio
import collections

import numpy as np
import pytest

from benchmarks.serving_load import Found, Plan, Request, _as_lua, run_open_loop
from benchmarks.serving_table import write_page

ROWS = [
    {"name": "fast", "bar": "≤ 5 ms", "found": "4 ms", "is_met": True, "how": "wrk"},
    {"name": "slow | odd", "bar": "≤ 5 ms", "found": "6\nms", "is_met": False, "how": "wrk"},
    {"name": "a peer", "bar": "beside", "found": "9 ms", "is_met": True, "how": "wrk"},
]


def test_the_page_judges_rows_with_a_bar_and_tells_the_others():
    lines = write_page("Serving", "Made up.", ROWS, {"date": "today"}).splitlines()
    assert "1 of 2 bars are met." in lines
    assert "| fast | ≤ 5 ms | 4 ms | met | wrk |" in lines
    assert "| slow \\| odd | ≤ 5 ms | 6 ms | **missed** | wrk |" in lines
    assert "| a peer |  | 9 ms |  | wrk |" in lines
    assert lines[-1] == "- date: today"


def test_a_summary_counts_from_when_requests_were_due():
    found = Found(
        statuses=collections.Counter({200: 4, 429: 1}),
        due=[0.0, 0.5, 1.0, 1.5],
        latencies=[0.010, 0.010, 0.010, 0.610],
    )
    told = found.summary(2.0)
    assert told["statuses"] == {"200": 4, "429": 1}
    assert told["errors"] == 1
    assert told["good_by_second_due"] == [2, 2]
    assert told["answered_by_second"] == [2, 1, 1]
    assert told["goodput"] == 1.5  # three answers were there before the two seconds were over
    assert told["p50_ms"] == pytest.approx(10.0)
    assert told["max_ms"] == pytest.approx(610.0)


def test_nothing_answered_is_no_latency():
    assert np.isnan(Found().summary(1.0)["p99_ms"])


def test_lua_reads_back_the_bytes():
    assert _as_lua(b'{"a"}\r\n\\') == '"{\\034a\\034}\\013\\010\\092"'


async def answer_slowly(reader, writer):
    """Answer one request after 40 ms; of every third, that there is no room."""
    answer_slowly.count = 0
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        await asyncio.sleep(0.04)
        answer_slowly.count += 1
        status = b"429 No" if answer_slowly.count % 3 == 0 else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")


def test_waiting_for_a_free_connection_counts_as_latency():
    async def measure():
        server = await asyncio.start_server(answer_slowly, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        plan = Plan(port, 50.0, 0.3, [Request("/", "{}")], connections=1)
        found = await asyncio.to_thread(run_open_loop, plan)
        server.close()
        return found

    found = asyncio.run(measure())
    # 15 requests, one each 20 ms, and each takes 40: the last good one waits for those before it.
    assert found["statuses"] == {"200": 10, "429": 5}
    assert found["without_retry_after"] == 5
    assert found["max_ms"] > 250.0
