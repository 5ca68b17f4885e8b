"""How fast the page of regional demand is, in a real browser, and how smoothly its chart pans.

The model is made up and seeded: stores × products with three years of days each, and all levels
above. The service runs on loopback; browser and service share the machine's cores. Needs
Playwright and Chromium (`ALMANAC_CHROMIUM` names another than `chromium`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.pages_data import SEED, publish_series
from benchmarks.serving_bench import row
from benchmarks.serving_servers import ask, running, start_almanac
from benchmarks.serving_table import write_page

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("bentoml", "starlette", "numpy", "pyarrow", "playwright")
BAR_VIEW_MS, BAR_FRAME_MS, BAR_SEARCH_MS = 1000.0, 1000 / 30, 100.0
IS_SHOWN = """() => {
  const has = (id, words) => document.querySelector(id)?.textContent.includes(words);
  const isShown = has("#chart .chart-readout", "Forecast") && !has("#name", "Loading")
    && has("#accuracy", "%") && document.querySelector("#chart canvas");
  return isShown ? performance.now() : false;
}"""
IS_WHOLE = """() => document.querySelector("#regions a") && document.querySelector("#stock table")
  && document.querySelectorAll("#levels .chart-readout").length >= 2 ? performance.now() : false"""
RECORD = """() => {
  window.frames_ = [];
  let last = performance.now();
  const note = (now) => {
    frames_.push(now - last);
    last = now;
    window.raf_ = requestAnimationFrame(note);
  };
  window.raf_ = requestAnimationFrame(note);
}"""


@contextmanager
def open_browser() -> Iterator[Any]:
    """Start the system's Chromium."""
    from playwright.sync_api import sync_playwright

    path = shutil.which(os.environ.get("ALMANAC_CHROMIUM", "chromium"))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def measure_views(browser: Any, url: str, queries: Sequence[str]) -> list[dict[str, Any]]:
    """Open the page anew, nothing kept from before, and wait for what is looked at first."""
    shown, whole, painted = [], [], []
    for query in queries:
        context = browser.new_context(viewport={"width": 1920, "height": 1080})
        page = context.new_page()
        page.goto(f"{url}/demand{query}", wait_until="commit")
        shown.append(page.wait_for_function(IS_SHOWN, polling="raf").json_value())
        whole.append(page.wait_for_function(IS_WHOLE, polling="raf").json_value())
        painted.append(
            page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        )
        context.close()
    how = f"{len(queries)} new browser profiles, the whole and random selections; from navigation"
    return [
        row(
            "first view: name, chart with forecast, accuracy",
            f"median ≤ {BAR_VIEW_MS:.0f} ms",
            _tell(shown),
            is_met=statistics.median(shown) <= BAR_VIEW_MS,
            how=how,
        ),
        tell("all parts: growth of all stores, stock, levels", _tell(whole), how),
        tell("first contentful paint", _tell([one for one in painted if one]), how),
    ]


def measure_panning(browser: Any, url: str) -> list[dict[str, Any]]:
    """Drag the chart to and fro over three years, and take the time between frames."""
    page = browser.new_context(viewport={"width": 1920, "height": 1080}).new_page()
    rows = []
    for name, query in (("one series", "?region=store+0007&product=product+0003"), ("all", "")):
        page.goto(f"{url}/demand{query}")
        page.wait_for_function(IS_WHOLE, polling="raf")
        page.locator("#chart").get_by_role("button", name="Show all").click()
        page.locator("#chart").get_by_role("button", name="Zoom in").click()
        box = page.locator("#chart .u-over").bounding_box()
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] / 2, middle)
        page.mouse.down()
        page.evaluate(RECORD)
        for step in range(240):
            x = box["x"] + box["width"] * (0.5 + 0.35 * np.sin(step / 12))
            page.mouse.move(x, middle)
        frames = sorted(page.evaluate("() => { cancelAnimationFrame(raf_); return frames_; }")[2:])
        page.mouse.up()
        late = sum(one > BAR_FRAME_MS for one in frames) / len(frames)
        p95 = frames[int(0.95 * (len(frames) - 1))]
        told = (
            f"median {statistics.median(frames):.1f}, p95 {p95:.1f}, worst {frames[-1]:.1f} ms; "
            f"{late:.1%} of {len(frames)} frames above {BAR_FRAME_MS:.0f} ms"
        )
        rows.append(
            row(
                f"panning three years of days, {name}",
                f"p95 ≤ {BAR_FRAME_MS:.0f} ms",
                told,
                is_met=p95 <= BAR_FRAME_MS,
                how="time between animation frames while the chart is dragged",
            )
        )
    page.context.close()
    return rows


