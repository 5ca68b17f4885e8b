"""The Segment HTTP API and the profile API, as their callers meet them."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import ProjectError
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.send_time import LightGBMSendTime
from serving.access.callers import open_access
from serving.access.keyfile import KeyFile, add_key
from serving.access.keys import make_key
from serving.access.scopes import Scope
from serving.api import build_api
from serving.contract import ProblemDocument
from serving.customers import contract
from serving.customers.customers import open_customers
from serving.customers.database import StoreUnavailable
from serving.customers.settings import read_settings
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.conftest import write_profiles
from tests.customer_messages import FEATURES, FREE, write_project

NOW = datetime(2026, 11, 4, 15, 30, tzinfo=UTC)  # a Wednesday
JSON = {"content-type": "application/json"}


class Service:
    """The whole API over a store of its own."""

    access = None

    def __init__(self, folder, published, open_client, more=FREE, *, is_keyed=False):
        self.project = write_project(folder, more)
        predictor = Predictor.load(published)
        self.customers = open_customers(self.project, predictor.champions)
        predictor.customers = self.customers
        self.now = NOW
        limits = ServingSettings(is_request_logged=False)
        self.access = open_access(self.project) if is_keyed else None
        api = build_api(predictor, limits, clock=self.tick, access=self.access)
        self.call = open_client(api)

    def make_key(self, *scopes):
        """A new key, which the service reads at once."""
        key, text = make_key("test", scopes, self.now)
        add_key(self.access.keys.path, key)
        self.access.keys = KeyFile(self.access.keys.path)
        return text

    def tick(self):
        """A clock that moves on by a millisecond whenever it is read."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def post(self, path, content, **options):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {**JSON, **options.pop("headers", {})}
        return self.call("POST", path, content=body, headers=headers, **options)

    def track(self, message_id, event="Product Viewed", **members):
        told = {"messageId": message_id, "userId": "ann", "event": event, **members}
        return self.post("/v1/track", told)

    def send_time(self, name, **more):
        asked = {"customers": [name], "all_slots": True, "quiet_hours": None, **more}
        answer = self.post("/v1/send-times", asked)
        assert answer.status_code == 200, answer.text
        return answer.json()["customers"][0]

    def close(self):
        self.customers.close()
        if self.access is not None:
            self.access.close()


@pytest.fixture(scope="module")
def live_published(tmp_path_factory, customer_table, profile_files, publish_model):
    """A send-time model that was fitted with the features that live profiles have."""
    rng = np.random.default_rng(5)
    numbers = FEATURES.of_shape("number")
    drawn = pd.DataFrame(
        rng.gamma(2.0, 3.0, (len(customer_table), len(numbers))), columns=list(numbers)
    )
    table = pd.concat([customer_table.drop(columns=["recency_days", "tenure_days"]), drawn], axis=1)
    histories = Histories.from_table(table)
    weeks = pd.DataFrame(
        [
            (row["customer_id"], entry["slot"], int(rng.integers(0, 5)))
            for row in table.to_dict("records")
            for entry in row["active_slots"]
        ],
        columns=["customer_id", "slot", "weeks_active"],
    )
    outcomes = Outcomes.from_table(weeks, histories.customer_id, n_weeks=4)
    model = LightGBMSendTime(rounds=5, threads=1).fit(histories, outcomes)
    model.calibrate(histories, outcomes)
    folder = tmp_path_factory.mktemp("live") / "published"
    files = {**profile_files, "profiles.parquet": write_profiles(table)}
    publish_model(folder, "promotion", {**model.to_files(), **files})
    return folder


@pytest.fixture
def service(tmp_path, live_published, open_client):
    service = Service(tmp_path, live_published, open_client)
    yield service
    service.close()


