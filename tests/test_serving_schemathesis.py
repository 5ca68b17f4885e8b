"""Schemathesis over the whole OpenAPI document: whatever it makes up, the answer conforms."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from serving.access.callers import open_access
from serving.access.keyfile import add_key
from serving.access.keys import make_key
from serving.access.scopes import Scope
from serving.api import build_api
from serving.customers.collect_endpoints import PATHS
from serving.customers.customers import open_customers
from serving.decisions.log import DecisionLog
from serving.openapi import build_openapi
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.customer_messages import write_project

NOW = datetime(2026, 11, 4, 15, 30, tzinfo=UTC)
HEADERS: dict[str, str] = {}
"""Of a caller who may do everything."""
FEW, MANY = 8, 500
"""Cases of each of both modes."""


@schemathesis.serializer("application/x-ndjson")
def write_lines(context, value):
    """Send a text as it is."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def document(tmp_path_factory, champion, published):
    """The document of a service with every kind of model, a store of customers, a log and keys."""
    predictor = Predictor.load(published)
    demand = Predictor.load(champion.project.workspace.published).champions
    predictor.champions = type(demand)(
        predictor.champions.promotion, demand.demand, demand.states, demand.planning,
        demand.scenarios, predictor.champions.live, demand.facts,
    )  # fmt: skip
    project = write_project(tmp_path_factory.mktemp("schemathesis"))
    predictor.customers = open_customers(project, predictor.champions)
    limits = ServingSettings(is_request_logged=False, timeout_seconds=60.0)
    access = open_access(project)
    key, text = make_key("test", (Scope.ADMIN,), NOW)
    add_key(access.keys.path, key)
    HEADERS["Authorization"] = f"Bearer {text}"
    decisions = DecisionLog.open(project, np.random.default_rng(0))
    api = build_api(
        predictor, limits, clock=lambda: NOW, access=open_access(project), decisions=decisions
    )
    yield schemathesis.openapi.from_asgi("/openapi.json", api)
    decisions.close()
    access.close()
    predictor.customers.close()


VALID, INVALID = checks.positive_data_acceptance, checks.negative_data_rejection
MESSAGE = "somebody must be named, in one of many places; a time must be within bounds"
EXCEPTIONS = {
    "/v1/send-times": (VALID, "a window ends after it starts, and lasts from an hour to 31 days"),
    "/v1/campaign-drafts": (
        VALID,
        "customers or a segment; a window ends after it starts",
    ),
    "/v1/forecasts": (VALID, "'to' is not before 'from'; a cursor is one that was given"),
    "/v1/forecasts/what-if": (VALID, "'to' is not before 'from'; a depth needs a promotion"),
    "/v1/allocations": (VALID, "the least units of all regions together must be there"),
    "/v1/stock-advice": (VALID, "a cursor is one that was given"),
    "/v1/assortment": (VALID, "a cursor is one that was given"),
    "/v1/history": (VALID, "'to' is not before 'from'"),
    "/v1/series": (VALID, "a cursor is one that was given"),
    "/v1/growth": (VALID, "a cursor is one that was given"),
    "/v1/customers/{customer}/timeline": (VALID, "a cursor is one that was given"),
    "/v1/outcomes": (VALID, "a key is not used again for another body"),
    "/v1/batch": (INVALID, "a message that is none is rejected by itself, in an answer of 200"),
    **{f"/v1/{name}": (VALID, MESSAGE) for name in PATHS},
}
"""The one check that cannot apply to an operation: what no JSON Schema can say."""
OPERATIONS = [
    (path, method) for path, methods in build_openapi("0")["paths"].items() for method in methods
]


def check(document, path, method, n_cases):
    """Check so many cases that keep the document, and as many that break it where one can."""
    operation = document[path][method]
    excluded = [EXCEPTIONS[path][0]] if path in EXCEPTIONS else []
    if path == "/v1/batch":
        excluded.append(VALID)  # a key that was used for another body is refused
    for mode in GenerationMode:
        if mode is GenerationMode.NEGATIVE and not (operation.body or _has_parameters(operation)):
            continue

        @settings(max_examples=n_cases, deadline=None, database=None, derandomize=True,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(operation.as_strategy(generation_mode=mode))
        def answer_conforms(case):
            case.call_and_validate(excluded_checks=excluded, headers=HEADERS)

        answer_conforms()


def _has_parameters(operation):
    """Say whether a parameter can break the document; of a header any text is fine."""
    return bool(operation.query or operation.path_parameters)


def test_the_document_is_one(document):
    document.validate()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_some_cases_of_every_operation(document, path, method):
    check(document, path, method, FEW)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_a_thousand_cases_of_every_operation(document, path, method):
    check(document, path, method, MANY)
