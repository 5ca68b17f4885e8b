"""Bodies and paths that nobody should send: each is refused with a problem, never a 5xx."""

from __future__ import annotations

import gzip
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.api import build_api
from serving.contract import ProblemDocument
from serving.customers.contract import Collected
from serving.customers.customers import open_customers
from serving.exports import defuse
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.customer_messages import write_project

JSON = {"content-type": "application/json"}
STRICT = ("/v1/send-times", "/v1/allocations", "/v1/forecasts/what-if")
SINGLE = tuple(f"/v1/{name}" for name in ("identify", "track", "page", "screen", "group", "alias"))
POSTS = (*STRICT, *SINGLE, "/v1/batch", "/v1/webhook")
FINE = {
    "/v1/send-times": b'{"customers":["ann"],"top_k":@}',
    "/v1/allocations": b'{"product":"tea","units":5.0,"pack_size":@}',
    "/v1/forecasts/what-if": b'{"product":"all","region":"all","price":@}',
}
MESSAGE = (
    b'{"type":"track","messageId":"m","userId":"ann","event":"Product Viewed",'
    b'"properties":{"price":@}}'
)
TIMED = b'{"messageId":"m","userId":"ann","previousId":"al","event":"Seen","timestamp":@}'
FINE |= {path: MESSAGE if path == "/v1/track" else TIMED for path in SINGLE}
FINE["/v1/webhook"] = MESSAGE
FINE["/v1/batch"] = b'{"batch":[' + MESSAGE + b"]}"
TIME = b'"2026-11-04T00:00:00Z"'
VALUES = {
    "NaN": b"NaN",
    "infinity": b"Infinity",
    "minus infinity": b"-Infinity",
    "too large a float": b"1e400",
    "a number of 5,000 digits": b"9" * 5_000,
    "hexadecimal": b"0x10",
    "leading zero": b"007",
    "text for a number": b'"1"',
    "true for a number": b"true",
    "an object for a number": b"{}",
    "a NUL": b'"\\u0000"',
    "a raw NUL": b"\x00",
    "a lone surrogate": b'"\\ud800"',
    "invalid UTF-8": b'"\xff\xfe"',
    "an overlong slash": b'"\xc0\xaf"',
    "lists 1,000 deep": b"[" * 1_000 + b"]" * 1_000,
    "objects 1,000 deep": b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    "lists without end": b"[" * 10_000,
    "a comment": b"1 /* one */",
    "a trailing comma": b"1,",
}
WHOLE = {
    "nothing": b"",
    "a space": b" ",
    "null": b"null",
    "a number": b"1",
    "a text": b'"x"',
    "a list": b"[]",
    "NUL": b"\x00",
    "cut off": b'{"customers":["a',
    "two objects": b"{}{}",
    "UTF-16": '{"customers":["a"]}'.encode("utf-16"),
    "UTF-32": '{"customers":["a"]}'.encode("utf-32"),
    "not UTF-8": b"\xff\xfe\xfd",
    "nested 1,000": b"[" * 1_000 + b"]" * 1_000,
    "objects 100,000 deep": b'{"a":' * 5_000,
}


@pytest.fixture(scope="module")
def secret():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALMANAC_WEBHOOK_SECRET", "s")
        yield b"s"


@pytest.fixture(scope="module")
def post(tmp_path_factory, champion, published, open_client, publish_model, secret):
    """Post a body to the whole API with every kind of model, signed where that is needed."""
    predictor = Predictor.load(published)
    demand = Predictor.load(champion.project.workspace.published).champions
    predictor.champions = type(demand)(
        predictor.champions.promotion, demand.demand, demand.states, demand.planning,
        demand.scenarios, predictor.champions.live,
    )  # fmt: skip
    project = write_project(tmp_path_factory.mktemp("fuzz"))
    predictor.customers = open_customers(project, predictor.champions)
    limits = ServingSettings(is_request_logged=False)
    now = datetime(2026, 11, 4, 15, 30, tzinfo=UTC)
    call = open_client(build_api(predictor, limits, clock=lambda: now))

    def send(path, body, headers=JSON, method="POST"):
        signed = {"x-signature": hmac.digest(secret, body, "sha256").hex(), **headers}
        return call(method, path, content=body, headers=signed)

    yield send
    predictor.customers.close()


