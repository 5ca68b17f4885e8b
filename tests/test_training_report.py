from __future__ import annotations

import base64
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from features.errors import GateRefused, NotTrained
from features.progress import Silent
from features.project import Project, load_project
from tests.training_evidence import (
    SCRIPT,
    make_demand_evidence,
    make_parts_evidence,
    make_promotion_evidence,
)
from training.chapters import Grid, make_grid, write_gain, write_number, write_percent
from training.demand.scores import score_forecasts
from training.lifecycle import Trained, promote, train, write_evidence
from training.recipes import RECIPES
from training.report import write_report

VOID = {"meta", "img", "link", "br", "hr", "input"}
MAKERS = {"demand": make_demand_evidence, "promotion": make_promotion_evidence}


class Page(HTMLParser):
    """A page as a reader meets it: elements in order, their attributes, the text within."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if text.strip():
            self.texts.append((self.open[-1] if self.open else "", " ".join(text.split())))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text_of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]

    @property
    def text(self) -> str:
        return " ".join(text for name, text in self.texts if name != "style").replace("\u202f", " ")


def load_tiny(folder: Path, extra: str = "") -> Project:
    path = folder / "almanac.toml"
    path.write_text(f'[project]\nname = "tea & <b>sons"\n{extra}')
    return load_project(path)


def leave_evidence(project: Project, *kinds: str) -> None:
    for kind in kinds:
        write_evidence(MAKERS[kind](), project.workspace.runs / kind)


@pytest.fixture
def quick(monkeypatch) -> None:
    """Leave out the drawing, for tests of what is written."""
    monkeypatch.setattr("training.report.draw_png", lambda _: b"\x89PNG")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    """The page of two trainings of which no run is recorded."""
    folder = tmp_path_factory.mktemp("report")
    project = load_tiny(folder)
    leave_evidence(project, "demand", "promotion")
    path = write_report(project, folder / "out" / "deep")
    assert path == folder / "out" / "deep" / "report.html"
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return Page(path)


def test_nothing_trained_is_said_with_what_to_run(tmp_path):
    with pytest.raises(NotTrained, match="almanac train demand"):
        write_report(load_tiny(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("kind", "other"), [("demand", "promotion"), ("promotion", "demand")])
def test_only_what_was_trained_is_reported(tmp_path, kind, other):
    project = load_tiny(tmp_path)
    leave_evidence(project, kind)
    ids = {attributes["id"] for attributes in Page(write_report(project, tmp_path)).of("h2")}
    assert ids == {kind}
    assert other not in ids


def test_the_page_needs_nothing_beside_it(page):
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in page.elements}
    sources = [attributes["src"] for attributes in page.of("img")]
    assert len(sources) == 9
    for source in sources:
        head, _, content = source.partition(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(content, validate=True).startswith(b"\x89PNG")
    assert all(attributes["href"].startswith("#") for attributes in page.of("a"))


def test_every_link_has_its_target_and_every_id_is_once(page):
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert set(ids.values()) == {1}
    assert {attributes["href"][1:] for attributes in page.of("a")} <= set(ids)
    named = [attributes.get("aria-labelledby") for _, attributes in page.elements]
    assert {name for name in named if name} <= set(ids)


def test_the_page_can_be_read_without_seeing_it(page):
    assert page.of("html")[0]["lang"] == "en"
    assert all(len(attributes["alt"]) > 20 for attributes in page.of("img"))
    assert len(page.text_of("span")) == len(page.of("caption")) == len(page.of("table")) > 8
    assert all(attributes["scope"] in {"row", "col"} for attributes in page.of("th"))
    levels = [int(name[1]) for name, _ in page.elements if name in {"h1", "h2", "h3"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_ids_and_names_from_the_data_are_text(page):
    """A parser that finds no script element, and finds the id as text, has met no markup."""
    assert page.of("script") == []
    assert page.of("b") == []
    assert SCRIPT in page.text_of("th")
    assert "tea & <b>sons: what the last training found" in page.text_of("h1")
    assert "2 series are not forecast, such as <b>x</b>" in page.text_of("p")
    assert any(SCRIPT in attributes["alt"] for attributes in page.of("img"))


def test_demand_says_its_headline_against_the_best_baseline(page):
    """Errors of 1, 2 and 3 units in three regions that sell 55: 2 of 55; the mean twice that."""
    (headline,) = [text for text in page.text_of("p") if "WAPE, 2 rolling" in text]
    assert headline.replace("\u202f", " ") == (
        "At the level region/product, up to 14 days ahead, the forecasts missed by 3.6 % of the "
        "units sold (WAPE, 2 rolling origins); the best baseline, seasonal mean, by 7.3 %: "
        "50.0 % less error (95 % interval 50.0 % to 50.0 %)."
    )


def test_promotion_says_its_headline_against_the_best_baseline(page):
    """0.024 nats against the histogram's 0.030 are 20 % less, ± 0.001 of 0.030."""
    assert (
        "The chosen model, LightGBM, against the best baseline, customer histogram: 20.0 % less "
        "log-loss (95 % interval 16.7 % to 23.3 %), on the same 100 customers. 40.0 % of"
    ) in page.text


