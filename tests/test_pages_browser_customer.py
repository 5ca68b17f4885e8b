"""The page of one customer: by clicks, by keyboard alone, and where there is nothing to see."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.browser_site import check_accessible, open_site, take_screenshots
from tests.test_serving_customers_api import live_published  # noqa: F401

pytestmark = pytest.mark.browser
NOW = datetime.now(UTC)
ADDRESS = "mira@example.com"
YES = {"advertising": True, "email": True, "sms": False}


@pytest.fixture(scope="module")
def site(tmp_path_factory, live_published, champion):  # noqa: F811
    """A service whose send-time model reads live customers."""
    with open_site(tmp_path_factory.mktemp("site"), live_published, champion) as opened:
        yield opened


def tell(kind, number, hours, **members):
    at = (NOW - timedelta(hours=hours)).isoformat()
    return {"type": kind, "messageId": f"{kind}-{number}", "timestamp": at, **members}


def write_messages(who, consent):
    """Sixty visits, an order with a refund, and who it is."""
    stated = {"consent": {"categoryPreferences": consent}}
    traits = {"email": f"{who}@example.com", "city": "Yerevan", "time_zone": "Asia/Yerevan"}
    lines = [{"product_id": "tea", "quantity": 2, "price": 10}]
    order = {"order_id": f"{who}-1", "revenue": 20.0, "currency": "EUR", "products": lines}
    back = {"order_id": f"{who}-1", "total": 5.0}
    return [
        tell("identify", who, 2000, userId=who, traits=traits, context=stated),
        *(
            tell("track", f"{who}-v{n}", 24 * n + 30, userId=who, event="Product Viewed",
                 properties={"product_id": "tea", "channel": "web"})
            for n in range(60)
        ),
        tell("track", f"{who}-o", 20, userId=who, event="Order Completed",
             properties={**order, "channel": "store"}),
        tell("track", f"{who}-r", 10, userId=who, event="Order Refunded", properties=back),
    ]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _people(site):
    """Who is looked up."""
    batch = [message for who in ("mira", "ola", "eve") for message in write_messages(who, YES)]
    batch += write_messages("nils", {"advertising": False})
    answer = httpx.post(f"{site.url}/v1/batch", json={"batch": batch}, timeout=30)
    assert answer.json()["accepted"] == len(batch), answer.text


def look_up(page, who):
    page.goto("/customer")
    page.get_by_label("Who is it?").fill(who)
    page.get_by_role("button", name="Look up").click()


def test_a_person_is_seen_across_channels_and_nobody_else_hears_of_it(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    look_up(page, ADDRESS)
    page.get_by_role("heading", name="mira", exact=True).wait_for()
    consent = page.locator("#consent").inner_text()
    assert "They may be written to by e-mail, and by nothing else." in consent
    assert "✗ no" in consent
    assert "Asia/Yerevan (stated)" in page.locator("#about").inner_text()
    assert "15.00" in page.locator("#value").inner_text()
    assert page.locator("#week td").count() == 168
    assert page.locator("#best li").count() == 3
    page.get_by_text("50 entries are shown.").wait_for()
    # the address of the page holds them behind the #, which is sent to no server
    assert page.url.endswith("#who=mira%40example.com")
    pages = [url for url in asked if "/v1/" not in url]
    assert not any("mira" in url for url in pages)
    check_accessible(page)
    take_screenshots(page, "customer")


def test_older_entries_are_loaded_and_a_channel_leaves_others_out(page):
    look_up(page, "mira")
    page.get_by_text("50 entries are shown.").wait_for()
    first = page.locator(".entry").first
    assert "Refund" in first.inner_text()
    page.get_by_role("button", name="Load older").click()
    page.get_by_text("63 entries are shown; that is all.").wait_for()
    assert page.get_by_role("button", name="Load older").is_hidden()
    # a reader goes on where the older ones begin
    assert page.evaluate("document.activeElement.classList.contains('entry')")
    page.locator("#timeline-channel").select_option("store")
    page.get_by_text("2 entries are shown; that is all.").wait_for()
    order = page.locator(".entry.is-order").inner_text()
    assert "€15.00" in order
    assert "1 product: 2 × tea" in order
    assert "channel=store" in page.url


def test_the_link_shows_the_same_again_and_hours_are_read_by_keyboard(page):
    page.goto("/customer#who=mira&week=web&channel=store")
    page.get_by_text("2 entries are shown; that is all.").wait_for()
    assert page.locator("#week-channel").input_value() == "web"
    page.locator("#week td[tabindex='0']").focus()
    before = page.evaluate("document.activeElement.dataset.slot")
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowRight")
    said = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert said.startswith("Sunday 1 AM:")
    assert "times the average" in said
    assert page.locator(".heat-readout").inner_text() == said
    slot = page.evaluate("document.activeElement.dataset.slot")
    assert slot == str(6 * 24 + 1) != before


def test_a_look_up_and_an_erasure_by_keyboard_alone(page, site):
    page.goto("/customer")
    page.get_by_label("Who is it?").focus()
    page.keyboard.type("ola")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="ola", exact=True).wait_for()
    page.get_by_role("button", name="Erase …").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("somebody else")
    page.keyboard.press("Enter")
    assert "3 characters are expected" in page.locator("#erase-error").inner_text()
    assert httpx.get(f"{site.url}/v1/customers/ola").status_code == 200
    page.keyboard.press("Control+A")
    page.keyboard.type("ola")
    check_accessible(page)
    page.keyboard.press("Enter")
    outcome = page.locator("#state .notice")
    outcome.get_by_text("Erased. Nobody is known by this any more.").wait_for()
    told = outcome.inner_text()
    assert "events" in told
    assert "almanac purge" in told
    assert "promotion 3" in told
    assert "ola" not in page.url
    assert "ola" not in page.locator("main").inner_text()
    assert httpx.get(f"{site.url}/v1/customers/ola").status_code == 404


def test_keeping_somebody_erases_nothing(page, site):
    look_up(page, "eve")
    page.get_by_role("button", name="Erase …").click()
    page.get_by_role("button", name="Keep them").click()
    assert page.get_by_role("heading", name="eve", exact=True).is_visible()
    assert httpx.get(f"{site.url}/v1/customers/eve").status_code == 200


def test_all_that_is_kept_is_saved_as_a_file(page):
    look_up(page, "eve")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export everything").click()
    assert saved.value.suggested_filename == "customer.json"
    content = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert content["customer"]["customer_id"] == "eve"


def test_who_has_not_agreed_is_shown_as_somebody_who_has_not(page):
    look_up(page, "nils@example.com")
    page.get_by_text("Not personalised:").wait_for()
    assert "No campaign may write to them." in page.locator("#consent").inner_text()
    assert page.locator("#name").inner_text().startswith("person-")
    for hidden in ("#value", "#week", "#channels", "#promotions"):
        assert page.locator(hidden).is_hidden()
    page.get_by_text("1 entry is shown; that is all.").wait_for()
    check_accessible(page)
    take_screenshots(page, "customer-no-consent")


def test_nobody_is_said_to_be_nobody(page):
    look_up(page, "nobody-at-all")
    page.get_by_text("Nobody is known by this.").wait_for()
    assert page.locator("#customer").is_hidden()
    assert page.evaluate("document.activeElement.id") == "who"
    check_accessible(page)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, "unauthorized", "This needs a key."),
        (403, "forbidden", "Use a key with the scope 'profiles:read'."),
        (503, "not-stored", "The store does not answer."),
    ],
)
def test_what_cannot_be_shown_says_why(page, status, kind, words):
    problem = {
        "type": f"urn:almanac:problem:{kind}", "title": "Refused", "status": status,
        "detail": words, "request_id": "r",
    }  # fmt: skip
    page.route(
        "**/v1/customers/**",
        lambda route: route.fulfill(
            status=status, body=json.dumps(problem), content_type="application/problem+json"
        ),
    )
    look_up(page, "mira")
    page.get_by_text(words).wait_for()
    assert page.locator("#customer").is_hidden()


def test_arabic_runs_from_right_to_left(page, site):
    page.context.add_cookies([{"name": "almanac_language", "value": "ar", "url": site.url}])
    page.goto("/customer#who=mira")
    page.get_by_text("آخر ما حدّده").wait_for()
    assert page.evaluate("document.dir") == "rtl"
    # Saturday is the first day of the week, and onwards is to the left
    assert page.locator(".heat tbody th").first.inner_text() == "السبت"
    page.locator("#week td[tabindex='0']").focus()
    page.keyboard.press("Home")
    start = int(page.evaluate("document.activeElement.dataset.slot"))
    page.keyboard.press("ArrowLeft")
    assert int(page.evaluate("document.activeElement.dataset.slot")) == start + 1
    check_accessible(page)
    take_screenshots(page, "customer-ar")
