"""Promotion timing as a campaign manager uses it: by clicks, by keyboard alone, from a link."""

import io
import re
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from features.project import Project
from tests.browser_site import check_accessible, take_screenshots
from tests.campaign_project import list_promotions

pytestmark = pytest.mark.browser
CELL = re.compile(r"^\w+ \d+ [AP]M: [\d.]+%, [\d.]+ times the average, .*[\d.]+% to [\d.]+%$")


def prepare_site(project: Project) -> None:
    """Promotions that hold now, as a training would have read them in."""
    path = project.workspace.table("promotions")
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).replace(tzinfo=None)
    spans = {"starts_at": now - timedelta(days=30), "ends_at": now + timedelta(days=60)}
    soon = {**spans, "ends_at": now + timedelta(days=30)}
    table = list_promotions({"promotion_id": "ten", **spans}, {"promotion_id": "mug", **soon})
    table.to_parquet(path, index=False)


def open_timing(page, address="/timing"):
    page.goto(address)
    page.locator("#week table").wait_for()
    page.locator("#plan").wait_for()


def read_address(page) -> tuple[str, str]:
    before, _, fragment = page.url.partition("#")
    return before.partition("?")[2], fragment


def test_a_region_then_one_customer_by_clicks(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    open_timing(page)
    assert page.locator("#week td").count() == 168
    page.select_option("#kind", "region")
    page.select_option("#region", "region:r2")
    page.select_option("#channel", "web")
    page.click("text=Show >> nth=0")
    page.get_by_text("Based on 48 customers").wait_for()
    assert read_address(page) == ("segment=region%3Ar2&channel=web", "")
    page.select_option("#kind", "customer")
    page.fill("#customer", "c1")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("events of their own").wait_for()
    assert read_address(page) == ("channel=web", "customer=c1")
    assert not any("customer=" in url or "c1" in url.partition("?")[2] for url in asked)
    label = page.locator("#week td.is-best").get_attribute("aria-label")
    assert CELL.match(label), label
    page.fill("#customer", "c13")  # has agreed to nothing
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("has not agreed to this channel").wait_for()
    page.fill("#customer", "nobody at all")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("Nothing is known of this customer").wait_for()


def test_a_link_shows_the_same_view_again(page):
    open_timing(page, "/timing?segment=region%3Ar1&channel=web")
    region = page.locator("#week").inner_text()
    assert page.input_value("#region") == "region:r1"
    open_timing(page, "/timing?channel=web#customer=c1")
    page.reload()
    page.locator("#week table").wait_for()
    assert page.input_value("#customer") == "c1"
    assert page.locator("#week").inner_text() != region
    page.goto("/timing?segment=region%3Agone")
    page.get_by_text("240 customers").first.wait_for()
    assert page.input_value("#kind") == "everyone"


def test_a_campaign_is_drafted_seen_and_taken_by_clicks(page):
    open_timing(page)
    page.get_by_label("Push", exact=True).check()
    page.get_by_role("button", name="Make a draft").click()
    page.locator("#draft").wait_for()
    arms = page.locator("#arms tbody tr").all_inner_texts()
    held_out = int(arms[2].split("\t")[1])
    assert "to an audience of 240 customers" in page.locator("#draft-figures").inner_text()
    assert "they are in the holdout arm" in page.locator("#left-out").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the schedule (CSV)").click()
    assert download.value.suggested_filename == "ten.csv"
    table = pd.read_csv(io.BytesIO(download.value.path().read_bytes()))
    assert len(table) == 240
    assert (table["arm"] == "holdout").sum() == held_out
    sent = int(table["send_at"].notna().sum())
    assert page.get_by_text(f"The draft is ready: {sent} messages.").is_visible()
    page.get_by_role("button", name="Put down as decided").click()
    page.get_by_text("Put down in the log of decisions").wait_for()
    check_accessible(page)
    take_screenshots(page, "timing")
    page.reload()  # the link reproduces the draft
    page.locator("#draft").wait_for()
    assert page.locator("#arms tbody tr").all_inner_texts() == arms


def tab_to(page, selector: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(120):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not come to {selector}")


def test_the_same_by_keyboard_alone(page):
    open_timing(page)
    tab_to(page, "#kind")
    page.keyboard.type("A region")
    tab_to(page, "#region")
    page.keyboard.press("ArrowDown")
    tab_to(page, "#look button[type=submit]")
    page.keyboard.press("Enter")
    page.get_by_text("Based on 48 customers").wait_for()
    tab_to(page, "#week td")
    before = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    after = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert CELL.match(after), after
    assert after != before
    assert page.locator("#week .heat-readout").inner_text() == after
    page.keyboard.press("Tab")  # one stop for the whole map
    assert not page.evaluate("document.activeElement.matches('#week td')")
    tab_to(page, "input[name=audience]")
    page.keyboard.press("ArrowDown")
    assert page.locator("input[value=everyone][name=audience]").is_checked()
    tab_to(page, "#draft-button")
    page.keyboard.press("Enter")
    page.locator("#draft").wait_for()
    page.wait_for_function("document.activeElement.id === 'draft'")
    tab_to(page, "#decide")
    page.keyboard.press("Enter")
    page.get_by_text("log of decisions").wait_for()


def test_what_is_refused_is_said_in_words(page):
    open_timing(page)
    for box in page.locator("input[name=promotion]:checked").all():
        box.uncheck()
    page.get_by_role("button", name="Make a draft").click()
    assert "Choose a promotion." in page.locator("#plan-problem").inner_text()
    page.locator("input[name=promotion]").first.check()
    page.fill("#start", "2020-01-01T00:00")
    page.get_by_role("button", name="Make a draft").click()
    page.locator("#plan-problem .problem").wait_for()
    assert "in the past" in page.locator("#plan-problem").inner_text()


def test_a_draft_without_messages_says_why(page):
    open_timing(page)
    page.check("input[value=list][name=audience]")
    page.fill("#ids", "c13, c29")  # have agreed to nothing
    page.get_by_role("button", name="Make a draft").click()
    page.get_by_text("Nobody would get a message").wait_for()
    assert "they have not agreed to the channel" in page.locator("#left-out").inner_text()


def test_in_arabic_lines_run_from_the_right_and_weeks_begin_on_saturday(page):
    page.set_extra_http_headers({"Accept-Language": "ar"})
    open_timing(page)
    assert page.evaluate("document.documentElement.dir") == "rtl"
    days = page.locator("#week tbody th").all_inner_texts()
    assert (days[0], len(days)) == ("السبت", 7)
    tab_to(page, "#week td")
    page.keyboard.press("Home")
    first = page.evaluate("document.activeElement.dataset.slot")
    page.keyboard.press("ArrowLeft")  # onwards
    assert int(page.evaluate("document.activeElement.dataset.slot")) == int(first) + 1
    page.emulate_media(color_scheme="dark")
    check_accessible(page)
    take_screenshots(page, "timing-ar")
