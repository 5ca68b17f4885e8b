"""Promotion trainings on histories that teach little, from the user's files on."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.door.tables import build_tables
from features.errors import NotEnoughData, ProjectError, UnknownReference
from features.progress import Silent
from features.project import load_project
from serving.batch import load_predictor
from training.config import PromotionSettings
from training.lifecycle import read_evidence, write_evidence
from training.promotion.chapter import write_promotion_chapter
from training.promotion.recipe import PROMOTION, PUBLISHED
from training.promotion.steps import make_plan, open_reader

START = datetime.fromisoformat("2024-01-01T00:00")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
N_CUSTOMERS, N_DAYS = 60, 49

PROJECT = """
[project]
name = "shop"
time_zone = "UTC"
threads = 1

[promotion]
label_days = 7
folds = 2
half_life_days = 60
lightgbm = { rounds = 3, leaves = 3 }
"""
EVENTS = """
[tables.events]
path = "orders.csv"
naive_time_zone = "UTC"
columns = { customer_id = "customer", occurred_at = "at" }
"""
TOUCHES = """
[tables.touches]
path = "touches.csv"
naive_time_zone = "UTC"
columns = { message_id = "id", customer_id = "customer", channel = "channel", sent_at = "sent", \
opened_at = "opened", clicked_at = "clicked" }
"""
CUSTOMERS = """
[tables.customers]
path = "customers.csv"
columns = { customer_id = "customer" }
"""


def draw_orders(*, days=N_DAYS, customers=N_CUSTOMERS):
    """Orders around an hour of each customer's own."""
    rng = np.random.default_rng(3)
    favourite = rng.integers(7, 22, customers)
    rows = [
        (f"c{customer:02d}", START + int(rng.integers(0, days)) * DAY
         + (favourite[customer] + float(rng.uniform(-1, 1))) * HOUR)
        for customer in range(customers)
        for _ in range(12)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["customer", "at"])


def draw_touches(*, hour=None, first=START, days=N_DAYS, customers=N_CUSTOMERS, each=30):
    """E-mails at an hour, or at any; one in five is opened and clicked."""
    rng = np.random.default_rng(4)
    n = customers * each
    at = rng.integers(0, 24, n) if hour is None else np.full(n, hour)
    sent = pd.Series([first] * n) + pd.to_timedelta(24 * rng.integers(0, days, n) + at, unit="h")
    sent = (sent + pd.to_timedelta(rng.integers(0, 3600, n), unit="s")).astype("datetime64[s]")
    is_answered = rng.random(n) < 0.2
    return pd.DataFrame(
        {
            "id": [f"m{place}" for place in range(n)],
            "customer": [f"c{place % customers:02d}" for place in range(n)],
            "channel": "email",
            "sent": sent,
            "opened": (sent + pd.Timedelta(minutes=20)).where(is_answered),
            "clicked": (sent + pd.Timedelta(minutes=25)).where(is_answered),
        }
    )


def make_project(folder, *, text=PROJECT, **files):
    """Write `orders`, `touches`, `customers` as CSV with their sections, and load the project."""
    sections = {"orders": EVENTS, "touches": TOUCHES, "customers": CUSTOMERS}
    for name, table in files.items():
        table.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")
        text += sections[name]
    (folder / "almanac.toml").write_text(text, encoding="utf-8")
    return load_project(folder / "almanac.toml")


def train(folder, **files):
    """Train through the door; return the training and its evidence as it is read back."""
    project = make_project(folder, **files)
    build_tables(project, Silent(), PROMOTION.tables(project))
    trained = PROMOTION.train(project, Silent())
    write_evidence(trained.tables, folder / "evidence")
    return project, trained, read_evidence(folder / "evidence")


def check_rests_on_activity(project, trained, tables):
    """Send times are judged, told and answered by activity, and nothing of a response is left."""
    published = tables[PUBLISHED].set_index("part")
    assert not published.loc["response", "is_published"]
    assert "response.json" not in trained.files
    checks = {check.name for check in PROMOTION.judge(project, tables, None).checks}
    assert {"log_loss/best_global_hour", "calibration"} <= checks
    assert not {name for name in checks if name.startswith("policy")}
    assert write_promotion_chapter(tables).sections
    assert load_predictor(trained.files).scorer.measure("email") == "reach"
    return list(tables["notes"]["note"])


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    return train(tmp_path_factory.mktemp("some"), orders=draw_orders(), touches=draw_touches())


