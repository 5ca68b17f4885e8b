"""People erased from a whole workspace: real tables, a real MLflow registry, a published model."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from features.door.tables import build_tables
from features.errors import InvalidRequest
from features.progress import Silent
from features.project import Project, load_project
from models.artifact import (
    CHALLENGER_POINTER,
    load_artifact,
    load_published,
    read_pointer,
    write_artifact,
    write_pointer,
)
from models.golden.check import check_golden
from models.response.response import EBResponse
from serving.champions import load_champions
from serving.send_times import SendTimeQuery, default_window
from tests.conftest import write_profiles
from tests.response_world import make_world
from training.datasets import build_datasets
from training.erasure.workspace import ErasureReport, erase_from_workspace
from training.gates import Verdict
from training.history import read_history
from training.lifecycle import Recipe, Trained, promote, train
from training.promotion.model import ResponsePart, write_parquet
from training.publish import publish_bundle
from training.tracking import CHAMPION, open_tracker

NOW = datetime(2026, 11, 5, 9, 0, tzinfo=UTC)
ERASED = ("person-0007-x", "person-0031-x")
N_CUSTOMERS = 60
PEOPLE_FILES = {"profiles.parquet", "later.parquet", "messages.parquet", "fatigue.parquet"}
Files = dict[str, bytes]

PROJECT_FILE = """
[project]
name = "forgetful"
threads = 1

[tables.events]
path = "orders.csv"
naive_time_zone = "UTC"
columns = { customer_id = "customer", occurred_at = "timestamp", channel = "channel" }
"""


def name_of(customer: int) -> str:
    return f"person-{customer:04d}-x"


def every_day_at(hour: int) -> list[dict[str, float]]:
    """Histories like those of the customers whose answers were learned: an hour of the day."""
    return [{"slot": 24 * day + hour, "weight": 1.0} for day in range(7)]


def make_response(customers: pd.Series) -> ResponsePart:
    """A response model of e-mail that remembers a message to everybody."""
    world = make_world(300, seed=2)
    model = EBResponse().fit(world.windows[:2], channels=["email"]).calibrate(world.windows[2])
    to_all = pd.DataFrame({"customer_id": customers, "channel": "email"})
    lately = ("touches_1d", "touches_7d", "touches_30d", "hours_since_touch", "channel_touches_7d")
    return ResponsePart(
        model,
        to_all.assign(slot=9, sent=2.0, answered=1.0, n_sent=2.0, n_answered=1.0),
        to_all.assign(**dict.fromkeys(lately, 1.0)),
    )


@pytest.fixture(scope="module")
def promotion_files(customer_table, send_time_model) -> Files:
    """A promotion model that knows 60 people by ids that are easily found in bytes."""
    people = customer_table.iloc[:N_CUSTOMERS].assign(
        customer_id=[name_of(i) for i in range(N_CUSTOMERS)],
        active_slots=[every_day_at(7 + customer % 5) for customer in range(N_CUSTOMERS)],
    )
    about = {"as_of": "2026-11-01T00:00:00Z", "time_zone": "America/Chicago"}
    extra = pd.DataFrame({"customer_id": people["customer_id"], "orders_28d": 1.5})
    return {
        **send_time_model.to_files(),
        **make_response(people["customer_id"]).to_files(),
        "profiles.parquet": write_profiles(people),
        "profiles.json": json.dumps(about).encode(),
        "later.parquet": write_parquet(extra),
    }


def make_recipe(files: Files) -> Recipe:
    return Recipe(
        kind="promotion",
        settings=lambda _: {},
        inputs=("events",),
        train=lambda *_: Trained(
            files, {"loss": 0.1}, (), {"scores": pd.DataFrame({"loss": [0.1]})}
        ),
        backtest=lambda *_: {},
        judge=lambda *_: Verdict(()),
        plot=lambda *_: None,
    )


def write_orders(folder: Path) -> None:
    start = datetime(2026, 1, 5, 9, 0)  # noqa: DTZ001 - the file names no zone
    rows = [
        (name_of(customer), f"{start + timedelta(days=7 * week, hours=customer % 9)}", "store")
        for customer in range(N_CUSTOMERS)
        for week in range(6)
    ]
    table = pd.DataFrame(rows, columns=["customer", "timestamp", "channel"])
    table.to_csv(folder / "orders.csv", index=False)


def load_here(folder: Path) -> Project:
    path = folder / "almanac.toml"
    path.write_text(PROJECT_FILE, encoding="utf-8")
    return load_project(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory, promotion_files, forecast_file) -> Project:
    """A workspace with everything that people lie in; a test copies it or asks `project`."""
    folder = tmp_path_factory.mktemp("made")
    write_orders(folder)
    project = load_here(folder)
    recipe = make_recipe(promotion_files)
    summaries = build_tables(project, Silent())
    fingerprints = {name: summary.fingerprint for name, summary in summaries.items()}
    for _ in range(2):
        train(project, recipe, fingerprints, Silent())
        promote(project, recipe, Silent())
    bundle = folder / "demand"
    write_artifact(bundle, "demand", {"forecasts.parquet": forecast_file}, {}, code_version="0")
    publish_bundle(project.workspace.published, "demand", bundle, version="1", run_id="run")
    list(build_datasets(project, None))
    log = project.workspace.root / "decisions" / "spring" / "20261101T000000000000Z.parquet"
    log.parent.mkdir(parents=True)
    plan = pd.DataFrame({"customer_id": [*map(name_of, range(40)), None], "propensity": 0.5})
    plan.to_parquet(log, index=False)
    (project.workspace.runs / "promotion" / "worst.csv").write_bytes(
        b'customer_id,note\r\nperson-0001-x,"kept, ""as is"""\r\nperson-0007-x,"two\nlines"\r\n'
        b"person-00071-x,no\r\n"
    )
    return project


