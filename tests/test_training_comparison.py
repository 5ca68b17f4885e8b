"""What changed between two trainings, worked out by hand and through a real registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from typer.testing import CliRunner

import almanac
from features.errors import InvalidRequest, NotTrained
from features.progress import Silent
from features.project import Project, load_project
from models.artifact import write_artifact
from tests.conftest import write_profiles
from tests.training_evidence import make_demand_evidence, make_promotion_evidence
from training.chapters import Grid
from training.comparison.chapter import describe_change, tabulate_change, write_change
from training.comparison.differences import (
    compare_importance,
    compare_scores,
    compare_settings,
    find_best_baseline,
)
from training.comparison.movements import compare_forecasts, compare_hours
from training.comparison.plots import make_change_figures
from training.comparison.runs import list_runs
from training.comparison.trainings import compare_versions, compare_with_champion
from training.demand.scores import score_forecasts
from training.lifecycle import Trained, promote, read_evidence, train
from training.recipes import RECIPES
from training.tracking import open_tracker

FEATURES = {"before": {"price": 3.0, "lag": 1.0}, "after": {"lag": 1.0, "season": 1.0}}


def improve(tables: dict[str, pd.DataFrame], units: float = 1.0) -> dict[str, pd.DataFrame]:
    """Bring Almanac's forecasts nearer to what was sold by `units`."""
    forecasts = tables["forecasts"]
    own = forecasts["model"] == "almanac"
    better = forecasts.assign(mean=forecasts["mean"].mask(own, forecasts["mean"] + units))
    return tables | {"forecasts": better, "scores": score_forecasts(better)}


def read_scores(before, after) -> dict[tuple[str, str], dict]:
    rows = compare_scores(before, after).to_dict("records")
    return {(row["level"], row["score"]): row for row in rows}


def test_scores_of_demand_are_set_side_by_side_and_judged():
    """Errors of 2 of 55 units on average become 1; the best baseline is off by 4."""
    tables = make_demand_evidence()
    rows = read_scores(tables, improve(tables))
    wape = rows["region/product", "wape"]
    assert (wape["before"], wape["after"]) == pytest.approx((2 / 55, 1 / 55))
    assert wape["verdict"] == "better"
    relative = rows["region/product", "wape ÷ best baseline"]
    assert (relative["before"], relative["after"]) == pytest.approx((0.5, 0.25))
    assert rows["region/product", "bias"]["verdict"] == "better"  # −3.6 % became −1.8 %
    assert {row["verdict"] for row in read_scores(tables, tables).values()} == {"same"}
    assert read_scores(improve(tables), tables)["region/product", "wape"]["verdict"] == "worse"


def test_scores_of_promotion_are_those_of_the_chosen_model():
    tables = make_promotion_evidence()
    simpler = tables | {"best": pd.DataFrame({"model": ["empirical_bayes"]})}
    rows = read_scores(simpler, tables)
    assert rows["chosen model", "log_loss"]["after"] == pytest.approx(0.024)
    assert rows["chosen model", "log_loss"]["verdict"] == "better"
    assert rows["chosen model", "log_loss ÷ best baseline"]["before"] == pytest.approx(26 / 30)
    assert rows["chosen model", "hour_hit"]["verdict"] == "same"
    assert find_best_baseline(tables) == ("customer_histogram", 0.03)


def test_features_are_compared_by_their_share_of_the_gain():
    before, after = (
        {"importance": pd.DataFrame({"feature": list(gains), "gain": list(gains.values())})}
        for gains in FEATURES.values()
    )
    table = compare_importance(before, after).set_index("feature")
    assert table.index[0] == "price"
    assert table.loc["price"].tolist() == [0.75, 0.0, -0.75]
    assert table.loc["lag"].tolist() == [0.25, 0.5, 0.25]
    assert table.loc["season"].tolist() == [0.0, 0.5, 0.5]
    assert compare_importance({}, {}).empty


def test_only_settings_that_differ_are_told():
    table = compare_settings({"a": "1", "b": "2", "gone": "x"}, {"a": "1", "b": "3", "new": "y"})
    assert table.to_numpy().tolist() == [["b", "2", "3"], ["gone", "x", ""], ["new", "", "y"]]


