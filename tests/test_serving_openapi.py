import json
from typing import get_args

import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Router

from features.schema import CHANNELS
from serving.api import build_api
from serving.openapi import build_openapi
from serving.settings import ServingSettings
from serving.spellings import Channel

DOCUMENT = build_openapi("0")
SEND = "/v1/send-times"
REQUESTS = [
    ("POST", SEND, {"json": {"customers": ["c0", "nobody"], "all_slots": True}}),
    ("POST", SEND, {"json": {"customers": ["c12"], "channels": ["push", "sms"]}}),
    ("POST", SEND, {"json": {"customers": []}}),
    ("POST", SEND, {"content": b"{", "headers": {"content-type": "application/json"}}),
    ("POST", SEND, {"content": b"{}"}),
    ("POST", SEND, {"json": {"customers": ["x" * 70_000]}}),
    ("POST", SEND, {"json": {"customers": ["a"]}, "headers": {"accept": "text/csv"}}),
    ("GET", "/v1/receptivity?segment=region:r1", {}),
    ("GET", "/v1/receptivity?segment=region:nowhere", {}),
    ("GET", "/v1/receptivity/segments", {}),
    ("POST", "/v1/receptivity", {"json": {"customers": ["c0"], "channel": "push"}}),
    ("POST", "/v1/receptivity", {"json": {"customers": []}}),
    ("GET", "/v1/campaign-choices", {}),
    ("POST", "/v1/campaign-drafts", {"json": {"promotions": []}}),
    ("GET", "/v1/forecasts", {}),
    ("GET", "/v1/forecasts?limit=3&region=s1", {}),
    ("GET", "/v1/forecasts", {"headers": {"accept": "text/csv"}}),
    ("GET", "/v1/forecasts", {"headers": {"accept": "image/png"}}),
    ("GET", "/v1/forecasts?region=nowhere", {}),
    ("GET", "/v1/forecasts?limit=0", {}),
    ("GET", "/v1/forecasts/levels", {}),
    ("GET", "/v1/forecasts/levels?x=1", {}),
    ("GET", "/v1/stock-advice?limit=2", {}),
    ("GET", "/v1/stock-advice?limit=0", {}),
    ("GET", "/v1/stock-advice", {"headers": {"accept": "image/png"}}),
    ("POST", "/v1/allocations", {"json": {"product": ""}}),
    ("POST", "/v1/allocations", {"content": b"{}"}),
    ("GET", "/v1/assortment?region=s1", {}),
    ("GET", "/v1/assortment", {}),
    ("GET", "/v1/models", {}),
    ("GET", "/v1/models?x=1", {}),
    ("GET", "/livez", {}),
    ("GET", "/readyz", {}),
    ("GET", "/metrics", {}),
    ("GET", "/openapi.json", {}),
    ("GET", "/", {}),
]


def validator(schema: dict) -> Draft202012Validator:
    components = {"components": DOCUMENT["components"]}
    return Draft202012Validator(
        {**schema, **components}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def references(part) -> set[str]:
    if isinstance(part, dict):
        found = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return found.union(*(references(value) for value in part.values()))
    if isinstance(part, list):
        return set().union(*(references(value) for value in part))
    return set()


@pytest.mark.parametrize(("method", "url", "options"), REQUESTS)
def test_every_answer_is_what_the_document_says(call, method, url, options):
    response = call(method, url, **options)
    operation = DOCUMENT["paths"][url.partition("?")[0]][method.lower()]
    described = operation["responses"][str(response.status_code)]
    media_type = response.headers["content-type"].partition(";")[0]
    schema = described["content"][media_type]["schema"]
    body = response.json() if media_type.endswith("json") else response.text
    validator(schema).validate(body)
    for name in described["headers"].keys() - {"RateLimit", "RateLimit-Policy"}:  # no keys here
        if name != "Link" or (media_type == "application/json" and body["next_cursor"]):
            assert name in response.headers


@pytest.mark.parametrize(("method", "url", "options"), REQUESTS)
def test_what_the_document_allows_is_answered_and_the_rest_is_refused(call, method, url, options):
    if "json" not in options:
        return
    schema = DOCUMENT["paths"][url][method.lower()]["requestBody"]["content"]["application/json"]
    is_allowed = validator(schema["schema"]).is_valid(options["json"])
    status = call(method, url, json=options["json"]).status_code
    assert (status == 200) == is_allowed


def test_the_document_is_what_is_served(call):
    served = json.loads(call("GET", "/openapi.json").content)
    assert served["paths"] == json.loads(json.dumps(DOCUMENT["paths"]))
    assert served["components"] == json.loads(json.dumps(DOCUMENT["components"]))


def test_every_address_is_described_and_every_description_is_an_address(predictor):
    edge = build_api(predictor, ServingSettings())
    assert isinstance(edge.app, Router)
    served = {
        (route.path.replace(":path", ""), m.lower())
        for route in edge.app.routes
        for m in route.methods
    }
    described = {(path, m) for path, methods in DOCUMENT["paths"].items() for m in methods}
    assert described == {(path, method) for path, method in served if method != "head"}


def test_references_resolve_and_schemas_are_schemas():
    schemas = DOCUMENT["components"]["schemas"]
    for reference in references(DOCUMENT):
        part = DOCUMENT
        for key in reference.removeprefix("#/").split("/"):
            part = part[key]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_every_operation_has_its_own_name_and_answers():
    operations = [o for methods in DOCUMENT["paths"].values() for o in methods.values()]
    assert len({o["operationId"] for o in operations}) == len(operations)
    for operation in operations:
        assert "200" in operation["responses"]
        for parameter in operation.get("parameters", ()):
            assert parameter["description"]
            Draft202012Validator.check_schema(parameter["schema"])


def test_the_channels_of_the_contract_are_those_of_the_schema():
    assert get_args(Channel) == CHANNELS


def names_of(operation) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", ())}


@pytest.mark.parametrize(
    "path", ["/v1/forecasts", "/v1/forecasts/levels", "/v1/stock-advice", "/v1/assortment"]
)
def test_what_can_be_held_says_so(path):
    operation = DOCUMENT["paths"][path]["get"]
    assert {"If-None-Match", "Accept-Encoding"} <= names_of(operation)
    assert "content" not in operation["responses"]["304"]
    for status in ("200", "304"):
        assert {"ETag", "Cache-Control", "Vary"} <= operation["responses"][status]["headers"].keys()


def test_writes_take_a_key_and_nothing_else_does():
    taking = {
        (path, method)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        if "Idempotency-Key" in names_of(operation)
    }
    names = (
        "identify",
        "track",
        "page",
        "screen",
        "group",
        "alias",
        "batch",
        "webhook",
        "outcomes",
        "campaign-drafts",
        "campaign-drafts/{draft}/decision",
    )
    writes = {(f"/v1/{name}", "post") for name in names}
    assert taking == writes | {("/v1/customers/{customer}", "delete")}
    for path, method in taking:
        assert "409" in DOCUMENT["paths"][path][method]["responses"]