def test_before_promotion_the_gates_are_judged_from_the_evidence(page):
    """Bias is −2 of 55, within 5 %; the 80 % interval held 2 of 3 and is refused."""
    assert page.text.count("Nobody asked to promote it yet") == 2
    assert "|bias| at the finest level passed 0.0364 at most 0.0500" in page.text
    assert "coverage of the 80 % interval FAILED 0.1333 at most 0.0500" in page.text
    assert page.text.count("No run of this training is recorded") == 2


def test_weights_stand_from_near_to_far(page):
    assert "1-7 60 % 30 % 10 % 0 % 8-14 60 % 30 % 10 % 0 %" in page.text


@pytest.mark.usefixtures("quick")
def test_a_recorded_training_is_told_with_its_verdict_and_origin(tmp_path):
    """The real way through MLflow, with the training itself replaced by known evidence."""
    project = load_tiny(tmp_path, "[demand]\nhorizon_days = 14\n")
    trained = Trained(
        files={"model.json": b"{}"},
        metrics={"wape": 0.1},
        folds=(),
        tables=make_demand_evidence(),
    )
    recipe = replace(RECIPES["demand"], train=lambda *_: trained, plot=lambda *_: None)
    fingerprints = dict.fromkeys(recipe.inputs, "f1ngerpr1nt")
    version = train(project, recipe, fingerprints, Silent())
    with pytest.raises(GateRefused):
        promote(project, recipe, Silent())

    refused = Page(write_report(project, tmp_path)).text
    assert "It was refused as champion" in refused
    assert "coverage of the 80 % interval FAILED" in refused
    assert f"by MLflow run {version.run_id}; none is published." in refused
    assert f"Digest of the model: {version.digest}." in refused
    assert "sales f1ngerpr1nt" in refused
    assert "settings.horizon_days 14" in refused

    promote(project, recipe, Silent(), forced_because="a <i>new</i> assortment")
    forced = Page(write_report(project, tmp_path))
    assert "The reason given: a <i>new</i> assortment" in forced.text_of("p")
    assert "published is version 1." in forced.text


@pytest.mark.usefixtures("quick")
def test_a_perfect_baseline_is_told_and_not_divided_by(tmp_path):
    tables = make_demand_evidence()
    forecasts = tables["forecasts"]
    naive = forecasts["model"] == "seasonal_naive"
    perfect = forecasts.assign(mean=forecasts["mean"].mask(naive, forecasts["units"]))
    project = load_tiny(tmp_path)
    folder = project.workspace.runs / "demand"
    write_evidence(tables | {"forecasts": perfect, "scores": score_forecasts(perfect)}, folder)
    text = Page(write_report(project, tmp_path)).text
    assert "seasonal naive, by 0.0 %: it made no error, so there is nothing to gain." in text
    assert "at the finest level FAILED ∞ at most 1.0000" in text


def test_every_part_of_promotion_is_on_the_page_which_still_needs_nothing_beside_it(tmp_path):
    project = load_tiny(tmp_path)
    tables = make_promotion_evidence() | make_parts_evidence()
    write_evidence(tables, project.workspace.runs / "promotion")
    whole = Page(write_report(project, tmp_path / "out"))
    sources = [attributes["src"] for attributes in whole.of("img")]
    assert len(sources) == 15
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in whole.elements}
    assert len(whole.text_of("span")) == len(whole.of("table")) > 20
    titles = whole.text_of("h3")
    assert len(set(titles)) == len(titles) == 21
    assert "Offers: what policies are worth" in titles


@pytest.mark.usefixtures("quick")
def test_a_report_is_written_over_the_last_one(tmp_path):
    project = load_tiny(tmp_path)
    leave_evidence(project, "promotion")
    first = write_report(project, tmp_path / "out").read_bytes()
    assert write_report(project, tmp_path / "out").read_bytes() == first


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.1234, "12.3 %"), (-0.5, "−50.0 %"), (-0.00001, "0.0 %"), (float("nan"), "–")],
)
def test_percent(share, text):
    assert write_percent(share).replace("\u202f", " ") == text


def test_numbers_have_thousands_and_no_sign_at_zero():
    assert write_number(1234567.0, 0) == "1,234,567"
    assert write_number(-0.0004) == "0.000"
    assert (write_number(float("inf")), write_number(float("-inf"))) == ("∞", "−∞")


@pytest.mark.parametrize(
    ("gain", "text"),
    [
        ((0.04, 0.01, 0.07), "4.0 % less error (95 % interval 1.0 % to 7.0 %)"),
        (
            (0.01, -0.2, 0.3),
            "1.0 % less error (95 % interval −20.0 % to 30.0 %), which may be chance",
        ),
        (
            (-0.02, -0.03, -0.01),
            "2.0 % more error (95 % interval −3.0 % to −1.0 %), so it is worse",
        ),
        ((float("nan"),) * 3, "it made no error, so there is nothing to gain"),
    ],
)
def test_a_gain_is_told_with_its_doubt(gain, text):
    assert write_gain(*gain, "error").replace("\u202f", " ") == text


def test_a_grid_tells_words_from_numbers():
    table = pd.DataFrame({"region": ["a"], "wape": [0.5], "units": [1200.0]})
    grid = make_grid(
        "scores",
        table,
        [("region", "region", None), ("wape", "WAPE", 1), ("units", "units", 0)],
        percent=["wape"],
    )
    assert grid == Grid("scores", ("region", "WAPE", "units"), (("a", "50.0\u202f%", "1,200"),), 1)
