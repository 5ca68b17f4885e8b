"""`almanac why` and `almanac what-if`, on a champion as published and on one without the files."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import almanac
from features.errors import InvalidRequest, UnknownName
from features.project import Project, load_project
from models.demand.plan_changes import Change
from models.demand.prophet_reasons import PARTS as PROPHET_PARTS
from models.demand.prophet_reasons import explain_totals
from models.demand.prophet_totals import ProphetTotals
from models.demand.reasons import PARTS
from tests.scenario_project import Published, publish
from training.demand import explanations
from training.demand.explanations import PROPHET_FILE, REASONS_FILE
from training.demand.what_if import ask_scenario
from training.demand.why import explain_forecast


def run(champion: Published, *words: str) -> Result:
    path = str(champion.project.workspace.root / "almanac.toml")
    return CliRunner().invoke(
        almanac.app, [*words, "--project", path], env={"COLUMNS": "300"}, catch_exceptions=True
    )


@pytest.fixture(scope="module")
def bare(champion: Published, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same champion, published without reasons and rows."""
    folder: Path = tmp_path_factory.mktemp("bare")
    shutil.copytree(champion.project.workspace.root, folder, dirs_exist_ok=True)
    project = load_project(folder / "almanac.toml")
    kept = {k: v for k, v in champion.files.items() if "scenario" not in k and "reasons" not in k}
    publish(project, "bare", kept)
    return project


def test_why_prints_parts_that_sum_to_the_mean(champion):
    done = run(champion, "why", "--region", "north", "--product", "tea")
    assert done.exit_code == 0, done.output
    table = champion.forecasts
    own = table[(table["region_id"] == "north") & (table["product_id"] == "tea")]
    lines = [line.split() for line in done.output.splitlines() if line.strip().startswith("2024-")]
    assert len(lines) == 14
    for line, mean in zip(lines, own["mean"], strict=True):
        figures = [float(word) for word in line[1:]]
        assert figures[0] == pytest.approx(mean, abs=0.006)
        assert sum(figures[1:]) == pytest.approx(mean, abs=0.05)
    assert "promotion, discount, display, mailer" in done.output


def test_why_of_one_date_is_written_in_words(champion):
    done = run(champion, "why", "--region", "all", "--date", "2024-05-01")
    assert "2024-05-01:" in done.output
    assert "mean of all its sales so far" in done.output
    late = run(champion, "why", "--region", "all", "--date", "2025-05-01")
    assert isinstance(late.exception, InvalidRequest)
    assert "2024-04-30 to 2024-05-13" in str(late.exception)
    nobody = run(champion, "why", "--region", "nrth")
    assert isinstance(nobody.exception, UnknownName)


def test_what_if_prints_both_sides_and_the_warnings(champion):
    done = run(
        champion, "what-if", "--region", "all", "--product", "tea", "--price", "2.6",
        "--promotion", "off", "--from", "2024-05-01", "--to", "2024-05-03",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "Sum of 2 series, changed alike." in done.output
    assert "plan" in done.output
    assert done.output.count("2024-05-") == 3
    assert "warning: price 2.6: outside the range seen in training, 1.6 to 2" in done.output
    refused = run(champion, "what-if", "--region", "all", "--product", "tea", "--depth", "2")
    assert "depth: expected 0 to below 1" in str(refused.exception)


def test_without_files_the_same_is_worked_out(champion, bare):
    one = explain_forecast(champion.project, "south", "all")
    other = explain_forecast(bare, "south", "all")
    pd.testing.assert_frame_equal(one, other, atol=1e-9)
    np.testing.assert_allclose(one[list(PARTS)].sum(axis=1), one["mean"], atol=1e-6)
    change = Change(is_promoted=True)
    published = ask_scenario(champion.project, "south", "tea", change)
    again = ask_scenario(bare, "south", "tea", change)
    pd.testing.assert_frame_equal(published.by_date, again.by_date)


def test_many_series_are_left_out_with_a_note(champion, monkeypatch):
    monkeypatch.setattr(explanations, "MAX_REASON_ROWS", 50)  # four series of 14 periods are 56
    found = explanations.explain_demand(champion.panel, champion.model, champion.made)
    assert set(found.files) == {"scenario_rows.parquet", "scenario.json"}
    assert found.notes == (
        "4 series × 14 periods are more than 50: reasons are not published; almanac why works "
        "them out",
    )
    monkeypatch.setattr(explanations, "MAX_ROWS", 55)
    found = explanations.explain_demand(champion.panel, champion.model, champion.made)
    assert found.files == {}
    assert "almanac what-if makes them" in found.notes[1]


@pytest.fixture(scope="module")
def prophet() -> ProphetTotals:
    dates = pd.date_range("2023-01-01", periods=200)
    units = 50.0 + 0.1 * np.arange(200) + 20.0 * (dates.day_of_week == 5)
    rows = pd.DataFrame({"region_id": "all", "date": dates})
    return ProphetTotals(jobs=1).fit(rows, units)


def test_prophets_parts_sum_to_its_forecast(prophet):
    dates = pd.date_range("2023-07-20", periods=14).to_numpy()
    found = explain_totals(prophet, dates)
    made = prophet.predict(pd.DataFrame({"region_id": "all", "date": dates}))
    np.testing.assert_allclose(found["mean"], made, rtol=1e-12)
    np.testing.assert_allclose(found[list(PROPHET_PARTS)].sum(axis=1), made, atol=1e-9)
    saturdays = found["date"].dt.day_of_week == 5
    assert found["weekly"][saturdays].min() - found["weekly"][~saturdays].max() > 10
    assert (found["floor"].abs() < 1e-9).all()


def test_prophets_view_of_a_total_is_printed(champion, prophet, tmp_path):
    dates = champion.panel.date_of(champion.made.members.periods)
    table = explain_totals(prophet, dates)
    shutil.copytree(champion.project.workspace.root, tmp_path, dirs_exist_ok=True)
    project = load_project(tmp_path / "almanac.toml")
    publish(project, "two", champion.files | {PROPHET_FILE: table.to_parquet(index=False)})
    changed = dataclasses.replace(champion, project=project)
    done = run(changed, "why", "--region", "all")
    assert "Prophet's own view of this total" in done.output
    assert "Prophet" not in run(changed, "why", "--region", "north", "--product", "tea").output
    assert REASONS_FILE in champion.files
