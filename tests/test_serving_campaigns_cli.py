"""`almanac plan-campaign` as its users run it, its log, and what is learned from the log later."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.customer.experiments import build_experiments, check_experiments
from features.engine import open_engine
from features.errors import InvalidRequest, NotEnoughData
from features.project import load_project
from serving.campaigns.log import log_decisions
from serving.campaigns.query import ask_campaign
from serving.campaigns.run import run_campaign
from serving.campaigns.tables import list_tables, load_tables
from tests.campaign_project import AUDIENCE, MONDAY, check_schedule, publish
from tests.test_almanac import run, write_rows

PROJECT = """
[project]
name = "test"
time_zone = "America/Chicago"
threads = 1
[tables.promotions]
path = "promotions.csv"
[tables.regions]
path = "regions.csv"
[tables.touches]
path = "touches.csv"
[tables.events]
path = "events.csv"
[campaign]
hourly_capacity = { email = 3, sms = 2 }
message_cost = { email = 0.01, sms = 0.04 }
budget = 5.0
"""
LOG = """
[tables.decisions]
path = ".almanac/decisions/*/*.parquet"
"""
WORDS = (
    *("plan-campaign", "--audience", "audience.csv", "--promotion", "ten", "--channel", "email"),
    *("--channel", "sms", "--start", "2026-11-02T00:00:00Z", "--name", "spring"),
)
AS_OF = datetime.fromisoformat("2026-12-01")
NOW = "2026-11-01T18:00:00Z"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, send_time_model, profile_files) -> Path:
    folder = tmp_path_factory.mktemp("campaign")
    (folder / "almanac.toml").write_text(PROJECT)
    write_rows(folder / "audience.csv", ["customer_id"], [[customer] for customer in AUDIENCE])
    write_rows(
        folder / "promotions.csv",
        ["promotion_id", "starts_at", "ends_at", "discount", "margin", "regions"],
        [["ten", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", 0.1, 0.4, "r0, r1, r2"]],
    )
    write_rows(
        folder / "regions.csv", ["region_id", "parent_id", "level"],
        [[f"r{number}", "all", "shop"] for number in range(5)],
    )  # fmt: skip
    write_rows(
        folder / "touches.csv", ["message_id", "customer_id", "channel", "sent_at"],
        [
            ["m1", "c0", "email", "2026-11-01T23:00:00Z"],
            ["m2", "c1", "sms", "2026-10-01T00:00:00Z"],
        ],
    )  # fmt: skip
    write_rows(
        folder / "events.csv", ["customer_id", "occurred_at", "type", "value"],
        [["c5", "2026-11-03T12:00:00Z", "order", 30], ["c6", "2026-11-20T00:00:00Z", "order", 50]],
    )  # fmt: skip
    publish(folder, {**send_time_model.to_files(), **profile_files})
    return folder


@pytest.fixture(scope="module")
def planned(folder) -> str:
    """What the command prints; its schedule lies in plan.csv, its log in the workspace."""
    return run(folder, *WORDS, "--now", NOW, "--out", "plan.csv")


def query_of(folder, **changes):
    usual = {
        "name": "spring", "promotions": ("ten",), "channels": ("email", "sms"), "now": NOW,
        "start": "2026-11-02T00:00:00Z", "days": 7, "budget": None,
    }  # fmt: skip
    return ask_campaign(load_project(folder / "almanac.toml"), AUDIENCE, **{**usual, **changes})


def test_the_schedule_is_written_told_and_within_the_limits_of_the_project(folder, planned):
    table = pd.read_csv(folder / "plan.csv", parse_dates=["send_at"])
    promotions = pd.read_parquet(folder / ".almanac" / "tables" / "promotions.parquet")
    promotions["channels"] = ""
    check_schedule(table, query_of(folder), promotions)
    sent = table[table["send_at"].notna()]
    assert f"{len(sent)} messages to an audience of 250" in planned
    assert "of a budget of 5.00" in planned
    assert "expected customers active within three hours" in planned
    assert "wrote 250 rows to plan.csv" in planned
    assert "other-region" in set(table["reason"].dropna())
    first = table.set_index("customer_id")["send_at"]["c0"]
    assert pd.isna(first) or first >= pd.Timestamp("2026-11-02T23:00Z")  # a day after the touch


def test_parquet_holds_what_csv_does_and_a_log_is_never_overwritten(folder, planned):
    said = run(folder, *WORDS, "--now", NOW, "--out", "again.parquet", code=1)
    assert "already decided on at this moment" in said
    assert not (folder / "again.parquet").exists()
    run(folder, *WORDS, "--now", NOW, "--out", "again.parquet", "--no-log")
    csv, parquet = pd.read_csv(folder / "plan.csv"), pd.read_parquet(folder / "again.parquet")
    assert list(csv.columns) == list(parquet.columns)
    assert csv["decision_id"].equals(parquet["decision_id"].astype(csv["decision_id"].dtype))
    np.testing.assert_allclose(csv["propensity"], parquet["propensity"], rtol=0, atol=1e-6)
    logged = pd.read_parquet(folder / ".almanac" / "decisions" / "spring")
    pd.testing.assert_frame_equal(logged, parquet)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--name", "a/b"), 1, "expected a name of up to 100"),
        (("--start", "2026-10-01T00:00:00Z"), 1, "nothing can be sent in the past"),
        (("--start", "soon"), 1, "expected a time such as"),
        (("--channel", "pigeon"), 1, "pigeon"),
        (("--audience", "regions.csv"), 1, "customer_id"),
        (("--budget", "-1"), 2, "--budget"),
        (("--out", "plan.txt"), 2, "FILE.csv or FILE.parquet"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_refusals_say_why_and_leave_nothing_behind(folder, planned, words, code, said):
    before = sorted(folder.rglob("*"))
    assert said in run(folder, *WORDS, "--now", NOW, "--out", "no.csv", *words, code=code)
    assert sorted(folder.rglob("*")) == before


def test_decisions_are_read_back_through_the_door_and_teach_experiments(folder, planned):
    later = ("--now", "2026-11-01T19:00:00Z", "--name", "second", "--out", "second.csv")
    run(folder, *WORDS, *later)
    # a pattern that matches no file is refused, so the log is named once there is one
    (folder / "almanac.toml").write_text(PROJECT + LOG)
    said = run(folder, "check")
    (folder / "almanac.toml").write_text(PROJECT)
    assert "decisions: 500 rows" in said
    written = pd.read_parquet(folder / ".almanac" / "decisions" / "spring")
    table = pd.read_parquet(folder / ".almanac" / "tables" / "decisions.parquet")
    table = table[table["campaign_id"] == "spring"].set_index("decision_id")
    table = table.loc[written["decision_id"]].reset_index()
    for column in ("customer_id", "arm", "channel", "promotion_id", "propensity", "send_at"):
        expected = written[column]
        if column == "send_at":
            expected = expected.dt.tz_localize(None)
        expected = expected.astype(table[column].dtype)
        pd.testing.assert_series_equal(table[column], expected, check_exact=True)
    assert (table["decided_at"] == pd.Timestamp("2026-11-01T18:00")).all()
    assert (table["model_version"] == "3").all()

    workspace = load_project(folder / "almanac.toml").workspace
    with open_engine(threads=1) as engine:
        found = build_experiments(engine, workspace, AS_OF, horizon_days=7)
    check_experiments(found)
    found = found[found["campaign_id"] == "spring"].set_index("customer_id")
    assert len(found) == 250
    sent = written.set_index("customer_id")["send_at"].notna()
    assert (found["offer"] == np.where(sent[found.index], "ten", "nothing")).all()
    assert found.loc["c5", "orders"] == 1
    assert found["orders"].sum() == 1  # that of c6 comes after the days


def test_a_log_that_fails_to_be_written_is_not_there(folder, tmp_path, monkeypatch):
    query = query_of(folder)
    table = pd.DataFrame({"a": [1]})

    def fail(self, path, **options):
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fail)
    with pytest.raises(OSError, match="disk full"):
        log_decisions(table, query, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    path = log_decisions(table, query, tmp_path)
    assert path.name == "20261101T180000000000Z.parquet"
    with pytest.raises(InvalidRequest, match="never overwritten"):
        log_decisions(pd.DataFrame({"a": [2]}), query, tmp_path)
    assert pd.read_parquet(path)["a"].tolist() == [1]
    assert len(list(path.parent.iterdir())) == 1


def test_caps_look_back_in_utc_at_what_was_sent(folder, planned):
    project = load_project(folder / "almanac.toml")
    assert list_tables(project) == ["promotions", "regions", "touches"]
    found = load_tables(project, MONDAY, 7.0)
    assert found.touches["customer_id"].tolist() == ["c0"]
    assert found.touches["sent_at"].tolist() == [pd.Timestamp("2026-11-01T23:00")]
    assert len(load_tables(project, MONDAY, 1 / 24).touches) == 1  # the bound is inside
    assert len(load_tables(project, MONDAY + timedelta(seconds=1), 1 / 24).touches) == 0
    assert found.places.stock is None
    assert found.places.products is None  # made of the events, and none is in them


def test_without_promotions_it_says_what_is_missing(tmp_path, folder, profile_files):
    shutil.copy(folder / "audience.csv", tmp_path)
    (tmp_path / "almanac.toml").write_text('[project]\nname = "test"\n')
    project = load_project(tmp_path / "almanac.toml")
    with pytest.raises(NotEnoughData, match=r"\[tables.promotions\]"):
        load_tables(project, MONDAY, 7.0)


def test_what_an_order_is_worth_is_read_only_where_an_experiment_needs_it(
    folder, planned, send_time_model, profile_files, monkeypatch
):
    project = load_project(folder / "almanac.toml")
    files = {**send_time_model.to_files(), **profile_files}
    found = run_campaign(project, files, "3", query_of(folder))
    assert len(found.schedule) == 250
    from serving.campaigns import champion

    assert champion._find_order_values(project, None, 2).tolist() == [40.0, 40.0]
