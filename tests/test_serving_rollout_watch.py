"""Models under traffic: another version takes over without one failed or mixed answer."""

from __future__ import annotations

import gc
import json
import pickle
import threading
import time
import weakref
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest

from models.artifact import CHALLENGER_POINTER, POINTER
from serving import contract
from serving.api import build_api
from serving.champions import load_champions
from serving.customers.customers import open_customers
from serving.customers.database import StoreUnavailable
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.rollout import watch
from serving.rollout.settings import ChallengerSettings
from serving.rollout.status import RolloutStatus
from serving.rollout.trials import Trials
from serving.rollout.watch import RETRY_SECONDS, Watcher
from serving.send_times import SendTimeQuery
from serving.settings import ServingSettings
from tests.customer_messages import FREE, write_project
from tests.rollout_models import challenge, fit_live_files, listen, make_version, publish, spoil

NOW = datetime(2026, 11, 4, 15, 30, tzinfo=UTC)  # a Wednesday
WINDOW = {"start": "2026-11-05T00:00:00Z", "end": "2026-11-12T00:00:00Z"}


@pytest.fixture(scope="module")
def files(customer_table, profile_files):
    return fit_live_files(customer_table, profile_files)


@pytest.fixture(scope="module")
def versions(files):
    """Versions 1 to 9."""
    return {number: make_version(files, number) for number in range(1, 10)}


class Service:
    """The API over a workspace, with a watcher that looks when it is told to."""

    def __init__(self, folder, versions, challenger=None, project=None):
        self.project = project or write_project(folder, FREE)
        self.published, self.versions = self.project.workspace.published, versions
        publish(self.published, versions[1], 1)
        self.predictor, self.metrics = Predictor.load(self.published), Metrics()
        self.predictor.customers = open_customers(self.project, self.predictor.champions)
        self.now, self.seconds = NOW, 0.0
        settings = challenger or ChallengerSettings()
        self.trials = Trials(self.project, settings, self.predictor, self.metrics)
        self.watcher = Watcher(
            self.predictor, self.project, (), self.trials, self.metrics, lambda: self.seconds
        )
        self.watcher.look()
        status = RolloutStatus(self.predictor, settings, self.published, 0.0, self.tick)
        limits = ServingSettings(is_request_logged=False, inline_customers=8)
        self.app = build_api(
            self.predictor, limits, self.tick, metrics=self.metrics, rollout=status
        )

    def tick(self):
        self.now += timedelta(milliseconds=1)
        return self.now

    def publish(self, number):
        directory = publish(self.published, self.versions[number], number)
        self.watcher.look()
        return directory

    @property
    def state(self):
        return self.predictor.champions.state("promotion")

    def ask(self, *customers):
        start, end = (datetime.fromisoformat(text) for text in WINDOW.values())
        query = SendTimeQuery(customers, start, end, ("email",), None, 1, has_all_slots=True)
        return self.predictor.send_times(query, self.tick())

    def close(self):
        self.watcher.stop()
        self.predictor.holder.close_unused()
        self.predictor.customers.close()


@pytest.fixture
def make(tmp_path, versions):
    made = []

    def make(challenger=None):
        made.append(Service(tmp_path, versions, challenger))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def service(make):
    return make()


def answer_as(files, customers, folder):
    """What a version answers to its own published customers, loaded by itself."""
    publish(folder, files, 1)
    champion = load_champions(folder).promotion
    start, end = (datetime.fromisoformat(text) for text in WINDOW.values())
    query = SendTimeQuery(customers, start, end, ("email",), None, 1, has_all_slots=True)
    return [answer.probabilities for answer in champion.model.answer(query)]


def test_another_version_answers_after_the_next_look(service, versions, tmp_path):
    assert service.ask("c1").model_version == "1"
    service.publish(2)
    answer = service.ask("c1", "nobody")
    assert answer.model_version == "2"
    expected = answer_as(versions[2], ["c1", "nobody"], tmp_path / "alone")
    assert [customer.probabilities for customer in answer.customers] == expected
    assert service.state.proof == "proven"


def break_bytes(service):
    spoil(publish(service.published, service.versions[2], 2))


def lose_folder(service):
    directory = publish(service.published, service.versions[2], 2)
    directory.rename(directory.with_name("gone"))


def change_schema(service):
    directory = publish(service.published, service.versions[2], 2)
    path = directory / "manifest.json"
    manifest = {**json.loads(path.read_bytes()), "schema_hash": "another"}
    path.write_text(json.dumps(manifest))


