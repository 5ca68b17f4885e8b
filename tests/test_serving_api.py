import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving import contract
from serving.api import build_api
from serving.predictor import Predictor
from serving.settings import ServingSettings

SEND = "/v1/send-times"


def refused(response, status: int, kind: str) -> dict:
    """Check that `response` is a problem of this kind and return its document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = contract.ProblemDocument.model_validate_json(response.content)
    assert problem.type == f"urn:almanac:problem:{kind}"
    assert problem.status == status
    assert problem.detail.endswith(".")
    assert problem.request_id == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    return json.loads(response.content)


def test_send_times_keep_the_contract(call):
    body = {"customers": ["c0", "nobody"], "channels": ["push", "email"], "top_k": 2}
    response = call("POST", SEND, json=body)
    assert response.status_code == 200
    answer = contract.SendTimes.model_validate_json(response.content)
    assert answer.model_version == "3"
    assert not answer.degraded
    assert answer.window.start.isoformat() == "2026-11-04T15:30:00+00:00"
    known, unknown = answer.customers
    assert (known.customer_id, known.is_known) == ("c0", True)
    assert (unknown.is_known, unknown.evidence.label) == (False, "global")
    assert len(known.slots) == 2
    assert known.slots[0].probability >= known.slots[1].probability
    assert known.slots[0].start.utcoffset().total_seconds() == -5 * 3600


def test_all_slots_and_no_quiet_hours(call):
    body = {
        "customers": ["c0"],
        "window": {"start": "2026-11-09T00:00:00-05:00", "end": "2026-11-09T06:00:00-05:00"},
        "quiet_hours": None,
        "all_slots": True,
        "top_k": 24,
    }
    response = call("POST", SEND, json=body)
    (customer,) = contract.SendTimes.model_validate_json(response.content).customers
    assert len(customer.probabilities) == 168
    assert sorted(slot.slot for slot in customer.slots) == [0, 1, 2, 3, 4, 5]
    by_slot = {slot.slot: slot.probability for slot in customer.slots}
    assert by_slot == {hour: customer.probabilities[hour] for hour in range(6)}


def test_many_customers_are_answered_as_few_are(call):
    customers = [f"c{i}" for i in range(200)]
    many = call("POST", SEND, json={"customers": customers}).json()["customers"]
    few = call("POST", SEND, json={"customers": customers[:1]}).json()["customers"]
    assert [customer["customer_id"] for customer in many] == customers
    for one, other in zip(many[0]["slots"], few[0]["slots"], strict=True):
        assert one["start"] == other["start"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-12)
        assert one["lift"] == pytest.approx(other["lift"], rel=1e-12)


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({}, "#/customers", "required"),
        ([], "#", "object"),
        ({"customers": []}, "#/customers", "1 or more"),
        ({"customers": ["a", 1]}, "#/customers/1", "must be text"),
        ({"customers": ["a", ""]}, "#/customers/1", "empty"),
        ({"customers": ["a", "b", "a"]}, "#/customers", "entries 0 and 2"),
        ({"customers": ["x"] * 10_001}, "#/customers", "at most 10000"),
        ({"customers": ["a"], "top_k": 0}, "#/top_k", "1 or more"),
        ({"customers": ["a"], "top_k": 25}, "#/top_k", "24 or less"),
        ({"customers": ["a"], "top_k": "3"}, "#/top_k", "whole number"),
        ({"customers": ["a"], "top_k": True}, "#/top_k", "whole number"),
        ({"customers": ["a"], "all_slots": 1}, "#/all_slots", "true or false"),
        ({"customers": ["a"], "channels": ["fax"]}, "#/channels/0", "one of 'web'"),
        ({"customers": ["a"], "channels": ["sms", "sms"]}, "#/channels", "the same"),
        ({"customers": ["a"], "quiet_hours": {"start": "24:00"}}, "#/quiet_hours/start", "23:59"),
        ({"customers": ["a"], "quiet_hours": {"start": "08:00"}}, "#/quiet_hours", "differ"),
        ({"customers": ["a"], "secret@example.org": 1}, "#", "not known"),
        ({"customers": ["a"], "window": {"end": "x", "zzz": 1}}, "#/window/start", "required"),
    ],
)
def test_bodies_that_break_the_contract(call, body, pointer, words):
    problem = refused(call("POST", SEND, json=body), 422, "invalid-request")
    assert problem["errors"][0]["pointer"] == pointer
    assert words in problem["errors"][0]["detail"]
    assert "secret@example.org" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-11-27T00:00:00", "2026-11-28T00:00:00", "offset"),
        ("2026-11-27", "2026-11-28T00:00:00Z", "RFC 3339"),
        ("17", "2026-11-28T00:00:00Z", "RFC 3339"),
        ("2026-02-30T00:00:00Z", "2026-11-28T00:00:00Z", "exists"),
        ("2026-11-27T00:00:00Z", "2026-11-27T00:00:00Z", "end must be after start"),
        ("2026-11-27T00:00:00Z", "2026-11-26T00:00:00Z", "end must be after start"),
        ("2026-11-27T00:00:00Z", "2026-11-27T00:59:59Z", "one hour"),
        ("2026-11-01T00:00:00Z", "2026-12-03T00:00:00Z", "31 days"),
        ("9999-12-31T00:00:00-23:00", "9999-12-31T23:00:00-23:00", "years 2000"),
        (17, "2026-11-28T00:00:00Z", "as text"),
    ],
)
def test_windows_that_cannot_be(call, start, end, words):
    body = {"customers": ["a"], "window": {"start": start, "end": end}}
    problem = refused(call("POST", SEND, json=body), 422, "invalid-request")
    assert problem["errors"][0]["pointer"].startswith("#/window")
    assert words in problem["detail"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[" * 5000, b'{"customers":["\\ud800"]}', b'{"customers":["a"]} x'],
)
def test_what_is_not_json_is_400(call, body):
    headers = {"content-type": "application/json"}
    refused(call("POST", SEND, content=body, headers=headers), 400, "bad-json")


@settings(max_examples=60, deadline=None)
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["customers", "window", "channels", "quiet_hours", "top_k", "start", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_answered_or_refused_never_a_failure(call, body):
    content = json.dumps(body).encode()
    response = call("POST", SEND, content=content, headers={"content-type": "application/json"})
    assert response.status_code in (200, 400, 422)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/xml"},
        {"content-type": "multipart/form-data"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/json", "content-encoding": "br"},
    ],
)
def test_other_bodies_are_415(call, headers):
    body = b'{"customers":["c0"]}'
    refused(call("POST", SEND, content=body, headers=headers), 415, "wrong-media-type")


def test_a_large_body_is_413_stated_or_streamed(call):
    headers = {"content-type": "application/json"}
    body = b'{"customers":["' + b"x" * 70_000 + b'"]}'

    async def stream():
        for at in range(0, len(body), 1000):
            yield body[at : at + 1000]

    for content in (body, stream()):
        response = call("POST", SEND, content=content, headers=headers)
        refused(response, 413, "too-large")
        assert response.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("method", "url", "allow"),
    [
        ("GET", SEND, "POST"),
        ("DELETE", SEND, "POST"),
        ("POST", "/v1/forecasts", "GET, HEAD"),
        ("PUT", "/livez", "GET, HEAD"),
        ("OPTIONS", "/", "GET, HEAD"),
    ],
)
def test_other_methods_are_405(call, method, url, allow):
    response = call(method, url)
    refused(response, 405, "wrong-method")
    assert response.headers["allow"] == allow


@pytest.mark.parametrize("url", ["/v1", "/v1/send-times/", "/docs.json", "/schema.json", "/../x"])
def test_other_addresses_are_404(call, url):
    refused(call("GET", url), 404, "not-found")


def test_what_cannot_be_accepted_is_406(call):
    problem = refused(
        call("GET", "/v1/forecasts", headers={"accept": "text/html"}), 406, "not-acceptable"
    )
    assert "text/csv" in problem["detail"]
    body = {"customers": ["c0"]}
    refused(call("POST", SEND, json=body, headers={"accept": "text/csv"}), 406, "not-acceptable")


def test_forecasts_page_by_page_keep_the_contract(call, forecast_table):
    expected = forecast_table.query("region_id == 's1'")["mean"].tolist()
    found, cursor, pages = [], None, 0
    while True:
        params = {"region": "s1", "limit": 20, "quantiles": "0.9,0.05"}
        response = call(
            "GET", "/v1/forecasts", params=params | ({"cursor": cursor} if cursor else {})
        )
        page = contract.Forecasts.model_validate_json(response.content)
        assert {tuple(row.quantiles) for row in page.forecasts} == {("0.05", "0.9")}
        found += [row.mean for row in page.forecasts]
        cursor, pages = page.next_cursor, pages + 1
        if cursor is None:
            break
        assert response.headers["link"].endswith(f'cursor={cursor}>; rel="next"')
    assert (found, pages) == (expected, 3)


def test_forecasts_as_csv(call):
    params = {"region": "s1", "from": "2026-11-03", "to": "2026-11-03", "product": "cat 1"}
    response = call("GET", "/v1/forecasts", params=params, headers={"accept": "text/csv"})
    assert response.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert response.headers["x-model-version"] == "3"
    (row,) = csv.DictReader(io.StringIO(response.text))
    as_json = call("GET", "/v1/forecasts", params=params).json()["forecasts"][0]
    assert (row["date"], float(row["mean"])) == ("2026-11-03", as_json["mean"])
    assert float(row["q90"]) == as_json["quantiles"]["0.9"]


@pytest.mark.parametrize(
    ("query", "parameter", "words"),
    [
        ("limit=0", "limit", "1 or more"),
        ("limit=1001", "limit", "1000 or less"),
        ("limit=1e2", "limit", "whole number"),
        ("from=2026-02-30", "from", "exists"),
        ("to=20261101", "to", "YYYY-MM-DD"),
        ("quantiles=50", "quantiles", "such as 0.1"),
        ("quantiles=0.11", "quantiles", "published quantiles are 0.025"),
        ("region=", "region", "empty"),
        ("cursor=abc", "cursor", "start without a cursor"),
        ("from=2026-11-04&to=2026-11-03", None, "before"),
        ("regoin=s1", None, "region, product, level, from, to"),
        ("region=s1&region=s2", None, "once"),
    ],
)
def test_queries_that_break_the_contract(call, query, parameter, words):
    problem = refused(call("GET", f"/v1/forecasts?{query}"), 422, "invalid-request")
    assert words in problem["detail"]
    assert "regoin" not in json.dumps(problem)
    if parameter:
        assert problem["errors"][0]["parameter"] == parameter


def test_a_cursor_holds_for_its_own_query_only(call):
    cursor = call("GET", "/v1/forecasts?region=s1&limit=1").json()["next_cursor"]
    refused(call("GET", f"/v1/forecasts?region=s2&cursor={cursor}"), 422, "invalid-request")
    assert call("GET", f"/v1/forecasts?region=s1&limit=9&cursor={cursor}").status_code == 200


def test_unknown_names_and_empty_combinations_are_404(call):
    problem = refused(call("GET", "/v1/forecasts?region=s11"), 404, "not-forecast")
    assert problem["detail"].startswith("This region is not forecast; nearest: 's1'")
    refused(call("GET", "/v1/forecasts?region=all&product=cat%201"), 404, "not-forecast")
    refused(call("GET", "/v1/forecasts?from=2030-01-01"), 404, "not-forecast")


def test_levels(call):
    response = call("GET", "/v1/forecasts/levels")
    answer = contract.ForecastLevels.model_validate_json(response.content)
    assert [level.level for level in answer.levels] == ["all/all", "store/all", "store/category"]
    assert answer.quantiles[0] == "0.025"
    refused(call("GET", "/v1/forecasts/levels?x=1"), 422, "invalid-request")


def test_health(call):
    assert contract.Liveness.model_validate_json(call("GET", "/livez").content)
    ready = contract.Readiness.model_validate_json(call("GET", "/readyz").content)
    assert ready.is_ready
    assert [(model.kind, model.model_version) for model in ready.models] == [
        ("promotion", "3"),
        ("demand", "3"),
    ]
    landing = contract.Landing.model_validate_json(call("GET", "/").content)
    assert landing.addresses["send times"] == "POST /v1/send-times"


def test_head_is_answered_where_get_is(call):
    assert call("HEAD", "/livez").status_code == 200
    assert call("HEAD", "/v1/forecasts").status_code == 200


def test_without_models_the_service_lives_and_says_why_it_is_not_ready(tmp_path, open_client):
    empty = open_client(build_api(Predictor.load(tmp_path), ServingSettings()))
    assert empty("GET", "/livez").status_code == 200
    response = empty("GET", "/readyz")
    assert response.status_code == 503
    status = contract.Readiness.model_validate_json(response.content)
    assert [model.state for model in status.models] == ["not-published", "not-published"]
    for method, url in (("POST", SEND), ("GET", "/v1/forecasts"), ("GET", "/v1/forecasts/levels")):
        body = {"customers": ["c0"]} if method == "POST" else None
        response = empty(method, url, json=body)
        refused(response, 503, "model-not-loaded")
        assert response.headers["retry-after"] == "30"


def test_the_operator_may_allow_fewer_customers(predictor, open_client):
    small = open_client(build_api(predictor, ServingSettings(max_customers=2)))
    problem = refused(
        small("POST", SEND, json={"customers": ["a", "b", "c"]}), 422, "invalid-request"
    )
    assert "at most 2" in problem["detail"]


def test_metrics_name_routes_and_stay_small(predictor, open_client):
    call = open_client(build_api(predictor, ServingSettings(is_request_logged=False)))
    call("POST", SEND, json={"customers": ["c0", "nobody"]})
    call("GET", "/v1/forecasts?region=s1&limit=5")

    def provoke(at: int) -> int:
        call("GET", f"/v1/nothing/{at}?customer=c{at}")
        call(f"METHOD{at}", "/livez")
        return len(call("GET", "/metrics").text)

    sizes = [provoke(at) for at in range(300)]
    text = call("GET", "/metrics").text
    assert sizes[-1] - sizes[2] < 200  # digits of counts, no label
    assert 'route="/v1/send-times",status="200"} 1.0' in text
    assert "almanac_forecast_rows_total 5.0" in text
    assert 'almanac_send_time_customers_total{evidence="global"}' in text
    assert 'almanac_model_loaded{kind="demand",version="3"} 1.0' in text
    assert 'almanac_requests_total{method="GET",route="other",status="404"} 300.0' in text
    assert 'type="urn:almanac:problem:not-found"} 300.0' in text
