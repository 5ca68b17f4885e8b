"""A challenger beside the champion: on a share that stays, and never at the champion's cost."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from features.errors import ProjectError
from features.project import load_project
from models.artifact import CHALLENGER_POINTER
from serving import contract
from serving.rollout.follower import Follower
from serving.rollout.settings import SECTION, ChallengerSettings
from serving.rollout.share import find_share
from serving.settings import ServingSettings
from tests.rollout_models import challenge, fit_live_files, make_version, spoil
from tests.test_serving_rollout_watch import WINDOW, Service

CUSTOMERS = [f"c{number}" for number in range(60)]
PINNED = [2, 3, 4]


@pytest.fixture(scope="module")
def versions(customer_table, profile_files):
    files = fit_live_files(customer_table, profile_files)
    return {number: make_version(files, number) for number in (1, 2, 3)}


@pytest.fixture
def make(tmp_path, versions):
    made = []

    def make(mode, share=0.5, **more):
        settings = ChallengerSettings(mode=mode, share=share, **more)
        made.append(Service(tmp_path, versions, settings))
        return made[-1]

    yield make
    for service in made:
        service.close()


def begin(service, number=2):
    directory = challenge(service.published, service.versions[number], number)
    service.watcher.look()
    return directory


def by_version(answer):
    """Return the customers that each version answered; None is the champion."""
    found = {}
    for customer in answer.customers:
        found.setdefault(customer.model_version, []).append(customer.customer_id)
    return found


def test_a_share_is_the_same_always_and_another_for_another_challenger():
    names = [f"customer {number}" for number in range(20_000)]
    first = find_share(names, "7", 0.1)
    assert abs(len(first) - 2000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5
    assert find_share(names, "7", 0.1) == first
    assert [place for place in first if place < 10] == find_share(names[:10], "7", 0.1)
    assert set(first) < set(find_share(names, "7", 0.2))  # who is in stays in
    other = find_share(names, "8", 0.1)
    assert abs(len(set(first) & set(other)) - 200) < 100  # drawn anew: a tenth of a tenth
    # pinned: on every machine and in every version of Almanac the same
    assert find_share(["ann", "bob", "cid", "dan", "eve"], "7", 0.5) == PINNED


def test_canary_answers_a_share_by_the_challenger_and_says_so(make, open_client):
    service = make("canary")
    plain = service.ask(*CUSTOMERS)
    assert by_version(plain) == {None: CUSTOMERS}
    begin(service)
    answer = service.ask(*CUSTOMERS)
    expected = [CUSTOMERS[place] for place in find_share(CUSTOMERS, "2", 0.5)]
    assert answer.model_version == "1"
    assert by_version(answer)["2"] == expected
    assert [one.customer_id for one in answer.customers] == CUSTOMERS
    for before, after in zip(plain.customers, answer.customers, strict=True):
        is_same = before.probabilities == after.probabilities
        assert is_same == (after.model_version is None)
    call = open_client(service.app)
    asked = {"customers": CUSTOMERS, "window": WINDOW}
    response = call("POST", "/v1/send-times", json=asked)
    rows = contract.SendTimes.model_validate_json(response.content).customers
    assert {row.customer_id for row in rows if row.model_version == "2"} == set(expected)
    assert ["model_version" in row for row in response.json()["customers"]] == [
        name in expected for name in CUSTOMERS
    ]
    text = call("GET", "/metrics").text
    assert f'almanac_challenger_customers_total{{outcome="canary"}} {2 * len(expected)}.0' in text
    ready = contract.Readiness.model_validate_json(call("GET", "/readyz").content)
    assert (ready.challenger.mode, ready.challenger.state) == ("canary", "loaded")
    assert ready.challenger.model_version == "2"


def test_live_customers_of_the_share_are_answered_live_by_the_challenger(make, open_client):
    service = make("canary", share=1.0)
    call = open_client(service.app)
    body = {"messageId": "m1", "userId": "ann", "event": "Product Viewed"}
    assert call("POST", "/v1/track", json=body).status_code == 200
    before = service.ask("ann").customers[0]
    begin(service)
    after = service.ask("ann").customers[0]
    assert (before.is_known, after.is_known, after.model_version) == (True, True, "2")
    assert before.probabilities != after.probabilities
    erased = call("DELETE", "/v1/customers/ann").json()
    assert erased["affected_models"] == ["promotion 1", "promotion 2"]


def test_a_challenger_that_fails_never_costs_an_answer(make, open_client, monkeypatch):
    service = make("canary")
    plain = service.ask(*CUSTOMERS)
    begin(service)
    model = service.predictor.holder.held.trial.challenger.model.model

    def fail(_):
        raise MemoryError("too many trees")

    monkeypatch.setattr(model, "_predict_raw", fail)
    answer = service.ask(*CUSTOMERS)
    assert by_version(answer) == {None: CUSTOMERS}
    assert [one.probabilities for one in answer.customers] == [
        one.probabilities for one in plain.customers
    ]
    text = open_client(service.app)("GET", "/metrics").text
    assert 'almanac_challenger_customers_total{outcome="failed"}' in text


def test_a_challenger_that_cannot_be_loaded_is_told_and_nothing_else(make, open_client):
    service = make("canary")
    spoil(challenge(service.published, service.versions[2], 2))
    service.watcher.look()
    assert by_version(service.ask(*CUSTOMERS)) == {None: CUSTOMERS}
    response = open_client(service.app)("GET", "/readyz")
    ready = contract.Readiness.model_validate_json(response.content)
    assert (response.status_code, ready.is_ready) == (200, True)
    assert ready.challenger.state == "refused"
    assert "checksum" in ready.challenger.reason
    # the next one is tried; a spoiled one after it leaves it as it is
    begin(service, 3)
    assert "3" in by_version(service.ask(*CUSTOMERS))
    (service.published / "promotion" / CHALLENGER_POINTER).write_text("{")
    service.watcher.look()
    assert "3" in by_version(service.ask(*CUSTOMERS))
    (service.published / "promotion" / CHALLENGER_POINTER).unlink()
    service.watcher.look()
    assert by_version(service.ask(*CUSTOMERS)) == {None: CUSTOMERS}


def test_off_reads_no_challenger(make):
    service = make("off", share=1.0)
    begin(service)
    assert by_version(service.ask(*CUSTOMERS)) == {None: CUSTOMERS}
    assert service.predictor.holder.held.trial is None


def wait_for(what):
    stop_at = time.monotonic() + 10.0
    while not what():
        assert time.monotonic() < stop_at
        time.sleep(0.01)


def test_shadow_scores_the_share_unseen_and_hands_it_over(make, versions, tmp_path):
    service, taken = make("shadow"), []
    plain = service.ask(*CUSTOMERS)
    begin(service)
    service.trials.attach(taken.append)
    answer = service.ask(*CUSTOMERS)
    assert answer == plain
    wait_for(lambda: taken)
    (shadow,) = taken
    expected = [CUSTOMERS[place] for place in find_share(CUSTOMERS, "2", 0.5)]
    assert (shadow.role, shadow.model_version) == ("shadow", "2")
    assert list(shadow.query.customers) == expected
    assert [one.customer_id for one in shadow.answer] == expected
    service.published.joinpath("promotion", CHALLENGER_POINTER).unlink()
    service.publish(2)
    own = {one.customer_id: one.probabilities for one in service.ask(*CUSTOMERS).customers}
    assert [one.probabilities for one in shadow.answer] == [own[name] for name in expected]


def test_a_full_shadow_drops_and_counts_and_answers_go_on(make, open_client):
    service = make("shadow", share=1.0, max_waiting=2)
    begin(service)
    held_up = []

    def hold_up(_):
        held_up.append(1)
        while len(held_up) < 100:
            time.sleep(0.01)

    service.trials.attach(hold_up)
    service.ask("c1")
    wait_for(lambda: held_up)
    for _ in range(5):
        assert service.ask("c1").model_version == "1"
    text = open_client(service.app)("GET", "/metrics").text
    assert 'almanac_challenger_customers_total{outcome="dropped"} 3.0' in text
    held_up.extend([1] * 100)


def test_a_sink_that_fails_does_not_end_the_shadow(make, open_client):
    service, calls = make("shadow", share=1.0), []
    begin(service)

    def fail(answer):
        calls.append(answer)
        raise OSError("the disk is full")

    service.trials.attach(fail)
    service.ask("c1")
    wait_for(lambda: len(calls) == 1)
    service.ask("c2")
    wait_for(lambda: len(calls) == 2)


@pytest.mark.parametrize("line", ['mode = "half"', "share = 0", "share = 1.1", 'who = "ann"'])
def test_settings_that_cannot_be_are_refused(tmp_path, line):
    (tmp_path / "almanac.toml").write_text(f"[challenger]\n{line}\n")
    with pytest.raises(ProjectError, match=line.split()[0]):
        load_project(tmp_path / "almanac.toml").section(SECTION, ChallengerSettings)


def test_the_follower_is_started_again_and_ends_with_the_service(tmp_path, monkeypatch):
    started = []

    def begin_process(self):
        code = "import time; time.sleep(60)" if started else "raise SystemExit(3)"
        started.append(subprocess.Popen([sys.executable, "-c", code]))
        return started[-1]

    monkeypatch.setattr(Follower, "_begin", begin_process)
    monkeypatch.setattr("serving.rollout.follower.RESTART_SECONDS", 0.05)
    (tmp_path / "almanac.toml").write_text("")
    follower = Follower(
        load_project(tmp_path / "almanac.toml"), ServingSettings(follow_registry_seconds=1.0)
    )
    follower.start()
    wait_for(lambda: len(started) == 2)
    follower.stop()
    assert [process.poll() is None for process in started] == [False, False]
    assert started[0].returncode == 3


def test_nothing_is_followed_unless_it_is_asked_for(tmp_path):
    (tmp_path / "almanac.toml").write_text("")
    follower = Follower(load_project(tmp_path / "almanac.toml"), ServingSettings())
    follower.start()
    follower.stop()
    assert follower.process is None