def write_forecasts(folder: Path, means: dict[tuple[str, int], float]) -> Path:
    rows = [
        {"origin": pd.Timestamp("2025-12-31"), "level": "store/product", "region_id": region,
         "product_id": "tea",
         "date": pd.Timestamp("2026-01-01") + pd.Timedelta(days=day), "mean": mean,
         "q10": mean - 1, "q90": mean + 1}
        for (region, day), mean in means.items()
    ]  # fmt: skip
    folder.mkdir()
    pd.DataFrame(rows).to_parquet(folder / "forecasts.parquet")
    return folder


def load_tiny(folder: Path) -> Project:
    path = folder / "almanac.toml"
    path.write_text('[project]\nname = "it\'s tiny"\nthreads = 1\n')
    return load_project(path)


def test_forecasts_are_compared_on_the_dates_that_both_foresee(tmp_path):
    """North moves by +2 and −0.5 on days 2 and 3, south by 0; east is new, west is gone."""
    old = {("north", day): 10.0 for day in (1, 2, 3)} | {("south", 2): 5.0, ("west", 2): 1.0}
    new = {("north", 2): 12.0, ("north", 3): 9.5, ("north", 4): 50.0, ("south", 2): 5.0,
           ("east", 2): 3.0}  # fmt: skip
    found = compare_forecasts(
        load_tiny(tmp_path),
        write_forecasts(tmp_path / "old", old),
        write_forecasts(tmp_path / "new", new),
    )
    (level,) = found["change_levels"].to_dict("records")
    assert (level["series"], level["dates"], level["added"], level["gone"]) == (2, 2, 1, 1)
    assert (level["before"], level["after"], level["moved"]) == (25.0, 26.5, 2.5)
    assert level["outside"] == pytest.approx(0.25)  # the mean of north's 1 of 2 and south's 0
    first = found["change_forecasts"].iloc[0]
    assert (first["region"], first["before"], first["after"], first["moved"]) == (
        "north", 20.0, 21.5, 2.5
    )  # fmt: skip
    path = found["change_paths"]
    assert list(path[path["region"] == "north"]["after"]) == [12.0, 9.5]


def test_forecasts_without_a_date_in_common_are_no_error(tmp_path):
    found = compare_forecasts(
        load_tiny(tmp_path),
        write_forecasts(tmp_path / "old", {("north", 1): 1.0}),
        write_forecasts(tmp_path / "new", {("north", 9): 1.0}),
    )
    assert all(table.empty for table in found.values())


