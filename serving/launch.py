"""How `almanac serve` starts BentoML: a child process with the environment it needs."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from features.errors import AlmanacError
from features.project import Project
from serving.access.callers import is_anybody_asked
from serving.customers.settings import is_store_used
from serving.customers.store import CustomerStore
from serving.decisions.keeper import Keeper
from serving.drain import place_mark
from serving.rollout.follower import Follower
from serving.settings import ServingSettings, read_settings

START_SECONDS = 60.0
POLL_SECONDS = 0.1


class NotStarted(AlmanacError):
    """The service could not be started; the message says why."""


def serve(project: Project, on_ready: Callable[[str], None] | None = None) -> int:
    """Run the service until it is stopped by SIGINT or SIGTERM; after SIGTERM it drains first.

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
    settings = read_settings(project)
    service, follower = start(project), Follower(project, settings)
    mark, received = place_mark(project, settings), list[int]()

    def stop(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        received.append(signal_number)
        if signal_number == signal.SIGINT or len(received) > 1:
            service.terminate()
            return
        with suppress(OSError):  # a full disk must not keep it from ending
            mark.touch()
        notice = threading.Timer(settings.drain_notice_seconds, service.terminate)
        notice.daemon = True
        notice.start()

    before = {name: signal.signal(name, stop) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        wait_until_alive(service, settings)
        if on_ready is not None:
            on_ready(address(settings))
        follower.start()
        with Keeper(project):
            code = service.wait()
    except NotStarted:
        if not received:
            raise
        code = 0
    finally:
        follower.stop()
        end(service, settings.drain_seconds)
        mark.unlink(missing_ok=True)
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
        If the port is taken, or others could reach the service and nobody asked them for a key.
    """
    settings = read_settings(project)
    check_exposure(project, settings)
    check_free(settings)
    check_customers(project)
    mark = place_mark(project, settings)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.unlink(missing_ok=True)  # of one that was killed
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
    while not is_alive(settings):
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
    scheme = "http" if settings.tls is None else "https"
    shown = f"[{shown}]" if ":" in shown else shown
    return f"{scheme}://{shown}:{settings.port}"


def make_ssl(settings: ServingSettings) -> dict[str, Any]:
    """Return BentoML's own words for `[serving.tls]`."""
    if settings.tls is None:
        return {"enabled": False}
    files = settings.tls
    return {"enabled": True, "certfile": str(files.certificate), "keyfile": str(files.key)}


def check_exposure(project: Project, settings: ServingSettings) -> None:
    """Raise NotStarted if other machines could reach the service and all of it were open.

    Raises
    ------
    KeysDamaged
        If there are keys that cannot be read.
    """
    is_asked = is_anybody_asked(project)
    if not settings.host.is_loopback and not is_asked:
        raise NotStarted(
            f"[serving] host is {settings.host}, which other machines can reach, and everybody "
            "could read and erase everything: make a key with `almanac keys create`, configure "
            "[access.oidc], or set host to 127.0.0.1"
        )


def check_customers(project: Project) -> None:
    """Raise NotStarted if there is a store of customers that cannot be opened.

    A worker would refuse to start without it, again and again, and only its log would say why.
    """
    if not is_store_used(project):
        return
    try:
        CustomerStore.open(project).close()
    except (AlmanacError, OSError) as error:
        raise NotStarted(
            f"{error}. Without its customers the service would not know who agreed and who was "
            "erased; `almanac doctor` says how to mend it"
        ) from None


def check_free(settings: ServingSettings) -> None:
    """Raise NotStarted if the port is taken, saying whether it is by a service of Almanac."""
    try:
        check_port(settings)
    except NotStarted:
        if is_alive(settings):
            raise NotStarted(
                f"a service of Almanac answers at {address(settings)} already; stop it, or set "
                "another port in [serving]"
            ) from None
        raise


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


def is_alive(settings: ServingSettings) -> bool:
    """Say whether a service of Almanac answers where these settings say."""
    return b'"alive"' in read_answer(settings, "/livez")


def read_answer(settings: ServingSettings, path: str) -> bytes:
    """Return the body of a service's answer, whatever its status; empty where none answers."""
    host = "127.0.0.1" if settings.host.is_unspecified else str(settings.host)
    connection = _connect(host, settings)
    with closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return b""


def _connect(host: str, settings: ServingSettings) -> http.client.HTTPConnection:
    if settings.tls is None:
        return http.client.HTTPConnection(host, settings.port, timeout=2.0)
    # Trusts the service's own certificate alone, which names its host, not this machine.
    context = ssl.create_default_context(cafile=str(settings.tls.certificate))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(host, settings.port, timeout=2.0, context=context)
