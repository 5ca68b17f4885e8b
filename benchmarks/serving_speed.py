"""Rows of the benchmark: how fast, how large, how soon."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.serving_bench import Bench, row
from benchmarks.serving_load import Plan, Request, run_closed_loop, run_open_loop, start_open_loop
from benchmarks.serving_load import finish as finish_load
from benchmarks.serving_model import customer_name
from benchmarks.serving_servers import Server, running, start_peer

Row = dict[str, Any]
PEERS = ("starlette", "fastapi", "mlflow")
MIB = 2**20


def measure_beside(bench: Bench) -> list[Row]:
    """One customer's send times, ours and the same predictor behind other servers, in turn."""
    found = {}
    for name in ("almanac", *PEERS):
        server = bench.start() if name == "almanac" else start_peer(name, bench.folder, bench.port)
        load = bench.single_requests() if name != "mlflow" else _mlflow_requests(bench)
        with running(server):
            run_closed_loop(bench.port, load, connections=1, seconds=2)
            for at_once in (1, 16):
                used = server.cpu_seconds()
                each = run_closed_loop(bench.port, load, connections=at_once, seconds=bench.seconds)
                each["cpu_ms"] = 1000 * (server.cpu_seconds() - used) / max(each["requests"], 1)
                found[name, at_once] = each
    return _compare(found)


def _compare(found: dict[tuple[str, int], dict[str, float]]) -> list[Row]:
    ours, how = found["almanac", 1], "wrk, closed loop, one connection"
    rows = [
        row(
            "one customer's send times, c = 1",
            "p50 ≤ 1.5 ms, p99 ≤ 6 ms",
            _milliseconds(ours),
            is_met=ours["p50_ms"] <= 1.5 and ours["p99_ms"] <= 6.0,
            how=how,
        )
    ]
    for at_once in (1, 16):
        own = found["almanac", at_once]
        for peer, bar in (("starlette", 0.45), ("fastapi", 0.90)):
            share = own["rps"] / found[peer, at_once]["rps"]
            rows.append(
                row(
                    f"throughput against {peer}, c = {at_once}",
                    f"≥ {bar:.0%}",
                    f"{share:.0%}",
                    is_met=share >= bar,
                    how="wrk, closed loop; the same predictor and store behind both",
                )
            )
    for (name, at_once), each in found.items():
        failed = f", {each['failed']:.0f} failed" if each["failed"] else ""
        rows.append(
            row(
                f"{name}, c = {at_once}",
                "beside",
                f"{_milliseconds(each)}; {each['cpu_ms']:.2f} ms CPU a request{failed}",
                is_met=not each["failed"],
                how="one worker; mlflow: a pyfunc around the same predictor, by /invocations",
            )
        )
    return rows


def _milliseconds(found: dict[str, float]) -> str:
    return (
        f"{found['rps']:,.0f} rps; p50 {found['p50_ms']:.2f}, p95 {found['p95_ms']:.2f}, "
        f"p99 {found['p99_ms']:.2f} ms"
    )


def _mlflow_requests(bench: Bench) -> list[Request]:
    body = '{"dataframe_split": {"columns": ["customer_id"], "data": [["%s"]]}}'
    return [
        Request("/invocations", body % customer_name(at))
        for at in range(min(1000, bench.n_customers))
    ]


def measure_steady(bench: Bench) -> list[Row]:
    """One customer at 500 requests a second."""
    with running(bench.start()):
        run_closed_loop(bench.port, bench.single_requests(), connections=4, seconds=2)
        plan = Plan(bench.port, 500.0, 60 * bench.minutes, bench.single_requests())
        found = run_open_loop(plan)
    errors = found["errors"]
    return [
        row(
            f"one customer, open loop at 500 rps, {bench.minutes:g} min",
            "p50 ≤ 2, p99 ≤ 10 ms, 0 errors",
            f"p50 {found['p50_ms']:.2f}, p99 {found['p99_ms']:.2f} ms, {errors} errors",
            is_met=found["p50_ms"] <= 2 and found["p99_ms"] <= 10 and not errors,
            how="latency from when each request was due",
        )
    ]


