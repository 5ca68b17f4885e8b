"""The page on channels, on simulated events, and on events of one channel."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.engine import open_engine
from features.errors import NotEnoughData, ProjectError
from features.project import Project, load_project
from training.omnichannel.insight import choose_funnels, plan_windows
from training.omnichannel.page import write_omnichannel_report
from training.omnichannel.settings import InsightSettings

FIRST = datetime(2025, 1, 1)  # noqa: DTZ001 - as the engine returns it
N_DAYS = 240
FUNNEL = ("product_viewed", "product_added", "checkout_started", "order")
PASSES = (0.6, 0.7, 0.75)
BROKEN_DAYS = (150, 165)
COLUMNS = ("region_id", "product_id", "order_id", "promotion_id", "message_id", "currency")


def simulate_events(
    n_customers: int, *, seed: int = 3, is_one_channel: bool = False
) -> pd.DataFrame:
    """Simulate visits; who is keener visits more and in more channels, and several bring nothing.

    From day 150 to 164 the checkout of the app loses half of what it would keep, and shows errors.
    """
    rng = np.random.default_rng(seed)
    keen = rng.gamma(2.0, 0.5, n_customers)
    is_several = rng.random(n_customers) < 1 / (1 + np.exp(1.0 - 1.2 * keen))
    home = rng.choice(["web", "app", "store"], n_customers)
    rows = []
    for customer in range(n_customers):
        for day in np.sort(rng.uniform(0, N_DAYS, rng.poisson(20 * keen[customer]))):
            channel = str(home[customer])
            if is_several[customer] and rng.random() < 0.5:
                channel = str(rng.choice(["web", "app", "store"]))
            channel = "store" if is_one_channel else channel
            is_broken = channel == "app" and BROKEN_DAYS[0] <= day < BROKEN_DAYS[1]
            at = FIRST + timedelta(days=float(day))
            for place, kind in enumerate(FUNNEL):
                value = float(rng.gamma(4.0, 10.0)) if kind == "order" else None
                rows.append(
                    (f"c{customer:04d}", at + timedelta(minutes=4 * place), channel, kind, value)
                )
                is_failing = is_broken and kind == "checkout_started"
                if is_failing and rng.random() < 0.5:
                    moment = at + timedelta(minutes=4 * place + 1)
                    rows.append((f"c{customer:04d}", moment, channel, "error_shown", None))
                    break
                if place < len(PASSES) and rng.random() > PASSES[place]:
                    break
    events = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "channel", "type", "value"])
    events.insert(0, "event_id", [f"e{place:07d}" for place in range(len(events))])
    filled = events.assign(**dict.fromkeys(COLUMNS), quantity=1.0, device_time_zone=None)
    return filled.assign(
        region_id=["north" if int(c[1:]) % 2 else "south" for c in events["customer_id"]]
    )


def write_project(folder: Path, events: pd.DataFrame | None, insight: str = "") -> Project:
    path = folder / "almanac.toml"
    path.write_text(f'[project]\nname = "simulated <shop>"\nthreads = 1\n[insight]\n{insight}\n')
    project = load_project(path)
    if events is not None:
        project.workspace.tables.mkdir(parents=True)
        events.to_parquet(project.workspace.table("events"))
    return project


def test_the_page_tells_value_journeys_funnel_and_the_planted_incident(tmp_path):
    project = write_project(
        tmp_path, simulate_events(700), "baseline_days = 120\noutcome_days = 120\npermutations = 99"
    )
    path = write_omnichannel_report(project, tmp_path / "out")
    page = path.read_text(encoding="utf-8")
    assert path.name == "omnichannel.html"
    assert "Customers of several channels spend" in page
    assert "among like customers" in page
    assert "E-value" in page
    assert "Most is at stake in: error_shown surged (channel app), 2025-0" in page
    assert "simulated &lt;shop&gt;: customers across channels" in page
    assert "what the last training found" not in page
    assert "http" not in page.split("<style>")[1].split("</style>")[0]
    again = write_omnichannel_report(project, tmp_path / "again").read_text(encoding="utf-8")
    assert again == page


def test_one_channel_is_said_in_a_sentence(tmp_path):
    project = write_project(tmp_path, simulate_events(60, is_one_channel=True))
    page = write_omnichannel_report(project, tmp_path / "out").read_text(encoding="utf-8")
    assert "cannot be told: all customers are of one kind (store only)." in page
    assert "Every event is in one channel (store)" in page


def test_orders_alone_have_no_funnel_and_say_so(tmp_path):
    events = simulate_events(60)
    project = write_project(tmp_path, events[events["type"] == "order"])
    page = write_omnichannel_report(project, tmp_path / "out").read_text(encoding="utf-8")
    assert "There is no funnel: name its steps in [insight] funnels" in page


def test_a_funnel_whose_first_step_never_happened_says_so(tmp_path):
    project = write_project(
        tmp_path, simulate_events(60), 'funnels = { odd = ["never_seen", "order"] }'
    )
    page = write_omnichannel_report(project, tmp_path / "out").read_text(encoding="utf-8")
    assert "never_seen" in page
    assert "found none" in page


def test_events_without_any_order_make_a_page(tmp_path):
    events = simulate_events(40)
    project = write_project(tmp_path, events[events["type"] != "order"])
    page = write_omnichannel_report(project, tmp_path / "out").read_text(encoding="utf-8")
    assert "There are no orders in these days." in page
    assert "no customer made two orders" in page


def test_no_events_are_refused(tmp_path):
    with pytest.raises(NotEnoughData, match="expected a table of events, found none"):
        write_omnichannel_report(write_project(tmp_path, None), tmp_path / "out")


def test_an_empty_table_is_refused(tmp_path):
    events = simulate_events(5)
    typed = events.iloc[:0]
    with pytest.raises(NotEnoughData, match="found an empty table"):
        write_omnichannel_report(write_project(tmp_path, typed), tmp_path / "out")


def test_settings_are_checked(tmp_path):
    project = write_project(tmp_path, None, 'funnels = { short = ["order"] }')
    with pytest.raises(ProjectError, match="needs two or more different event types"):
        project.section("insight", InsightSettings)


def test_the_default_funnel_is_of_the_types_that_are_there(tmp_path):
    project = write_project(tmp_path, simulate_events(20))
    with open_engine(threads=1) as engine:
        (funnel,) = choose_funnels(engine, project, InsightSettings())
    assert funnel.steps == FUNNEL
    assert funnel.window_hours == 24.0


def test_windows_end_with_the_data():
    settings = InsightSettings(baseline_days=60, outcome_days=30)
    end = FIRST + timedelta(days=200)
    assert plan_windows(FIRST, end, settings) == (FIRST + timedelta(days=110), 60, 30)
    short = plan_windows(FIRST, FIRST + timedelta(days=30), settings)
    assert short == (FIRST, 20, 10)
