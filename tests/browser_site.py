"""A real service with pages on a small made workspace, and Chromium that looks at it.

A test file of a page is marked `pytestmark = pytest.mark.browser` and takes the fixtures `site`
(one service a file) and `page`. What its page needs in the workspace before the service starts, it
adds by a function of its own, `prepare_site(project: Project) -> None`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from features.project import Project, load_project
from serving.launch import address, end, start, wait_until_alive
from serving.settings import read_settings
from tests.scenario_project import Published
from tests.test_serving_launch import free_port

ROOT = Path(__file__).parents[1]
SCREENSHOTS = ROOT / ".screenshots"
WIDTHS = (360, 1920)
AXE_VARIABLE, CHROMIUM_VARIABLE = "ALMANAC_AXE", "ALMANAC_CHROMIUM"
PROJECT = """
[project]
time_zone = "Europe/Berlin"
workspace = "workspace"

[serving]
port = {port}
is_request_logged = false
timeout_seconds = 20.0
drain_notice_seconds = 0.0
"""


@dataclass(frozen=True)
class Site:
    """A service that runs."""

    url: str
    project: Project


@contextmanager
def open_site(
    folder: Path,
    published: Path,
    champion: Published,
    prepare: Callable[[Project], None] | None = None,
) -> Iterator[Site]:
    """Serve a demand champion with plans and paths, and a promotion champion, from `folder`."""
    path = folder / "almanac.toml"
    path.write_text(PROJECT.format(port=free_port()), encoding="utf-8")
    project = load_project(path)
    target = project.workspace.published
    shutil.copytree(published / "promotion", target / "promotion")
    shutil.copytree(champion.project.workspace.published / "demand", target / "demand")
    if prepare is not None:
        prepare(project)
    settings, service = read_settings(project), start(project)
    try:
        wait_until_alive(service, settings)
        yield Site(address(settings), project)
    finally:
        end(service, settings.drain_seconds)


@pytest.fixture(scope="module")
def site(request, tmp_path_factory, published, champion) -> Iterator[Site]:
    """A service of this test file's own."""
    prepare = getattr(request.module, "prepare_site", None)
    with open_site(tmp_path_factory.mktemp("site"), published, champion, prepare) as opened:
        yield opened


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The system's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    names = (os.environ.get(CHROMIUM_VARIABLE, ""), "chromium", "chromium-browser")
    path = next((found for name in names if name and (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium, or name it in ALMANAC_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, site) -> Iterator[Any]:
    """A page of a new browser profile; whatever a script or the security policy says fails it."""
    context = chromium.new_context(base_url=site.url, viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    said: list[str] = []
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("console", lambda message: _note(said, message))
    yield opened
    context.close()
    assert said == []


def _note(said: list[str], message: Any) -> None:
    # a refusal of the API is shown on the page, and is no fault of it
    if message.type == "error" and not message.text.startswith("Failed to load resource"):
        said.append(message.text)


def check_accessible(page: Any) -> None:
    """Fail on serious and critical findings of axe-core in what the page shows now."""
    default = ROOT / "node_modules" / "axe-core" / "axe.min.js"
    path = Path(os.environ.get(AXE_VARIABLE, default))
    if not path.is_file():
        pytest.skip("needs axe-core: `make test-browser` fetches it, or name it in ALMANAC_AXE")
    page.evaluate(path.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    bad = [
        (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert bad == [], json.dumps(bad, indent=1)


def take_screenshots(page: Any, name: str) -> None:
    """Write what the page shows at both widths, light and dark, to a folder that stays here.

    Nothing may be wider than the screen, but for what scrolls by itself.
    """
    SCREENSHOTS.mkdir(exist_ok=True)
    before = page.viewport_size
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(150)
            page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide on a screen of {width}"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(before)
