"""The decision log through the API: what is answered, what is written, and what is refused."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from features.served.places import ServedPlaces, list_spool
from features.served.pseudonyms import Pseudonyms
from serving import contract
from serving.api import build_api
from serving.customers.customers import open_customers
from serving.decisions.contract import OutcomesTaken
from serving.decisions.identifiers import DecisionIds
from serving.decisions.log import DecisionLog
from serving.decisions.settings import DecisionSettings
from serving.decisions.spool import Spool, SpoolFull
from serving.predictor import Predictor
from serving.rollout.shadow import ShadowAnswer
from serving.send_times import SendTimeQuery, default_window
from serving.settings import ServingSettings
from tests.conftest import NOW
from tests.customer_messages import FREE, write_project

KEY = b"k" * 32
SEND = "/v1/send-times"
DAY = {"start": "2026-11-09T00:00:00Z", "end": "2026-11-10T00:00:00Z"}


def read_rows(folder) -> list[dict]:
    return [
        json.loads(line) for path in list_spool(folder) for line in path.read_text().splitlines()
    ]


@pytest.fixture
def open_log(tmp_path, predictor, open_client):
    """Return what opens a client whose answers are logged below `tmp_path`."""
    opened = []

    def connect(**settings):
        places = ServedPlaces(tmp_path)
        rng = np.random.default_rng(11)
        log = DecisionLog(places, KEY, DecisionSettings(**settings), rng)
        opened.append(log)
        serving = ServingSettings(is_request_logged=False)
        call = open_client(build_api(predictor, serving, lambda: NOW, decisions=log))
        return call, log, places

    yield connect
    for log in opened:
        log.close()


def test_every_customer_answered_is_a_row(open_log):
    call, _, places = open_log()
    body = {"customers": ["c0", "nobody"], "channels": ["push", "email"], "top_k": 2}
    response = call("POST", SEND, json=body, headers={"x-request-id": "r-1"})
    told = contract.SendTimes.model_validate_json(response.content).customers
    rows = read_rows(places.decision_spool)
    assert [row["decision_id"] for row in rows] == [customer.decision_id for customer in told]
    row, customer = rows[0], response.json()["customers"][0]
    assert "explored" not in customer
    assert row["customer"] == Pseudonyms(KEY).of("c0")
    assert "c0" not in re.findall(r"\w+", json.dumps({**row, "decision_id": ""}))
    assert datetime.fromisoformat(row["decided_at"]) == NOW
    slots = customer["slots"]
    assert [c["start"] for c in row["candidates"]] == [slot["start"] for slot in slots]
    assert [c["probability"] for c in row["candidates"]] == [s["probability"] for s in slots]
    assert [c["propensity"] for c in row["candidates"]] == [1.0, 0.0]
    told = {name: row[name] for name in ("request_id", "kind", "role", "model_version", "policy")}
    assert told == {
        "request_id": "r-1",
        "kind": "send-times",
        "role": "champion",
        "model_version": "3",
        "policy": "best",
    }
    assert (row["chosen"], row["propensity"], row["is_explored"]) == (0, 1.0, False)
    assert [row["is_fallback"] for row in rows] == [False, True]
    assert rows[0]["profile_hash"] != rows[1]["profile_hash"]


def test_without_a_log_nothing_is_named(call):
    (customer,) = call("POST", SEND, json={"customers": ["c0"]}).json()["customers"]
    assert "decision_id" not in customer
    assert call("POST", "/v1/outcomes", json=outcomes_of("A" * 22)).status_code == 503


def test_with_all_slots_the_likeliest_are_candidates(open_log):
    call, _, places = open_log(max_candidates=5)
    body = {"customers": ["c0"], "all_slots": True, "top_k": 5, "window": DAY, "quiet_hours": None}
    (customer,) = call("POST", SEND, json=body).json()["customers"]
    (row,) = read_rows(places.decision_spool)
    assert [c["start"] for c in row["candidates"]] == [s["start"] for s in customer["slots"]]
    assert row["n_permitted"] == 24


def test_where_nothing_is_permitted_nothing_is_chosen(open_log):
    call, _, places = open_log()
    call("POST", SEND, json={"customers": ["c12"], "channels": ["email"]})  # agreed to none
    (row,) = read_rows(places.decision_spool)
    assert (row["candidates"], row["chosen"], row["propensity"]) == ([], None, None)


def test_exploration_draws_evenly_and_says_how_likely(open_log):
    call, _, places = open_log(exploration=0.4)
    n = 3000
    body = {
        "customers": [f"new{i}" for i in range(n)],
        "window": DAY,
        "quiet_hours": {"start": "12:00", "end": "08:00"},
        "top_k": 2,
    }
    customers = call("POST", SEND, json=body).json()["customers"]
    rows = read_rows(places.decision_spool)
    assert {row["n_permitted"] for row in rows} == {4}
    assert all(customer["probabilities"] is None for customer in customers)
    explored = [customer.get("explored", False) for customer in customers]
    assert explored == [row["is_explored"] for row in rows]
    assert [row["policy"] == "explore" for row in rows] == explored
    # 0.4 of 3,000, give or take four standard deviations
    assert abs(sum(explored) - 1200) < 4 * np.sqrt(n * 0.4 * 0.6)
    first = [customer["slots"][0]["start"] for customer in customers]
    assert first == [row["candidates"][row["chosen"]]["start"] for row in rows]
    counts = dict(zip(*np.unique(first, return_counts=True), strict=True))
    best = max(counts, key=counts.get)
    for start, count in counts.items():
        # 1 − 0.4 + 0.4 ÷ 4, and 0.4 ÷ 4
        propensity = 0.7 if start == best else 0.1
        assert abs(count - n * propensity) < 4 * np.sqrt(n * propensity * (1 - propensity))
    for row in rows:
        assert sum(c["propensity"] for c in row["candidates"]) == pytest.approx(1.0)
        start = row["candidates"][row["chosen"]]["start"]
        assert row["propensity"] == pytest.approx(0.7 if start == best else 0.1)
    assert all(len({slot["start"] for slot in c["slots"]}) == 2 for c in customers)


def test_a_full_spool_is_told_and_answers_go_on(open_log):
    call, _, places = open_log(max_spool_bytes=64 * 1024)
    body = {"customers": [f"c{i}" for i in range(240)]}
    assert call("POST", SEND, json=body).json()["degraded"]  # all or nothing: more than fits
    assert read_rows(places.decision_spool) == []
    answer = call("POST", SEND, json={"customers": ["c0"]}).json()
    assert not answer["degraded"]
    metrics = call("GET", "/metrics").text
    assert 'almanac_decisions_total{outcome="lost"} 240.0' in metrics
    assert 'almanac_decisions_total{outcome="logged"} 1.0' in metrics


def test_a_full_spool_may_refuse(open_log):
    call, _, _ = open_log(max_spool_bytes=64 * 1024, when_full="refuse")
    response = call("POST", SEND, json={"customers": [f"c{i}" for i in range(240)]})
    assert response.status_code == 503
    assert response.json()["type"] == "urn:almanac:problem:not-stored"
    assert response.headers["retry-after"] == "30"


def test_outcomes_that_the_disk_does_not_take_are_refused(open_log, monkeypatch):
    call, _, _ = open_log()
    (customer,) = call("POST", SEND, json={"customers": ["c0"]}).json()["customers"]

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        response = call("POST", "/v1/outcomes", json=outcomes_of(customer["decision_id"]))
    assert response.status_code == 503
    assert response.json()["type"] == "urn:almanac:problem:not-stored"
    assert "retry-after" in response.headers
    # sent again, it is taken, and what was written before counts once with it
    response = call("POST", "/v1/outcomes", json=outcomes_of(customer["decision_id"]))
    assert response.json()["accepted"] == 1


def test_a_disk_that_takes_half_a_line_keeps_none_of_it(tmp_path, monkeypatch):
    spool = Spool(tmp_path, 1 << 20, sync_seconds=0)
    spool.append(b"one\n", NOW)
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:2]))
    with pytest.raises(SpoolFull, match="No space"):
        spool.append(b"two\n", NOW)
    monkeypatch.undo()
    spool.append(b"three\n", NOW)
    spool.close()
    (path,) = list_spool(tmp_path)
    assert path.read_bytes() == b"one\nthree\n"


def test_a_spool_turns_over_by_the_hour_and_by_size(tmp_path):
    spool = Spool(tmp_path, 1 << 20, max_file_bytes=8, sync_seconds=0)
    for line, hours in ((b"a" * 9, 0), (b"b", 0), (b"c", 1), (b"late", 0)):
        spool.append(line + b"\n", NOW + timedelta(hours=hours))
    spool.close()
    found = [(path.name[:13], path.read_bytes()) for path in list_spool(tmp_path)]
    assert sorted(found) == [
        ("2026-11-04-15", b"a" * 9 + b"\n"),
        ("2026-11-04-15", b"b\n"),
        ("2026-11-04-16", b"c\nlate\n"),
    ]


def test_ids_tell_their_time_and_forgeries_are_told():
    ids = DecisionIds(KEY)
    made = ids.make_many(1_800_000_000, 200)
    assert len(set(made)) == 200
    assert {ids.read(one) for one in made} == {1_800_000_000}
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in range(22):
        for letter in letters:
            forged = made[0][:place] + letter + made[0][place + 1 :]
            assert (ids.read(forged) is None) == (forged != made[0])
    assert DecisionIds(b"q" * 32).read(made[0]) is None
    assert ids.read("") is ids.read("ä" * 22) is None


def outcomes_of(decision_id, **more) -> dict:
    moment = {"occurred_at": "2026-11-04T16:00:00Z"}
    return {"outcomes": [{"decision_id": decision_id, "outcome": "opened", **moment, **more}]}


def test_outcomes_are_durable_or_rejected_one_by_one(open_log, monkeypatch):
    call, _, places = open_log()
    (customer,) = call("POST", SEND, json={"customers": ["c0"]}).json()["customers"]
    good = outcomes_of(customer["decision_id"], value=9.5, currency="EUR")["outcomes"][0]
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(fd), fsync(fd))[1])
    told = [
        good,
        {**good, "decision_id": "A" * 22},
        {**good, "occurred_at": "2026-11-04T10:30:19-05:00"},
        {**good, "occurred_at": "2027-02-02T15:30:21Z"},
        {**good, "occurred_at": "2026-11-05T15:30:21Z"},
        {**good, "occurred_at": "2026-11-04T10:30:20-05:00"},
    ]
    response = call("POST", "/v1/outcomes", json={"outcomes": told})
    answer = OutcomesTaken.model_validate_json(response.content)
    assert (answer.success, answer.accepted) == (False, 2)
    assert [(item.index, item.reason, item.pointer) for item in answer.rejected] == [
        (1, "unknown-decision", "/outcomes/1/decision_id"),
        (2, "before-decision", "/outcomes/2/occurred_at"),
        (3, "too-late", "/outcomes/3/occurred_at"),
        (4, "in-future", "/outcomes/4/occurred_at"),
    ]
    assert synced
    first, second = read_rows(places.outcome_spool)
    assert (first["value"], first["currency"], first["outcome"]) == (9.5, "EUR", "opened")
    assert datetime.fromisoformat(second["occurred_at"]) == datetime(
        2026, 11, 4, 15, 30, 20, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "bounced"},
        {"value": -1.0},
        {"currency": "euro"},
        {"occurred_at": "2026-11-04T16:00:00"},
        {"customer": "c0"},
    ],
)
def test_outcomes_that_break_the_contract(open_log, wrong):
    call, _, places = open_log()
    response = call("POST", "/v1/outcomes", json=outcomes_of("A" * 22, **wrong))
    assert response.status_code == 422
    assert read_rows(places.outcome_spool) == []


def test_a_shadow_is_logged_beside_the_champion(open_log, predictor):
    call, log, places = open_log()
    call("POST", SEND, json={"customers": ["c0"]})
    query = SendTimeQuery(["c0"], *default_window(NOW), ("email",), None, 3, has_all_slots=False)
    answer = predictor.send_times(query)
    log.record(query, answer, role="shadow", model_version="4", request_id="r", decided_at=NOW)
    rows = read_rows(places.decision_spool)
    assert [(row["role"], row["model_version"]) for row in rows] == [
        ("champion", "3"),
        ("shadow", "4"),
    ]
    assert msgspec.json.encode(rows[0]["customer"]) == msgspec.json.encode(rows[1]["customer"])


def test_a_person_is_one_pseudonym_whatever_they_are_asked_for_by(tmp_path, published, open_client):
    project = write_project(tmp_path, FREE)
    predictor = Predictor.load(published)
    predictor.customers = open_customers(project, predictor.champions)
    places = ServedPlaces(tmp_path)
    log = DecisionLog(places, KEY, DecisionSettings(), np.random.default_rng(1))
    call = open_client(build_api(predictor, ServingSettings(), lambda: NOW, decisions=log))
    told = {"messageId": "m1", "userId": "ann", "traits": {"email": "ann@example.com"}}
    assert call("POST", "/v1/identify", json=told).status_code == 200
    names = ["ann", "ann@example.com", "email:ann@example.com", "email:who@example.com"]
    call("POST", SEND, json={"customers": names})
    call("POST", SEND, json={"customers": names})
    rows = [row["customer"] for row in read_rows(places.decision_spool)]
    pseudonyms = Pseudonyms(KEY)
    assert set(rows[:3]) == {pseudonyms.of("ann")}
    # of an address that is nobody's, nothing is kept that a later erasure would have to find
    assert rows[3] != rows[7]
    assert pseudonyms.of(names[3]) not in rows
    log.close()
    predictor.customers.close()


def test_what_a_challenger_answered_or_would_have_is_told_apart(open_log, predictor):
    _, log, places = open_log()
    start = datetime(2026, 11, 9, tzinfo=UTC)
    query = SendTimeQuery(
        ["c0", "c1"], start, start + timedelta(days=1), ("email",), None, 1, False
    )
    answer = predictor.send_times(query)
    first, second = answer.customers
    canary = msgspec.structs.replace(first, model_version="9")
    answer = msgspec.structs.replace(answer, customers=[canary, second])
    log.record(query, answer, decided_at=NOW)
    addressed = msgspec.structs.replace(second, customer_id="email:ann@example.com")
    log.record_shadow(ShadowAnswer(query, NOW, [second, addressed], "10"))
    told = [(row["role"], row["model_version"]) for row in read_rows(places.decision_spool)]
    assert told == [("challenger", "9"), ("champion", answer.model_version), ("shadow", "10")]
