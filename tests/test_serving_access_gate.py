"""The gate: limits, sockets that others can reach, and endpoints that forget to ask."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from starlette.responses import Response
from starlette.routing import Route, Router

from features.errors import ProjectError
from features.project import load_project
from serving.access.callers import open_access
from serving.access.gate import KEY_ID, guard
from serving.access.keyfile import KeyFile, add_key
from serving.access.keys import make_key
from serving.access.scopes import Scope
from serving.access.settings import read_settings
from serving.edge import Edge
from serving.launch import NotStarted, check_exposure
from serving.metrics import Metrics
from serving.settings import ServingSettings

NOW = datetime(2026, 11, 4, 12, tzinfo=UTC)


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "almanac.toml"
    path.write_text("[access]\nrequests_per_minute = 2\n", encoding="utf-8")
    return load_project(path)


@pytest.fixture
def access(project):
    access = open_access(project)
    yield access
    access.close()


def make(access, *scopes, **more):
    key, text = make_key("test", scopes, NOW, **more)
    add_key(access.keys.path, key)
    access.keys = KeyFile(access.keys.path)
    return {"authorization": f"Bearer {text}"}


async def tell(request):
    return Response(request.scope.get(KEY_ID, "nobody"))


def build(access):
    paths = {"/v1/forecasts": "GET", "/v1/track": "POST", "/v1/new": "GET", "/livez": "GET"}
    routes = [Route(path, tell, methods=[method]) for path, method in paths.items()]
    return Edge(
        Router(guard(routes, access, lambda: NOW)),
        Metrics(),
        timeout_seconds=5.0,
        max_concurrency=9,
        is_request_logged=False,
    )


def ask(app, *requests, base_url="http://127.0.0.1"):
    async def run():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
            return [
                await client.request(method, path, headers=headers)
                for method, path, headers in requests
            ]

    return asyncio.run(run())


def test_a_limited_key_is_told_what_is_left_and_when_to_come_back(access):
    headers = make(access, Scope.MERCHANDISING)
    answers = ask(build(access), *[("GET", "/v1/forecasts", headers)] * 3)
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit"] for answer in answers[:2]] == [
        '"key";r=1;t=30',
        '"key";r=0;t=60',
    ]
    refused = answers[2]
    assert refused.headers["ratelimit-policy"] == '"key";q=2;w=60'
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert refused.json()["type"] == "urn:almanac:problem:rate-limited"


def test_a_key_has_its_own_limit_or_none(access):
    free = make(access, Scope.MERCHANDISING, requests_per_minute=0)
    slow = make(access, Scope.MERCHANDISING, requests_per_minute=1)
    answers = ask(build(access), *[("GET", "/v1/forecasts", free)] * 5)
    assert [answer.status_code for answer in answers] == [200] * 5
    assert "ratelimit" not in answers[0].headers
    answers = ask(build(access), *[("GET", "/v1/forecasts", slow)] * 2)
    assert [answer.status_code for answer in answers] == [200, 429]


def test_who_asks_is_known_behind_the_gate(access):
    headers = make(access, Scope.MERCHANDISING)
    (answer,) = ask(build(access), ("GET", "/v1/forecasts", headers))
    assert answer.text in access.keys.keys
    (answer,) = ask(build(None), ("GET", "/v1/forecasts", {}))
    assert answer.text == "nobody"


def test_a_route_that_states_no_scope_is_the_admins(access):
    headers, admin = make(access, Scope.MERCHANDISING), make(access, Scope.ADMIN)
    app = build(access)
    answers = ask(app, ("GET", "/v1/new", headers), ("GET", "/v1/new", admin))
    assert [answer.status_code for answer in answers] == [403, 200]


def test_an_endpoint_that_forgets_the_key_in_the_body_answers_nobody(access):
    headers = make(access, Scope.INGEST)
    app = build(access)
    answers = ask(app, ("POST", "/v1/track", {}), ("POST", "/v1/track", headers))
    assert [answer.status_code for answer in answers] == [401, 200]


@pytest.mark.parametrize("has_access", [True, False])
@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("[::1]", 200), ("[::ffff:127.0.0.1]", 200), ("10.0.0.7", 403),
     ("[2001:db8::1]", 403), ("[::ffff:10.0.0.7]", 403)],
)  # fmt: skip
def test_without_keys_only_this_machine_is_answered(access, has_access, host, status):
    app = build(access if has_access else None)
    requests = [(method, path, {}) for method, path in (
        ("GET", "/v1/forecasts"), ("POST", "/v1/track"), ("GET", "/livez"))]  # fmt: skip
    answers = ask(app, *requests, base_url=f"http://{host}:3000")
    assert [answer.status_code for answer in answers] == [status, status, 200]
    if status == 403:
        assert "almanac keys create" in answers[0].json()["detail"]


@pytest.mark.parametrize(
    ("named", "status"),
    [("localhost:3000", 200), ("shop.localhost", 200), ("LOCALHOST.", 200), ("127.1.2.3:80", 200),
     ("[::1]:3000", 200), ("evil.example:3000", 403), ("localhost.evil.example", 403),
     ("10.0.0.7", 403), ("127.0.0.1.evil.example", 403), ("", 403), ("[::1", 200), ("::1", 403)],
)  # fmt: skip
def test_without_keys_a_page_of_elsewhere_cannot_ask_by_a_name_of_its_own(access, named, status):
    """It makes its name point to this machine; the browser then takes the service for its own."""
    (answer,) = ask(build(access), ("GET", "/v1/forecasts", {"host": named}))
    assert answer.status_code == status
    if status == 403:
        assert "localhost" in answer.json()["detail"]
        assert "almanac keys create" in answer.json()["detail"]


def test_with_keys_any_name_is_answered(access):
    headers = make(access, Scope.MERCHANDISING) | {"host": "almanac.shop.example"}
    (answer,) = ask(build(access), ("GET", "/v1/forecasts", headers))
    assert answer.status_code == 200


def test_with_keys_every_socket_is_answered(access):
    headers = make(access, Scope.MERCHANDISING)
    (answer,) = ask(build(access), ("GET", "/v1/forecasts", headers), base_url="http://10.0.0.7")
    assert answer.status_code == 200


OIDC = '[access.oidc]\nissuer = "https://id"\naudience = "almanac"\n'


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7"])
def test_the_service_does_not_start_where_others_reach_it_unasked(project, access, host):
    exposed = ServingSettings.model_validate({"host": host})
    with pytest.raises(NotStarted, match="almanac keys create"):
        check_exposure(project, exposed)
    check_exposure(project, ServingSettings())
    make(access, Scope.ADMIN)
    check_exposure(project, exposed)


def test_tokens_are_as_good_as_keys_for_that(project):
    project.path.write_text(OIDC + 'jwks_file = "jwks.json"\n')
    check_exposure(load_project(project.path), ServingSettings.model_validate({"host": "::"}))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "jwks_url and jwks_file"),
        ('jwks_url = "https://id/k"\njwks_file = "k"\n', "only one"),
        ('jwks_url = "http://id/k"\n', "https"),
        ('jwks_url = "file:///etc/passwd"\n', "https"),
        ('jwks_file = "k"\nalgorithms = ["HS256"]\n', "RS256"),
        ('jwks_file = "k"\nalgorithms = ["none"]\n', "RS256"),
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(project, lines, words):
    project.path.write_text(OIDC + lines)
    with pytest.raises(ProjectError, match=words):
        read_settings(load_project(project.path))