def test_best_hours_are_compared_of_customers_whom_both_know(
    tmp_path, send_time_model, customer_table, profile_files
):
    later = customer_table.head(100).assign(
        active_slots=[
            [{**entry, "slot": (entry["slot"] + 6) % 168} for entry in slots]
            for slots in customer_table["active_slots"].head(100)
        ]
    )
    files = {**send_time_model.to_files(), **profile_files}
    for name, profiles in (
        ("old", profile_files["profiles.parquet"]),
        ("new", write_profiles(later)),
    ):
        write_artifact(
            tmp_path / name, "promotion", files | {"profiles.parquet": profiles}, {},
            code_version="0",
        )  # fmt: skip
    same = compare_hours(tmp_path / "old", tmp_path / "old")
    assert same.to_numpy().tolist()[0] == ["same hour", 240, 1.0]
    moved = compare_hours(tmp_path / "old", tmp_path / "new")
    assert moved["customers"].sum() == 100
    assert moved.set_index("moved").loc["4 hours or more", "share"] > 0.5


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A champion, and a challenger that is better, trained on the same data otherwise set."""
    project = load_tiny(tmp_path_factory.mktemp("registry"))
    tables = make_demand_evidence()
    folder = tmp_path_factory.mktemp("forecasts")
    for number, (found, rounds, mean) in enumerate(
        [(tables, 100, 10.0), (improve(tables), 60, 12.0)]
    ):
        made = write_forecasts(folder / str(number), {("north", day): mean for day in range(3)})
        trained = Trained(
            files={"forecasts.parquet": (made / "forecasts.parquet").read_bytes()},
            metrics={"wape/region/product/all": float(found["scores"]["wape"].iloc[0])},
            folds=(),
            tables=found,
        )
        recipe = replace(
            RECIPES["demand"],
            settings=lambda _, rounds=rounds: {"lightgbm": {"rounds": rounds}},
            train=lambda *_, trained=trained: trained,
            plot=lambda *_: None,
        )
        train(project, recipe, dict.fromkeys(recipe.inputs, "same"), Silent())
        if number == 0:
            promote(project, recipe, Silent(), forced_because="the first")
    return project


def test_a_training_leaves_what_changed_since_the_champion_with_its_run(project):
    tables = read_evidence(project.workspace.runs / "demand")
    about = tables["change_about"].iloc[0]
    assert (str(about["before"]), bool(about["is_same_data"])) == ("1", True)
    assert tables["change_settings"].to_numpy().tolist() == [["settings.lightgbm.rounds", 100, 60]]
    version = open_tracker(project).get("demand", "challenger")
    names = {file.path for file in mlflow.MlflowClient().list_artifacts(version.run_id, "evidence")}
    assert {"evidence/change_scores.csv", "evidence/change_forecasts.csv"} <= names


def test_the_section_says_what_to_conclude_the_same_from_files_and_from_the_registry(project):
    kept = read_evidence(project.workspace.runs / "demand")
    asked = compare_versions(project, "demand", "2", "champion")
    assert describe_change(kept) == describe_change(asked)
    section = write_change(kept, make_change_figures(kept))
    said = " ".join(section.sentences).replace("\u202f", " ")
    assert said.startswith("Compared with version 1, the champion when this was trained")
    assert "both saw the same data, so any difference is the method's." in said
    assert "1 setting differs and the data is the same." in said
    assert "sum to 20.0 % more than before (1 series); 100.0 % of the new means lie outside" in said
    assert len(section.pictures) == 2
    captions = [grid.caption for grid in section.grids]
    assert captions[:2] == ["Scores of what is published, before and now", "Settings that differ"]
    assert all(isinstance(grid, Grid) for grid in tabulate_change(asked))


def test_runs_are_listed_beside_their_best_baseline(project):
    runs = list_runs(project, "demand")
    assert list(runs["version"]) == ["2", "1"]
    assert list(runs["aliases"]) == ["challenger", "champion"]
    assert list(runs["verdict"]) == ["", "forced"]
    assert set(runs["baseline"]) == {"seasonal_mean"}
    assert runs["baseline_score"].tolist() == pytest.approx([4 / 55] * 2)
    with pytest.raises(NotTrained, match="almanac train promotion"):
        list_runs(project, "promotion")


def test_the_command_line_lists_and_compares(project):
    run = CliRunner()
    listed = run.invoke(almanac.app, ["runs", "demand", "-p", str(project.path)])
    assert listed.exit_code == 0, listed.output
    assert "challenger" in listed.output
    told = run.invoke(almanac.app, ["compare", "demand", "-p", str(project.path)])
    assert told.exit_code == 0, told.output
    assert "settings.lightgbm.rounds" in told.output
    assert "wape ÷ best baseline".replace("wape", "WAPE") in told.output


def test_what_cannot_be_compared_is_said(project):
    with pytest.raises(InvalidRequest, match="both version 1"):
        compare_versions(project, "demand", "1", "champion")
    with pytest.raises(NotTrained, match="no version 9 of demand"):
        compare_versions(project, "demand", "9", "champion")
    (sentence,) = write_change({}, {}).sentences
    assert sentence == "No champion is on record to compare this training with."


def test_a_champion_that_is_lost_does_not_stop_a_training(project, tmp_path):
    champion = open_tracker(project).get("demand", "champion")
    lost = replace(champion, run_id="0" * 32)
    tables = compare_with_champion(project, "demand", lost, {}, make_demand_evidence(), tmp_path)
    assert list(tables) == ["change_about"]
    (sentence,) = write_change(tables, {}).sentences
    assert sentence.startswith("It could not be compared with the champion: version 1 could not")
