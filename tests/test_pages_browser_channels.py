"""The page on customers across channels: what was found, and what to run where nothing was."""

import shutil

import pytest

from tests.browser_site import check_accessible, take_screenshots
from tests.test_training_omnichannel_page import simulate_events, write_project
from training.omnichannel.page import write_omnichannel_report

pytestmark = pytest.mark.browser
SETTINGS = "baseline_days = 120\noutcome_days = 120\npermutations = 99"


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """What a report found in a simulated shop whose app broke for two weeks."""
    folder = tmp_path_factory.mktemp("shop")
    events = simulate_events(700).assign(currency="EUR")
    project = write_project(folder, events, SETTINGS)
    write_omnichannel_report(project, folder / "out")
    return project.workspace.omnichannel


@pytest.fixture
def found(site, numbers):
    """The report was made."""
    target = site.project.workspace.omnichannel
    target.parent.mkdir(exist_ok=True)
    shutil.copy(numbers, target)
    yield target
    target.unlink()


def test_where_nothing_was_made_it_says_what_to_run(page):
    page.goto("/channels")
    page.get_by_text("Channels were not looked at yet.").wait_for()
    assert "almanac report omnichannel" in page.locator("#state code").inner_text()
    assert page.locator("#insight").is_hidden()
    check_accessible(page)


def test_value_journeys_and_friction_are_told_with_their_intervals(page, found):
    page.goto("/channels")
    page.get_by_role("heading", name="What several channels are worth").wait_for()
    value = page.locator("#value")
    assert "Customers of several channels spend" in value.inner_text()
    assert "is selection" in value.inner_text()
    # raw and adjusted stand below each other, on one scale
    rows = page.locator(".effects tbody tr")
    assert rows.count() == 6
    assert "as they are" in rows.nth(0).inner_text()
    assert "among like customers" in rows.nth(1).inner_text()
    assert page.locator(".effects .interval-point").count() == 6
    zeros = page.locator(".effects .interval-zero").evaluate_all(
        "all => all.map(one => Math.round(one.getBoundingClientRect().x))"
    )
    assert len(set(zeros)) == 1
    assert page.locator("#visits .matrix tbody tr").count() == 3
    worst = page.get_by_role("region", name="Days on which something broke").locator("tbody tr")
    assert "error_shown surged: channel app" in worst.first.inner_text()
    assert "€" in worst.first.inner_text()
    check_accessible(page)
    take_screenshots(page, "channels")


def test_journeys_are_read_as_a_table_by_keyboard_alone(page, found):
    page.goto("/channels")
    page.get_by_role("heading", name="Journeys between channels").wait_for()
    summary = page.locator("#visits summary")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.querySelector('#visits summary')"):
            break
    page.keyboard.press("Enter")
    table = page.locator("#visits details table")
    table.wait_for()
    assert table.locator("tbody tr").count() == 9
    assert "to" in table.locator("tbody tr").first.inner_text()
    assert summary.is_visible()


def test_arabic_runs_from_right_to_left(page, site, found):
    page.context.add_cookies([{"name": "almanac_language", "value": "ar", "url": site.url}])
    page.goto("/channels")
    page.get_by_role("heading", name="أين نفقد العملاء").wait_for()
    check_accessible(page)
    take_screenshots(page, "channels-ar")
