"""What `/metrics` tells, and how little it grows."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from features.project import Workspace
from serving.api import build_api
from serving.champions import ModelState
from serving.metrics import Metrics
from serving.scrape import MonitorFile, Scrape, describe_models
from serving.settings import ServingSettings

NOW = datetime(2026, 11, 4, 15, 30, tzinfo=UTC)
CHECK = {
    "check": "drift/spend_365d", "kind": "drift", "subject": "spend_365d", "model": "promotion",
    "value": 0.4, "baseline": 0.01, "verdict": "alert",
}  # fmt: skip
WAPE = {
    "check": "forecast/v7/wape", "kind": "forecast", "subject": "v7/wape", "model": "demand",
    "value": 0.3, "baseline": 0.2, "verdict": "watch",
}  # fmt: skip
ERROR = {
    "check": "calibration/error", "kind": "calibration", "subject": "error", "model": "promotion",
    "value": None, "baseline": None, "verdict": "not enough data",
}  # fmt: skip


def samples(text: bytes | str) -> dict[tuple, float]:
    """Every sample by its name and labels, read by the client's own parser."""
    told = text if isinstance(text, str) else text.decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
    }


def write_monitor(root, *checks, made_at=NOW - timedelta(hours=1), **changes):
    folder = root / "monitor"
    folder.mkdir(exist_ok=True)
    content = {"format": 1, "made_at": made_at.isoformat(), "checks": list(checks), **changes}
    (folder / "monitor.json").write_text(json.dumps(content))


