"""The doctor, with each thing broken for real."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

import almanac
from commands.doctor import list_findings
from commands.health.finding import Finding, guard
from commands.health.machine import check_disk, check_packages, check_python, read_declared
from features.project import load_project
from serving.access.keyfile import add_key
from serving.access.keys import make_key
from serving.access.scopes import Scope
from serving.customers.store import CustomerStore
from training.tracking import CHAMPION, open_tracker

NOW = datetime.now(UTC)
SALES = "date,store,product,quantity\n2025-01-01,N,tea,3\n"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def path(tmp_path: Path, published: Path, port: int) -> Path:
    """A healthy project: a source, both models published, a free port."""
    shutil.copytree(published, tmp_path / ".almanac" / "published")
    (tmp_path / "sales.csv").write_text(SALES)
    file = tmp_path / "almanac.toml"
    file.write_text(
        f'[serving]\nport = {port}\n[tables.sales]\npath = "sales.csv"\n'
        '[tables.sales.columns]\nregion_id = "store"\nproduct_id = "product"\n'
    )
    return file


def look(path: Path, now: datetime = NOW) -> dict[str, Finding]:
    """Return the worst finding of each check."""
    order = ("ok", "warning", "problem")
    worst: dict[str, Finding] = {}
    for finding in list_findings(path, now):
        before = worst.get(finding.check)
        if before is None or order.index(finding.state) > order.index(before.state):
            worst[finding.check] = finding
        assert (finding.state == "ok") == (finding.mend == ""), finding
    return worst


def check_problem(finding: Finding, *words: str, mend: str) -> None:
    assert finding.state == "problem", finding
    for word in words:
        assert word in finding.words
    assert mend in finding.mend


def test_a_healthy_project_has_no_problem(path):
    found = look(path)
    assert [one for one in found.values() if one.state == "problem"] == []
    assert {"Python", "packages", "workspace", "memory", "clock", "project file"} <= set(found)
    assert {"source sales", "customer store", "MLflow", "port", "keys"} <= set(found)
    assert found["source sales"].words == "sales.csv can be read"


def test_it_changes_nothing(path):
    before = sorted(path.parent.rglob("*"))
    look(path)
    assert sorted(path.parent.rglob("*")) == before


def test_a_sick_project_is_exit_code_1_and_json_says_the_same(path):
    path.with_name("sales.csv").unlink()
    done = CliRunner().invoke(almanac.app, ["doctor", "-p", str(path), "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    (sick,) = [one for one in told["findings"] if one["state"] == "problem"]
    assert sick["check"] == "source sales"
    assert told["counts"]["problem"] == 1
    lines = CliRunner().invoke(almanac.app, ["doctor", "-p", str(path)], env={"COLUMNS": "400"})
    assert "problem  source sales: " in lines.stdout
    assert "to mend it: correct [tables.sales]" in lines.stdout
    assert lines.stdout.rstrip().endswith("1 problem")


def test_without_a_project_file_the_machine_is_looked_at(tmp_path):
    found = look(tmp_path / "almanac.toml")
    assert found["project file"].state == "warning"
    assert "almanac init" in found["project file"].mend
    assert "port" not in found


def test_a_project_file_that_cannot_be_read(path):
    path.write_text("[serving\n")
    check_problem(look(path)["project file"], "not valid TOML", mend="project file")


def test_a_wrong_section_is_named_and_the_others_are_looked_at(path):
    path.write_text(path.read_text() + "[stock]\nreview_dais = 3\n")
    found = look(path)
    check_problem(found["project file"], "[stock] review_dais", "review_days", mend="correct")
    assert "is whole" in found["model demand"].words


def test_a_table_of_a_database_that_is_not_there(path):
    with closing(sqlite3.connect(path.with_name("shop.db"))) as shop:
        shop.execute("CREATE TABLE sold (n INTEGER)")
    text = path.read_text().replace(
        'path = "sales.csv"', 'url = "sqlite:///shop.db"\ntable = "sales"'
    )
    path.write_text(text)
    check_problem(look(path)["source sales"], "there is no such table", mend="[tables.sales]")
    path.write_text(text.replace('"sales"\n', '"sold"\n'))
    assert look(path)["source sales"].state == "ok"


@pytest.fixture
def held(path: Path) -> Iterator[Path]:
    """The project, with its customer store locked by somebody else."""
    CustomerStore.open(load_project(path)).close()
    with closing(sqlite3.connect(path.parent / ".almanac" / "customers.db")) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        yield path


def test_a_locked_customer_store(held):
    check_problem(look(held)["customer store"], "locked", mend="stop what holds it")


def test_a_damaged_customer_store(path):
    (path.parent / ".almanac" / "customers.db").write_bytes(b"no database at all" * 400)
    check_problem(look(path)["customer store"], "not a database", mend="from a copy")


def test_a_store_whose_erasure_key_was_lost(path):
    CustomerStore.open(load_project(path)).close()
    (path.parent / ".almanac" / "erasure.key").unlink()
    check_problem(look(path)["customer store"], "erasure key", mend="")


def test_a_postgresql_that_does_not_answer(path, port):
    pytest.importorskip("psycopg", reason="the driver of PostgreSQL is not installed")
    store = f'[customers]\nstore = "postgresql://nobody@127.0.0.1:{port}/x"\n'
    path.write_text(path.read_text() + store)
    check_problem(look(path)["customer store"], "does not answer", mend="start the database")


def test_a_registry_that_does_not_answer(path, port):
    path.write_text(path.read_text() + f'[tracking]\nuri = "http://127.0.0.1:{port}"\n')
    check_problem(look(path)["MLflow"], "MLflow does not answer", mend="start the MLflow server")


def test_a_registry_of_another_mlflow(path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "almanac.toml"
    other.write_text("")
    open_tracker(load_project(other))
    database = path.parent / ".almanac" / "mlflow" / "mlflow.db"
    shutil.copytree(other.parent / ".almanac" / "mlflow", database.parent)
    with closing(sqlite3.connect(database)) as opened, opened:
        opened.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    check_problem(look(path)["MLflow"], "schema", mend=f"mlflow db upgrade sqlite:///{database}")


def test_a_champion_that_differs_from_the_registrys(path):
    tracker = open_tracker(load_project(path))
    client, name = tracker._client, tracker.model_name("demand")
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, str(path), None)
    found = look(path)["registry demand"]
    assert (found.state, "no champion" in found.words) == ("warning", True)
    tracker.set_alias("demand", CHAMPION, "2")
    assert "MLflow's champion is version 2" in look(path)["registry demand"].words
    tracker.set_alias("demand", CHAMPION, "3")
    assert look(path)["registry demand"].state == "ok"


def test_a_damaged_model(path):
    forecasts = next((path.parent / ".almanac/published/demand").glob("*/forecasts.parquet"))
    forecasts.write_bytes(forecasts.read_bytes()[:-1] + b"?")
    check_problem(look(path)["model demand"], "damaged", mend="almanac rollback demand")


def test_nothing_is_published(path):
    shutil.rmtree(path.parent / ".almanac")
    found = look(path)["model demand"]
    assert (found.state, "almanac train demand" in found.mend) == ("warning", True)


def test_a_port_that_something_else_took(path, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        check_problem(look(path)["port"], f"port {port}", mend="another port in [serving]")


def test_others_could_reach_it_and_nobody_is_asked_for_a_key(path):
    path.write_text(path.read_text().replace("[serving]", '[serving]\nhost = "0.0.0.0"'))
    check_problem(look(path)["keys"], "other machines can reach", mend="almanac keys create")
    key, _ = make_key("crm", (Scope.CAMPAIGNS,), NOW, expires_days=1)
    add_key(path.parent / ".almanac" / "access" / "keys.json", key)
    assert look(path)["keys"].state == "ok"
    assert look(path, NOW + timedelta(days=2))["keys"].state == "warning"


def test_keys_that_are_damaged_or_that_everybody_can_read(path):
    key, _ = make_key("crm", (Scope.CAMPAIGNS,), NOW)
    file = path.parent / ".almanac" / "access" / "keys.json"
    add_key(file, key)
    file.chmod(0o644)
    assert look(path)["keys"].mend == f"chmod 600 '{file}'"
    file.write_text("{")
    check_problem(look(path)["keys"], "cannot be read", mend="")


def test_a_clock_that_went_back(path):
    check_problem(look(path, NOW - timedelta(days=3))["clock"], "was written at", mend="set-ntp")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    (found,) = check_disk(tmp_path / ".almanac")
    check_problem(found, "cannot be written", mend="permissions")


def test_a_disk_that_takes_nothing():
    (found,) = check_disk(Path("/proc/almanac"))
    check_problem(found, "cannot be written", mend="another folder")


def test_packages_that_are_missing_or_too_old():
    needed = [Requirement("pandas>=1000"), Requirement("no-such-package>=1"), Requirement("rich")]
    found = list(check_packages((needed, [Requirement("numpy<1; extra == 'old'")])))
    assert [one.state for one in found] == ["problem", "problem", "warning"]
    assert "no-such-package is not installed" in found[1].words
    assert found[2].mend == "pip install 'numpy<1'"


def test_declared_packages_are_those_of_the_project_file(tmp_path):
    needed, extras = read_declared()
    assert {"duckdb", "mlflow", "typer"} <= {one.name for one in needed}
    assert "pyspark" in {one.name for one in extras}
    installed, _ = read_declared(tmp_path / "pyproject.toml")
    assert "duckdb" in {one.name for one in installed}


def test_a_python_that_is_too_old():
    (found,) = check_python(lowest=(99, 0))
    check_problem(found, ".", mend="99.0")


def test_a_check_that_falls_ill_is_a_finding():
    def look_badly() -> list[Finding]:
        raise ZeroDivisionError("by nothing")

    (found,) = guard("sums", look_badly, "count again")
    check_problem(found, "ZeroDivisionError: by nothing", mend="count again")