def problem_of(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return ProblemDocument.model_validate_json(answer.content)


def test_every_path_of_segment_takes_its_messages(service):
    for kind in ("identify", "track", "page", "screen", "group", "alias"):
        told = {"messageId": kind, "userId": "ann", "event": "X", "previousId": "x"}
        answer = service.post(f"/v1/{kind}", told)
        assert answer.status_code == 200
        contract.Collected.model_validate_json(answer.content)
        assert answer.json() == {
            "success": True, "accepted": 1, "duplicates": 0, "rejected": [],
        }  # fmt: skip
    profile = service.call("GET", "/v1/customers/ann").json()
    assert [use["channel"] for use in profile["channels"]] == ["app", "web"]


def test_a_batch_tells_of_each_message_what_became_of_it(service):
    message = {"type": "track", "messageId": "m1", "userId": "ann", "event": "Product Viewed"}
    batch = [
        message,
        {**message, "messageId": "m2", "timestamp": "1970-01-01T00:00:00Z"},
        message,
        {**message, "messageId": "m" * 101},
        {**message, "messageId": "m3", "userId": "null", "anonymousId": "0000"},
        {**message, "messageId": "m4", "userId": None},
        {**message, "messageId": "m5", "timestamp": "2100-01-01T00:00:00Z"},
        {**message, "messageId": "m6", "properties": {"price": "many"}},
        {**message, "event": "B"},
        17,
    ]
    answer = service.post("/v1/batch", {"batch": batch}).json()
    contract.Collected.model_validate(answer)
    assert (answer["success"], answer["accepted"], answer["duplicates"]) == (False, 1, 1)
    assert {one["index"]: one["reason"] for one in answer["rejected"]} == {
        1: "time-out-of-range", 3: "long-message-id", 4: "blocked-identifier",
        5: "missing-identifier", 6: "time-out-of-range", 7: "invalid-property",
        8: "conflicting-message", 9: "invalid-json",
    }  # fmt: skip
    assert answer["rejected"][5]["pointer"] == "/properties/price"


def test_a_single_message_that_is_rejected_is_a_problem_that_says_where(service):
    answer = service.track("m1", properties={"price": -1})
    assert answer.status_code == 422
    problem = problem_of(answer)
    assert problem.type == "urn:almanac:problem:rejected-message"
    assert problem.detail.startswith("invalid-property: a property is not what it should be")
    assert answer.json()["errors"][0]["pointer"] == "#/properties/price"


VIEW = b'{"messageId":"m","userId":"a","event":"Product Viewed","properties":'
DEEP = b'{"messageId":"m","userId":"a","event":"x","properties":'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"\xff\xfe", 422),
        (b"[]", 422),
        (b'"x"', 422),
        (
            b'{"messageId":"m","userId":"a","event":"Product Viewed","properties":{"price":NaN}}',
            422,
        ),
        (
            b'{"messageId":"m","userId":"a","event":"Product Viewed","properties":{"price":1e999}}',
            422,
        ),
        (DEEP + b'{"a":' * 30 + b"1" + b"}" * 31, 200),
        (DEEP + b'{"a":' * 5000 + b"1" + b"}" * 5001, 422),
        (b" " * 40_000, 413),
    ],
)
def test_whatever_is_sent_it_is_never_our_fault(service, body, status):
    answer = service.post("/v1/track", body)
    assert answer.status_code == status, answer.text
    if status != 200:
        problem_of(answer)


def test_deep_traits_of_a_person_are_refused(service):
    deep = b'{"messageId":"m","userId":"a","traits":' + b'{"a":' * 20 + b"1" + b"}" * 21
    answer = service.post("/v1/identify", deep)
    assert answer.status_code == 422
    assert problem_of(answer).detail.startswith("too-deep")


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
            st.sampled_from(["type", "messageId", "userId", "event", "properties", "traits",
                             "context", "timestamp", "products", "order_id", "price", "batch"])
            | st.text(), inner, max_size=6),
        max_leaves=25,
    )
)  # fmt: skip
def test_random_documents_are_answered_with_sense(service, document):
    for path in ("/v1/track", "/v1/batch", "/v1/identify", "/v1/alias"):
        answer = service.post(path, document)
        assert answer.status_code in (200, 400, 413, 422), answer.text


def test_bodies_may_be_compressed_but_not_cut_off_or_bombs(service):
    told = json.dumps({"messageId": "z", "userId": "ann", "event": "X"}).encode()
    zipped = {"content-encoding": "gzip"}
    assert service.post("/v1/track", gzip.compress(told), headers=zipped).status_code == 200
    cut = service.post("/v1/track", gzip.compress(told)[:-9], headers=zipped)
    assert (cut.status_code, problem_of(cut).type) == (400, "urn:almanac:problem:bad-json")
    bomb = service.post("/v1/track", gzip.compress(b" " * 10_000_000), headers=zipped)
    assert bomb.status_code == 413
    other = service.post("/v1/track", told, headers={"content-encoding": "br"})
    assert other.status_code == 415