@pytest.fixture(scope="module")
def untouched(made: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's folder from before anything was erased."""
    return shutil.copytree(made.path.parent, tmp_path_factory.mktemp("untouched") / "copy")


@pytest.fixture
def project(untouched: Path, tmp_path: Path) -> Project:
    """A copy without MLflow's database, whose artifacts stay plain files."""
    shutil.copytree(untouched, tmp_path / "copy")
    project = load_here(tmp_path / "copy")
    (project.workspace.tracking / "mlflow.db").unlink()
    return project


def find_ids(root: Path, customers=ERASED) -> list[Path]:
    """Return the files that hold an id: as bytes, in Parquet's values or in its statistics."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.is_file():
            text = path.read_bytes()
            if path.suffix == ".parquet":
                file = pq.ParquetFile(path)
                rows = "".join(map(str, file.read().to_pylist()))
                groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
                text += (rows + str([group.to_dict() for group in groups])).encode()
            if any(customer.encode() in text for customer in customers):
                found.append(path)
    return found


def answer(project: Project, customers: list[str]) -> list[object]:
    model = load_champions(project.workspace.published).promotion.model
    window = default_window(datetime(2026, 11, 4, tzinfo=UTC))
    return model.answer(SendTimeQuery(customers, *window, ("email",), None, 3, True))


def read_bundles(project: Project) -> list[Path]:
    """Return the bundle of each MLflow model: as its description names it."""
    bundles = []
    for description in sorted(project.workspace.tracking.rglob("MLmodel")):
        (named,) = re.findall(r"^ +path: (artifacts/\S+)$", description.read_text(), re.MULTILINE)
        bundles.append(description.parent / named)
    return bundles


def check_loadable(project: Project) -> None:
    assert load_champions(project.workspace.published, ["promotion", "demand"]).is_ready
    bundles = read_bundles(project)
    assert len(bundles) == 2
    for bundle in bundles:
        load_artifact(bundle, "promotion")
        load_artifact(next(bundle.parent.iterdir()), "promotion")  # as promotion finds it
    for path in [*project.workspace.tables.glob("*.parquet")]:
        pq.read_table(path)


def check_erased(project: Project) -> None:
    root = project.workspace.root
    assert find_ids(root) == []
    assert not (root / ".erasing").exists()
    assert not list(root.rglob("*.partial"))
    digests = {load_artifact(bundle, "promotion").digest for bundle in read_bundles(project)}
    assert digests == {read_pointer(project.workspace.published, "promotion").digest}
    check_loadable(project)


def erase(project: Project, customers=ERASED, now: datetime = NOW) -> ErasureReport:
    return erase_from_workspace(project, customers, Silent(), now=now)


def test_nothing_below_the_workspace_holds_the_people_and_all_else_is_as_it_was(project):
    root = project.workspace.root
    everywhere = {path.relative_to(root).parts[0] for path in find_ids(root)}
    assert everywhere == {"tables", "datasets", "decisions", "runs", "published", "mlflow"}
    others = [name_of(i) for i in range(N_CUSTOMERS) if name_of(i) not in ERASED]
    before = answer(project, others)
    assert "response" in {told.measure for told in before}
    events = pd.read_parquet(project.workspace.table("events"))
    demand = load_published(project.workspace.published, "demand")

    report = erase(project)

    check_erased(project)
    assert report.is_complete
    assert answer(project, others) == before
    assert not any(told.is_known for told in answer(project, list(ERASED)))
    kept = events[~events["customer_id"].isin(ERASED)].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(project.workspace.table("events")), kept)
    assert load_published(project.workspace.published, "demand")[1].digest == demand[1].digest
    counts = {path.name: rows for path, rows in report.files}
    assert counts["events.parquet"] == 12  # two people, six weeks
    assert counts["profiles.parquet"] == counts["customers.parquet"] == 2
    assert counts["20261101T000000000000Z.parquet"] == 2
    assert counts["worst.csv"] == 1
    # v1 and v2 published and two models in MLflow, each with four files of people
    assert sum(path.name in PEOPLE_FILES for path, _ in report.files) == 16


def test_kept_csv_rows_are_spelled_as_they_were(project):
    erase(project)
    text = (project.workspace.runs / "promotion" / "worst.csv").read_bytes()
    assert text == (b'customer_id,note\r\nperson-0001-x,"kept, ""as is"""\r\nperson-00071-x,no\r\n')
    assert len(list(csv.reader(text.decode().splitlines()))) == 3


def test_the_manifest_tells_how_many_when_and_from_which(project):
    pointer, before = load_published(project.workspace.published, "promotion")
    erase(project)
    after_pointer, after = load_published(project.workspace.published, "promotion")
    manifest = json.loads((after.directory / "manifest.json").read_bytes())
    assert manifest["erased"] == [
        {"customers": 2, "at": "2026-11-05T09:00:00+00:00", "from": before.digest}
    ]
    assert (after_pointer.version, after_pointer.run_id) == (pointer.version, pointer.run_id)
    assert after.digest != before.digest
    assert after.directory.name == f"v2-{after.digest[:8]}"
    changed = {name for name in before.files if before.files[name] != after.files[name]}
    assert changed == PEOPLE_FILES
    assert after.configuration == before.configuration


def test_the_smaller_model_still_answers_its_golden_rows(project):
    erase(project)
    _, artifact = load_published(project.workspace.published, "promotion")
    assert check_golden("promotion", artifact.files)


def test_the_challenger_and_the_history_name_the_smaller_model_too(project):
    published = project.workspace.published
    write_pointer(published, "promotion", read_pointer(published, "promotion"), CHALLENGER_POINTER)
    erase(project)
    pointer, _ = load_published(published, "promotion")
    assert read_pointer(published, "promotion", CHALLENGER_POINTER) == pointer
    for entry in read_history(published, "promotion"):
        artifact = load_artifact(published / "promotion" / entry.directory, "promotion")
        assert artifact.digest == entry.digest
    assert read_history(published, "promotion")[-1].pointer == pointer


def test_a_second_erasure_adds_to_the_first(project):
    erase(project, ERASED[:1])
    first = load_published(project.workspace.published, "promotion")[1]
    erase(project, ERASED[1:], NOW + timedelta(days=1))
    second = load_published(project.workspace.published, "promotion")[1]
    entries = json.loads((second.directory / "manifest.json").read_bytes())["erased"]
    assert [entry["customers"] for entry in entries] == [1, 1]
    assert entries[1]["from"] == first.digest
    check_erased(project)


def test_an_unchanged_cached_table_is_not_read_from_its_source_again(project):
    before = build_tables(project, Silent())
    assert before["events"].is_reused is False  # the copy's source has another path
    erase(project)
    after = build_tables(project, Silent())
    assert after["events"].is_reused
    assert after["events"].rows == before["events"].rows - 12
    assert after["events"].fingerprint != before["events"].fingerprint
    assert find_ids(project.workspace.root) == []


def snapshot(root: Path) -> dict[Path, tuple[bytes, int]]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_erasing_again_and_erasing_nobody_touch_no_file(project):
    before = snapshot(project.workspace.root)
    report = erase(project, ["nobody", "person-000", "7"])
    assert (report.files, report.affected_models) == ((), ())
    assert snapshot(project.workspace.root) == before
    assert erase(project, []).files == ()
    erase(project)
    once = snapshot(project.workspace.root)
    again = erase(project, now=NOW + timedelta(days=3))
    assert (again.files, again.affected_models, again.is_complete) == ((), (), True)
    assert snapshot(project.workspace.root) == once


def test_the_report_says_what_is_affected_and_what_is_out_of_reach(project):
    before = load_published(project.workspace.published, "promotion")[1].digest
    report = erase(project)
    after = load_published(project.workspace.published, "promotion")[1].digest
    told = {(m.kind, m.version, m.digest_before, m.digest_after) for m in report.affected_models}
    assert told == {("promotion", version, before, after) for version in ("1", "2")}
    words = "\n".join(report.notes)
    assert "promotion 2: learned from erased customers, and cannot unlearn" in words
    assert "`almanac train promotion`" in words
    assert "[tables.events]: its source is not Almanac's" in words
    assert "outside the workspace" in words
    assert not any(customer in words for customer in ERASED)


@pytest.mark.parametrize(
    ("customers", "now"), [("person-0007-x", NOW), (ERASED, NOW.replace(tzinfo=None))]
)
def test_one_text_or_a_moment_without_zone_is_refused(project, customers, now):
    with pytest.raises(InvalidRequest):
        erase(project, customers, now)


def test_what_cannot_be_read_is_told_and_all_else_is_erased(project):
    broken = project.workspace.datasets / "broken.parquet"
    broken.write_bytes(b"PAR1 and then nothing")
    damaged = load_published(project.workspace.published, "promotion")[1].directory
    (damaged / "later.parquet").write_bytes(b"gone")
    report = erase(project)
    assert not report.is_complete
    assert set(report.unread) == {broken, damaged}
    assert sum("is not known" in note for note in report.notes) == 2
    assert (damaged / "later.parquet").read_bytes() == b"gone"
    shutil.rmtree(damaged)
    broken.unlink()
    assert find_ids(project.workspace.root) == []


def test_a_damaged_model_loses_the_people_and_stays_refused(project):
    directory = load_published(project.workspace.published, "promotion")[1].directory
    text = (directory / "later.parquet").read_bytes()
    frame = pd.read_parquet(directory / "later.parquet").assign(orders_28d=9.0)
    frame.to_parquet(directory / "later.parquet", index=False)
    assert (directory / "later.parquet").read_bytes() != text
    erase(project)
    assert find_ids(project.workspace.root) == []
    state = load_champions(project.workspace.published).states[0]
    assert (state.state, "damaged" in state.reason) == ("refused", True)


def test_leftovers_of_writers_that_died_are_removed_and_others_waited_for(project):
    tables = project.workspace.tables
    dead, own = (
        tables / ".x.parquet.999999999.partial",
        tables / f".x.parquet.{os.getpid()}.partial",
    )
    folder, scratch = tables / ".v1-aaaaaaaa.partial", tables / ".events-ab12_xyz"
    for path in (dead, own, folder / "profiles.parquet", scratch / "staged.parquet"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(ERASED[0].encode())
    busy = project.workspace.published / "promotion" / f".v9.{os.getpid()}.partial"
    shutil.copytree(load_published(project.workspace.published, "promotion")[1].directory, busy)
    report = erase(project)
    assert (dead.exists(), own.exists(), folder.exists(), scratch.exists()) == (
        False, True, False, False,
    )  # fmt: skip
    assert set(report.unread) == {own, busy}
    assert load_artifact(busy, "promotion")


def test_what_a_link_leads_to_outside_is_left_and_told(project, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(project.workspace.datasets, elsewhere)
    link = project.workspace.datasets / "linked"
    link.symlink_to(elsewhere)
    file = project.workspace.datasets / "linked.parquet"
    file.symlink_to(next(elsewhere.rglob("*.parquet")))
    (project.workspace.datasets / "inside").symlink_to(project.workspace.tables)
    report = erase(project)
    assert set(report.unread) == {link, file}
    assert file.is_symlink()
    assert find_ids(elsewhere) != []


def test_rights_of_a_file_stay(project):
    path = project.workspace.table("events")
    path.chmod(0o640)
    erase(project)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_bundle_kept_by_a_server_is_out_of_reach_and_told(project):
    path = project.path
    path.write_text(PROJECT_FILE + '[tracking]\nuri = "http://127.0.0.1:9"\n', encoding="utf-8")
    shutil.rmtree(project.workspace.tracking)
    report = erase(load_project(path))
    assert any("on this MLflow server are out of reach" in note for note in report.notes)
    assert {model.version for model in report.affected_models} == {"1", "2"}
    assert find_ids(project.workspace.root) == []


class Crash(Exception):
    """The machine went off."""


class Fuse:
    """Counts every renaming and removal, and stops the process before or after one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps, self.burns_at, self.is_after = 0, -1, False
        for owner, name in ((Path, "replace"), (Path, "rename"), (shutil, "rmtree")):
            monkeypatch.setattr(owner, name, self._wrap(getattr(owner, name)))

    def _wrap(self, step: Callable[..., object]) -> Callable[..., object]:
        def run(*given: object, **options: object) -> object:
            self.steps += 1
            is_it = self.steps == self.burns_at
            if is_it and not self.is_after:
                raise Crash
            done = step(*given, **options)
            if is_it:
                raise Crash
            return done

        return run

    def set(self, at: int, *, is_after: bool) -> None:
        self.steps, self.burns_at, self.is_after = 0, at, is_after


@pytest.fixture
def fuse(monkeypatch) -> Fuse:
    return Fuse(monkeypatch)


def restore(pristine: Path, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(pristine, root)


@pytest.mark.slow
def test_a_crash_at_any_step_leaves_all_loadable_and_a_rerun_finishes(project, fuse, tmp_path):
    build_tables(project, Silent())
    root, pristine = project.workspace.root, tmp_path / "pristine"
    shutil.copytree(root, pristine)
    fuse.set(-1, is_after=False)
    erase(project)
    steps = fuse.steps
    assert steps > 20
    for step in range(1, steps + 1):
        for is_after in (False, True):
            fuse.set(-1, is_after=False)
            restore(pristine, root)
            fuse.set(step, is_after=is_after)
            with pytest.raises(Crash):
                erase(project)
            check_loadable(project)
            fuse.set(-1, is_after=False)
            erase(project, now=NOW + timedelta(days=step))
            check_erased(project)
            # The source still holds them: had a note been lost, they would come back here.
            build_tables(project, Silent())
            assert find_ids(project.workspace.tables) == []


@pytest.fixture(scope="module")
def tracked(made: Project, untouched: Path) -> Project:
    """The workspace that MLflow's database speaks of, once `untouched` was copied from it."""
    return made


def test_mlflow_is_told_once_more_where_telling_it_was_cut_short(tracked, monkeypatch):
    project = tracked
    before = open_tracker(project).get("promotion", CHAMPION)
    set_tag = MlflowClient.set_model_version_tag

    def fail(*_: object, **__: object) -> None:
        raise Crash

    monkeypatch.setattr(MlflowClient, "set_model_version_tag", fail)
    with pytest.raises(Crash):
        erase(project)
    monkeypatch.setattr(MlflowClient, "set_model_version_tag", set_tag)
    report = erase(project, now=NOW + timedelta(days=1))

    assert {(m.kind, m.version) for m in report.affected_models} == {
        ("promotion", "1"),
        ("promotion", "2"),
    }
    tracker = open_tracker(project)
    after = tracker.get("promotion", CHAMPION)
    assert (after.number, after.run_id) == (before.number, before.run_id)
    assert after.digest != before.digest
    assert after.digest == read_pointer(project.workspace.published, "promotion").digest
    for tags in (
        mlflow.get_run(after.run_id).data.tags,
        MlflowClient().get_model_version("forgetful-promotion", after.number).tags,
    ):
        assert tags["almanac.erased"] == "2"
        assert tags["almanac.erased_at"] == "2026-11-05T09:00:00+00:00"
        assert tags["digest"] == after.digest
    check_erased(project)
    assert erase(project).affected_models == ()


def test_the_registry_hands_out_the_smaller_model_and_can_publish_it_again(tracked, tmp_path):
    project = tracked
    erase(project)
    tracker = open_tracker(project)
    version = tracker.get("promotion", CHAMPION)
    bundle = tracker.download_bundle("promotion", version, tmp_path / "bundle")
    assert load_artifact(bundle, "promotion").digest == version.digest
    model = mlflow.pyfunc.load_model(f"models:/forgetful-promotion/{version.number}")
    asked = pd.DataFrame({"customer_id": [ERASED[0], name_of(3)]})
    predicted = model.predict(asked)
    assert list(predicted.index) == [name_of(3)]
    assert np.isfinite(predicted.to_numpy()).all()
    published = project.workspace.published
    before = read_pointer(published, "promotion")
    publish_bundle(published, "promotion", bundle, version="2", run_id=version.run_id)
    assert read_pointer(published, "promotion") == before
