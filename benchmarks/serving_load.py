"""Load over HTTP: an open loop at a fixed rate, and wrk's closed loop.

The open loop is `python -m benchmarks.serving_load PLAN`, a process of its own that speaks raw
HTTP/1.1 over kept-alive sockets. A request is due at its place in the schedule, however busy the
service is, and its latency counts from then: what waits for a free connection has waited.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

TICK_SECONDS = 0.0005
PATIENCE_SECONDS = 15.0


@dataclass(frozen=True)
class Request:
    """What is sent: a GET without a body, else a POST of JSON."""

    path: str
    body: str = ""

    def encode(self, port: int) -> bytes:
        """Return the bytes on the wire."""
        head = f"Host: 127.0.0.1:{port}\r\n"
        if not self.body:
            return f"GET {self.path} HTTP/1.1\r\n{head}\r\n".encode()
        content = self.body.encode()
        about = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        return f"POST {self.path} HTTP/1.1\r\n{head}{about}\r\n".encode() + content


@dataclass(frozen=True)
class Plan:
    """Requests in turn, at `rate` a second for `seconds`, over at most `connections`."""

    port: int
    rate: float
    seconds: float
    requests: Sequence[Request]
    connections: int = 64


@dataclass
class Found:
    """What became of the requests; seconds and latencies count from when each was due.

    Those `unsent` waited here for a free connection until the patience was over.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    failed: int = 0
    unsent: int = 0
    without_retry_after: int = 0
    due: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def summary(self, seconds: float) -> dict[str, Any]:
        """Return counts, milliseconds of the answers that were good, and those by second."""
        milliseconds = 1000 * np.asarray(self.latencies or [np.nan])
        by_second = np.bincount(
            np.floor(np.asarray(self.due, dtype=float)).astype(int), minlength=int(seconds)
        )
        answered = np.floor(np.asarray(self.due) + np.asarray(self.latencies)).astype(int)
        in_time = int((np.asarray(self.due) + np.asarray(self.latencies) <= seconds).sum())
        return {
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "failed": self.failed,
            "unsent": self.unsent,
            "errors": self.failed + self.unsent + self.statuses.total() - self.statuses[200],
            "without_retry_after": self.without_retry_after,
            "goodput": in_time / seconds,
            "answered_by_second": np.bincount(answered, minlength=1).tolist(),
            "good_by_second_due": by_second.tolist(),
            **{f"p{q}_ms": float(np.percentile(milliseconds, q)) for q in (50, 95, 99)},
            "max_ms": float(milliseconds.max()),
        }


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, loop: _OpenLoop) -> None:
        self.loop, self.due, self.held = loop, None, b""
        self.transport: asyncio.Transport | None = None
        self.due: float | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.loop.is_free(self)

    def send(self, content: bytes, due: float) -> None:
        self.due, self.held = due, b""
        if self.transport is not None:
            self.transport.write(content)

    def data_received(self, data: bytes) -> None:
        self.held += data
        end = self.held.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.held[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.held) < end + 4 + length or self.due is None:
            return
        due, self.due = self.due, None
        self.loop.count(int(head[9:12]), b"retry-after:" in head, due)
        self.loop.is_free(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.loop.has_lost(self)


class _OpenLoop:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.found = plan, Found()
        self.contents = [request.encode(plan.port) for request in plan.requests]
        self.free: list[_Connection] = []
        self.waiting: deque[tuple[bytes, float]] = deque()
        self.open, self.in_flight = 0, 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.started = 0.0

    async def run(self) -> Found:
        """Send everything, and wait for the last answers."""
        await asyncio.gather(*(self._connect() for _ in range(self.plan.connections)))
        self.started, sent = time.perf_counter(), 0
        total = int(self.plan.rate * self.plan.seconds)
        while sent < total:
            elapsed = time.perf_counter() - self.started
            while sent < min(total, int(elapsed * self.plan.rate) + 1):
                self._send(self.contents[sent % len(self.contents)], sent / self.plan.rate)
                sent += 1
            await asyncio.sleep(TICK_SECONDS)
        await self._wait(lambda: bool(self.waiting))
        self.found.unsent = len(self.waiting)
        self.waiting.clear()
        await self._wait(lambda: self.in_flight > 0)
        self.found.failed += self.in_flight
        return self.found

    async def _wait(self, is_some_left: Callable[[], bool]) -> None:
        give_up = time.perf_counter() + PATIENCE_SECONDS
        while is_some_left() and time.perf_counter() < give_up:
            await asyncio.sleep(0.01)

    def is_free(self, connection: _Connection) -> None:
        if self.waiting:
            self._write(connection, *self.waiting.popleft())
        else:
            self.free.append(connection)

    def count(self, status: int, has_retry_after: bool, due: float) -> None:
        self.in_flight -= 1
        self.found.statuses[status] += 1
        if status == 200:
            self.found.due.append(due)
            self.found.latencies.append(time.perf_counter() - self.started - due)
        elif not has_retry_after:
            self.found.without_retry_after += 1

    def has_lost(self, connection: _Connection) -> None:
        if connection in self.free:
            self.free.remove(connection)
        if connection.due is not None:
            self.in_flight -= 1
            self.found.failed += 1
        task = asyncio.ensure_future(self._connect())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _send(self, content: bytes, due: float) -> None:
        if self.free:
            self._write(self.free.pop(), content, due)
        else:
            self.waiting.append((content, due))

    def _write(self, connection: _Connection, content: bytes, due: float) -> None:
        self.in_flight += 1
        connection.send(content, due)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.plan.port)
                return
            except OSError:
                await asyncio.sleep(0.05)


def start_open_loop(plan: Plan) -> subprocess.Popen[str]:
    """Start the generator in a process of its own; `finish` returns what it found."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(asdict(plan), file)
    command = [sys.executable, "-m", "benchmarks.serving_load", file.name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the generator and return its summary."""
    told, _ = process.communicate()
    found: dict[str, Any] = json.loads(told)
    return found


def run_open_loop(plan: Plan) -> dict[str, Any]:
    """Send at a fixed rate; return `Found.summary`."""
    return finish(start_open_loop(plan))


_LUA = """
local requests = { %s }
local at = 0
request = function()
  at = at %% #requests + 1
  return requests[at]
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n{"requests":%%d,"seconds":%%f,"p50_ms":%%f,"p95_ms":%%f,' ..
    '"p99_ms":%%f,"failed":%%d}\\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000,
    latency:percentile(99) / 1000, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def run_closed_loop(
    port: int, requests: Sequence[Request], *, connections: int, seconds: int
) -> dict[str, float]:
    """Send the next request when the last is answered, with wrk; return rates and milliseconds."""
    texts = ",\n".join(_as_lua(request.encode(port)) for request in requests)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA % texts)
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
        command += ["-s", script.name, f"http://127.0.0.1:{port}"]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(told.strip().splitlines()[-1])
    return {**found, "rps": found["requests"] / found["seconds"]}


def _as_lua(content: bytes) -> str:
    quoted = "".join(f"\\{byte:03d}" if byte < 32 or byte in b'"\\' else chr(byte)
                     for byte in content)  # fmt: skip
    return f'"{quoted}"'


def main() -> None:
    """Run the plan in the file that is named, and write what was found to the standard output."""
    path = Path(sys.argv[1])
    raw = json.loads(path.read_text())
    path.unlink()
    plan = Plan(**{**raw, "requests": [Request(**request) for request in raw["requests"]]})
    found = asyncio.run(_OpenLoop(plan).run())
    sys.stdout.write(json.dumps(found.summary(plan.seconds)))


if __name__ == "__main__":
    main()