def measure_batches(bench: Bench) -> list[Row]:
    """1,000 and 10,000 customers in one request."""
    rows = []
    with running(bench.start()):
        for size, bar in ((1_000, 60.0), (10_000, 700.0)):
            load = [bench.batch_request(size)]
            run_closed_loop(bench.port, load, connections=1, seconds=2)
            found = run_closed_loop(bench.port, load, connections=1, seconds=max(bench.seconds, 5))
            rows.append(
                row(
                    f"{size:,} customers in a request",
                    f"p95 ≤ {bar:.0f} ms",
                    f"p50 {found['p50_ms']:.0f}, p95 {found['p95_ms']:.0f} ms",
                    is_met=found["p95_ms"] <= bar and not found["failed"],
                    how="wrk, closed loop, one connection",
                )
            )
    return rows


def measure_forecasts(bench: Bench) -> list[Row]:
    """Look-ups in all the forecasts, then how large the worker is."""
    with running(bench.start()) as server:
        load = bench.forecast_requests()
        run_closed_loop(bench.port, load, connections=1, seconds=2)
        found = run_open_loop(Plan(bench.port, 1000.0, float(max(20, bench.seconds)), load))
        rss = server.worker().memory_info().rss / MIB
    errors = found["errors"]
    return [
        row(
            f"forecast look-up over {bench.rows:,} rows, 1,000 rps",
            "p99 ≤ 5 ms",
            f"p50 {found['p50_ms']:.2f}, p99 {found['p99_ms']:.2f} ms, {errors} errors",
            is_met=found["p99_ms"] <= 5 and not errors,
            how="open loop; a random series and all its 28 days an answer",
        ),
        row(
            "memory of a worker with both models, after it",
            "≤ 500 MiB",
            f"{rss:.0f} MiB RSS",
            is_met=rss <= 500,
            how="psutil; the send-time model's profiles and the forecasts' series are in it",
        ),
    ]


def measure_cold_start(bench: Bench) -> list[Row]:
    """From the command to ready, several times; the first start in a workspace is not one."""
    bench.start().end()
    seconds = []
    for _ in range(2 if bench.is_quick else 5):
        server = bench.start()
        seconds.append(server.seconds_to_ready)
        server.end()
    return [
        row(
            "cold start with both models",
            "≤ 6 s",
            f"median {np.median(seconds):.1f}, worst {max(seconds):.1f} s",
            is_met=max(seconds) <= 6.0,
            how=f"`almanac serve` until /readyz says yes, {len(seconds)} times",
        )
    ]


def measure_soak(bench: Bench) -> list[Row]:
    """Load a worker at 70 % of its capacity for long, and see whether it grows."""
    rate, seconds = 0.7 * bench.capacity, 60 * bench.soak_minutes
    with running(bench.start()) as server:
        load = start_open_loop(Plan(bench.port, rate, seconds, bench.single_requests()))
        seen = _watch_growth(server, seconds)
        found = finish_load(load)
    skipped = seen[seen[:, 0] >= min(120.0, seconds / 2)]
    slope = float(np.polyfit(skipped[:, 0], skipped[:, 1], 1)[0]) * 600 if len(skipped) > 1 else 0.0
    descriptors = int(np.ptp(skipped[:, 2])) if len(skipped) else 0
    return [
        row(
            f"soak at 70 % of capacity ({rate:,.0f} rps), {bench.soak_minutes:g} min",
            "RSS < 1 MB / 10 min after 2 min; descriptors flat",
            f"{slope:+.2f} MB / 10 min, descriptors ± {descriptors}, "
            f"{found['errors']} errors, p99 {found['p99_ms']:.1f} ms",
            is_met=slope < 1.0 and descriptors <= 2 and not found["errors"],
            how="slope of a line through the worker's RSS every 5 s",
        )
    ]


def _watch_growth(server: Server, seconds: float) -> np.ndarray:
    """Return rows of (seconds, RSS in MB, descriptors) of the worker."""
    worker, started, seen = server.worker(), time.monotonic(), []
    while (elapsed := time.monotonic() - started) < seconds:
        seen.append((elapsed, worker.memory_info().rss / 1e6, worker.num_fds()))
        time.sleep(min(5.0, seconds / 20))
    return np.asarray(seen)


def measure_egress(bench: Bench) -> list[Row]:
    """Tell what the product's servers connected to in all rows before this one."""
    if not bench.egress.looks:
        with running(bench.start()):
            run_closed_loop(bench.port, bench.single_requests(), connections=4, seconds=3)
            time.sleep(1.0)
    seen = sorted(bench.egress.seen)
    return [
        row(
            "egress",
            "0 outbound calls",
            f"{len(seen)} in {bench.egress.looks:,} looks {' '.join(seen)}".strip(),
            is_met=not seen and bench.egress.looks > 0,
            how="psutil, four times a second, every process of every server of the product",
        )
    ]
