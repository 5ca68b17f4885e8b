"""The decision log read back, exported, proven with, and forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import almanac
from features.door.tables import build_tables
from features.errors import NotEnoughData
from features.progress import Silent
from features.project import load_project
from features.schema import DECISIONS
from features.served.places import ServedPlaces, list_spool
from features.served.pseudonyms import Pseudonyms, load_key
from features.served.tables import (
    build_slot_propensities,
    read_decisions,
    read_joined,
    read_outcomes,
    to_slot,
)
from serving.api import build_api
from serving.decisions.compaction import compact
from serving.decisions.export import count_decisions, export_decisions
from serving.decisions.log import DecisionLog
from serving.decisions.retention import purge_decisions
from serving.decisions.settings import DecisionSettings
from serving.settings import ServingSettings
from tests.conftest import N_CUSTOMERS, NOW
from training.erasure.workspace import erase_from_workspace
from training.proof.logged import build_logged_sends, sum_block_propensity, to_block
from training.proof.proof import prove

SEND = "/v1/send-times"
# A window of one day with 12 permitted hours: every one of them is a candidate.
ASKED = {
    "window": {"start": "2026-11-09T00:00:00Z", "end": "2026-11-10T00:00:00Z"},
    "quiet_hours": {"start": "20:00", "end": "08:00"},
}
HOURS = range(8, 20)


def make_project(folder):
    """Return a project whose customers are those of the published model, and ten more."""
    ids = [f"c{i}" for i in range(N_CUSTOMERS)] + [f"new{i}" for i in range(10)]
    pd.DataFrame({"customer": ids, "time": "2026-10-01T12:00:00Z"}).to_csv(
        folder / "orders.csv", index=False
    )
    (folder / "almanac.toml").write_text(
        '[tables.events]\npath = "orders.csv"\n'
        'columns = { customer_id = "customer", occurred_at = "time" }\n'
        "[decisions]\nretention_days = 30\n"
    )
    project = load_project(folder / "almanac.toml")
    build_tables(project, Silent())
    return project


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def serve(project, predictor, open_client):
    """Return what opens a client of the project's service, and its log."""
    opened = []
    root = project.workspace.root

    def connect(now=NOW, **settings):
        log = DecisionLog(
            ServedPlaces(root), load_key(root), DecisionSettings(**settings),
            np.random.default_rng(5),
        )  # fmt: skip
        opened.append(log)
        serving = ServingSettings(is_request_logged=False)
        asked = open_client(build_api(predictor, serving, lambda: now, decisions=log))
        later = now + timedelta(days=20)
        told = open_client(build_api(predictor, serving, lambda: later, decisions=log))

        def call(method, url, **options):
            """Outcomes are told twenty days later."""
            return (told if url == "/v1/outcomes" else asked)(method, url, **options)

        return call, log

    yield connect
    for log in opened:
        log.close()


def ask(call, customers, **more) -> list[dict]:
    response = call("POST", SEND, json={"customers": customers, **ASKED, **more})
    return response.json()["customers"]


def tell(call, *outcomes) -> None:
    told = [dict(zip(("decision_id", "outcome", "occurred_at"), o, strict=True)) for o in outcomes]
    for start in range(0, len(told), 1000):
        answer = call("POST", "/v1/outcomes", json={"outcomes": told[start : start + 1000]})
        assert answer.json()["success"], answer.text[:300]


def test_decisions_are_joined_with_what_came_of_them(project, serve):
    call, log = serve()
    first, second = ask(call, ["c0", "new1"])
    at = first["slots"][0]["start"]
    later = "2026-11-20T09:00:00+01:00"
    id_ = first["decision_id"]
    tell(call, (id_, "sent", at), (id_, "opened", later), (id_, "opened", at), (id_, "opened", at))
    order = {"decision_id": id_, "outcome": "ordered", "occurred_at": at, "value": 12.5}
    call("POST", "/v1/outcomes", json={"outcomes": [order, order]})
    call("POST", "/v1/outcomes", json={"outcomes": [order]})
    log.close()
    root = project.workspace.root
    compact(ServedPlaces(root))
    assert len(read_outcomes(root)) == 4
    joined = read_joined(root).set_index("decision_id")
    row = joined.loc[id_]
    assert row["opened_at"] == row["sent_at"] == pd.Timestamp(at).tz_convert("UTC")
    assert (row["value"], row["channel"]) == (12.5, "email")
    assert row["send_at"] == pd.Timestamp(at)
    assert row["slot"] == first["slots"][0]["slot"]
    assert pd.isna(joined.loc[second["decision_id"], "opened_at"])
    counts = count_decisions(project)
    assert counts[["decisions", "sent", "opened", "clicked", "ordered"]].to_numpy().tolist() == [
        [2, 1, 1, 0, 1]
    ]