def fail_golden(service):
    rows = json.loads(service.versions[2]["golden.json"])
    rows["answers"]["activity"][0][0] += 1e-6
    publish(service.published, {**service.versions[2], "golden.json": json.dumps(rows).encode()}, 2)


def scribble_pointer(service):
    (service.published / "promotion" / POINTER).write_text("{")


@pytest.mark.parametrize(
    ("spoil_it", "reason"),
    [
        (break_bytes, "checksum"),
        (lose_folder, "not a model"),
        (change_schema, "schema_hash"),
        (fail_golden, "golden rows"),
        (scribble_pointer, "damaged"),
    ],
)
def test_what_is_refused_leaves_the_last_good_one_serving(service, spoil_it, reason, open_client):
    before = service.ask("c1").customers[0].probabilities
    spoil_it(service)
    service.watcher.look()
    answer = service.ask("c1")
    assert (answer.model_version, answer.customers[0].probabilities) == ("1", before)
    response = open_client(service.app)("GET", "/readyz")
    ready = contract.Readiness.model_validate_json(response.content)
    assert response.status_code == 200
    model = ready.models[0]
    assert (model.state, model.model_version) == ("loaded", "1")
    assert model.refused_version == (None if spoil_it is scribble_pointer else "2")
    assert reason in model.reason
    assert ready.challenger.state == ready.registry.state == "off"
    service.publish(3)
    assert service.ask("c1").model_version == "3"
    assert (service.state.refused_version, service.state.reason) == (None, None)


def test_what_was_refused_is_tried_again_after_half_a_minute(service):
    lose_folder(service)
    service.watcher.look()
    gone = service.published / "promotion" / "gone"
    gone.rename(gone.with_name("v2"))
    service.seconds = RETRY_SECONDS - 1
    service.watcher.look()
    assert service.state.refused_version == "2"
    service.seconds = RETRY_SECONDS + 1
    service.watcher.look()
    assert (service.state.model_version, service.state.refused_version) == ("2", None)


def test_what_is_published_no_longer_goes_on_serving(service):
    (service.published / "promotion" / POINTER).unlink()
    service.watcher.look()
    assert service.ask("c1").model_version == "1"
    assert service.state.reason == "it is published no longer"


def test_a_model_without_golden_rows_serves_as_unproven(service, files):
    publish(service.published, files, 9)
    service.watcher.look()
    assert (service.state.model_version, service.state.proof) == ("9", "unproven")


def test_a_service_without_models_takes_the_first_one(tmp_path, versions):
    service = Service(tmp_path, versions)
    (service.published / "promotion" / POINTER).unlink()
    empty = Predictor.load(service.published)
    empty.customers = open_customers(service.project, empty.champions)
    watcher = Watcher(empty, service.project, (), service.trials, service.metrics)
    assert empty.customers.inline_answers is None
    publish(service.published, versions[2], 2)
    watcher.look()
    assert empty.champions.promotion.version == "2"
    assert empty.customers.inline_answers is not None
    empty.holder.close_unused()
    empty.customers.close()
    service.close()


def test_live_customers_follow_in_the_same_swap(service, open_client):
    call = open_client(service.app)
    body = {"messageId": "m1", "userId": "ann", "event": "Product Viewed"}
    assert call("POST", "/v1/track", json=body).status_code == 200
    told = [call("GET", "/v1/customers/ann").json()["receptivity"]["model_version"]]
    live = [service.ask("ann").customers[0]]
    service.publish(2)
    told.append(call("GET", "/v1/customers/ann").json()["receptivity"]["model_version"])
    live.append(service.ask("ann").customers[0])
    assert told == ["1", "2"]
    assert all(one.is_known for one in live)
    assert live[0].probabilities != live[1].probabilities
    # what is taken in goes on into the same store
    body["messageId"] = "m2"
    assert call("POST", "/v1/track", json=body).json()["accepted"] == 1
    assert len(call("GET", "/v1/customers/ann/export").json()["events"]) == 2
    assert call("DELETE", "/v1/customers/ann").json()["affected_models"] == ["promotion 2"]


def test_a_store_that_cannot_be_opened_again_refuses_the_model(service, monkeypatch):
    def refuse(*_, **__):
        raise StoreUnavailable("the store is locked")

    monkeypatch.setattr(watch, "follow_champions", refuse)
    service.publish(2)
    assert service.ask("c1").model_version == "1"
    assert service.state.refused_version == "2"
    assert "locked" in service.state.reason


