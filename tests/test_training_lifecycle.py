"""The way of a model through a real MLflow registry, with a recipe small enough to know."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from features.errors import ArtifactError, GateRefused, NotTrained
from features.progress import Silent
from features.project import Project, load_project
from models.artifact import load_published, read_pointer
from training.gates import Verdict, check_at_most
from training.lifecycle import Recipe, Trained, is_published, promote, train
from training.publish import publish_bundle
from training.tracking import CHALLENGER, CHAMPION, FoldRecord, open_tracker

FINGERPRINTS = {"sales": "aaa", "events": "bbb"}


def load_tiny(folder: Path) -> Project:
    path = folder / "almanac.toml"
    path.write_text('[project]\nname = "tiny"\nseed = 3\n')
    return load_project(path)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables: making them takes longer than all that is done in one."""
    project = load_tiny(tmp_path_factory.mktemp("migrated"))
    open_tracker(project)
    return project.workspace.tracking / "mlflow.db"


@pytest.fixture
def project(tmp_path: Path, migrated: Path) -> Project:
    project = load_tiny(tmp_path)
    project.workspace.tracking.mkdir(parents=True)
    shutil.copy(migrated, project.workspace.tracking / "mlflow.db")
    with sqlite3.connect(project.workspace.tracking / "mlflow.db") as copy:
        copy.execute("DELETE FROM experiments")
    return project


def make_recipe(error: float, *, weight: float = 1.0) -> Recipe:
    """A 'demand' recipe whose score is `error`; it passes below 0.5 and not above the champion."""
    tables = {"scores": pd.DataFrame({"wape": [error]}), "settings": pd.DataFrame({"w": [weight]})}

    def judge(_, challenger, champion) -> Verdict:
        measured = float(challenger["scores"]["wape"][0])
        bound = 0.5 if champion is None else float(champion["scores"]["wape"][0])
        return Verdict((check_at_most("wape", measured, bound, "WAPE"),))

    return Recipe(
        kind="demand",
        settings=lambda _: {"weight": weight},
        inputs=("sales",),
        train=lambda *_: Trained(
            files={"model.json": json.dumps({"weight": weight}).encode()},
            metrics={"wape": error},
            folds=(FoldRecord("fold 1", {"origin": "2020-01-01"}, {"wape": error}),),
            tables=tables,
        ),
        backtest=lambda _, settings, __: {
            "scores": pd.DataFrame({"wape": [0.1 * settings["weight"]]})
        },
        judge=judge,
        plot=lambda _, folder: (folder / "scores.png").write_bytes(b"png") and None,
    )


def test_training_registers_a_challenger_with_child_runs_and_evidence(project):
    version = train(project, make_recipe(0.3), FINGERPRINTS, Silent())

    tracker = open_tracker(project)
    assert tracker.find("demand", CHALLENGER) == version
    assert tracker.find("demand", CHAMPION) is None
    runs = mlflow.search_runs(experiment_names=["tiny"], output_format="list")
    parent = next(run for run in runs if run.info.run_id == version.run_id)
    child = next(run for run in runs if run.info.run_id != version.run_id)
    assert child.data.tags["mlflow.parentRunId"] == version.run_id
    assert parent.data.metrics == {"wape": 0.3}
    assert parent.data.params["data.sales"] == "aaa"
    assert "data.events" not in parent.data.params
    names = {file.path for file in mlflow.MlflowClient().list_artifacts(version.run_id, "evidence")}
    assert names == {"evidence/scores.csv", "evidence/settings.csv", "evidence/scores.png"}


def test_a_challenger_that_passes_is_published_whole(project):
    recipe = make_recipe(0.3)
    version = train(project, recipe, FINGERPRINTS, Silent())
    assert promote(project, recipe, Silent()).is_passed

    pointer, artifact = load_published(project.workspace.published, "demand")
    assert (pointer.version, pointer.run_id) == (version.number, version.run_id)
    assert artifact.json("model.json") == {"weight": 1.0}
    assert is_published(project, recipe, FINGERPRINTS)
    assert not is_published(project, recipe, FINGERPRINTS | {"sales": "other"})
    assert not is_published(project, make_recipe(0.3, weight=2.0), FINGERPRINTS)


