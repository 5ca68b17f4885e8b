"""The decision log of the service as it really runs: two workers, one of them killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from features.project import load_project
from features.served.places import ServedPlaces, list_spool
from features.served.tables import read_joined
from serving.decisions.compaction import compact
from serving.launch import address
from serving.settings import ServingSettings
from tests.test_serving_launch import SERVE, free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def project(published, tmp_path):
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "published").symlink_to(published)
    path = tmp_path / "almanac.toml"
    path.write_text(
        f'[project]\nworkspace = "workspace"\n[serving]\nport = {free_port()}\nworkers = 2\n'
        "is_request_logged = false\n"
    )
    return load_project(path)


def test_every_answer_is_in_the_log_once_though_a_worker_is_killed(project):
    settings = project.section("serving", ServingSettings)
    url, places = address(settings), ServedPlaces(project.workspace.root)
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(project.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == f"{url}\n"
        made = [ask(url) for _ in range(60)]
        children = psutil.Process(process.pid).children(recursive=True)
        worker = next(child for child in children if "--worker-id" in child.cmdline())
        worker.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 30
        while len(made) < 120 and time.monotonic() < deadline:
            try:
                made.append(ask(url))
            except httpx.TransportError:
                time.sleep(0.2)  # only what the killed one had in hand
        told = [{"decision_id": one, "outcome": "sent", "occurred_at": soon()} for one in made[:50]]
        answer = httpx.post(f"{url}/v1/outcomes", json={"outcomes": told}).json()
        assert answer == {"success": True, "accepted": 50, "rejected": []}
        compact(places)  # what the killed one left, while the other goes on
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.stdout.close()
        process.terminate()
        process.wait(30)
    joined = read_joined(project.workspace.root)  # `serve` compacted what was left when it ended
    assert list_spool(places.decision_spool) == list_spool(places.outcome_spool) == []
    assert len(made) == 120
    assert joined["decision_id"].is_unique
    assert set(made) <= set(joined["decision_id"])
    assert joined["sent_at"].notna().sum() == 50


def ask(url: str) -> str:
    answer = httpx.post(f"{url}/v1/send-times", json={"customers": ["c0"]}, timeout=10.0)
    return answer.json()["customers"][0]["decision_id"]


def soon() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))
