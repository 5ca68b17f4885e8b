"""Clients that look closely: one that checks every answer, one that balances between services."""

from __future__ import annotations

import http.client
import json
import random
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.serving_bench import VERSIONS, Bench
from benchmarks.serving_load import Request
from benchmarks.serving_servers import ask

_FAILURES = (OSError, http.client.HTTPException)
_HEADERS = {"Content-Type": "application/json"}


class Swaps:
    """Asks for the same customers again and again, and knows what each version answers."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        window = {"start": "2026-11-02T00:00:00Z", "end": "2026-11-09T00:00:00Z"}
        asked = json.loads(bench.send_times(range(5)).body)
        self._body = json.dumps({**asked, "window": window})
        self._known: dict[str, str] = {}
        self.asked = self.failed = self.wrong = self.changes = 0

    def learn(self, patience_seconds: float) -> None:
        """Publish each version, and remember what it answers; the first one is left published."""
        for version in (*VERSIONS[1:], VERSIONS[0]):
            self._bench.point_at(version)
            stop = time.monotonic() + patience_seconds
            while time.monotonic() < stop:
                found, answers = self._ask()
                self._known[found] = answers
                if found == version:
                    break
                time.sleep(0.1)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Check answers meanwhile, in a thread."""
        with _meanwhile(self._check):
            yield

    def _check(self, stop: threading.Event) -> None:
        before = None
        while not stop.is_set():
            self.asked += 1
            try:
                version, answers = self._ask()
            except (*_FAILURES, RuntimeError):
                self.failed += 1
                continue
            self.wrong += self._known.get(version) != answers
            self.changes += before not in {None, version}
            before = version
            time.sleep(0.005)

    def _ask(self) -> tuple[str, str]:
        status, _, content = ask(self._bench.port, "/v1/send-times", self._body)
        if status != 200:
            raise RuntimeError(f"{status}")
        told = json.loads(content)
        slots = [customer["slots"] for customer in told["customers"]]
        return told["model_version"], json.dumps(slots, sort_keys=True)


class Balancer:
    """Sends to whichever service said that it is ready; a failed request is not sent again."""

    def __init__(self, ports: Sequence[int], requests: Sequence[Request]) -> None:
        self._ports, self._requests = ports, requests
        self._ready = set(ports)
        self._connections: dict[int, http.client.HTTPConnection] = {}
        self._rng = random.Random(4)
        self.asked = self.failed = 0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Send requests meanwhile, one after the other."""
        with _meanwhile(self._follow), _meanwhile(self._send):
            yield

    def _follow(self, stop: threading.Event) -> None:
        while not stop.wait(0.05):
            for port in self._ports:
                try:
                    is_ready = ask(port, "/readyz")[0] == 200
                except _FAILURES:
                    is_ready = False
                (self._ready.add if is_ready else self._ready.discard)(port)

    def _send(self, stop: threading.Event) -> None:
        while not stop.is_set():
            ready = sorted(self._ready)
            self.asked += 1
            if not ready or not self._is_answered(self._rng.choice(ready)):
                self.failed += 1
            time.sleep(0.005)

    def _is_answered(self, port: int) -> bool:
        request = self._requests[self.asked % len(self._requests)]
        usual = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection = self._connections.setdefault(port, usual)
        if _is_dropped(connection):
            connection.close()
        try:
            connection.request("POST", request.path, request.body, _HEADERS)
            answer = connection.getresponse()
            answer.read()
        except _FAILURES:
            self._connections.pop(port).close()
            return False
        if answer.will_close:
            self._connections.pop(port).close()
        return answer.status == 200


def _is_dropped(connection: http.client.HTTPConnection) -> bool:
    """Say whether the other side has closed a kept connection, as every balancer looks first."""
    sock = connection.sock
    return sock is not None and bool(select.select([sock], [], [], 0)[0])


@contextmanager
def _meanwhile(work: object) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), daemon=True)  # type: ignore[arg-type]
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
