"""Sessions of the pages: opened by a key, read by the gate, ended by time, key and reader."""

from datetime import timedelta

import msgspec
import pytest

from features.project import load_project
from serving.access.callers import open_access
from serving.access.keyfile import KeyFile, add_key
from serving.access.keys import make_key, rotate_key
from serving.access.scopes import Scope
from serving.access.sessions import COOKIE, LASTS, Sessions
from serving.api import build_api
from serving.customers.customers import open_customers
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.conftest import NOW

OWN = {"sec-fetch-site": "same-origin"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Keyed:
    """The API with one key and a clock that can be moved."""

    def __init__(self, folder, published, open_client):
        path = folder / "almanac.toml"
        path.write_text("[project]\n", encoding="utf-8")
        self.project = load_project(path)
        self.now = NOW
        self.key, self.text = make_key(
            "crm", (Scope.MERCHANDISING, Scope.PROFILES_ERASE), NOW, requests_per_minute=30
        )
        self.access = open_access(self.project)
        self.put(self.key)
        predictor = Predictor.load(published)
        self.customers = predictor.customers = open_customers(self.project, predictor.champions)
        api = build_api(
            predictor,
            ServingSettings(is_request_logged=True),
            clock=lambda: self.now,
            access=self.access,
        )
        self.call = open_client(api)

    def put(self, key):
        path = self.access.keys.path
        if path.exists():
            path.unlink()
        add_key(path, key)
        self.access.keys = KeyFile(path)

    def sign_in(self, **options):
        answer = self.call("POST", "/session", json={"key": self.text}, headers=OWN, **options)
        assert answer.status_code == 200, answer.text
        return answer.cookies[COOKIE]

    def ask(self, cookie, method="GET", url="/v1/forecasts/levels", **headers):
        return self.call(method, url, headers={"cookie": f"{COOKIE}={cookie}", **headers})


@pytest.fixture
def keyed(tmp_path, published, open_client):
    keyed = Keyed(tmp_path, published, open_client)
    yield keyed
    keyed.customers.close()
    keyed.access.close()


def test_a_session_speaks_for_its_key_and_its_scopes(keyed):
    assert keyed.call("GET", "/v1/forecasts/levels").status_code == 401
    cookie = keyed.sign_in()
    assert keyed.ask(cookie).status_code == 200
    refused = keyed.ask(cookie, url="/metrics")
    assert refused.status_code == 403
    assert "'metrics'" in refused.json()["detail"]
    told = keyed.ask(cookie, url="/session").json()
    assert told == {
        "is_asked": True,
        "key_id": keyed.key.key_id,
        "scopes": ["merchandising", "profiles:erase"],
    }


def test_the_cookie_is_no_key_and_scripts_other_sites_and_plain_connections_do_not_get_it(keyed):
    answer = keyed.call("POST", "https://almanac/session", json={"key": keyed.text}, headers=OWN)
    cookie = answer.headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=strict", "Secure", "Path=/", f"Max-Age={12 * 3600}"):
        assert word in cookie
    assert keyed.text.split("_", 2)[2] not in cookie
    assert keyed.key.key_id in cookie
    plain = keyed.call("POST", "/session", json={"key": keyed.text}, headers=OWN)
    assert "Secure" not in plain.headers["set-cookie"]


def test_it_ends_after_twelve_hours_and_no_later_than_its_key(keyed):
    cookie = keyed.sign_in()
    keyed.now = NOW + LASTS - timedelta(seconds=1)
    assert keyed.ask(cookie).status_code == 200
    keyed.now = NOW + LASTS
    assert keyed.ask(cookie).status_code == 401
    keyed.now = NOW
    ends = NOW + timedelta(hours=1)
    keyed.put(msgspec.structs.replace(keyed.key, expires_at=ends))
    assert (
        "Max-Age=3600"
        in keyed.call("POST", "/session", json={"key": keyed.text}, headers=OWN).headers[
            "set-cookie"
        ]
    )


def test_it_ends_with_its_key_and_with_its_secret(keyed):
    cookie = keyed.sign_in()
    rotated, _ = rotate_key(keyed.key, NOW, timedelta(hours=1))
    keyed.put(rotated)
    assert keyed.ask(cookie).status_code == 200
    keyed.now = NOW + timedelta(hours=1)
    assert keyed.ask(cookie).status_code == 401
    keyed.now = NOW
    keyed.put(msgspec.structs.replace(keyed.key, revoked_at=NOW))
    assert keyed.ask(cookie).status_code == 401


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_cookie_is_none(keyed, part):
    parts = keyed.sign_in().split(".")
    parts[part] = ("f" if parts[part][0] != "f" else "e") + parts[part][1:]
    assert keyed.ask(".".join(parts)).status_code == 401


@pytest.mark.parametrize(
    "cookie", ["", ".", "..", "a.b.c", "x" * 4000, "ـ.١.x", "alm.99999999999999999999.a"]
)
def test_what_is_no_cookie_of_ours_is_none(cookie):
    key, _ = make_key("a", (Scope.ADMIN,), NOW)
    keys = {key.key_id: key, "alm": key, "a": key}
    assert Sessions(lambda: b"k").read(cookie, keys, NOW) is None


def test_of_another_workspace_it_is_none(keyed):
    cookie, _ = Sessions(lambda: b"another").write(keyed.key, keyed.text, NOW)
    assert keyed.ask(cookie).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 404),  # let in: nobody is called that
        ({"origin": "http://almanac"}, 404),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_in_a_session_only_our_own_pages_change_something(keyed, headers, status):
    cookie = keyed.sign_in()
    answer = keyed.ask(cookie, "DELETE", "/v1/customers/nobody", **headers)
    assert answer.status_code == status
    if status == 403:
        assert "own pages" in answer.json()["detail"]


