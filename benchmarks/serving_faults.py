"""Rows of the benchmark: overload, swaps, damage, restarts, kills."""

from __future__ import annotations

import http.client
import json
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.serving_bench import SEND_TIMES, VERSIONS, Bench, point_to, row
from benchmarks.serving_clients import Balancer, Swaps
from benchmarks.serving_load import Plan, Request, finish, run_open_loop, start_open_loop
from benchmarks.serving_servers import ask, ask_json, is_answering, running
from models.artifact import write_pointer

Row = dict[str, Any]
OVERLOAD, CONNECTIONS = 5, 320
RELOAD_SECONDS = 5.0


def measure_overload(bench: Bench) -> list[Row]:
    """Offer five times what a worker can answer; look at the probe meanwhile, and after it."""
    seconds, rate = (10.0 if bench.is_quick else 60.0), OVERLOAD * bench.capacity
    with running(bench.start()):
        plan = Plan(bench.port, rate, seconds, bench.single_requests(), CONNECTIONS)
        load, probes = start_open_loop(plan), []
        stop = time.monotonic() + seconds
        while time.monotonic() < stop:
            started = time.perf_counter()
            ask(bench.port, "/livez")
            probes.append(1000 * (time.perf_counter() - started))
            time.sleep(0.1)
        found = finish(load)
        calm = run_open_loop(Plan(bench.port, bench.capacity / 4, 5.0, bench.single_requests()))
    strange = {code for code in found["statuses"] if code not in {"200", "429", "503"}}
    goodput = found["goodput"] / bench.capacity
    p99 = float(np.percentile(probes, 99))
    is_recovered = calm["errors"] == 0
    return [
        row(
            f"{OVERLOAD} × overload ({rate:,.0f} rps), {seconds:.0f} s",
            "goodput ≥ 80 %; only 429/503 with Retry-After; /livez < 100 ms; recovered ≤ 5 s",
            f"goodput {goodput:.0%}; {found['statuses']}, {found['failed']} failed, "
            f"{found['unsent']} unsent, {found['without_retry_after']} without Retry-After; "
            f"/livez p99 {p99:.0f} ms; afterwards p99 {calm['p99_ms']:.0f} ms, {calm['statuses']}",
            is_met=goodput >= 0.8
            and not (strange or found["failed"] or found["without_retry_after"])
            and p99 < 100.0
            and is_recovered,
            how=f"open loop over at most {CONNECTIONS} connections; the generator shares two cores "
            "with the service, so its rate is what is offered, not all is sent",
        )
    ]


def measure_random_paths(bench: Bench) -> list[Row]:
    """Ask for 10,000 addresses that do not exist, and see whether the metrics grow."""
    rng = random.Random(3)
    load = [Request(f"/{rng.getrandbits(64):x}/{rng.getrandbits(32):x}") for _ in range(10_000)]
    with running(bench.start()):
        ask(bench.port, "/nowhere")
        before = len(ask(bench.port, "/metrics")[2])
        found = run_open_loop(Plan(bench.port, 1000.0, 10.0, load))
        grown = len(ask(bench.port, "/metrics")[2]) - before
    return [
        row(
            "10,000 random paths",
            "metrics grow < 10 kB",
            f"{grown:+,} bytes; {found['statuses']}",
            is_met=abs(grown) < 10_000 and found["statuses"] == {"404": 10_000},
            how="open loop, each path once",
        )
    ]


def measure_swaps(bench: Bench) -> list[Row]:
    """Publish two models in turn under load; check each answer against its stated version."""
    n_swaps, pause = (5, 2.0) if bench.is_quick else (100, 1.5)
    bench.point_at(VERSIONS[0])
    with running(bench.start()):
        swaps = Swaps(bench)
        swaps.learn(RELOAD_SECONDS)
        load = start_open_loop(Plan(bench.port, 100.0, n_swaps * pause, bench.single_requests()))
        with swaps.asking():
            for n in range(n_swaps):
                bench.point_at(VERSIONS[(n + 1) % 2])
                time.sleep(pause)
        found = finish(load)
    bench.point_at(VERSIONS[0])
    errors = found["errors"]
    return [
        row(
            f"{n_swaps} swaps under load",
            "0 failed; every row matches its stated version",
            f"{errors + swaps.failed} failed of {sum(found['statuses'].values()) + swaps.asked:,}; "
            f"{swaps.wrong} wrong of {swaps.asked:,} checked; {swaps.changes} changes of version "
            f"were seen",
            is_met=not (errors or swaps.failed or swaps.wrong) and swaps.changes >= 0.9 * n_swaps,
            how="the pointer is replaced every "
            f"{pause:g} s; a checking client compares slots and probabilities",
        )
    ]


