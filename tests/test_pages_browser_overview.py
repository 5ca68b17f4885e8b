"""The overview in Chromium."""

import pytest

from tests.browser_site import check_accessible, take_screenshots

pytestmark = pytest.mark.browser


def test_the_overview_says_what_answers_what_needs_attention_and_leads_on(page):
    page.goto("/")
    state = page.locator("#state")
    state.get_by_text("The service is ready; this needs attention:").wait_for()
    assert "run almanac monitor" in state.inner_text()
    assert "Version 3 answers." in state.inner_text()
    check_accessible(page)
    take_screenshots(page, "overview")
    page.locator("#content").get_by_role("link", name="Models").click()
    page.get_by_text("Train again to see its scores").first.wait_for()


def test_the_same_by_keyboard_alone(page):
    page.goto("/")
    page.locator("#state .notice").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skips to the content
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == "/models":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/models")


def test_colours_and_language_are_kept(page):
    page.goto("/")
    page.get_by_label("Colours").select_option("dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    with page.expect_navigation():
        page.get_by_label("Language").select_option("fa")
    root = page.evaluate("[document.documentElement.lang, document.documentElement.dir].join()")
    assert root == "fa,rtl"
    shown = page.evaluate(
        f"async () => (await import({find_asset(page, 'format.js')})).number(1234.5)"
    )
    assert shown == "۱٬۲۳۴٫۵"


def find_asset(page, name):
    """Return the address of a file, as a text of JavaScript."""
    style = page.locator("link[href$='almanac.css']").get_attribute("href")
    return repr(style.replace("almanac.css", name))


def test_what_is_wrong_with_the_service_is_said_in_words(page):
    models = [
        {
            "kind": "demand", "state": "refused", "is_required": True, "model_version": None,
            "reason": "forecasts.parquet is damaged", "proof": None, "refused_version": "7",
        },
        {
            "kind": "promotion", "state": "loaded", "is_required": False, "model_version": "3",
            "reason": None, "proof": "proven", "refused_version": None,
        },
    ]  # fmt: skip
    state = {"is_ready": False, "is_draining": False, "models": models}
    page.route("**/readyz", lambda route: route.fulfill(status=503, json=state))
    page.goto("/")
    page.get_by_text("The service is not ready:").wait_for()
    told = page.locator("#state .notice").inner_text()
    assert "Regional demand: what is published cannot be loaded." in told
    assert "forecasts.parquet is damaged" in told


def test_a_service_that_ended_is_told_of(page):
    page.goto("/")
    page.locator("#state .notice").wait_for()
    page.route("**/readyz", lambda route: route.abort())
    page.reload()
    page.get_by_text("The service cannot be reached. Is it still running?").wait_for()
    page.unroute("**/readyz")
    page.get_by_role("button", name="Try again").click()
    page.locator("#state .notice").wait_for()
