"""The service: its port, who may reach it, and what it would answer with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from commands.health.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from pathlib import Path

    from features.project import Project

OTHERS_MAY_READ = 0o077
KIND_TABLES = {"demand": "sales", "promotion": "events"}


def check_ports(project: Project) -> Iterator[Finding]:
    """Look whether the ports of the service and of MLflow's page are free."""
    from serving.launch import NotStarted, address, check_port, is_alive
    from serving.settings import ServingSettings, read_settings

    settings = read_settings(project)
    try:
        check_port(settings)
        yield ok("port", f"{settings.port} is free for `almanac serve`")
    except NotStarted as error:
        if is_alive(settings):
            yield ok("port", f"a service of Almanac answers at {address(settings)}")
        else:
            mend = "stop what listens there, or set another port in [serving]"
            yield problem("port", str(error).partition(";")[0], mend)
    try:
        check_port(ServingSettings(port=5000))
        yield ok("MLflow's port", "5000 is free for the page that `almanac demo` opens")
    except NotStarted:
        yield warning(
            "MLflow's port",
            "something listens on 5000, where `almanac demo` shows MLflow's page",
            "nothing, if that is MLflow; else open it elsewhere: mlflow server --port 5001",
        )


def check_access(project: Project, now: datetime) -> Iterator[Finding]:
    """Look at keys: whether they can be read, live, are kept from others, and are asked for."""
    from serving.access.keyfile import read_keys
    from serving.access.settings import find_keys_file
    from serving.launch import NotStarted, check_exposure
    from serving.settings import read_settings

    settings, file = read_settings(project), find_keys_file(project)
    keys = read_keys(file)
    live = [key for key in keys.values() if key.is_live(now)]
    try:
        check_exposure(project, settings)
    except NotStarted as error:
        yield problem("keys", str(error), "almanac keys create --name NAME --scope SCOPE")
        return
    if keys and not live:
        yield warning(
            "keys",
            f"none of {len(keys)} keys is live, so every request is refused",
            "almanac keys create --name NAME --scope SCOPE, or almanac keys rotate ID",
        )
    elif keys:
        yield ok("keys", f"{len(live)} of {len(keys)} keys are live; {settings.host} asks for one")
    else:
        yield ok("keys", f"there are none, and {settings.host} answers this machine alone")
    for secret in (file, project.workspace.root / "erasure.key"):
        yield from _check_secret(secret)


def check_models(project: Project) -> Iterator[Finding]:
    """Load what is published as the service does: every byte, every golden row."""
    from serving.champions import load_champions

    published = project.workspace.published
    for state in load_champions(published).states:
        check = f"model {state.kind}"
        again = f"almanac train {state.kind}, then almanac promote {state.kind}"
        if state.state == "refused":
            yield problem(
                check,
                f"version {state.refused_version or '?'} cannot serve: {state.reason}",
                f"almanac promote {state.kind} puts it back from MLflow; else almanac rollback "
                f"{state.kind} goes back to the version before; else {again}",
            )
        elif state.state == "loaded" and state.proof == "proven":
            words = f"version {state.model_version} is whole and answers as when it was trained"
            yield ok(check, words)
        elif state.state == "loaded":
            words = f"version {state.model_version} is whole, but has no golden rows to ask"
            yield warning(check, words, again)
        elif KIND_TABLES[state.kind] in project.tables:
            yield warning(check, "nothing is published, so the service answers 503", again)
    yield from _check_challenger(project)


def _check_challenger(project: Project) -> Iterator[Finding]:
    from models.artifact import CHALLENGER_POINTER
    from serving.champions import load_challenger

    published = project.workspace.published
    if not (published / "promotion" / CHALLENGER_POINTER).exists():
        return
    _, state = load_challenger(published)
    if state.state == "loaded":
        yield ok("challenger", f"version {state.model_version} is tried beside the champion")
    else:
        mend = "almanac challenge promotion --off, or almanac challenge promotion once more"
        yield warning("challenger", f"it cannot be tried: {state.reason}", mend)


def _check_secret(path: Path) -> Iterator[Finding]:
    if path.exists() and path.stat().st_mode & OTHERS_MAY_READ:
        words = f"{path} can be read by other users of this machine"
        yield warning("keys", words, f"chmod 600 '{path}'")