def test_a_key_in_the_headers_needs_no_page(keyed):
    bearer = {"authorization": f"Bearer {keyed.text}"}
    answer = keyed.ask("x.1.y", "DELETE", "/v1/customers/nobody", **bearer)
    assert answer.status_code == 404


def test_a_script_is_not_asked_for_basic_as_a_browser_would_open_a_window_of_its_own(keyed):
    for headers in ({"sec-fetch-mode": "cors"}, {"x-almanac-page": "1"}):
        answer = keyed.call("GET", "/v1/models", headers=headers)
        assert answer.headers["www-authenticate"] == 'Bearer realm="key"'
    for headers in ({"sec-fetch-mode": "navigate"}, {}):
        answer = keyed.call("GET", "/v1/models", headers=headers)
        assert answer.headers["www-authenticate"].startswith("Basic")


def test_limits_hold_in_a_session(keyed):
    cookie = keyed.sign_in()
    statuses = [keyed.ask(cookie).status_code for _ in range(31)]
    assert statuses[:29] == [200] * 29
    assert statuses[-1] == 429


def test_a_wrong_key_is_refused_and_put_down_and_told_nowhere(keyed, caplog, capfd):
    for text in ("alm_000000000000_guess", "guess", "", f"{keyed.text}x"):
        answer = keyed.call("POST", "/session", json={"key": text}, headers=OWN)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
    keyed.sign_in()
    entries = [(e.action, e.route, e.status, e.key_id) for e in keyed.access.audit.read_last(2)]
    assert entries == [
        ("refused", "POST /session", 401, None),
        ("session opened", "POST /session", 200, keyed.key.key_id),
    ]
    said = caplog.text + "".join(capfd.readouterr()) + keyed.access.audit.path.read_text()
    assert keyed.text.split("_", 2)[2] not in said
    assert "guess" not in said


@pytest.mark.parametrize(
    ("following", "place"),
    [
        ("/demand?region=1", "/demand?region=1"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a%0d%0aset-cookie: x=1", "/"),
        ("", "/"),
    ],
)
def test_a_form_leads_on_to_a_page_of_ours_and_nowhere_else(keyed, following, place):
    body = f"key={keyed.text}&next={following}"
    answer = keyed.call("POST", "/session", content=body, headers=FORM | OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, place)
    assert keyed.ask(answer.cookies[COOKIE]).status_code == 200


def test_another_site_cannot_sign_a_reader_in_or_out(keyed):
    evil = {"origin": "http://evil.example"}
    told = keyed.call("POST", "/session", json={"key": keyed.text}, headers=evil)
    assert told.status_code == 403
    assert keyed.call("DELETE", "/session", headers=evil).status_code == 403


def test_signing_out_takes_the_cookie_away(keyed):
    cookie = keyed.sign_in()
    answer = keyed.ask(cookie, "DELETE", "/session", **OWN)
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert answer.json()["key_id"] is None
    assert keyed.access.audit.read_last(1)[0].action == "session ended"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"[]", "headers": {"content-type": "application/json"}}, 400),
        ({"json": {"key": 3}}, 400),
        ({"content": b"alm", "headers": {"content-type": "text/plain"}}, 415),
        ({"content": b"key=" + b"x" * 5000, "headers": FORM}, 413),
    ],
)
def test_what_is_no_key_is_a_problem(keyed, options, status):
    answer = keyed.call("POST", "/session", **options)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_where_no_keys_were_made_none_is_asked_for(call):
    assert call("GET", "/session").json() == {"is_asked": False, "key_id": None, "scopes": []}
    answer = call("POST", "/session", json={"key": "anything"}, headers=OWN)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


def test_the_secret_that_signs_is_the_workspaces_own_and_nobody_elses_to_read(keyed):
    keyed.sign_in()
    path = keyed.project.workspace.root / "erasure.key"
    assert path.stat().st_mode & 0o777 == 0o600
