"""The report as its readers see it: on a telephone, on a wide screen, light, dark and printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from features.project import load_project
from tests.browser_site import WIDTHS, check_accessible, take_screenshots
from tests.training_evidence import (
    make_demand_evidence,
    make_parts_evidence,
    make_promotion_evidence,
)
from training.lifecycle import write_evidence
from training.report import write_report

pytestmark = pytest.mark.browser
PAPER = 794
"""Pixels across a sheet of A4."""


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("report")
    (folder / "almanac.toml").write_text('[project]\nname = "tea"\n', encoding="utf-8")
    project = load_project(folder / "almanac.toml")
    write_evidence(make_demand_evidence(), project.workspace.runs / "demand")
    promotion = make_promotion_evidence() | make_parts_evidence()
    write_evidence(promotion, project.workspace.runs / "promotion")
    return write_report(project, folder).as_uri()


@pytest.fixture(params=["light", "dark"])
def report(request, chromium, address) -> Iterator[Any]:
    """The report in a reader's theme; it lies on disk and asks nobody for anything."""
    context = chromium.new_context(color_scheme=request.param, offline=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(address)
    yield page
    context.close()
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}


def test_it_is_accessible_and_does_not_scroll_sideways(report):
    for width in WIDTHS:
        report.set_viewport_size({"width": width, "height": 1000})
        check_accessible(report)
    take_screenshots(report, "report")


def test_what_is_wide_scrolls_by_itself_and_by_keyboard(report):
    report.set_viewport_size({"width": 360, "height": 1000})
    box = report.locator("figure .scroll").first
    assert box.evaluate("it => it.scrollWidth > it.clientWidth")
    box.focus()
    report.keyboard.press("ArrowRight")
    report.wait_for_timeout(300)  # it scrolls smoothly, and its policy forbids to wait by a script
    assert box.evaluate("it => it.scrollLeft") > 0


def test_contents_lead_to_their_sections(report):
    report.get_by_role("link", name="The worst series").click()
    top = report.get_by_role("heading", name="The worst series").bounding_box()["y"]
    assert 0 <= top < 200


def test_it_is_printed_on_white_within_the_paper(report):
    report.emulate_media(media="print")
    report.set_viewport_size({"width": PAPER, "height": 1000})
    paper = report.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    assert report.evaluate("document.documentElement.scrollWidth") <= PAPER
