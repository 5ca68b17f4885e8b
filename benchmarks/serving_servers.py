"""The servers that are measured, each on a loopback port, started and ended here."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120.0
PROJECT = """
[project]
name = "bench"
time_zone = "Europe/Berlin"
workspace = "{workspace}"
[serving]
port = {port}
is_request_logged = false
[customers.consent]
is_required = false
"""


@dataclass
class Server:
    """A running server and its children.

    Attributes
    ----------
    seconds_to_ready : float
        From the start of its command to the first good answer.
    """

    name: str
    port: int
    process: subprocess.Popen[bytes]
    seconds_to_ready: float = 0.0

    def tree(self) -> list[psutil.Process]:
        """Return the processes that are alive."""
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        return []

    def worker(self) -> psutil.Process:
        """Return the process that answers: the one that holds most memory."""
        return max(self.tree(), key=_rss)

    def cpu_seconds(self) -> float:
        """Return what its processes have used of the processor."""
        used = 0.0
        for process in self.tree():
            with suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system
        return used

    def end(self) -> None:
        """Stop the server, and what it leaves behind."""
        tree = self.tree()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for left in tree:
            with suppress(psutil.NoSuchProcess):
                left.kill()


def write_project(folder: Path, port: int, workspace: str = ".almanac") -> Path:
    """Write a project file for a server on `port`; its workspace may be that of another."""
    path = folder / f"almanac-{port}.toml"
    path.write_text(PROJECT.format(port=port, workspace=workspace))
    return path


def start_almanac(folder: Path, port: int, log: Path | None = None) -> Server:
    """Start the product by its own command, and wait for `/readyz`."""
    project = write_project(folder, port)
    command = [sys.executable, "-m", "almanac", "serve", "-p", str(project)]
    return _start("almanac", port, command, "/readyz", project, log)


def start_peer(name: str, folder: Path, port: int) -> Server:
    """Start 'starlette', 'fastapi' or 'mlflow'."""
    project = write_project(folder, port)
    if name == "mlflow":
        return _start(name, port, _mlflow_command(folder, port, project), "/ping", project, None)
    command = [sys.executable, "-m", "uvicorn", "--factory", f"benchmarks.serving_peers:{name}_app"]
    command += ["--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    command += ["--no-access-log", "--log-level", "warning"]
    return _start(name, port, command, "/", project, None)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """End the server afterwards."""
    try:
        yield server
    finally:
        server.end()


def ask(port: int, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Send one request over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with closing(connection):
        sent = {"Content-Type": "application/json"} if body else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST" if body else "GET", path, body or None, sent)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def ask_json(port: int, path: str, body: Any) -> Any:
    """Return an answer as JSON; RuntimeError if it is not 200."""
    status, _, content = ask(port, path, json.dumps(body))
    if status != 200:
        raise RuntimeError(f"{path}: {status} {content[:300]!r}")
    return json.loads(content)


def is_answering(port: int, path: str) -> bool:
    """Whether the server answers `path` with anything but an error of its own."""
    try:
        return ask(port, path)[0] < 500
    except (OSError, http.client.HTTPException):
        return False


class Egress:
    """Watches servers for connections to other machines, a few times a second."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.looks = 0
        self._servers: list[Server] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def watch(self, server: Server) -> Server:
        """Watch one server more, from now on."""
        self._servers.append(server)
        return server

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.25):
            for server in list(self._servers):
                for process in server.tree():
                    with suppress(psutil.Error):
                        self._look(process)

    def _look(self, process: psutil.Process) -> None:
        self.looks += 1
        for connection in process.net_connections("inet"):
            if connection.raddr and connection.raddr.ip not in {"127.0.0.1", "::1"}:
                self.seen.add(f"{connection.raddr.ip}:{connection.raddr.port}")


def _start(
    name: str, port: int, command: list[str], path: str, project: Path, log: Path | None
) -> Server:
    environment = os.environ | {
        "ALMANAC_PROJECT": str(project),
        "PYTHONPATH": str(ROOT),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    out = subprocess.DEVNULL if log is None else log.open("ab")
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
    )
    server = Server(name, port, process)
    while not is_answering(port, path):
        if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
            server.end()
            raise RuntimeError(f"{name} did not start: {' '.join(command)}")
        time.sleep(0.02)
    server.seconds_to_ready = time.perf_counter() - started
    return server


def _mlflow_command(folder: Path, port: int, project: Path) -> list[str]:
    model = folder / "mlflow-model"
    if not model.exists():
        save = (
            "import mlflow.pyfunc, pandas; mlflow.pyfunc.save_model("
            f"{str(model)!r}, python_model='benchmarks/serving_mlflow_model.py', "
            "pip_requirements=['mlflow'])"
        )
        environment = os.environ | {"ALMANAC_PROJECT": str(project), "PYTHONPATH": str(ROOT)}
        subprocess.run(
            [sys.executable, "-c", save], cwd=ROOT, env=environment, check=True, capture_output=True
        )
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model)]
    return [*command, "-p", str(port), "--env-manager", "local", "--host", "127.0.0.1"]


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
