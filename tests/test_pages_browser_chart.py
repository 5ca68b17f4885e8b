"""The chart that pages share, in Chromium: three years of days by mouse, keyboard and table."""

import pytest

from tests.browser_site import check_accessible, take_screenshots

pytestmark = pytest.mark.browser
DRAW = """async () => {
  const style = document.querySelector('link[href$="almanac.css"]').getAttribute("href");
  const { drawChart } = await import(style.replace("almanac.css", "chart.js"));
  const first = Date.UTC(2024, 0, 1);
  const days = Array.from({length: 1096}, (_, n) => n);
  const dates = days.map((n) => new Date(first + n * 864e5).toISOString().slice(0, 10));
  const past = days.map((n) => n < 1068 ? 20 + 8 * Math.sin(n / 58) + (n % 7) : null);
  const ahead = days.map((n) => n >= 1060 ? 24 + (n % 7) : null);
  const place = document.createElement("div");
  document.querySelector("main").replaceChildren(place);
  window.hovered = [];
  window.chart = drawChart(place, {
    label: "Tea in the north", dates, unit: "units",
    lines: [{label: "Sold", values: past, color: "--ink"},
            {label: "Forecast", values: ahead, dash: [6, 4]}],
    bands: [{label: "80 %", low: ahead.map((x) => x && x - 6), high: ahead.map((x) => x && x + 6)}],
    marks: [{from: dates[1000], to: dates[1010], kind: "promotion", label: "Promotion"},
            {from: dates[1040], to: dates[1040], kind: "holiday", label: "Holiday"},
            {from: dates[1050], to: dates[1055], kind: "stock-out", label: "Sold out"}],
  }, {onHover: (at) => hovered.push(at), from: dates[960], to: dates[1095]});
}"""
RANGE = "[chart.plot.scales.x.min, chart.plot.scales.x.max].map((s) => Math.round(s / 86400))"
PAN = """async () => {
  const over = document.querySelector(".u-over");
  const box = over.getBoundingClientRect();
  const send = (kind, x) => over.dispatchEvent(new PointerEvent(kind, {
    clientX: box.left + x, clientY: box.top + 50, button: 0, pointerId: 1, bubbles: true}));
  over.setPointerCapture = () => {};
  const gaps = [];
  let before = performance.now();
  send("pointerdown", 300);
  for (let step = 0; step < 90; step += 1) {
    send("pointermove", 300 + 3 * step);
    const at = await new Promise((done) => requestAnimationFrame(done));
    gaps.push(at - before);
    before = at;
  }
  send("pointerup", 570);
  return gaps.slice(1).sort((a, b) => a - b);
}"""


@pytest.fixture
def chart(page):
    page.goto("/")
    page.locator("#state .notice").wait_for()
    page.evaluate(DRAW)
    page.wait_for_timeout(200)
    return page


def test_it_is_read_by_keyboard_and_by_ear(chart):
    plot = chart.get_by_role("slider")
    plot.focus()
    chart.keyboard.press("Home")
    assert plot.get_attribute("aria-valuetext").startswith("Mon, Jan 1, 2024: Sold 20")
    chart.keyboard.press("End")
    chart.keyboard.press("ArrowLeft")
    text = plot.get_attribute("aria-valuetext")
    assert text.startswith("Wed, Dec 30, 2026: Forecast")
    assert "80 %" in text
    assert " to " in text
    before = chart.evaluate(RANGE)
    chart.keyboard.press("+")
    after = chart.evaluate(RANGE)
    assert after[1] - after[0] < before[1] - before[0]
    chart.keyboard.press("0")
    shown = chart.evaluate(RANGE)
    assert shown[1] - shown[0] == 1095
    assert chart.locator(".chart-readout").inner_text() == text
    assert chart.evaluate("hovered.at(-1)") == 1094


def test_dates_that_are_marked_say_so(chart):
    chart.evaluate("chart.moveTo(1005)")
    assert "Promotion" in chart.get_by_role("slider").get_attribute("aria-valuetext")
    assert chart.locator(".chart-legend li").all_inner_texts() == [
        "Sold", "Forecast", "80 %", "Promotion", "Holiday", "Sold out",
    ]  # fmt: skip


def test_it_is_moved_by_dragging_and_zoomed_by_the_wheel_and_by_buttons(chart):
    before = chart.evaluate(RANGE)
    box = chart.locator(".u-over").bounding_box()
    chart.mouse.move(box["x"] + 300, box["y"] + 100)
    chart.mouse.down()
    chart.mouse.move(box["x"] + 500, box["y"] + 100, steps=4)
    chart.mouse.up()
    chart.wait_for_timeout(50)
    moved = chart.evaluate(RANGE)
    assert moved[0] < before[0]
    assert moved[1] - moved[0] == before[1] - before[0]
    chart.mouse.wheel(0, 200)  # scrolls the page, and nothing else
    chart.wait_for_timeout(50)
    assert chart.evaluate(RANGE) == moved
    chart.get_by_role("button", name="Zoom out").click()
    assert chart.evaluate(RANGE)[0] < moved[0]
    chart.get_by_role("button", name="Show all").click()
    assert chart.evaluate(RANGE)[1] - chart.evaluate(RANGE)[0] == 1095


def test_its_numbers_are_in_a_table_too(chart):
    chart.get_by_text("Show as table").click()
    rows = chart.get_by_role("row")
    assert rows.count() == 1097
    heads = chart.locator("thead th").all_inner_texts()
    assert heads == ["Date", "Sold", "Forecast", "80 %, low", "80 %, high", "Marked"]
    assert "Promotion" in chart.get_by_role("row", name="Oct 1, 2026").inner_text()


def test_it_takes_the_colours_of_the_theme_and_is_accessible(chart):
    count = (
        "[...document.querySelector('.u-wrap canvas').getContext('2d')"
        ".getImageData(0, 0, 400, 300).data].reduce((a, b) => a + b, 0)"
    )
    light = chart.evaluate(count)
    chart.get_by_label("Colours").select_option("dark")
    chart.wait_for_timeout(100)
    assert chart.evaluate(count) != light
    check_accessible(chart)
    chart.get_by_label("Colours").select_option("auto")
    take_screenshots(chart, "chart")


def test_three_years_of_days_pan_smoothly(chart):
    chart.evaluate("chart.showAll(); chart.zoom(0.5)")
    gaps = chart.evaluate(PAN)
    assert gaps[len(gaps) // 2] < 34  # milliseconds: 30 frames a second on a machine that is busy
