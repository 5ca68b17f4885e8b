"""What is kept: live customers, and MLflow's runs and registry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from commands.health.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from features.project import Project
    from training.tracking import Version

BUSY_SECONDS = 1.0
KINDS = ("demand", "promotion")


def check_customers(project: Project) -> Iterator[Finding]:
    """Look whether the store of customers answers, is whole, and can be written."""
    from serving.customers.database import SQLite, StoreUnavailable
    from serving.customers.settings import is_store_used, open_database
    from serving.customers.store import CustomerStore

    if not is_store_used(project):
        yield ok("customer store", "there is none yet; the service makes it when it starts")
        return
    os.environ.setdefault("PGCONNECT_TIMEOUT", "5")  # a host that says nothing is an answer, too
    database = open_database(project)
    where = "PostgreSQL"
    if isinstance(database, SQLite):
        where = str(database.path)
        database = SQLite(database.path, busy_seconds=BUSY_SECONDS)
    try:
        session = database.connect()
        try:
            with database.write(session):
                session.rows("SELECT 1")
        finally:
            session.close()
    except StoreUnavailable as error:
        yield problem("customer store", f"{where}: {error}", _mend_store(str(error)))
        return
    CustomerStore.open(project).close()  # its tables, and the key that its marks were made with
    yield ok("customer store", f"{where} answers and can be written")


def check_registry(project: Project) -> Iterator[Finding]:
    """Look whether MLflow answers, and whether its champions are those that are published."""
    from features.errors import ProjectError
    from training.registry_look import look_at_registry

    try:
        registry = look_at_registry(project, KINDS)
    except ProjectError as error:
        yield problem("MLflow", str(error), _mend_registry(project, str(error)))
        return
    if not registry.is_begun:
        yield ok("MLflow", f"{registry.uri}: no training has been recorded yet")
        return
    yield ok("MLflow", f"{registry.uri} answers")
    for kind in KINDS:
        yield from _compare(project, kind, registry.champions.get(kind))


def _compare(project: Project, kind: str, champion: Version | None) -> Iterator[Finding]:
    from features.errors import NotTrained
    from models.artifact import read_pointer

    check = f"registry {kind}"
    try:
        published = read_pointer(project.workspace.published, kind).version
    except NotTrained:
        if champion is not None:
            yield warning(
                check,
                f"version {champion.number} is champion in MLflow and not published here",
                f"publish it again: almanac train {kind}, then almanac promote {kind}",
            )
        return
    if champion is None:
        yield warning(
            check,
            f"version {published} serves, and MLflow has no champion",
            f"give version {published} of the model the alias 'champion' in MLflow",
        )
    elif champion.number != published:
        yield warning(
            check,
            f"version {published} serves, and MLflow's champion is version {champion.number}",
            f"almanac rollback {kind} --to VERSION makes both the same, or set the alias in MLflow",
        )
    else:
        yield ok(check, f"version {published} is champion in MLflow and serves")


def _mend_store(words: str) -> str:
    if "locked" in words:
        return "stop what holds it (an `almanac ingest`, a backup, a database browser), or wait"
    if "malformed" in words or "not a database" in words:
        return "put the file back from a copy; `almanac ingest` takes messages in again"
    return "start the database, or mend its address in [customers] store"


def _mend_registry(project: Project, words: str) -> str:
    from training.tracking import local_uri

    if "schema" in words:
        return f"copy the file, then: mlflow db upgrade {local_uri(project)}"
    return "start the MLflow server, or mend [tracking] uri; what is published serves on meanwhile"
