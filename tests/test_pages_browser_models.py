"""The page of models, and the session, in Chromium: by clicks, by keyboard, in both directions."""

import json

import pytest

from models.records import find_record
from serving.access.keyfile import add_key
from serving.access.keys import make_key
from serving.access.scopes import Scope
from serving.access.settings import find_keys_file
from serving.api import utc_now
from tests.browser_site import check_accessible, take_screenshots

pytestmark = pytest.mark.browser
KEYS = {}


def describe_score(model, level, horizon, wape, role=""):
    measures = {"wape": wape, "bias": 0.01, "mase": None}
    return {
        "model": model, "is_published": role == "answers", "is_baseline": role == "baseline",
        "level": level, "horizon": horizon, "measures": measures,
    }  # fmt: skip


DEMAND = {
    "format": 1,
    "model": "Almanac",
    "data_until": "2026-10-31",
    "scores": [
        describe_score("seasonal naive", "all/all", None, 0.3, "baseline"),
        describe_score("Almanac", "all/all", None, 0.21, "answers"),
        describe_score("seasonal naive", "store/sku", None, 0.5, "baseline"),
        describe_score("Almanac", "store/sku", "8-14", 0.45, "answers"),
        describe_score("Almanac", "store/sku", None, 0.4, "answers"),
    ],
    "gains": [],
    "coverage": [
        {"level": level, "horizon": None, "nominal": nominal, "measured": measured, "n": 90}
        for level in ("all/all", "store/sku")
        for nominal, measured in ((0.8, 0.78), (0.95, 0.96))
    ],
    "calibration": [],
    "importance": [{"feature": f"units_lag_{n}d", "share": 0.2 / n} for n in range(1, 12)],
    "notes": ["a note of the training"],
}
PROMOTION = {
    **DEMAND,
    "model": "LightGBM",
    "coverage": [],
    "scores": [],
    "calibration": [
        {"predicted": p, "observed": p * 1.1, "low": p * 0.9, "high": p * 1.3, "n": 5000}
        for p in (0.0006, 0.003, 0.02, 0.1)
    ],
}
GATES = [
    {"name": "wape", "measured": 0.8, "bound": 1.0, "is_passed": True, "words": "WAPE: 0.8"},
    {"name": "bias", "measured": None, "bound": 0.1, "is_passed": False, "words": "bias: nan"},
]
CHECKS = [
    {
        "check": f"drift/{subject}", "kind": "drift", "subject": subject, "model": "promotion",
        "verdict": verdict, "reason": f"{subject} was looked at", "n": 100, "value": 0.3,
        "baseline": None, "threshold": 0.1, "low": None, "high": None,
    }
    for subject, verdict in (("orders_30d", "alert"), ("recency_days", "ok"))
]  # fmt: skip


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def prepare_site(project):
    """Records of both champions and a refused challenger; findings; a key of each of two scopes."""
    published = project.workspace.published
    told = {"format": 1, "trained_at": "2026-11-01T10:00:00+00:00"}
    passed = {**told, "outcome": "passed", "gates": GATES[:1]}
    write(find_record(published, "promotion", "3"), {**passed, "evidence": PROMOTION})
    write(find_record(published, "demand", "1"), {**passed, "evidence": DEMAND})
    refused = {**told, "trained_at": "2026-11-03T10:00:00+00:00", "outcome": "refused"}
    write(find_record(published, "demand", "2"), {**refused, "gates": GATES, "evidence": DEMAND})
    found = {
        "format": 1, "made_at": "2026-11-04T09:00:00+00:00", "verdict": "alert",
        "retraining": [{"model": "promotion", "because": "orders_30d moved"}], "checks": CHECKS,
    }  # fmt: skip
    write(project.workspace.root / "monitor" / "monitor.json", found)
    for scope in (Scope.MERCHANDISING, Scope.INGEST):
        key, KEYS[scope] = make_key(scope.value, (scope,), utc_now())
        add_key(find_keys_file(project), key)


def sign_in(page, scope=Scope.MERCHANDISING):
    page.get_by_role("button", name="Enter a key").first.click()
    page.get_by_label("Key", exact=True).fill(KEYS[scope])
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()


def test_a_key_is_entered_once_and_kept_where_no_script_reads_it(page):
    page.goto("/models")
    page.get_by_text("This needs a key.").wait_for()
    check_accessible(page)
    page.get_by_role("button", name="Enter a key").first.click()
    field = page.get_by_label("Key", exact=True)
    field.fill("alm_000000000000_guess")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("This key is not known, or has ended.").wait_for()
    check_accessible(page)
    field.fill(KEYS[Scope.MERCHANDISING])
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.get_by_role("heading", name="Champion", exact=True).first.wait_for()
    kept = page.evaluate("[document.cookie, JSON.stringify(localStorage), location.href].join()")
    assert "almanac_session" not in kept
    assert "alm_" not in kept
    page.goto("/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Enter a key").first.wait_for()


def test_a_key_without_the_scope_is_told_which_one_is_missing(page):
    page.goto("/models")
    sign_in(page, Scope.INGEST)
    page.get_by_text("The key you entered may not see this.").wait_for()
    assert page.get_by_text("'models:read'").count() == 1


def test_models_say_how_they_were_judged_and_whether_they_hold(page):
    page.goto("/models")
    sign_in(page)
    demand = page.locator("#demand")
    demand.get_by_text("refused: a gate did not pass").wait_for()
    demand.get_by_text("did not pass", exact=True).wait_for()
    demand.get_by_text("20% less error than seasonal naive").first.wait_for()
    demand.get_by_label("Level").first.select_option("all/all")
    assert demand.locator("tr.published").first.inner_text().split("\t")[:4] == [
        "Almanac", "chosen", "all", "0.21",
    ]  # fmt: skip
    demand.get_by_text("Show as table").first.click()
    assert demand.get_by_role("cell", name="78%").first.is_visible()
    promotion = page.locator("#promotion")
    assert promotion.get_by_role("img", name="Calibration").is_visible()
    monitor = page.locator("#monitor")
    assert "Train again: promotion: orders_30d moved" in monitor.inner_text()
    monitor.get_by_text("1 check without a finding").click()
    assert monitor.get_by_text("recency_days was looked at").is_visible()
    check_accessible(page)
    take_screenshots(page, "models")


def test_the_same_by_keyboard_alone(page):
    page.goto("/models")
    page.locator("#promotion .problem").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Enter a key"
    page.keyboard.press("Enter")
    page.keyboard.type(KEYS[Scope.MERCHANDISING])
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.locator("#demand tr.published").first.wait_for()
    page.locator("#demand select").first.focus()
    page.keyboard.press("Home")
    page.locator("#demand tr.published", has_text="0.21").first.wait_for()
    page.locator("#monitor summary").focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("recency_days was looked at").is_visible()


def test_it_reads_from_right_to_left(page):
    page.goto("/models")
    sign_in(page)
    with page.expect_navigation():
        page.get_by_label("Language").select_option("ar")
    page.get_by_text("أعد التدريب").first.wait_for()
    assert page.evaluate("getComputedStyle(document.body).direction") == "rtl"
    left, right = (page.locator(name).bounding_box()["x"] for name in (".tools", ".brand"))
    assert left < right
    check_accessible(page)
    take_screenshots(page, "models-ar")
