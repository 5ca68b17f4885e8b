"""Every operation of the OpenAPI document, asked by every kind of caller, in the whole service."""

from __future__ import annotations

import hmac
import json
from datetime import timedelta

import msgspec
import pytest

from features.project import load_project
from serving.access.audit import AuditLog
from serving.access.callers import open_access
from serving.access.keyfile import KeyFile, add_key
from serving.access.keys import make_key
from serving.access.scopes import IMPLIED, SCOPES, Scope, name_operation
from serving.api import build_api
from serving.customers.customers import open_customers
from serving.openapi import build_openapi
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.conftest import NOW

DOCUMENT = build_openapi("0")
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
BODY = json.dumps({"messageId": "m", "userId": "nobody", "event": "X"}).encode()
HEADERS = {"content-type": "application/json"}
FREE_OF_KEYS = {
    "POST /v1/webhook",  # signed
    "GET /livez",
    "GET /readyz",
    "GET /openapi.json",
    "GET /",
}


class Keyed:
    """The whole API with a key of every kind."""

    def __init__(self, folder, published, open_client):
        path = folder / "almanac.toml"
        path.write_text("[project]\n", encoding="utf-8")
        self.project = load_project(path)
        self.access = open_access(self.project)
        file = self.access.keys.path
        self.keys = {"none": None, "bad": "alm_000000000000_guess", "shapeless": "guess"}
        for scope in Scope:
            key, self.keys[scope.value] = make_key(scope.value, (scope,), NOW)
            add_key(file, key)
        past = NOW - timedelta(days=2)
        key, self.keys["expired"] = make_key("expired", (Scope.ADMIN,), past, expires_days=1)
        add_key(file, key)
        key, self.keys["revoked"] = make_key("revoked", (Scope.ADMIN,), past)
        add_key(file, msgspec.structs.replace(key, revoked_at=NOW - timedelta(seconds=1)))
        self.access.keys = KeyFile(file)
        predictor = Predictor.load(published)
        self.customers = predictor.customers = open_customers(self.project, predictor.champions)
        limits = ServingSettings(is_request_logged=False)
        api = build_api(predictor, limits, clock=lambda: NOW, access=self.access)
        self.routes = api.app.routes
        self.call = open_client(api)

    def ask(self, method, path, who):
        text = self.keys[who]
        bearer = {} if text is None else {"authorization": f"Bearer {text}"}
        url = path.replace("{customer}", "nobody")
        body = {"content": BODY} if method == "POST" else {}
        return self.call(method, url, headers={**HEADERS, **bearer}, **body)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory, published, open_client):
    keyed = Keyed(tmp_path_factory.mktemp("keyed"), published, open_client)
    yield keyed
    keyed.customers.close()
    keyed.access.close()


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_every_operation_is_for_those_who_hold_its_scope_alone(keyed, method, path, operation):
    statuses = {who: keyed.ask(method, path, who).status_code for who in keyed.keys}
    name = f"{method} {path}"
    if name in FREE_OF_KEYS:
        refusal = 401 if name == "POST /v1/webhook" else None  # nobody signed it
        assert set(statuses.values()) & {401, 403} == ({refusal} - {None})
        assert operation["security"] == ([{"signature": []}] if refusal else [])
        return
    (needed,) = {tuple(*way.values()) for way in operation["security"]}
    allowed = {*needed, *IMPLIED.get(needed[0], ()), "admin"}
    for who, status in statuses.items():
        if who in ("none", "bad", "shapeless", "expired", "revoked"):
            assert status == 401, who
        elif who not in allowed:
            assert status == 403, who
        else:
            # what is asked for is nobody's, or wrong in another way, but it was let in
            assert status in (200, 400, 404, 409, 422), who
    assert {"401", "403", "429"} <= set(operation["responses"])


def test_every_route_states_its_scope_and_every_scope_is_of_a_route(keyed):
    served = {
        name_operation(method, route.path) for route in keyed.routes for method in route.methods
    }
    assert served == set(SCOPES)
    assert served == {f"{method} {path}" for method, path, _ in OPERATIONS}


def test_head_asks_for_what_get_does(keyed):
    assert keyed.call("HEAD", "/v1/forecasts").status_code == 401
    campaigns = {"authorization": f"Bearer {keyed.keys['campaigns']}"}
    assert keyed.call("HEAD", "/v1/forecasts", headers=campaigns).status_code == 403


def test_a_refusal_says_how_to_be_let_in(keyed):
    none = keyed.ask("GET", "/v1/forecasts", "none")
    assert none.json()["type"] == "urn:almanac:problem:unauthorized"
    assert none.headers["www-authenticate"].startswith('Basic realm="key"')
    wrong = keyed.ask("GET", "/v1/forecasts", "campaigns")
    assert wrong.json()["type"] == "urn:almanac:problem:forbidden"
    assert "'merchandising'" in wrong.json()["detail"]
    assert keyed.keys["campaigns"] not in wrong.text


@pytest.mark.parametrize("who", ["bad", "shapeless", "campaigns"])
def test_hashes_are_compared_in_constant_time_whoever_asks(keyed, who, monkeypatch):
    """Known or not, as many comparisons are made, and each by hmac.compare_digest."""
    seen = []

    def compare(one, other):
        seen.append(len(one) == len(other) == 64)
        return hmac_compare(one, other)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr("serving.access.keys.hmac.compare_digest", compare)
    keyed.ask("POST", "/v1/send-times", who)
    assert seen == [True, True]


def test_no_secret_is_kept_or_told(keyed, capfd, caplog):
    secrets = [text for text in keyed.keys.values() if text]
    for who in keyed.keys:
        keyed.ask("GET", "/v1/forecasts", who)
    folder = keyed.project.workspace.root / "access"
    kept = [path.read_bytes() for path in folder.iterdir()]
    out, err = capfd.readouterr()
    told = "".join([out, err, caplog.text, *(content.decode("latin-1") for content in kept)])
    assert all(text not in told and text.rpartition("_")[2] not in told for text in secrets)
    for name in ("keys.json", "audit.jsonl", "limits"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_what_was_refused_erased_and_exported_is_put_down(keyed):
    # the refusals of the other tests have used up what is written down of them
    keyed.access.audit = AuditLog(keyed.access.audit.path)
    keyed.ask("GET", "/v1/forecasts", "campaigns")
    keyed.ask("GET", "/v1/customers/{customer}/export", "profiles:read")
    answer = keyed.ask("DELETE", "/v1/customers/{customer}", "profiles:erase")
    lines = keyed.access.audit.read_last(3)
    assert [(e.action, e.route, e.status) for e in lines] == [
        ("refused", "GET /v1/forecasts", 403),
        ("export", "GET /v1/customers/{customer}/export", 404),
        ("erasure", "DELETE /v1/customers/{customer}", 404),
    ]
    assert lines[2].request_id == answer.headers["x-request-id"]
    assert {e.key_id for e in lines} <= set(keyed.access.keys.keys)
    assert "nobody" not in keyed.access.audit.path.read_text()