def make_body(path, value=None):
    """Return a body of `path` with `value` in its one open place; a fine one by default."""
    if value is None:
        value = TIME if FINE[path] is TIMED else b"1"
    name = hashlib.sha256(path.encode() + value).hexdigest()[:20].encode()
    return FINE[path].replace(b"@", value).replace(b'"m"', b'"%s"' % name)


def check_refused(answer, statuses=range(400, 500)):
    """Check that an answer refuses, as a problem that repeats nothing."""
    assert answer.status_code in statuses, (answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json"
    problem = ProblemDocument.model_validate_json(answer.content)
    assert problem.status == answer.status_code
    return problem


def check_refused_or_rejected(path, answer):
    """Of a batch the answer may be 200, with the message rejected by itself."""
    if path == "/v1/batch" and answer.status_code == 200:
        told = Collected.model_validate_json(answer.content)
        assert (told.accepted, len(told.rejected)) == (0, 1)
        return
    check_refused(answer)


@pytest.mark.parametrize("path", POSTS)
def test_what_the_fuzz_starts_from_is_fine(post, path):
    answer = post(path, make_body(path))
    # The small champion has no node of these names: an answer, or that it is not forecast.
    assert answer.status_code in (200, 404, 409), answer.text


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("path", POSTS)
def test_values_that_are_none(post, path, value):
    body = make_body(path, VALUES[value])
    answer = post(path, body)
    check_refused_or_rejected(path, answer)


@pytest.mark.parametrize("body", WHOLE)
@pytest.mark.parametrize("path", POSTS)
def test_bodies_that_are_none(post, path, body):
    check_refused(post(path, WHOLE[body]))


@pytest.mark.parametrize("path", POSTS)
def test_a_byte_order_mark_is_refused(post, path):
    check_refused(post(path, b"\xef\xbb\xbf" + make_body(path)))


@pytest.mark.parametrize("path", POSTS)
def test_ten_megabytes_are_refused(post, path):
    problem = check_refused(post(path, b'{"a":"' + b"x" * 10_000_000 + b'"}'), (413,))
    assert problem.type == "urn:almanac:problem:too-large"


@pytest.mark.parametrize("path", POSTS)
def test_gzip_that_is_cut_off_is_refused(post, path):
    packed = gzip.compress(make_body(path))
    for body in (packed[:-9], packed[:5], b"", b"\x1f\x8b", packed[:-8] + b"\x00" * 8):
        check_refused(post(path, body, {**JSON, "content-encoding": "gzip"}), (400, 415))


@pytest.mark.parametrize("path", STRICT)
@pytest.mark.parametrize("place", ["first", "last", "within", "escaped"])
def test_members_that_are_there_twice_are_refused(post, path, place):
    body = make_body(path).removesuffix(b"}")
    name = body.split(b'"')[1]
    again = b'["b"]' if name == b"customers" else b'"tea"'
    twice = {
        "first": b"{" + body[1:].split(b",")[0] + b"," + body[1:] + b"}",
        "last": body + b"," + body[1:].rsplit(b",", 1)[1] + b"}",
        "within": b'{"customers":["a"],"window":{"start":"2026-11-27T00:00:00Z",'
        b'"end":"2026-11-28T00:00:00Z","end":"2026-11-29T00:00:00Z"}}',
        "escaped": b'%s,"\\u00%02x%s":%s}' % (body, name[0], name[1:], again),
    }[place]
    if place == "within":
        path = "/v1/send-times"  # the only one that holds an object
    problem = check_refused(post(path, twice), (400,))
    assert "twice" in problem.detail


def test_of_a_member_that_a_message_states_twice_the_last_counts(post):
    body = b'{"messageId":"d1","userId":"x1","userId":"x2","event":"Seen"}'
    assert post("/v1/track", body).status_code == 200
    assert post("/v1/customers/x2", b"", method="GET").status_code == 200
    assert post("/v1/customers/x1", b"", method="GET").status_code == 404


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "media_type",
    [
        "multipart/form-data; boundary=x", "multipart/form-data", "multipart/mixed",
        "application/x-www-form-urlencoded", "application/xml", "text/html", "",
        "application/json; charset=utf-16", "application/jsonx", "image/png",
    ],
)  # fmt: skip
def test_other_types_of_body_are_refused(post, path, media_type):
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
    check_refused(post(path, body, {"content-type": media_type}), (415,))