def test_nothing_logged_reads_as_empty_tables(project):
    root = project.workspace.root
    assert read_decisions(root).empty
    assert read_joined(root).empty
    assert "opened_at" in read_joined(root)
    assert count_decisions(project).empty
    with pytest.raises(NotEnoughData, match="almanac decisions compact"):
        export_decisions(project, project.path.with_name("out.parquet"))


def test_days_are_read_by_the_day(project, serve):
    for days in range(3):
        call, log = serve(NOW + timedelta(days=days))
        ask(call, ["c0"])
        log.close()
    root = project.workspace.root
    compact(ServedPlaces(root))
    day = (NOW + timedelta(days=1)).date()
    assert len(read_decisions(root)) == 3
    assert len(read_decisions(root, since=day)) == 2
    (only,) = read_decisions(root, since=day, until=day)["decided_at"]
    assert only == NOW + timedelta(days=1)


def test_the_export_is_a_canonical_table_with_ids_again(project, serve, tmp_path):
    call, log = serve()
    known, _, stranger = ask(call, ["c0", "c12", "elsewhere"])  # c12 agreed to no channel
    hour_late = pd.Timestamp(known["slots"][0]["start"]) + pd.Timedelta(hours=1)
    tell(call, (known["decision_id"], "sent", hour_late.isoformat()))
    log.close()
    compact(ServedPlaces(project.workspace.root))
    out, touches = tmp_path / "decisions.parquet", tmp_path / "touches.parquet"
    arguments = ["decisions", "export", "--out", str(out), "--touches", str(touches)]
    result = CliRunner().invoke(almanac.app, [*arguments, "--project", str(project.path)])
    assert result.exit_code == 0, result.output
    assert "1 decisions left out" in result.output
    (row,) = pd.read_parquet(out).to_dict("records")
    assert (row["decision_id"], row["customer_id"]) == (known["decision_id"], "c0")
    assert (row["arm"], row["propensity"], row["model_version"]) == ("best", 1.0, "3")
    assert stranger["decision_id"] != row["decision_id"]
    (touch,) = pd.read_parquet(touches).to_dict("records")
    assert touch["customer_id"] == "c0"
    assert np.isnan(touch["propensity"])  # it went out in another hour than the chosen one

    with project.path.open("a") as file:
        file.write('[tables.decisions]\npath = "decisions.parquet"\n')
        file.write('[tables.touches]\npath = "touches.parquet"\n')
    again = load_project(project.path)
    build_tables(again, Silent())
    checked = pd.read_parquet(again.workspace.table(DECISIONS.name))
    assert checked["customer_id"].tolist() == ["c0"]
    assert checked["send_at"].tolist() == [row["send_at"].tz_localize(None)]


