"""When things around the service fail: a locked, full or read-only store, a clock that jumps."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from serving.api import build_api
from serving.contract import ProblemDocument
from serving.customers.customers import open_customers
from serving.customers.settings import STORE_FILE
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.customer_messages import FREE, write_project

NOW = datetime(2026, 11, 4, 15, 30, tzinfo=UTC)


class Service:
    """The whole API over a store of its own, with a clock that can be set."""

    def __init__(self, folder, published, open_client):
        project = write_project(folder, FREE)
        predictor = Predictor.load(published)
        self.customers = predictor.customers = open_customers(project, predictor.champions)
        self.store_file = project.workspace.root / STORE_FILE
        self.now = NOW
        limits = ServingSettings(is_request_logged=False, timeout_seconds=0.5)
        self._call = open_client(build_api(predictor, limits, clock=lambda: self.now))

    def post(self, path, content):
        headers = {"content-type": "application/json"}
        return self._call("POST", path, content=json.dumps(content).encode(), headers=headers)

    def track(self, message_id, **members):
        told = {"messageId": message_id, "userId": "ann", "event": "Product Viewed", **members}
        return self.post("/v1/track", told)

    def is_answering(self):
        """Whether send times are answered, whatever becomes of the store."""
        return self.post("/v1/send-times", {"customers": ["c0", "ann"]}).status_code == 200

    @property
    def session(self):
        """The writing thread's own; used here while it waits."""
        return self.customers.writer.store.session


@pytest.fixture
def service(tmp_path, published, open_client):
    service = Service(tmp_path, published, open_client)
    assert service.track("first").status_code == 200
    yield service
    service.customers.close()


def check_refused(answer, *statuses):
    assert answer.status_code in statuses
    assert int(answer.headers["retry-after"]) >= 1
    ProblemDocument.model_validate_json(answer.content)


def test_while_the_store_is_locked_send_times_are_answered_and_nothing_is_doubled(service):
    holder = sqlite3.connect(service.store_file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    check_refused(service.track("m1"), 503, 504)
    assert service.is_answering()
    holder.execute("ROLLBACK")
    holder.close()
    again = service.track("m1")  # as a client must that had no answer
    assert again.status_code == 200
    told = again.json()
    assert told["accepted"] + told["duplicates"] == 1
    assert service.track("m1").json()["duplicates"] == 1


def test_a_full_disk_refuses_messages_and_takes_them_when_there_is_room(service):
    ((pages,),) = service.session.rows("PRAGMA page_count")
    service.session.run(f"PRAGMA max_page_count = {pages}")
    sent, refused = 0, 0
    while not refused and sent < 5000:
        answer = service.track(f"m{sent}")
        sent, refused = sent + 1, int(answer.status_code != 200)
    check_refused(answer, 503)
    assert service.is_answering()
    service.session.run("PRAGMA max_page_count = 1073741823")
    told = [service.track(f"m{place}").json() for place in range(sent)]
    assert [one["accepted"] for one in told] == [0] * (sent - 1) + [1]


def test_a_read_only_disk_refuses_messages_and_answers_send_times(service):
    service.session.run("PRAGMA query_only = 1")
    check_refused(service.track("m1"), 503)
    assert service.is_answering()
    service.session.run("PRAGMA query_only = 0")
    assert service.track("m1").json()["accepted"] == 1


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
def test_a_clock_that_jumps_loses_no_message_and_fails_no_request(service, days):
    service.now = NOW + timedelta(days=days)
    assert service.track("m1").json()["accepted"] == 1
    assert service.is_answering()
    service.now = NOW
    assert service.track("m1").json()["duplicates"] == 1
    assert service.track("m2").json()["accepted"] == 1
    assert service.is_answering()
