"""How `almanac serve` starts BentoML: a child process with the environment it needs."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType

from features.errors import AlmanacError
from features.project import Project
from serving.rollout.follower import Follower
from serving.settings import ServingSettings

START_SECONDS = 60.0
POLL_SECONDS = 0.1


class NotStarted(AlmanacError):
    """The service could not be started; the message says why."""


def serve(project: Project, on_ready: Callable[[str], None] | None = None) -> int:
    """Run the service until it is stopped by SIGINT or SIGTERM.

    Parameters
    ----------
    project : Project
        What its workspace has published is served, as its section `[serving]` says.
    on_ready : callable, optional
        Called once with the address when the service answers.

    Returns
    -------
    int
        Exit code of the service; 0 when it was stopped.

    Raises
    ------
    NotStarted
        If the port is taken, or the service ends or says nothing while it starts.
    """
    settings = project.section("serving", ServingSettings)
    service, follower = start(project), Follower(project, settings)
    received: list[int] = []

    def stop(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        received.append(signal_number)
        service.terminate()

    before = {name: signal.signal(name, stop) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        wait_until_alive(service, settings)
        if on_ready is not None:
            on_ready(address(settings))
        follower.start()
        code = service.wait()
    except NotStarted:
        if not received:
            raise
        code = 0
    finally:
        follower.stop()
        end(service, settings.drain_seconds)
        for name, handler in before.items():
            signal.signal(name, handler)
    return 0 if received else code


def start(project: Project) -> subprocess.Popen[bytes]:
    """Start the service and return its process; it does not answer yet.

    Raises
    ------
    ProjectError
        If `[serving]` is wrong.
    NotStarted
        If the port is taken.
    """
    settings = project.section("serving", ServingSettings)
    check_port(settings)
    command = [
        *(sys.executable, "-m", "bentoml", "serve", "serving.service:Almanac"),
        *("--working-dir", str(Path(__file__).resolve().parents[1])),
        *("--timeout-graceful-shutdown", str(settings.drain_seconds)),
    ]
    return subprocess.Popen(
        command,
        env=build_environment(project, settings),
        stdin=subprocess.DEVNULL,
        # Its own session: Ctrl+C reaches it once, through `serve`, not twice.
        start_new_session=True,
    )


def build_environment(project: Project, settings: ServingSettings) -> dict[str, str]:
    """Return the environment of the service: this one, and what BentoML must be told by it.

    BentoML empties its folder for shared metrics when it starts; so that two services do not empty
    each other's, each has its own below the workspace, by port.
    """
    return os.environ | {
        "ALMANAC_PROJECT": str(project.path),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(project.workspace.root / "serving" / str(settings.port)),
        "OMP_NUM_THREADS": "1",
    }


def wait_until_alive(service: subprocess.Popen[bytes], settings: ServingSettings) -> None:
    """Return when the service answers `/livez`.

    Raises
    ------
    NotStarted
        If it ends before, or does not answer within a minute.
    """
    stop_at = time.monotonic() + START_SECONDS
    while not _is_alive(settings):
        if service.poll() is not None:
            raise NotStarted(
                f"the service ended with code {service.returncode} while it started; "
                "the lines above say why"
            )
        if time.monotonic() > stop_at:
            raise NotStarted(f"the service did not answer within {START_SECONDS:.0f} seconds")
        time.sleep(POLL_SECONDS)


def end(service: subprocess.Popen[bytes], drain_seconds: float) -> None:
    """Stop the service: politely, then, if it does not end, at once."""
    if service.poll() is not None:
        return
    service.terminate()
    try:
        service.wait(drain_seconds + 5.0)
    except subprocess.TimeoutExpired:
        service.kill()
        service.wait()


def address(settings: ServingSettings) -> str:
    """Return where the service is reached from this machine.

    Examples
    --------
    >>> address(ServingSettings())
    'http://127.0.0.1:3000'
    """
    host = settings.host
    shown = "127.0.0.1" if host.is_unspecified else str(host)
    return (
        f"http://[{shown}]:{settings.port}" if ":" in shown else f"http://{shown}:{settings.port}"
    )


def check_port(settings: ServingSettings) -> None:
    """Raise NotStarted if something else listens on the port."""
    family = socket.AF_INET if settings.host.version == 4 else socket.AF_INET6
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((str(settings.host), settings.port))
        except OSError as error:
            raise NotStarted(
                f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; "
                "stop what listens there or set another port in [serving]"
            ) from None


def _is_alive(settings: ServingSettings) -> bool:
    host = "127.0.0.1" if settings.host.is_unspecified else str(settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=2.0)
    with closing(connection):
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
