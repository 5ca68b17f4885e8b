"""A hundred swaps of the service as it really runs: BentoML, a worker, a loopback port."""

from __future__ import annotations

import socket
import sys
import time

import httpx
import psutil
import pytest

from serving import contract
from serving.launch import address, end, start, wait_until_alive
from serving.settings import ServingSettings
from tests.customer_messages import FREE, write_project
from tests.rollout_models import fit_live_files, make_version, publish
from tests.test_serving_rollout_watch import WINDOW, Load, Service, check_answers

SWAPS = 100
WARM = 30
"""Swaps before memory is measured: until then pools and caches grow to their size."""
MOST_GROWTH = 24 * 1024 * 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def project(tmp_path, customer_table, profile_files):
    port = free_port()
    serving = f"[serving]\nport = {port}\ntimeout_seconds = 10.0\ninline_customers = 8\n"
    return write_project(tmp_path, f"{FREE}\n{serving}is_request_logged = false\n")


def find_worker(service):
    children = psutil.Process(service.pid).children(recursive=True)
    return next(child for child in children if "--worker-id" in child.cmdline())


def serves(client, number):
    ready = contract.Readiness.model_validate_json(client.get("/readyz").content)
    return ready.is_ready and ready.models[0].model_version == str(number)


@pytest.mark.slow
def test_a_hundred_swaps_under_load(project, customer_table, profile_files, tmp_path):
    files = fit_live_files(customer_table, profile_files)
    versions = {number: make_version(files, number) for number in range(1, 12)}
    published = project.workspace.published
    publish(published, versions[1], 1)
    settings = project.section("serving", ServingSettings)
    service = start(project)
    sizes = []
    try:
        wait_until_alive(service, settings)
        with httpx.Client(base_url=address(settings), timeout=10.0) as client:
            track = {"messageId": "m1", "userId": "ann", "event": "Product Viewed"}
            assert client.post("/v1/track", json=track).status_code == 200
            few, many = ["c1", "ann", "nobody"], [f"c{number}" for number in range(40)]
            common = {"window": WINDOW, "quiet_hours": None, "all_slots": True, "top_k": 1}
            bodies = [{**common, "customers": asked} for asked in (few, [*many, "ann"])]
            load = Load(address(settings), bodies, pause=0.05)
            worker = find_worker(service)
            for swap in range(SWAPS):
                number = 2 + swap % 10
                publish(published, versions[number], number)
                stop_at = time.monotonic() + 20.0
                while not serves(client, number):
                    assert time.monotonic() < stop_at
                    time.sleep(0.02)
                sizes.append(worker.memory_info().rss)
            load.stop()
            text = client.get("/metrics").text
    finally:
        end(service, settings.drain_seconds)
    sys.stdout.write(f"{len(load.answers)} answers; MiB {[size >> 20 for size in sizes[::10]]}\n")
    assert load.failures == []
    assert f'reloads_total{{kind="promotion",outcome="loaded"}} {SWAPS}.0' in text
    assert max(sizes[WARM:]) - min(sizes[WARM // 2 : WARM]) < MOST_GROWTH
    told = {answer["model_version"] for answer in load.answers}
    assert told == {str(number) for number in range(1, 12)}
    oracle = Service(tmp_path, versions, project=project)
    check_answers(oracle, load.answers[:: max(1, len(load.answers) // 2000)], versions, tmp_path)
    oracle.close()