def test_what_a_request_uses_is_closed_only_when_it_is_done(service):
    closed = []
    before = service.predictor.customers
    with service.predictor.use() as held:
        service.publish(2)
        service.publish(3)
        for live in (before.inline, before.batch, before.desk):
            close = live.close
            live.close = lambda close=close: (closed.append(1), close())
        service.watcher.look()
        assert not closed
        assert held.customers.inline.find(["nobody"]) == {}  # its session is open
    service.watcher.look()
    assert len(closed) == 3
    with pytest.raises(StoreUnavailable):
        before.inline.find(["nobody"])


def test_nothing_of_a_model_is_left_when_another_has_taken_over(service):
    old = weakref.ref(service.predictor.champions.promotion.model)
    live = weakref.ref(service.predictor.customers.inline)
    service.publish(2)
    gc.collect()
    assert (old(), live()) == (None, None)


def test_metrics_tell_of_swaps_and_of_what_answers(service, open_client):
    service.publish(2)
    break_bytes_of = publish(service.published, service.versions[3], 3)
    spoil(break_bytes_of)
    service.watcher.look()
    text = open_client(service.app)("GET", "/metrics").text
    assert 'almanac_model_reloads_total{kind="promotion",outcome="loaded"} 1.0' in text
    assert 'almanac_model_reloads_total{kind="promotion",outcome="refused"} 1.0' in text
    assert 'almanac_model_loaded{kind="promotion",version="1"}' not in text
    assert 'almanac_model_loaded{kind="promotion",version="2"} 1.0' in text


def test_no_pickle_is_ever_read(service, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a pickle was read")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
        monkeypatch.setattr(f"_pickle.{name}", refuse)
    service.publish(2)
    assert service.ask("c1").model_version == "2"
    challenge(service.published, service.versions[3], 3)
    assert Trials(
        service.project, ChallengerSettings(mode="canary"), service.predictor, service.metrics
    ).open(service.predictor.holder.held)[0]
    assert (service.published / "promotion" / CHALLENGER_POINTER).exists()


class Load:
    """Clients that ask until they are told to stop, each over its own connection."""

    def __init__(self, url, bodies, pause=0.0):
        self.answers, self.failures, self.pause = [], [], pause
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(url, body), daemon=True) for body in bodies
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, url, body):
        with httpx.Client(base_url=url, timeout=20.0) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/v1/send-times", json=body)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.answers.append(answer.json())
                else:
                    self.failures.append((answer.status_code, answer.text))
                time.sleep(self.pause)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_swaps_under_load_fail_nothing_and_mix_nothing(service, versions, monkeypatch, tmp_path):
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.02)
    few, many = ["c1", "ann", "nobody"], [f"c{number}" for number in range(40)] + ["ann"]
    common = {"window": WINDOW, "quiet_hours": None, "all_slots": True, "top_k": 1}
    with listen(service.app) as url:
        track = {"messageId": "m1", "userId": "ann", "event": "Product Viewed"}
        assert httpx.post(f"{url}/v1/track", json=track).status_code == 200
        service.watcher.start()
        load = Load(url, [{**common, "customers": asked} for asked in (few, few, many)])
        for number in (2, 3, 4, 5, 6, 7, 8, 1):
            publish(service.published, versions[number], number)
            while service.state.model_version != str(number):
                time.sleep(0.01)
            time.sleep(0.15)
        load.stop()
    assert load.failures == []
    told = {answer["model_version"] for answer in load.answers}
    assert told == {str(number) for number in range(1, 9)}
    check_answers(service, load.answers, versions, tmp_path)


def check_answers(service, answers, versions, folder):
    """Every row is what its stated version answers by itself; live ones as of their moment."""
    alone = {}
    for number in {answer["model_version"] for answer in answers}:
        published = folder / f"alone {number}"
        publish(published, versions[int(number)], int(number))
        champions = load_champions(published)
        alone[number] = (champions, open_customers(service.project, champions))
    start, end = (datetime.fromisoformat(text) for text in WINDOW.values())
    for answer in answers:
        champions, customers = alone[answer["model_version"]]
        as_of = champions.promotion.model.profiles.as_of
        assert datetime.fromisoformat(answer["profiles_as_of"]) == as_of
        names = [row["customer_id"] for row in answer["customers"]]
        query = SendTimeQuery(names, start, end, ("email",), None, 1, has_all_slots=True)
        moments = {row["customer_id"]: row["as_of"] for row in answer["customers"]}
        now = datetime.fromisoformat(moments["ann"])
        assert now > NOW  # ann was answered from her live profile
        expected = customers.inline_answers.answer(query, now).customers
        got = np.array([row["probabilities"] for row in answer["customers"]])
        np.testing.assert_array_equal(got, [row.probabilities for row in expected])
    for _, customers in alone.values():
        customers.close()