def test_a_simulated_log_with_exploration_values_another_policy(project, serve):
    """Simulated: who opens depends on the hour; the truth of a policy is known."""
    call, log = serve(exploration=0.5)
    rng = np.random.default_rng(3)
    rate = {hour: 0.1 + 0.4 * (14 <= hour < 17) for hour in HOURS}
    sent = []
    for part in range(12):
        customers = [f"c{i}" for i in range(N_CUSTOMERS)]
        for answer in ask(call, customers, channels=["email", "sms"], top_k=1):
            sent.extend((part, answer, slot) for slot in answer["slots"])
    opened = [
        (answer["decision_id"], "opened", slot["start"])
        for _, answer, slot in sent
        if rng.random() < rate[slot["slot"] % 24]
    ]
    tell(call, *opened)
    log.close()
    root = project.workspace.root
    compact(ServedPlaces(root))
    joined = read_joined(root)
    joined = joined[joined["slot"] >= 0].reset_index(drop=True)
    slot = joined["slot"].to_numpy()
    chances = build_slot_propensities(joined)
    assert np.allclose(chances.sum(axis=1), 1.0)
    own = chances[np.arange(len(slot)), slot]
    assert np.allclose(own, joined["propensity"])
    table = pd.DataFrame(
        {
            "customer_id": joined["customer"],
            "slot": slot,
            "engaged": joined["opened_at"].notna().astype(float),
            "propensity": sum_block_propensity(chances, slot),
        }
    )
    # a zone whose day starts within a block has hours of it on one day only: the rest is enough
    allowed = np.zeros((len(table), 8), dtype=bool)
    allowed[:, np.unique(to_block(slot))] = True
    logged = build_logged_sends(table, allowed=allowed)
    afternoon = np.zeros(allowed.shape)
    afternoon[:, to_block(np.array([15]))[0]] = 1.0
    proof = prove(
        logged, {"afternoon": afternoon}, target="afternoon", rng=np.random.default_rng(4),
        n_folds=2, n_resamples=400,
    )  # fmt: skip
    truth = sum(rate[hour] for hour in (15, 16, 17)) / 3
    value = proof.policy_values[0].value
    assert value.low <= truth <= value.high
    # what the log itself earned is far from it, so holding the truth is no accident
    assert table["engaged"].mean() < value.low


def test_the_erased_are_forgotten_with_what_came_of_them(project, serve):
    call, log = serve()
    gone, kept = ask(call, ["c0", "c1"])
    tell(call, *((one["decision_id"], "opened", "2026-11-05T00:00:00Z") for one in (gone, kept)))
    log.close()
    root = project.workspace.root
    places = ServedPlaces(root)
    compact(places)
    call, log = serve()
    waiting, _ = ask(call, ["c0", "c1"])

    def erase():
        return erase_from_workspace(project, ["c0"], Silent(), now=NOW)

    report = erase()
    (spooled,) = list_spool(places.decision_spool)
    assert spooled in report.unread  # a service still adds to it
    assert gone["decision_id"] not in read_decisions(root)["decision_id"].tolist()
    assert read_outcomes(root)["decision_id"].tolist() == [kept["decision_id"]]

    log.close()
    report = erase()
    assert report.is_complete
    assert (spooled, 1) in report.files
    assert waiting["decision_id"] not in spooled.read_text()
    assert len(spooled.read_text().splitlines()) == 1
    compact(places)
    pseudonym = Pseudonyms(load_key(root)).of("c0")
    assert pseudonym not in read_decisions(root)["customer"].tolist()
    assert len(read_decisions(root)) == 2
    assert erase().files == ()


def test_old_days_go(project, serve):
    call, log = serve(NOW - timedelta(days=40))
    (old,) = ask(call, ["c0"])
    log.close()
    call, log = serve(NOW - timedelta(days=30))
    (young,) = ask(call, ["c0"])
    tell(call, (young["decision_id"], "sent", "2026-10-20T00:00:00Z"))
    log.close()
    root = project.workspace.root
    assert purge_decisions(project, NOW) == 1
    assert read_decisions(root)["decision_id"].tolist() == [young["decision_id"]]
    assert len(read_outcomes(root)) == 1
    assert old["decision_id"] != young["decision_id"]


def test_the_commands_compact_and_show(project, serve):
    call, log = serve()
    ask(call, ["c0", "c1"])
    log.close()
    run = CliRunner().invoke
    at = ["--project", str(project.path)]
    assert "nothing is compacted" in run(almanac.app, ["decisions", "show", *at]).output
    told = run(almanac.app, ["decisions", "compact", *at]).output
    assert "1 files compacted: 2 decisions, 0 outcomes" in told
    told = run(almanac.app, ["decisions", "show", "--date", "2026-11-04", *at]).output
    assert "2026-11-04 champion 3 best: 2 decisions, 0 sent" in told
    told = run(almanac.app, ["decisions", "show", "--date", "2026-11-05", *at]).output
    assert "nothing is compacted" in told


def test_slots_are_local():
    assert to_slot("2026-11-09T00:00:00+05:30") == 0
    assert to_slot("2026-11-15T23:00:00-08:00") == 167
    assert datetime(2026, 11, 9, tzinfo=UTC).weekday() == 0