def measure_damage(bench: Bench) -> list[Row]:
    """Publish what must be refused, while serving."""
    promotion, rows = bench.published / "promotion", []
    asked = json.loads(bench.send_times([1]).body)
    for name, damage in DAMAGES.items():
        bench.point_at(VERSIONS[0])
        folder = promotion / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(promotion / VERSIONS[1], folder)
        with running(bench.start()):
            pointer = damage(folder)
            write_pointer(bench.published, "promotion", pointer)
            stop, versions, failed = time.monotonic() + RELOAD_SECONDS, set(), 0
            while time.monotonic() < stop:
                try:
                    versions.add(ask_json(bench.port, SEND_TIMES, asked)["model_version"])
                except (OSError, RuntimeError, http.client.HTTPException):
                    failed += 1
                time.sleep(0.01)
            ready = ask(bench.port, "/readyz")[0]
        rows.append(
            row(
                f"{name} published",
                "last good served",
                f"{', '.join(sorted(versions))} served, {failed} failed, /readyz {ready}",
                is_met=versions == {VERSIONS[0]} and not failed,
                how=f"asked for {RELOAD_SECONDS:.0f} s after the pointer was replaced",
            )
        )
    shutil.rmtree(promotion / "damaged", ignore_errors=True)
    bench.point_at(VERSIONS[0])
    return rows


def _corrupt(folder: Any) -> Any:
    path = folder / "profiles.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return point_to(folder, "damaged")


def _lose(folder: Any) -> Any:
    pointer = point_to(folder, "damaged")
    (folder / "profiles.parquet").unlink()
    return pointer


def _change_schema(folder: Any) -> Any:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | {"schema_hash": "of another version"}
    path.write_text(json.dumps(manifest))
    return point_to(folder, "damaged")


DAMAGES: dict[str, Callable[[Any], Any]] = {
    "a corrupt artifact": _corrupt,
    "an artifact with a missing file": _lose,
    "an artifact of another schema": _change_schema,
}


def measure_restarts(bench: Bench) -> list[Row]:
    """Restart two services in turn behind a balancer that follows `/readyz`."""
    n_restarts = 2 if bench.is_quick else 20
    ports = (bench.port, bench.port + 1)
    servers = {port: bench.start(port) for port in ports}
    balancer = Balancer(ports, bench.single_requests(100))
    try:
        with balancer.asking():
            for n in range(n_restarts):
                port = ports[n % 2]
                servers[port].end()
                servers[port] = bench.start(port)
                time.sleep(1.0)
    finally:
        for server in servers.values():
            server.end()
    return [
        row(
            f"{n_restarts} rolling restarts with drain",
            "0 failed",
            f"{balancer.failed} failed of {balancer.asked:,}",
            is_met=not balancer.failed and balancer.asked > 0,
            how="two services, SIGTERM to each in turn; the client looks at /readyz every 50 ms, "
            "sees when a kept connection was closed, and sends nothing twice",
        )
    ]


def measure_kill(bench: Bench) -> list[Row]:
    """Kill the worker under load."""
    with running(bench.start()) as server:
        load = start_open_loop(Plan(bench.port, 200.0, 20.0, bench.single_requests(), 16))
        time.sleep(5.0)
        server.worker().send_signal(signal.SIGKILL)
        killed = time.perf_counter()
        time.sleep(0.05)
        while not is_answering(bench.port, "/readyz"):
            if time.perf_counter() - killed > 60.0:
                break
            time.sleep(0.02)
        seconds = time.perf_counter() - killed
        found = finish(load)
    errors = found["errors"]
    return [
        row(
            "kill -9 of the worker at 200 rps",
            "only in-flight lost; ready ≤ 8 s",
            f"{errors} lost of {sum(found['statuses'].values()) + found['failed']:,} over 16 "
            f"connections; ready after {seconds:.1f} s",
            is_met=errors <= 16 and seconds <= 8.0,
            how="what was due while nothing answered waits; a connection that is refused is tried "
            "again, a request that was sent is not",
        )
    ]


def measure_idempotency(bench: Bench) -> list[Row]:
    """Send one write 50 times at once with the same key."""
    said = {
        "type": "track",
        "userId": "somebody",
        "event": "Product Viewed",
        "messageId": "bench-1",
    }
    body = json.dumps({**said, "timestamp": "2026-01-02T00:00:00Z"})
    gate = threading.Barrier(50)

    def send(_: int) -> tuple[int, bytes]:
        gate.wait()
        status, _headers, content = ask(bench.port, "/v1/track", body, Idempotency_Key="bench-key")
        return status, content

    with running(bench.start()), ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    return [_judge_idempotency(answers)]


def _judge_idempotency(answers: Sequence[tuple[int, bytes]]) -> Row:
    statuses = sorted({status for status, _ in answers})
    bodies = {content for _, content in answers}
    accepted = [json.loads(content).get("accepted") for content in sorted(bodies)]
    return row(
        "50 parallel writes with the same Idempotency-Key",
        "one effect, identical bodies",
        f"statuses {statuses}, {len(bodies)} different bodies, accepted {accepted[:3]}",
        is_met=statuses == [200] and len(bodies) == 1 and accepted == [1],
        how="50 threads at once, POST /v1/track",
    )