def test_batches_have_limits(service):
    many = {"batch": [{}] * 2501}
    answer = service.post("/v1/batch", many)
    assert (answer.status_code, problem_of(answer).detail) == (
        413, "#/batch: must have at most 2500 entries.",
    )  # fmt: skip
    assert service.post("/v1/batch", b" " * 600_000).status_code == 413
    assert service.post("/v1/batch", {"batch": "x"}).status_code == 400
    assert service.post("/v1/batch", {"batch": []}).json()["accepted"] == 0


def test_clocks_that_are_wrong_are_corrected(service):
    """A phone that is two days ahead: sent one minute after it happened, received now."""
    answer = service.track("m1", timestamp="2026-11-06T15:29:00Z", sentAt="2026-11-06T15:30:00Z")
    assert answer.status_code == 200
    export = service.call("GET", "/v1/customers/ann/export").json()
    happened = datetime.fromisoformat(export["events"][0]["occurred_at"])
    assert abs(happened - (NOW - timedelta(minutes=1))) < timedelta(seconds=1)


def test_without_a_key_that_is_known_nothing_is_taken_or_told(
    tmp_path, live_published, open_client
):
    service = Service(tmp_path, live_published, open_client, is_keyed=True)
    sender = service.make_key(Scope.INGEST)
    reader = service.make_key(Scope.PROFILES_READ)
    told = {"messageId": "m1", "userId": "ann", "event": "X"}
    basic = {"authorization": "Basic " + base64.b64encode(f"{sender}:".encode()).decode()}
    wrong = {"authorization": "Basic " + base64.b64encode(b"guess:").decode()}
    for headers in ({}, wrong, {"authorization": "Basic ???"}, {"authorization": "Bearer x"}):
        answer = service.post("/v1/track", told, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
        for method in ("GET", "DELETE"):
            assert service.call(method, "/v1/customers/ann", headers=headers).status_code == 401
    assert service.post("/v1/track", told, headers=basic).status_code == 200
    in_body = {**told, "writeKey": sender, "messageId": "m2"}
    assert service.post("/v1/track", in_body).status_code == 200
    assert service.post("/v1/track", {**in_body, "writeKey": "guess"}).status_code == 401
    assert service.post("/v1/track", {**in_body, "writeKey": reader}).status_code == 403
    # the key of web pages, which everybody can read, looks nobody up
    refused = service.call("GET", "/v1/customers/ann", headers=basic)
    assert refused.status_code == 403
    assert "'profiles:read'" in problem_of(refused).detail
    bearer = {"authorization": f"Bearer {reader}"}
    assert service.call("GET", "/v1/customers/ann", headers=bearer).status_code == 200
    assert service.call("DELETE", "/v1/customers/ann", headers=bearer).status_code == 403
    service.close()


def test_only_who_may_look_customers_up_is_answered_by_address(
    tmp_path, live_published, open_client
):
    service = Service(tmp_path, live_published, open_client, is_keyed=True)
    campaigns = {"authorization": f"Bearer {service.make_key(Scope.CAMPAIGNS)}"}
    both = service.make_key(Scope.CAMPAIGNS, Scope.PROFILES_READ)
    admin = {"authorization": f"Bearer {service.make_key(Scope.ADMIN)}"}
    service.post(
        "/v1/track",
        {"messageId": "m", "userId": "ann", "event": "Product Viewed",
         "context": {"traits": {"email": "ann@example.com"}}},
        headers=admin,
    )  # fmt: skip
    asked = {"customers": ["ann", "ann@example.com"]}
    known = {}
    for who, headers in (
        ("campaigns", campaigns),
        ("both", {"authorization": f"Bearer {both}"}),
        ("admin", admin),
    ):
        answer = service.post("/v1/send-times", asked, headers=headers)
        assert answer.status_code == 200, answer.text
        known[who] = [customer["is_known"] for customer in answer.json()["customers"]]
    assert known == {"campaigns": [True, False], "both": [True, True], "admin": [True, True]}
    service.close()


@pytest.mark.parametrize("name", ["write_keys", "read_keys", "erase_keys"])
def test_keys_in_the_project_file_are_refused(tmp_path, name):
    project = write_project(tmp_path, f"[customers]\n{name} = []\n")
    with pytest.raises(ProjectError, match="almanac keys create"):
        read_settings(project)


def test_webhooks_are_taken_if_they_are_signed(service, monkeypatch):
    body = json.dumps({"type": "track", "messageId": "w", "userId": "ann", "event": "X"}).encode()

    def post(signature):
        return service.post("/v1/webhook", body, headers={"x-signature": signature}).status_code

    sha1 = hmac.digest(b"shared", body, "sha1").hex()
    assert post(sha1) == 401  # the service knows no secret
    monkeypatch.setenv("ALMANAC_WEBHOOK_SECRET", "shared")
    assert [post(""), post("0" * 40), post(sha1.upper())] == [401, 401, 200]
    assert post("sha256=" + hmac.digest(b"shared", body, "sha256").hex()) == 200


def test_a_till_purchase_moves_the_email_hour_of_the_same_person(service):
    """A web visitor, known by e-mail; the till knows the same address."""
    for day in range(3):
        at = (NOW - timedelta(days=7 * day + 1)).replace(hour=8, minute=5)
        service.post("/v1/track", {
            "messageId": f"v{day}", "anonymousId": "phone", "event": "Product Viewed",
            "context": {"traits": {"email": "ann@example.com"}}, "timestamp": at.isoformat(),
        })  # fmt: skip
    before = service.send_time("ann@example.com")

    sold = service.post("/v1/track", {
        "messageId": "till", "event": "Order Completed", "timestamp": NOW.isoformat(),
        "userId": "card-7", "context": {"traits": {"email": "ANN@example.com"}},
        "properties": {"order_id": "o1", "revenue": 20, "store_id": "r1"},
    })  # fmt: skip
    assert sold.status_code == 200
    after = service.send_time("card-7")

    assert after["is_known"]
    assert after["evidence"]["words"] != before["evidence"]["words"]
    # Wednesday 15:30 UTC: hour 9 in the project's zone, Berlin is the project's, so 16
    slot = 2 * 24 + 16
    assert after["probabilities"][slot] > before["probabilities"][slot]
    by_email = service.send_time("ann@example.com")["probabilities"]
    assert by_email == pytest.approx(after["probabilities"], rel=1e-4)
    assert after["as_of"].startswith("2026-11-04T15:30")


def test_a_published_customer_without_news_is_answered_as_published(service):
    answer = service.send_time("c7")
    assert answer["as_of"] == "2026-11-01T00:00:00Z"


def test_without_its_history_a_published_customer_keeps_it_and_the_answer_says_so(
    tmp_path, live_published, open_client
):
    project = FREE + "[tables.sales]\npath = 'x.csv'\n"
    service = Service(tmp_path, live_published, open_client, project)
    file = service.project.path
    file.write_text(file.read_text().replace("sqlite:///.almanac/customers.db", "sqlite:///x.db"))
    service.close()
    service = Service.__new__(Service)
    from features.project import load_project

    predictor = Predictor.load(live_published)
    service.customers = open_customers(load_project(file), predictor.champions)
    predictor.customers, service.now = service.customers, NOW
    service.call = open_client(
        build_api(predictor, ServingSettings(is_request_logged=False), clock=lambda: NOW)
    )
    before = service.send_time("c7")
    service.track("m1", userId="c7")
    answer = service.post("/v1/send-times", {"customers": ["c7"], "all_slots": True,
                                             "quiet_hours": None}).json()  # fmt: skip
    assert answer["degraded"] is True
    assert answer["customers"][0]["probabilities"] == before["probabilities"]
    service.close()


def test_who_has_not_agreed_is_answered_as_anybody_and_told_so(
    tmp_path, live_published, open_client
):
    service = Service(tmp_path, live_published, open_client, "")
    service.track("m1")
    answer, nobody = service.send_time("ann"), service.send_time("stranger")
    assert answer["is_known"] is False
    assert answer["evidence"]["words"].startswith("the customer has not agreed")
    assert answer["probabilities"] == nobody["probabilities"]
    profile = service.call("GET", "/v1/customers/ann").json()
    assert profile["receptivity"] is None
    assert profile["value"] is None
    assert profile["notes"] == ["the customer has not agreed to personalisation"]

    agreed = {"consent": {"categoryPreferences": {"Advertising": True, "sms": False}}}
    service.track("m2", context=agreed)
    assert service.send_time("ann")["is_known"] is True
    no_sms = service.send_time("ann", channels=["sms"])
    assert [one["reason"] for one in no_sms["exclusions"]] == ["no-consent"]
    service.close()


def test_the_profile_is_found_by_any_identifier_and_keeps_its_contract(service):
    service.post("/v1/identify", {
        "messageId": "i1", "userId": "ann", "anonymousId": "x",
        "traits": {"email": "ann@example.com", "phone": "+49 30 1234567", "city": "Bonn",
                   "time_zone": "Asia/Tokyo"},
    })  # fmt: skip
    service.track("m1", "Order Completed", properties={"order_id": "o", "revenue": 12.5})
    names = ["ann", "user_id:ann", "x", "anonymous_id:x", "email:ANN@example.com",
             "ann%40example.com", "phone:+49301234567"]  # fmt: skip
    told = [service.call("GET", f"/v1/customers/{name}") for name in names]
    assert {answer.status_code for answer in told} == {200}
    profile = contract.CustomerProfile.model_validate_json(told[0].content)
    assert len({json.dumps(answer.json()["identifiers"]) for answer in told}) == 1
    assert profile.traits["city"] == "Bonn"
    assert profile.value is not None
    assert profile.value.spend == 12.5
    assert profile.time_zone == "Asia/Tokyo"
    assert profile.receptivity is not None
    assert {map_.channel for map_ in profile.receptivity.channels} >= {"email", "web"}
    for map_ in profile.receptivity.channels:
        assert (np.array(map_.low) <= map_.probabilities).all()
        assert (np.array(map_.high) >= map_.probabilities).all()
        best = map_.best[0]
        assert best.probability == map_.probabilities[best.slot]
        assert 8 <= best.start.hour < 21
        # in Tokyo it is Thursday already
        assert best.start.utcoffset() == timedelta(hours=9)
    for nobody in ("nobody..etc", "ann" + "%20" * contract.LONGEST_NAME):
        missing = service.call("GET", f"/v1/customers/{nobody}")
        assert (missing.status_code, problem_of(missing).type) == (
            404, "urn:almanac:problem:unknown-customer",
        )  # fmt: skip


def test_erased_is_erased_and_a_replay_does_not_bring_it_back(service):
    happened = {"timestamp": "2026-11-04T10:00:00Z"}
    service.track("m1", **happened, anonymousId="x")
    service.track("bad", **happened, properties={"price": -1}, anonymousId="x")
    answer = service.call("DELETE", "/v1/customers/anonymous_id:x")
    assert answer.status_code == 200
    contract.CustomerErasure.model_validate_json(answer.content)
    assert answer.json()["erased"]["events"] == 1
    assert answer.json()["erased"]["dead_letters"] == 1
    assert answer.json()["affected_models"] == ["promotion 3"]

    for name in ("ann", "x"):
        assert service.call("GET", f"/v1/customers/{name}").status_code == 404
    replay = service.track("m1", **happened, anonymousId="x")
    assert (replay.status_code, replay.json()["detail"][:6]) == (422, "erased")
    # who says nothing of when it was could be a replay, too
    assert (
        service.post("/v1/track", {"messageId": "m9", "userId": "ann", "event": "X"}).status_code
        == 422
    )
    # the device is another person's now, and keeps them
    other = {"messageId": "m3", "userId": "bob", "anonymousId": "x", "event": "X", **happened}
    assert service.post("/v1/track", other).status_code == 200
    # they come back of their own will
    service.now = NOW + timedelta(days=2)
    again = service.track("m4", timestamp="2026-11-06T10:00:00Z")
    assert again.status_code == 200
    assert service.call("GET", "/v1/customers/ann/export").json()["events"][0]["event_id"] == "m4"


def test_a_published_customer_who_is_erased_is_nobody_at_once(service):
    service.track("m1", userId="c7")
    stranger = service.send_time("stranger")
    assert service.call("DELETE", "/v1/customers/c7").status_code == 200
    answer = service.send_time("c7")
    assert answer["is_known"] is False
    assert answer["probabilities"] == stranger["probabilities"]


def test_a_store_that_does_not_answer_makes_nobody_of_everybody(service, monkeypatch):
    stranger = service.send_time("stranger")

    def refuse(*_, **__):
        raise StoreUnavailable("the store of customers: disk I/O error; nothing was changed")

    monkeypatch.setattr(service.customers.inline, "find", refuse)
    monkeypatch.setattr(service.customers.desk, "find", refuse)
    monkeypatch.setattr(service.customers.writer.store, "apply", refuse)
    asked = {"customers": ["c7"], "all_slots": True, "quiet_hours": None}
    answer = service.post("/v1/send-times", asked).json()
    assert answer["degraded"] is True
    assert answer["customers"][0]["is_known"] is False
    assert answer["customers"][0]["probabilities"] == stranger["probabilities"]
    for refused in (service.track("m1"), service.call("GET", "/v1/customers/c7")):
        assert refused.status_code == 503
        assert problem_of(refused).type == "urn:almanac:problem:not-stored"


def test_a_delete_message_erases(service):
    service.track("m1", timestamp="2026-11-04T10:00:00Z")
    gone = {"type": "delete", "messageId": "d", "userId": "ann", "timestamp": NOW.isoformat()}
    answer = service.post("/v1/batch", {"batch": [gone, gone]}).json()
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    assert service.call("GET", "/v1/customers/ann").status_code == 404


def test_the_export_keeps_its_contract_and_holds_all(service):
    service.track("m1", "Order Completed", properties={"order_id": "o", "revenue": 2})
    service.track("bad", properties={"price": -1})
    service.post("/v1/identify", {"messageId": "i", "userId": "ann", "traits": {"a": 1}, "context":
                 {"consent": {"categoryPreferences": {"email": True}}}})  # fmt: skip
    export = service.call("GET", "/v1/customers/ann/export")
    whole = contract.CustomerExport.model_validate_json(export.content)
    assert [len(part) for part in (whole.events, whole.order_changes, whole.consents,
                                   whole.dead_letters)] == [2, 1, 1, 1]  # fmt: skip
    assert export.headers["content-disposition"].startswith("attachment")


def test_without_its_store_the_service_says_so(predictor, open_client):
    call = open_client(build_api(predictor, ServingSettings(is_request_logged=False)))
    for method, path in (("POST", "/v1/track"), ("GET", "/v1/customers/a"),
                         ("DELETE", "/v1/customers/a"), ("POST", "/v1/batch")):  # fmt: skip
        answer = call(method, path, content=b"{}", headers=JSON)
        assert answer.status_code == 503
        assert problem_of(answer).type == "urn:almanac:problem:not-stored"


def test_too_many_waiting_messages_are_refused_for_now(tmp_path, live_published, open_client):
    more = "[customers]\nmax_waiting = 100\nmax_batch_events = 100\n" + FREE
    service = Service(tmp_path, live_published, open_client, more)
    service.customers.writer._waiting = 50
    batch = [{"type": "track", "messageId": f"m{i}", "userId": "a", "event": "X"}
             for i in range(51)]  # fmt: skip
    answer = service.post("/v1/batch", {"batch": batch})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert service.post("/v1/batch", {"batch": batch[:50]}).json()["accepted"] == 50
    service.close()


def test_a_model_of_other_features_leaves_live_profiles_aside(tmp_path, published, open_client):
    service = Service(tmp_path, published, open_client)
    assert service.customers.inline_answers.is_live is False
    service.track("m1", userId="c7")
    assert service.send_time("c7")["as_of"] == "2026-11-01T00:00:00Z"
    assert service.call("GET", "/v1/customers/c7").json()["receptivity"] is None
    service.close()


def test_the_promotions_of_the_week_are_told_with_what_speaks_against_them(
    tmp_path, live_published, open_client
):
    tables = tmp_path / ".almanac" / "tables"
    tables.mkdir(parents=True)
    rows = [
        ("now", "2026-11-01", "2026-12-01", 0.1, "email; sms", None),
        ("elsewhere", "2026-11-01", "2026-12-01", 0.2, None, "r9"),
        ("over", "2026-10-01", "2026-11-01", 0.3, None, None),
        ("later", "2026-11-20", "2026-12-01", 0.4, None, None),
    ]
    names = ["promotion_id", "starts_at", "ends_at", "discount", "channels", "regions"]
    table = pd.DataFrame(rows, columns=names).assign(products=None, known_since=pd.NaT, margin=0.3)
    times = {"starts_at": "datetime64[us]", "ends_at": "datetime64[us]"}
    texts = dict.fromkeys(["channels", "regions", "products"], "str")
    table.astype({**times, **texts}).to_parquet(tables / "promotions.parquet", index=False)
    service = Service(tmp_path, live_published, open_client)
    bought = {"order_id": "o", "revenue": 5, "store_id": "r1"}
    consent = {"consent": {"categoryPreferences": {"email": True, "sms": False}}}
    service.track("m1", "Order Completed", properties=bought, context=consent)
    told = service.call("GET", "/v1/customers/ann").json()["promotions"]
    contract.EligiblePromotion.model_validate_json(json.dumps(told[0]))
    assert {one["promotion_id"]: (one["channels"], one["reason"]) for one in told} == {
        "now": (["email"], None),
        "elsewhere": ([], "the promotion is for other regions than the customer's"),
    }
    service.close()