async def knock(app, path: str, method: str = "GET") -> None:
    """Send one request without a client in between."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": path.encode(),
        "headers": [],
        "root_path": "",
        "client": None,
    }

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        pass

    await app(scope, receive, send)


def test_ten_thousand_random_paths_grow_the_metrics_by_less_than_10_kb(predictor, open_client):
    app = build_api(predictor, ServingSettings(is_request_logged=False))
    call = open_client(app)
    call("GET", "/metrics")
    before = len(call("GET", "/metrics").content)

    async def run():
        for at in range(10_000):
            head = ("/v1/customers/", "/v1/", "/", "/v1/forecasts/")[at % 4]
            await knock(app, f"{head}{at}-x@example.org", ("GET", f"M{at}", "DELETE")[at % 3])

    asyncio.run(run())
    text = call("GET", "/metrics").text
    assert len(text) - before < 10_000
    assert "example.org" not in text
    counted = sum(value for key, value in samples(text).items()
                  if key[0] == "almanac_requests_total")  # fmt: skip
    assert counted == 10_002


def test_requests_bytes_and_what_is_turned_away_are_counted():
    metrics = Metrics()
    metrics.state_in_flight(3)
    metrics.count_request("/v1/x", "GET", 200, 0.02, 500)
    metrics.count_request("/v1/x", "BREW", 429, 0.02, 50)
    metrics.count_problem("urn:almanac:problem:overloaded", 429)
    metrics.count_problem("urn:almanac:problem:not-stored", 503)
    metrics.count_problem("urn:almanac:problem:bad-json", 400)
    found = samples(metrics.text())
    route = ("route", "/v1/x")
    assert found["almanac_response_bytes_total", route] == 550
    assert found["almanac_requests_total", ("method", "other"), route, ("status", "429")] == 1
    assert found["almanac_request_seconds_count", route] == 2
    assert found["almanac_requests_in_flight",] == 3
    shed = {key[1][1]: value for key, value in found.items() if key[0] == "almanac_shed_total"}
    assert shed == {"overloaded": 1, "not-stored": 1}


def test_the_queue_of_the_store_is_told_after_a_request():
    metrics, waiting = Metrics(), [5]
    metrics.watch_store(lambda: waiting[0])
    metrics.count_request("/v1/batch", "POST", 202, 0.01)
    assert samples(metrics.text())["almanac_store_waiting",] == 5
    waiting[0] = 0
    metrics.count_request("/v1/batch", "POST", 202, 0.01)
    assert samples(metrics.text())["almanac_store_waiting",] == 0


def test_models_are_told_by_version_and_state():
    states = [
        ModelState("promotion", "loaded", False, model_version="3"),
        ModelState("demand", "refused", True, reason="damaged"),
    ]
    found = samples(Metrics().text(describe_models(states)))
    assert found["almanac_model_loaded", ("kind", "promotion"), ("version", "3")] == 1
    assert found["almanac_model_loaded", ("kind", "demand"), ("version", "")] == 0
    assert found["almanac_model_state", ("kind", "demand"), ("state", "refused")] == 1
    assert found["almanac_model_state", ("kind", "demand"), ("state", "loaded")] == 0


def test_ages_and_processes_are_measured(published, predictor):
    workspace = Workspace(published.parent)
    clock = lambda: datetime.now(UTC) + timedelta(days=2)  # noqa: E731
    measured = Scrape(workspace, clock).measure(predictor.champions.states)
    found = samples(Metrics().text(measured))
    age = found["almanac_model_age_seconds", ("kind", "demand")]
    assert age == pytest.approx(2 * 86400, abs=3600)
    pid = ("pid", str(os.getpid()))
    assert 50e6 < found["almanac_worker_memory_bytes", pid] < 20e9
    assert found["almanac_worker_open_descriptors", pid] > 3


def test_what_the_monitor_found_is_told(tmp_path):
    write_monitor(tmp_path, CHECK, WAPE, ERROR)
    measured = Scrape(Workspace(tmp_path), lambda: NOW).measure([])
    found = samples(Metrics().text(measured))
    assert found["almanac_drift_psi", ("feature", "spend_365d")] == 0.4
    assert found["almanac_forecast_wape_ratio", ("version", "v7")] == pytest.approx(1.5)
    assert found["almanac_monitor_age_seconds",] == 3600
    verdicts = {dict(key[1:])["check"]: value for key, value in found.items()
                if key[0] == "almanac_monitor_verdict"}  # fmt: skip
    assert verdicts == {"drift/spend_365d": 2, "forecast/v7/wape": 1, "calibration/error": -1}
    assert ("almanac_calibration_error",) not in found


def test_the_monitors_file_is_read_only_when_it_is_another(tmp_path, monkeypatch):
    write_monitor(tmp_path, CHECK)
    reader, reads = MonitorFile(Workspace(tmp_path)), []
    load = json.loads
    monkeypatch.setattr("serving.scrape.json.loads", lambda text: reads.append(1) or load(text))
    for _ in range(5):
        assert reader.describe(NOW)
    assert len(reads) == 1
    write_monitor(tmp_path, CHECK, WAPE)
    assert len(reader.read()["checks"]) == 2
    (tmp_path / "monitor" / "monitor.json").unlink()
    assert reader.describe(NOW) == []


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"format": 2}', '{"format": 1}', '{"format": 1, "checks": [{}]}']
)
def test_a_broken_file_of_the_monitor_breaks_nothing(tmp_path, content):
    (tmp_path / "monitor").mkdir()
    (tmp_path / "monitor" / "monitor.json").write_text(content)
    assert MonitorFile(Workspace(tmp_path)).describe(NOW) == []


WORKER = """
import os, signal
from serving.metrics import Metrics
metrics = Metrics()
metrics.state_in_flight({flight})
for _ in range({requests}):
    metrics.count_request("/v1/x", "GET", 200, 0.01)
{end}
"""


def test_one_worker_answers_for_all_and_a_killed_one_leaves_nothing_in_flight(tmp_path):
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(**values) -> bytes:
        code = WORKER.format(**values)
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, check=False
        ).stdout

    run(flight=9, requests=2, end="os.kill(os.getpid(), signal.SIGKILL)")
    text = run(
        flight=1,
        requests=3,
        end="from serving.scrape import describe_processes\n"
        "print(metrics.text(describe_processes()).decode())",
    )
    found = samples(text)
    key = ("method", "GET"), ("route", "/v1/x"), ("status", "200")
    assert found["almanac_requests_total", *key] == 5
    assert found["almanac_requests_in_flight",] == 1
    assert len([name for name in found if name[0] == "almanac_worker_memory_bytes"]) == 1


def test_counting_a_request_is_cheap():
    metrics = Metrics()
    start = time.process_time()
    for _ in range(2000):
        metrics.count_request("/v1/x", "GET", 200, 0.01, 100)
    assert (time.process_time() - start) / 2000 < 50e-6
