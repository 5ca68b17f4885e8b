"""The service as it really runs: BentoML, its own processes, a loopback port."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from features.errors import ProjectError
from features.project import load_project
from serving import contract
from serving.client import Almanac
from serving.launch import (
    NotStarted,
    address,
    build_environment,
    check_port,
    serve,
)
from serving.settings import ServingSettings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_project(folder, published, port: int):
    path = folder / "almanac.toml"
    path.write_text(
        f'[project]\nworkspace = "{published.parent}"\n'
        f"[serving]\nport = {port}\nworkers = 2\ntimeout_seconds = 3.0\n"
    )
    return load_project(path)


@pytest.fixture(scope="module")
def project(published, tmp_path_factory):
    return write_project(tmp_path_factory.mktemp("project"), published, free_port())


@pytest.fixture(scope="module")
def settings(project) -> ServingSettings:
    return project.section("serving", ServingSettings)


def check_that_it_drains(settings: ServingSettings) -> None:
    """For some seconds it says that it is not ready, and answers everything all the same."""
    time.sleep(0.3)
    for _ in range(10):  # new connections, so that both workers are met
        ready = httpx.get(f"{address(settings)}/readyz")
        assert (ready.status_code, ready.json()["is_draining"]) == (503, True)
        answer = httpx.post(f"{address(settings)}/v1/send-times", json={"customers": ["c0"]})
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")


SERVE = """
import sys
from pathlib import Path
from features.project import load_project
from serving.launch import serve
sys.exit(serve(load_project(Path(sys.argv[1])), lambda url: print(url, flush=True)))
"""


@pytest.fixture(scope="module")
def server(project, settings):
    """The process of a service with two workers; it is told to stop, and must end with its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(project.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == f"{address(settings)}\n"
        yield process
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 3  # BentoML and two workers
        process.send_signal(signal.SIGTERM)
        check_that_it_drains(settings)
        assert process.wait(20) == 0
        assert not psutil.wait_procs(children, timeout=5)[1]
        check_port(settings)
    finally:
        process.stdout.close()
        process.terminate()  # not killed: its service would outlive it
        process.wait(30)


@pytest.fixture
def client(server, settings):
    with httpx.Client(base_url=address(settings), timeout=10.0) as client:
        yield client


def test_every_worker_starts_at_the_first_try(server):
    """Two that make the store of customers together must not trip over each other's lock."""
    lines = [process.cmdline() for process in psutil.Process(server.pid).children(recursive=True)]
    numbers = [line[line.index("--worker-id") + 1] for line in lines if "--worker-id" in line]
    assert sorted(numbers) == ["1", "2"]  # a worker that had died would be followed by number 3


def test_answers_come_over_the_port(client):
    response = client.post("/v1/send-times", json={"customers": ["c0", "nobody"]})
    answer = contract.SendTimes.model_validate_json(response.content)
    assert [customer.is_known for customer in answer.customers] == [True, False]
    response = client.get("/v1/forecasts", params={"region": "s1", "limit": 2})
    assert len(contract.Forecasts.model_validate_json(response.content).forecasts) == 2
    assert contract.Readiness.model_validate_json(client.get("/readyz").content).is_ready


def test_what_one_worker_stores_every_worker_tells_at_once(client, settings):
    def call(method, path, **options):  # new connections, so that both workers are met
        answer = httpx.request(method, f"{address(settings)}{path}", timeout=10.0, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    for place in range(12):
        order = {"order_id": f"o{place}", "revenue": 1.0}
        told = {"messageId": f"m{place}", "userId": "ann", "event": "Order Completed"}
        call("POST", "/v1/track", json={**told, "properties": order})
        # without a consent nothing but who they are is told; the export tells all
        export = call("GET", "/v1/customers/ann/export")
        assert len(export["events"]) == place + 1
    call("DELETE", "/v1/customers/ann")
    for _ in range(6):
        answer = httpx.get(f"{address(settings)}/v1/customers/ann")
        assert answer.status_code == 404


def test_fifty_at_once_with_one_key_have_one_effect_over_both_workers(client, settings):
    told = {"messageId": "fifty", "userId": "bea", "event": "Product Viewed"}

    def send(_):  # new connections, so that both workers are met
        url, headers = f"{address(settings)}/v1/track", {"Idempotency-Key": "fifty"}
        return httpx.post(url, json=told, headers=headers, timeout=10.0)

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(send, range(50)))
    assert {answer.status_code for answer in answers} == {200}
    # were a second one taken to the store, it would be told as a duplicate
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].json()["accepted"] == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


