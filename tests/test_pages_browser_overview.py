import pytest

from tests.browser_site import check_accessible, take_screenshots

pytestmark = pytest.mark.browser


def test_the_overview_says_what_answers_and_leads_on(page):
    page.goto("/")
    state = page.locator("#state")
    state.get_by_text("The service is ready.").wait_for()
    assert "answers, version 3" in state.inner_text()
    check_accessible(page)
    take_screenshots(page, "overview")