def test_a_refused_challenger_leaves_the_champion_serving(project):
    good, bad = make_recipe(0.3), make_recipe(0.4, weight=2.0)
    train(project, good, FINGERPRINTS, Silent())
    promote(project, good, Silent())
    before = read_pointer(project.workspace.published, "demand")

    refused = train(project, bad, FINGERPRINTS, Silent())
    with pytest.raises(GateRefused, match=r"version 2 stays challenger: WAPE: 0.4, at most 0.3"):
        promote(project, bad, Silent())

    assert read_pointer(project.workspace.published, "demand") == before
    run = mlflow.get_run(refused.run_id)
    assert run.data.tags["verdict"] == "refused"


def test_forcing_is_logged_with_its_reason(project):
    bad = make_recipe(0.9)
    version = train(project, bad, FINGERPRINTS, Silent())
    verdict = promote(project, bad, Silent(), forced_because="the baseline broke")

    assert not verdict.is_passed
    tags = mlflow.get_run(version.run_id).data.tags
    assert (tags["verdict"], tags["verdict.forced_because"]) == ("forced", "the baseline broke")
    assert read_pointer(project.workspace.published, "demand").version == "1"


def test_on_new_data_the_champions_method_is_scored_again(project):
    """The champion had 0.3 on old data; on the new its method scores 0.1, and 0.2 is refused."""
    old = make_recipe(0.3)
    train(project, old, FINGERPRINTS, Silent())
    promote(project, old, Silent())
    new = make_recipe(0.2, weight=5.0)
    train(project, new, FINGERPRINTS | {"sales": "newer"}, Silent())
    with pytest.raises(GateRefused, match=r"at most 0\.1"):
        promote(project, new, Silent())


def test_equal_inputs_make_an_equal_digest(project):
    recipe = make_recipe(0.3)
    first = train(project, recipe, FINGERPRINTS, Silent())
    second = train(project, recipe, FINGERPRINTS, Silent())
    assert first.digest == second.digest
    assert first.number != second.number


def test_a_failed_training_registers_nothing_and_marks_its_run(project):
    def break_down(*_: object) -> None:
        raise OSError("disk full")

    tracker = open_tracker(project)
    recipe = replace(make_recipe(0.3), train=break_down)
    with pytest.raises(OSError, match="disk full"):
        train(project, recipe, FINGERPRINTS, Silent())
    assert tracker.find("demand", CHALLENGER) is None


def test_promoting_before_training_says_what_to_run(project):
    with pytest.raises(NotTrained, match="almanac train demand"):
        promote(project, make_recipe(0.3), Silent())


def test_a_damaged_bundle_is_not_published(project, tmp_path):
    recipe = make_recipe(0.3)
    version = train(project, recipe, FINGERPRINTS, Silent())
    promote(project, recipe, Silent())
    before = read_pointer(project.workspace.published, "demand")
    bundle = open_tracker(project).download_bundle("demand", version, tmp_path / "copy")
    (bundle / "model.json").write_text("{}")

    with pytest.raises(ArtifactError, match=r"model\.json: damaged"):
        publish_bundle(project.workspace.published, "demand", bundle, version="9", run_id="r")
    assert read_pointer(project.workspace.published, "demand") == before


def test_promoting_again_mends_a_published_model_that_was_damaged(project):
    train(project, make_recipe(0.3), FINGERPRINTS, Silent())
    promote(project, make_recipe(0.3), Silent())
    published = project.workspace.published
    pointer = read_pointer(published, "demand")
    model = published / "demand" / pointer.directory / "model.json"
    whole = model.read_bytes()
    model.write_text("{}")
    with pytest.raises(ArtifactError, match="promote again"):
        load_published(published, "demand")

    promote(project, make_recipe(0.3), Silent())
    assert model.read_bytes() == whole
    assert load_published(published, "demand")[0] == pointer
    assert [path.name for path in (published / "demand").glob(".*")] == []