@pytest.mark.parametrize("line", [b"{", b"17", b"[]", b"\xff", b"\x00", b'"x"', b"\xef\xbb\xbf{}"])
def test_lines_that_are_no_message_are_rejected_by_themselves(post, line):
    name = hashlib.sha256(line).hexdigest()[:20].encode()
    fine = MESSAGE.replace(b"@", b"1").replace(b'"m"', b'"%s"' % name)
    lines = fine + b"\n" + line + b"\r\n\n" + fine
    answer = post("/v1/batch", lines, {"content-type": "application/x-ndjson"})
    told = Collected.model_validate_json(answer.content)
    assert (answer.status_code, told.accepted, told.duplicates) == (200, 1, 1)
    assert [one.index for one in told.rejected] == [1]


def test_lines_have_the_limits_of_a_batch(post):
    ndjson = {"content-type": "application/x-ndjson"}
    check_refused(post("/v1/batch", b"{}\n" * 2501, ndjson), (413,))
    check_refused(post("/v1/batch", b" " * 600_000, ndjson), (413,))
    check_refused(post("/v1/track", b"{}", ndjson), (415,))


NAMES = (
    "..%2f..%2fetc%2fpasswd", "..%5c..%5cwindows", "%2e%2e%2f%2e%2e%2f", "....//....//etc/passwd",
    "%00", "a%00.json", "%ff", "%c0%ae%c0%ae%2f", "~root", "file:%2f%2f%2fetc%2fpasswd",
    "%0d%0aX-Injected:%201", "x" * 5_000, "email:%27%20OR%201=1--", "%F0%9F%98%80", "*", "%25",
    "..%2f..%2fetc%2fpasswd/export", "%ed%a0%80", "person-999999999999999999",
    "person-9999999999999999999999",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_names_that_reach_for_something_else_are_nobodys(post, name, method):
    answer = post(f"/v1/customers/{name}", b"", {}, method)
    check_refused(answer, (404, 405, 422))
    assert "root:" not in answer.text
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize(
    "url",
    [
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
        "/v1/forecasts/..%2f..%2fetc", "/v1/forecasts/", "/%00", "/v1", "/static/../../x",
    ],
)  # fmt: skip
def test_paths_that_climb_lead_nowhere(post, url):
    check_refused(post(url, b"", {}, "GET"), (404,))


@pytest.mark.parametrize("key", ["cursor", "region", "product", "level", "from", "limit", "x"])
@pytest.mark.parametrize("value", ["%00", "%ff", "-1", "1e9", "NaN", "%0d%0a", "%ed%a0%80", "٣"])
@pytest.mark.parametrize("path", ["/v1/forecasts", "/v1/stock-advice", "/v1/assortment"])
def test_query_values_that_are_none(post, path, key, value):
    check_refused(post(f"{path}?{key}={value}", b"", {}, "GET"), (404, 409, 422))


@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.sampled_from(POSTS), st.data())
def test_a_body_with_bytes_changed_is_answered_with_sense(post, path, data):
    body = bytearray(make_body(path))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not body:
            return
    answer = post(path, bytes(body))
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        check_refused(answer)


@given(st.text(max_size=20))
def test_no_cell_of_a_table_starts_a_formula(text):
    cell = defuse(text)
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell in (text, f"'{text}")