def test_touches_without_decisions_are_learned_from_and_offers_say_why_not(answered):
    project, _, tables = answered
    published = tables[PUBLISHED].set_index("part")["words"]
    assert "there is no log of decisions" in published["offers"]
    assert tables["response_scores"]["touches"].min() > 200
    assert {"policy_gains", "fallback_gains"} <= set(tables)
    checks = [check.name for check in PROMOTION.judge(project, tables, None).checks]
    assert sum(name.startswith("policy_not_worse/") for name in checks) == 4
    assert write_promotion_chapter(tables).sections


def test_every_table_of_evidence_is_read_back_with_its_columns(answered):
    _, trained, tables = answered
    assert set(tables) == set(trained.tables)
    for name, table in trained.tables.items():
        assert list(table.columns) == list(tables[name].columns), name
        assert len(table.columns) > 0, name
        assert len(table) == len(tables[name]), name


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"hour": 9}, "the effect of the hour cannot be learned"),
        ({"first": START + 3000 * DAY}, "touches were sent after the cut-off: not read"),
    ],
    ids=["all at one hour", "all in the future"],
)
def test_touches_that_cannot_teach_hours_leave_send_times_to_activity(tmp_path, changes, note):
    found = train(tmp_path, orders=draw_orders(), touches=draw_touches(**changes))
    notes = check_rests_on_activity(*found)
    assert any(note in one for one in notes), notes


def test_a_log_of_messages_older_than_the_first_order_lays_no_window_before_it(tmp_path):
    touches = draw_touches(first=START - 200 * DAY, days=200 + N_DAYS, each=2)
    project = make_project(tmp_path, orders=draw_orders(), touches=touches)
    build_tables(project, Silent(), PROMOTION.tables(project))
    starts = {}
    for is_counted in (False, True):
        settings = PromotionSettings(label_days=7, folds=20, is_response_activity=is_counted)
        with open_reader(project, settings) as reader:
            starts[is_counted] = make_plan(reader, settings, None).folds[0].fit
    assert starts[False] >= START > starts[True]  # opens are activity only where asked for


def test_fewer_than_four_weeks_are_refused_with_what_is_needed(tmp_path):
    project = make_project(tmp_path, orders=draw_orders(days=20), touches=draw_touches(days=20))
    build_tables(project, Silent(), PROMOTION.tables(project))
    with pytest.raises(NotEnoughData, match=r"at least 28 days .* got 1\d days, .* longer history"):
        PROMOTION.train(project, Silent())


def test_touches_alone_are_refused_by_the_section_that_is_missing(tmp_path):
    project = make_project(tmp_path, touches=draw_touches())
    with pytest.raises(ProjectError, match=r"\[tables\.events\] is needed"):
        build_tables(project, Silent(), PROMOTION.tables(project))


def test_touches_to_unknown_customers_are_refused_where_customers_are_given(tmp_path):
    known = pd.DataFrame({"customer": [f"c{place:02d}" for place in range(N_CUSTOMERS)]})
    touches = draw_touches(customers=N_CUSTOMERS + 1, each=1)
    project = make_project(tmp_path, orders=draw_orders(), touches=touches, customers=known)
    with pytest.raises(UnknownReference, match=r"row 61, column 'customer'.*got 'c60'"):
        build_tables(project, Silent(), PROMOTION.tables(project))


def test_customers_who_were_only_written_to_are_told_by_everybody(tmp_path):
    touches = draw_touches(customers=N_CUSTOMERS + 5, each=1)  # five never order
    _, trained, tables = train(tmp_path, orders=draw_orders(), touches=touches)
    predictor = load_predictor(trained.files)
    assert not tables[PUBLISHED].set_index("part").loc["response", "is_published"]
    assert len(predictor.profiles) == N_CUSTOMERS + 5
    own = predictor.profiles.histories.own_events
    assert (own == 0).sum() == 5
