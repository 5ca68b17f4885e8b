"""The page of regional demand, used in Chromium by clicks and by keyboard."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from models.demand.series_facts import SERIES_FILE
from serving.access.callers import open_access
from serving.access.keyfile import add_key
from serving.access.keys import make_key
from serving.access.scopes import Scope
from tests.browser_site import check_accessible, take_screenshots
from tests.scenario_project import publish

pytestmark = pytest.mark.browser


def open_demand(page, query: str = "") -> None:
    page.goto(f"/demand{query}")
    page.locator("#chart .chart-readout").get_by_text("Forecast").wait_for()
    page.locator("#regions .tile").first.wait_for()


def wait_for_name(page, words: str) -> None:
    page.locator("#name", has_text=words).wait_for()


def test_a_merchandiser_finds_a_product_and_asks_what_if(page):
    open_demand(page)
    wait_for_name(page, "All regions, All products")
    assert "the sum of 4 series" in page.locator("#about").inner_text()
    page.get_by_role("combobox", name="Find a region or a product").fill("tea south")
    page.get_by_role("option", name="south, tea").click()
    wait_for_name(page, "south, tea")
    assert page.url.endswith("?region=south&product=tea")
    page.locator("#accuracy").get_by_text("of what was sold").first.wait_for()
    why = page.locator("#why")
    why.get_by_text("Mean of all sales so far").wait_for()
    page.get_by_label("On", exact=True).check()
    answer = page.locator("#what-if-answer")
    answer.get_by_text("Difference").wait_for()
    difference = answer.get_by_role("row", name="Difference").get_by_role("cell").first
    assert difference.inner_text().startswith("+")  # promoted tea sells twice as much
    page.locator(".chart-legend").first.get_by_text("What if").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Forecast as CSV").click()
    rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text(encoding="utf-8"))))
    assert {row["product_id"] for row in rows} == {"tea"}
    assert len(rows) == 14
    page.get_by_role("link", name="All regions, tea").first.click()
    wait_for_name(page, "All regions, tea")


def test_the_same_by_keyboard_alone(page):
    open_demand(page)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "search":
            break
    page.keyboard.type("north tea")
    page.get_by_role("option", name="north, tea").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for_name(page, "north, tea")
    page.wait_for_function("document.activeElement.id === 'name'")
    page.keyboard.press("Tab")  # − of the chart
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className").startswith("chart-plot")
    said = page.locator("#chart .chart-plot").get_attribute("aria-valuetext")
    page.keyboard.press("ArrowRight")
    assert page.locator("#chart .chart-plot").get_attribute("aria-valuetext") != said
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "price":
            break
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    answer = page.locator("#what-if-answer")
    answer.get_by_text("Difference").wait_for()
    assert "price=1.7" in page.url


def test_a_link_shows_the_same_view_again(page):
    open_demand(page, "?region=north&product=tea&promotion=on&depth=0.3")
    page.locator("#what-if-answer").get_by_text("Difference").wait_for()
    assert page.get_by_label("On", exact=True).is_checked()
    assert page.locator("#depth-is").inner_text() == "30% off"


def test_tiles_lead_to_regions_and_have_a_table(page):
    open_demand(page)
    page.locator("#regions-table-box summary").click()
    assert page.locator("#regions-table tbody tr").count() == 2
    page.locator("#regions .tile").first.focus()
    page.keyboard.press("ArrowRight")
    name = page.evaluate("document.activeElement.dataset.region")
    page.keyboard.press("Enter")
    wait_for_name(page, f"{name}, All products")


def test_an_unknown_name_is_told_with_the_nearest(page):
    page.goto("/demand?region=nrth&product=tea")
    page.locator("#refused").get_by_text("nearest: 'north'").wait_for()
    assert not page.locator("#body").is_visible()
    page.locator("#search").fill("north tea")
    page.get_by_role("option", name="north, tea").click()
    wait_for_name(page, "north, tea")
    assert page.locator("#refused").inner_text() == ""


def test_nothing_serious_is_found_and_it_looks_well(page):
    open_demand(page, "?region=north&product=tea")
    page.locator("#levels .chart-readout").nth(2).wait_for()
    check_accessible(page)
    page.emulate_media(color_scheme="dark")
    check_accessible(page)
    page.locator("#search").fill("tea")
    page.locator("#found [role=option]").first.wait_for()
    check_accessible(page)
    page.keyboard.press("Escape")
    take_screenshots(page, "demand")
    page.locator("#language").select_option("ar")
    page.locator("html[dir=rtl]").wait_for()
    page.locator("#chart .chart-readout").wait_for()
    check_accessible(page)
    take_screenshots(page, "demand-ar")


def test_an_older_model_shows_its_forecast_and_what_to_do(page, site, champion):
    files = {name: content for name, content in champion.files.items() if name != SERIES_FILE}
    publish(site.project, "older", files)
    page.wait_for_timeout(3000)  # workers look every second
    page.goto("/demand?region=north&product=tea")
    page.locator("#chart .chart-readout").get_by_text("Forecast").wait_for()
    page.locator("#refused").get_by_text("train and promote again").wait_for()


def test_whoever_may_not_see_it_is_told_once_and_which_scope_is_missing(page, site):
    """Comes last: from the first key on, the service asks for one."""
    key, text = make_key("tests", (Scope.CAMPAIGNS,), datetime.now(UTC))
    access = open_access(site.project)
    add_key(access.keys.path, key)
    access.close()
    page.wait_for_timeout(1500)  # workers look every half second
    page.goto("/demand")
    refused = page.locator("#refused")
    refused.get_by_text("This needs a key.").wait_for()
    assert page.get_by_role("alert").filter(has_text="needs a key").count() == 1
    refused.get_by_role("button", name="Enter a key").click()
    page.locator("#key").fill(text)
    page.get_by_role("button", name="Sign in").click()
    refused.get_by_text("merchandising").wait_for()
    assert not page.locator("#body").is_visible()
