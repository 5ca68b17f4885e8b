"""How fast messages are taken in: over HTTP, from files; and how soon a score knows of one.

Messages, customers and the send-time model are generated, made up. The service is the product's
own, started by its own command with durability on, as it always is: a batch is answered when it is
synced to disk. The sender shares the machine's two cores with it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import platform
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ingest_model import publish_model
from features.project import load_project
from serving.launch import end, start, wait_until_alive
from serving.settings import ServingSettings

BARS = {"http": 5_000.0, "files": 100_000.0, "delay_p99_ms": 50.0}
BATCH, PEOPLE, PORT = 500, 50_000, 3917
EVENTS = ("Product Viewed", "Product Added", "Product List Viewed", "Cart Viewed")
_JSON = {"content-type": "application/json"}
_PROJECT = f"""
[project]
name = "bench"
time_zone = "Europe/Berlin"
[serving]
port = {PORT}
is_request_logged = false
[customers]
max_batch_bytes = 2000000
[customers.consent]
is_required = false
"""


def make_message(rng: random.Random, at: datetime, person: int) -> dict[str, Any]:
    """Return a message of about 450 bytes: mostly views, one order in fifty."""
    told: dict[str, Any] = {
        "type": "track",
        "messageId": f"{rng.getrandbits(64):016x}-{rng.getrandbits(64):016x}",
        "userId": f"user-{person}",
        "anonymousId": f"device-{person}-{rng.randrange(2)}",
        "event": rng.choice(EVENTS),
        "properties": {
            "product_id": f"p{rng.randrange(5000)}", "category": "Games", "name": "A game",
            "price": round(rng.random() * 50, 2), "quantity": 1, "currency": "EUR",
        },
        "context": {"timezone": "Europe/Berlin", "library": {"name": "analytics.js"}},
        "timestamp": at.isoformat(),
    }  # fmt: skip
    if rng.random() < 0.02:
        told["event"] = "Order Completed"
        told["properties"] = {
            "order_id": f"o{rng.getrandbits(48):x}", "subtotal": 20.0, "currency": "EUR",
            "products": [{"product_id": "p1", "price": 10.0, "quantity": 2}],
        }  # fmt: skip
    return told


def make_batches(n_batches: int, seed: int) -> list[bytes]:
    """Return the bodies of batches, made before anything is measured."""
    rng, now = random.Random(seed), datetime.now(UTC) - timedelta(hours=1)
    return [
        json.dumps(
            {"batch": [make_message(rng, now, rng.randrange(PEOPLE)) for _ in range(BATCH)]}
        ).encode()
        for _ in range(n_batches)
    ]


@dataclass(frozen=True)
class Sender:
    """A connection that is kept open."""

    connection: http.client.HTTPConnection

    def post(self, path: str, body: bytes) -> Any:
        """Send one request and return its answer; RuntimeError if it is refused."""
        self.connection.request("POST", path, body, _JSON)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {content[:300]!r}")
        return json.loads(content)


def connect() -> Sender:
    """Open a connection to the service."""
    return Sender(http.client.HTTPConnection("127.0.0.1", PORT, timeout=60))


def measure_throughput(batches: list[bytes], n_senders: int = 2) -> dict[str, float]:
    """Send batches as fast as they are answered; return messages a second."""
    waiting, lock = iter(batches), threading.Lock()
    accepted = [0]

    def send() -> None:
        sender = connect()
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            answer = sender.post("/v1/batch", body)
            with lock:
                accepted[0] += answer["accepted"]

    started = time.perf_counter()
    threads = [threading.Thread(target=send) for _ in range(n_senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    return {"messages": accepted[0], "seconds": seconds, "per_second": accepted[0] / seconds}


def measure_delay(batches: list[bytes], rate: float, probes: int) -> dict[str, float]:
    """Send batches at a steady rate; meanwhile, event by event, wait until the score knows of it.

    A probe sends one purchase of a customer and asks for their send times until the answer is of
    a moment after it: the delay is from before the purchase is sent to after the answer is there.
    """
    stop, late = threading.Event(), [0]

    def load() -> None:
        sender, due = connect(), time.perf_counter()
        for body in batches:
            if stop.is_set():
                return
            sender.post("/v1/batch", body)
            due += BATCH / rate
            wait = due - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            else:
                late[0] += 1

    loader = threading.Thread(target=load)
    loader.start()
    time.sleep(1.0)
    sender, rng = connect(), random.Random(3)
    delays, quiet = [], []
    for probe in range(probes):
        person = rng.randrange(PEOPLE)
        delays.append(1000 * _probe(sender, rng, person, probe))
        time.sleep(0.02)
    stop.set()
    loader.join()
    for probe in range(probes // 4):
        quiet.append(1000 * _probe(sender, rng, rng.randrange(PEOPLE), probes + probe))
    found = {f"p{q}_ms": float(np.percentile(delays, q)) for q in (50, 95, 99)}
    return {
        **found, "quiet_p50_ms": float(np.percentile(quiet, 50)),
        "quiet_p99_ms": float(np.percentile(quiet, 99)), "rate": rate, "probes": probes,
        "batches_late": late[0],
    }  # fmt: skip


def _probe(sender: Sender, rng: random.Random, person: int, probe: int) -> float:
    """Return the seconds from an event to the first score that knows it."""
    told = make_message(rng, datetime.now(UTC), person)
    order = f"probe-{probe}-{rng.getrandbits(32)}"
    told |= {"event": "Order Completed", "properties": {"order_id": order, "subtotal": 9.0}}
    asked = {"customers": [f"user-{person}"], "top_k": 1, "channels": ["email"]}
    started = time.perf_counter()
    body = json.dumps(told).encode()
    sender.post("/v1/track", body)
    while True:
        answer = sender.post("/v1/send-times", json.dumps(asked).encode())
        (customer,) = answer["customers"]
        if customer["is_known"] and customer["as_of"] > told["timestamp"]:
            return time.perf_counter() - started


def measure_file(folder: Path, n_messages: int) -> dict[str, float]:
    """Take a file of messages in by the command line, in a process of its own."""
    rng, now = random.Random(11), datetime(2026, 1, 1, tzinfo=UTC)
    path = folder / "events.jsonl"
    with path.open("w") as file:
        for n in range(n_messages):
            message = make_message(rng, now + timedelta(seconds=n), rng.randrange(PEOPLE))
            file.write(json.dumps(message) + "\n")
    project = folder / "files" / "almanac.toml"
    project.parent.mkdir()
    project.write_text(_PROJECT)
    started = time.perf_counter()
    command = [sys.executable, "-m", "almanac", "ingest", str(path), "-p", str(project)]
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - started
    database = sqlite3.connect(project.parent / ".almanac" / "customers.db")
    ((stored,),) = database.execute("SELECT COUNT(DISTINCT event_id) FROM event_rows").fetchall()
    database.close()
    return {
        "messages": n_messages, "seconds": seconds, "per_second": n_messages / seconds,
        "rows": stored, "mib": path.stat().st_size / 2**20,
    }  # fmt: skip


def serve(folder: Path) -> Iterator[None]:
    """Run the service over a made-up model."""
    path = folder / "almanac.toml"
    path.write_text(_PROJECT)
    project = load_project(path)
    publish_model(project.workspace.published)
    service = start(project)
    try:
        wait_until_alive(service, project.section("serving", ServingSettings))
        yield
    finally:
        end(service, 10.0)


def run(n_batches: int, probes: int, n_file: int) -> dict[str, Any]:
    """Measure everything; JSON-able."""
    batches = make_batches(2 * n_batches, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in serve(folder):
            http_found = measure_throughput(batches[:n_batches])
            delay = measure_delay(batches[n_batches:], BARS["http"], probes)
        files = measure_file(folder, n_file)
    return {"http": http_found, "delay": delay, "files": files}


def write_page(found: dict[str, Any]) -> str:
    """Return the results as a page."""
    rows = [
        ("messages a second over HTTP, batches of 500", found["http"]["per_second"],
         BARS["http"], True),
        ("messages a second from a file", found["files"]["per_second"], BARS["files"], True),
        ("event to score under 5,000 messages a second, p99, ms", found["delay"]["p99_ms"],
         BARS["delay_p99_ms"], False),
    ]  # fmt: skip
    lines = ["# Taking messages in", "", (__doc__ or "").split("\n\n", 1)[1].strip(), "",
             "| what | measured | bar | |", "|---|---|---|---|"]  # fmt: skip
    for what, value, bar, is_floor in rows:
        is_met = value >= bar if is_floor else value <= bar
        lines.append(
            f"| {what} | {value:,.0f} | {bar:,.0f} | {'met' if is_met else '**missed**'} |"
        )
    delay, files = found["delay"], found["files"]
    lines += [
        "", f"Event to score: p50 {delay['p50_ms']:.1f}, p95 {delay['p95_ms']:.1f}, p99 "
        f"{delay['p99_ms']:.1f} ms over {delay['probes']} events under load ("
        f"{delay['batches_late']} batches were sent late); without load p50 "
        f"{delay['quiet_p50_ms']:.1f}, p99 {delay['quiet_p99_ms']:.1f} ms. A probe is a purchase "
        "and then a request for send times with its model, intervals and reasons.",
        f"File: {files['messages']:,} messages, {files['mib']:,.0f} MiB, {files['seconds']:.1f} s "
        "with the start of both processes.",
        "", "## Run", "",
        f"- date {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, 2 cores, python "
        f"{platform.python_version()}, sqlite {sqlite3.sqlite_version}, bentoml "
        f"{version('bentoml')}, msgspec {version('msgspec')}, command python -m benchmarks.ingest "
        "--out benchmarks/results",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--probes", type=int, default=400)
    parser.add_argument("--file", type=int, default=1_000_000)
    options = parser.parse_args()
    found = run(options.batches, options.probes, options.file)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "ingest.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    (options.out / "ingest.md").write_text(write_page(found))
    print(write_page(found))


if __name__ == "__main__":
    main()