def measure_search(port: int, stores: int, products: int) -> list[dict[str, Any]]:
    """Search for random words, as typing does."""
    rng, took = np.random.default_rng(SEED), []
    for _ in range(200):
        words = f"{rng.integers(stores):04d}+product+{rng.integers(products):03d}"
        start = perf_counter()
        status, _, _ = ask(port, f"/v1/series?search={words}&limit=20")
        took.append(1000 * (perf_counter() - start))
        if status != 200:
            raise RuntimeError(f"search: expected 200, got {status}")
    p95 = sorted(took)[int(0.95 * len(took))]
    return [
        row(
            "search over all series",
            f"p95 ≤ {BAR_SEARCH_MS:.0f} ms",
            _tell(took),
            is_met=p95 <= BAR_SEARCH_MS,
            how="200 requests one after the other, each of three words",
        )
    ]


def tell(name: str, found: str, how: str) -> dict[str, Any]:
    """Return a row that has no bar."""
    return row(name, "beside", found, is_met=True, how=how)


def _tell(values: Sequence[float]) -> str:
    ordered = sorted(values)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    return f"median {statistics.median(ordered):.0f}, p95 {p95:.0f}, worst {ordered[-1]:.0f} ms"


def choose_queries(stores: int, products: int, count: int) -> list[str]:
    """Return the whole, and random selections of all levels."""
    rng = np.random.default_rng(SEED)
    chosen = [""]
    while len(chosen) < count:
        store, product = int(rng.integers(stores)), int(rng.integers(products))
        kind = len(chosen) % 3
        region = f"store+{store:04d}" if kind else f"state+{store % 20:02d}"
        item = f"product+{product:04d}" if kind < 2 else "all"
        chosen.append(f"?region={region}&product={item}")
    return chosen


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", type=int, default=500)
    parser.add_argument("--products", type=int, default=100)
    parser.add_argument("--views", type=int, default=15)
    parser.add_argument("--port", type=int, default=3960)
    parser.add_argument("--workspace", type=Path, help="kept, so that the model is made once")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Measure, and write the results."""
    options = read_options(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.workspace or Path(temporary)).resolve()
        published = folder / ".almanac" / "published"
        if not (published / "demand").exists():
            published.mkdir(parents=True)
            publish_series(published, options.stores, options.products)
        load = os.getloadavg()
        with running(start_almanac(folder, options.port)) as server, open_browser() as browser:
            url = f"http://127.0.0.1:{options.port}"
            ask(options.port, "/demand", accept="text/html")
            queries = choose_queries(options.stores, options.products, options.views)
            rows = measure_views(browser, url, queries)
            rows += measure_panning(browser, url)
            rows += measure_search(options.port, options.stores, options.products)
            used = server.worker().memory_info().rss / 2**20
            rows.append(tell("memory of a worker, after it", f"{used:.0f} MiB RSS", "psutil"))
            chromium = browser.version
    series = options.stores * options.products
    run = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "series": f"{series:,}: {options.stores} stores × {options.products} products, 1,096 days",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load before {load[0]:.1f}",
        "versions": ", ".join(
            [f"python {platform.python_version()}", f"chromium {chromium}"]
            + [f"{name} {version(name)}" for name in PACKAGES]
        ),
        "command": f"python benchmarks/pages.py --stores {options.stores} "
        f"--products {options.products} --views {options.views}",
    }
    options.out.mkdir(parents=True, exist_ok=True)
    text = write_page("The pages", __doc__ or "", rows, run)
    (options.out / "pages.md").write_text(text, encoding="utf-8")
    found = json.dumps({"run": run, "rows": rows}, indent=1, ensure_ascii=False)
    (options.out / "pages.json").write_text(found + "\n", encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