def test_the_client_lines_tags_and_compression_over_the_port(client, settings):
    with Almanac(address(settings)) as almanac:
        lines = list(almanac.send_time_lines([f"c{i}" for i in range(1_000)]))
        assert [line.customer_id for line in lines] == [f"c{i}" for i in range(1_000)]
        assert len(list(almanac.forecasts(level="store/category", limit=50))) == 120
    packed = client.get("/v1/forecasts", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.json()["forecasts"]) == 100
    held = client.get("/v1/forecasts", headers={"if-none-match": packed.headers["etag"]})
    assert (held.status_code, held.content) == (304, b"")


def test_bentomls_own_addresses_are_not_answered(client):
    for path in ("/healthz", "/schema.json", "/docs.json", "/static_content/x", "/nothing"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
    assert client.get("/").json()["name"] == "Almanac"
    assert client.get("/livez").json() == {"status": "alive"}


def test_wrong_requests_are_problems_and_the_connection_lives(client):
    for body in (b"{", b"\x00" * 100, b'{"customers":"c0"}'):
        response = client.post(
            "/v1/send-times", content=body, headers={"content-type": "application/json"}
        )
        assert response.status_code in (400, 422)
        assert response.headers["content-type"] == "application/problem+json"
    assert client.get("/livez").status_code == 200


def test_a_body_over_the_limit_is_413_whether_its_length_is_stated_or_not(client):
    headers = {"content-type": "application/json"}
    large = b'{"customers":["' + b"x" * 3_000_000 + b'"]}'
    stated = client.post("/v1/send-times", content=large, headers=headers)
    streamed = client.post("/v1/send-times", content=iter([large]), headers=headers)
    assert (stated.status_code, streamed.status_code) == (413, 413)


def test_metrics_are_those_of_all_workers(client, settings):
    for _ in range(20):  # new connections, so that both workers are met
        assert httpx.get(f"{address(settings)}/v1/forecasts/levels").status_code == 200
    line = next(
        line
        for line in client.get("/metrics").text.splitlines()
        if line.startswith("almanac_requests_total") and "/v1/forecasts/levels" in line
    )
    assert float(line.rsplit(" ", 1)[1]) == 20.0


def test_it_listens_on_loopback_only_and_sends_nothing_out(server, settings):
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    connections = [found for process in processes for found in process.net_connections("inet")]
    listening = {found.laddr for found in connections if found.status == psutil.CONN_LISTEN}
    assert ("127.0.0.1", settings.port) in listening
    assert {host for host, _ in listening} == {"127.0.0.1"}
    assert {found.raddr.ip for found in connections if found.raddr} <= {"127.0.0.1"}
    for process in processes[1:]:  # BentoML and its workers
        assert process.environ()["BENTOML_DO_NOT_TRACK"] == "True"


def test_a_taken_port_is_said(server, settings):
    with pytest.raises(NotStarted, match=f"port {settings.port}.*set another port"):
        check_port(settings)


@pytest.mark.slow
def test_a_service_that_cannot_start_says_so(published, tmp_path):
    project = write_project(tmp_path, published, free_port())
    text = project.path.read_text()
    project.path.write_text(text.replace("workers = 2", "workers = 0"))
    with pytest.raises(NotStarted, match="ended with code"):
        serve(project)


def test_started_by_bentoml_itself_nothing_calls_home(project):
    # `bentoml serve` asks whether it may track before it imports the service, and remembers.
    code = (
        "from bentoml._internal.utils.analytics import usage_stats\n"
        "before = usage_stats.do_not_track()\n"
        "import serving.service\n"
        "print(before, usage_stats.do_not_track(), serving.service.Almanac.name)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "BENTOML_DO_NOT_TRACK"}
    environment |= {"ALMANAC_PROJECT": str(project.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True", "almanac"]


def test_the_environment_names_the_project_and_keeps_services_apart(project, settings):
    environment = build_environment(project, settings)
    assert environment["ALMANAC_PROJECT"] == str(project.path)
    assert environment["OMP_NUM_THREADS"] == "1"
    other = build_environment(project, settings.model_copy(update={"port": 4000}))
    assert environment["BENTOML_HOME"] != other["BENTOML_HOME"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::1", "http://[::1]:3000"),
    ],
)
def test_addresses(host, expected):
    assert address(ServingSettings.model_validate({"host": host})) == expected


@pytest.mark.parametrize("line", ['host = "everywhere"', "port = 0", "max_customers = 10001"])
def test_settings_that_cannot_be_are_refused(tmp_path, line):
    (tmp_path / "almanac.toml").write_text(f"[serving]\n{line}\n")
    with pytest.raises(ProjectError, match=line.split()[0]):
        load_project(tmp_path / "almanac.toml").section("serving", ServingSettings)
