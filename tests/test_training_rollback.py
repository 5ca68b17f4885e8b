"""Going back, challenging, and following the registry: what is published, and what is noted."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from features.errors import ArtifactError, InvalidRequest, NotTrained
from features.progress import Silent
from features.project import load_project
from models.artifact import CHALLENGER_POINTER, read_pointer, write_artifact
from serving.rollout.registry import read_registry
from tests.rollout_models import make_version, spoil
from training.challenge import challenge, stop_challenge
from training.follow import follow_once, read_found, write_found
from training.gates import Verdict
from training.history import read_history
from training.lifecycle import Recipe, Trained, promote, train
from training.publish import publish_bundle
from training.rollback import MOVED, roll_back
from training.tracking import CHAMPION, open_tracker

NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)


class Lines:
    """Keeps what is said."""

    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)

    def track(self, items, label, total=None):
        yield from items


@pytest.fixture(scope="module")
def versions(send_time_model, profile_files):
    files = {**send_time_model.to_files(), **profile_files}
    return {number: make_version(files, number) for number in (1, 2, 3)}


def make_recipe(files):
    return Recipe(
        kind="promotion",
        settings=lambda _: {"size": len(files)},
        inputs=(),
        train=lambda *_: Trained(files, {}, (), {"scores": pd.DataFrame({"loss": [0.1]})}),
        backtest=lambda *_: {},
        judge=lambda *_: Verdict(()),
        plot=lambda *_: None,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory, versions):
    """A workspace in which versions 1 to 3 became champion, one after the other."""
    folder = tmp_path_factory.mktemp("made")
    path = folder / "almanac.toml"
    path.write_text('[project]\nname = "shop"\n')
    project = load_project(path)
    for number in (1, 2, 3):
        recipe = make_recipe(versions[number])
        train(project, recipe, {}, Silent())
        promote(project, recipe, Silent())
    return project


@pytest.fixture
def project(made):
    """The workspace as it was made; a test moves pointers and aliases, and they are put back."""
    published = made.workspace.published / "promotion"
    kept = {path: path.read_bytes() for path in published.iterdir() if path.is_file()}
    yield made
    for path in published.iterdir():
        if path.is_file():
            path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)
    open_tracker(made).set_alias("promotion", CHAMPION, "3")


def version_of(project, name="current.json"):
    return read_pointer(project.workspace.published, "promotion", name).version


def test_the_history_tells_what_was_published(project):
    entries = read_history(project.workspace.published, "promotion")
    assert [(entry.action, entry.version) for entry in entries] == [
        ("publish", "1"),
        ("publish", "2"),
        ("publish", "3"),
    ]


def test_going_back_twice_goes_back_by_two_and_the_registry_follows(project):
    lines = Lines()
    roll_back(project, "promotion", lines, now=NOW, reason="too few opens")
    assert version_of(project) == "2"
    assert "golden rows hold" in lines.said[0]
    roll_back(project, "promotion", lines, now=NOW)
    assert version_of(project) == "1"
    assert open_tracker(project).get("promotion", CHAMPION).number == "1"
    entries = read_history(project.workspace.published, "promotion")[3:]
    assert [(entry.action, entry.version, entry.registry) for entry in entries] == [
        ("rollback", "2", MOVED),
        ("rollback", "1", MOVED),
    ]
    assert (entries[0].reason, entries[0].at) == ("too few opens", "2026-11-05T09:00:00+00:00")
    with pytest.raises(NotTrained, match="nothing to go back to"):
        roll_back(project, "promotion", lines, now=NOW)
    roll_back(project, "promotion", lines, now=NOW, version="3")
    assert version_of(project) == "3"


def test_a_version_that_never_was_is_told_with_those_that_were(project):
    with pytest.raises(NotTrained, match="published were: 1, 2, 3"):
        roll_back(project, "promotion", Silent(), now=NOW, version="9")


def test_a_spoiled_version_is_not_gone_back_to(project, tmp_path):
    entry = read_history(project.workspace.published, "promotion")[1]
    directory = project.workspace.published / "promotion" / entry.directory
    shutil.copytree(directory, tmp_path / "kept")
    spoil(directory)
    with pytest.raises(ArtifactError, match="damaged"):
        roll_back(project, "promotion", Silent(), now=NOW)
    assert version_of(project) == "3"
    shutil.rmtree(directory)
    shutil.copytree(tmp_path / "kept", directory)


class Away:
    """Takes the registry away, and brings it back."""

    def __init__(self, monkeypatch):
        self.monkeypatch = monkeypatch

    def go(self):
        def refuse(_):
            raise OSError("database is locked")

        for module in ("rollback", "follow"):
            self.monkeypatch.setattr(f"training.{module}.open_tracker", refuse)

    def come_back(self):
        self.monkeypatch.undo()


@pytest.fixture
def away(monkeypatch):
    return Away(monkeypatch)


def test_without_the_registry_it_goes_back_all_the_same_and_says_so(project, away):
    lines = Lines()
    found = follow_once(project, None, NOW)
    away.go()
    roll_back(project, "promotion", lines, now=NOW)
    assert version_of(project) == "2"
    assert "not told: database is locked" in lines.said[1]
    away.come_back()
    # the registry still says 3: it is behind, so 3 does not come back
    for before in (found, None):
        follow_once(project, before, NOW)
        assert version_of(project) == "2"


def test_a_champion_made_elsewhere_is_published(project):
    found = follow_once(project, None, NOW)
    assert (found.version, version_of(project)) == ({"promotion": "3"}, "3")
    open_tracker(project).set_alias("promotion", CHAMPION, "1")
    found = follow_once(project, found, NOW)
    assert (found.version, version_of(project)) == ({"promotion": "1"}, "1")
    entry = read_history(project.workspace.published, "promotion")[-1]
    assert (entry.action, entry.version) == ("follow", "1")
    # it is asked again, and nothing moved
    n_entries = len(read_history(project.workspace.published, "promotion"))
    assert follow_once(project, found, NOW).refused == {}
    assert len(read_history(project.workspace.published, "promotion")) == n_entries


def test_readyz_tells_whether_the_registry_answers(project, away):
    published = project.workspace.published
    assert read_registry(published, 0.0, NOW).state == "off"
    assert read_registry(published, 10.0, NOW).state == "unreachable"
    found = follow_once(project, None, NOW)
    write_found(published, found)
    assert read_registry(published, 10.0, NOW).state == "ok"
    away.go()
    later = NOW + timedelta(seconds=10)
    found = follow_once(project, read_found(published), later)
    write_found(published, found)
    status = read_registry(published, 10.0, later)
    assert (status.state, status.since, status.reason) == (
        "unreachable", later, "database is locked",
    )  # fmt: skip
    assert found.reached_at == NOW.isoformat()
    assert version_of(project) == "3"
    status = read_registry(published, 10.0, NOW + timedelta(hours=1))
    assert (status.state, status.reason) == ("unreachable", "it has not been asked since")
    (published / "registry.json").unlink()


def test_a_challenger_is_published_beside_the_champion_and_taken_back(project):
    lines = Lines()
    challenge(project, "promotion", lines)
    assert (version_of(project), version_of(project, CHALLENGER_POINTER)) == ("3", "3")
    assert "golden rows hold" in lines.said[0]
    stop_challenge(project, "promotion", lines)
    with pytest.raises(NotTrained):
        version_of(project, CHALLENGER_POINTER)
    with pytest.raises(InvalidRequest, match="judged offline"):
        challenge(project, "demand", lines)


def test_a_challenger_that_becomes_champion_is_a_challenger_no_longer(project):
    challenge(project, "promotion", Silent())
    entry = read_history(project.workspace.published, "promotion")[-1]
    bundle = project.workspace.published / "promotion" / entry.directory
    publish_bundle(
        project.workspace.published, "promotion", bundle, version="3", run_id=entry.run_id
    )
    with pytest.raises(NotTrained):
        version_of(project, CHALLENGER_POINTER)


def test_what_answers_otherwise_is_not_published(project, versions, tmp_path):
    golden = json.loads(versions[1]["golden.json"])
    golden["answers"]["activity"][0][0] += 1e-6
    files = {**versions[1], "golden.json": json.dumps(golden).encode()}
    write_artifact(tmp_path / "bundle", "promotion", files, {}, code_version="0")
    with pytest.raises(ArtifactError, match="golden rows"):
        publish_bundle(
            project.workspace.published, "promotion", tmp_path / "bundle", version="4", run_id="r"
        )
    assert version_of(project) == "3"


@pytest.mark.slow
def test_a_registry_that_is_locked_is_told_and_read_again_when_it_is_not(project):
    """SQLite waits five seconds for a lock, MLflow asks more than once."""
    found = follow_once(project, None, NOW)
    writer = sqlite3.connect(project.workspace.tracking / "mlflow.db", isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    try:
        locked = follow_once(project, found, NOW + timedelta(seconds=10))
    finally:
        writer.execute("ROLLBACK")
        writer.close()
    assert "locked" in locked.error
    assert (locked.version, version_of(project)) == ({"promotion": "3"}, "3")
    assert locked.reached_at == NOW.isoformat()
    again = follow_once(project, locked, NOW + timedelta(seconds=20))
    assert (again.error, again.version) == (None, {"promotion": "3"})
