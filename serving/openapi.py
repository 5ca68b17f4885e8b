"""The OpenAPI document, generated from the contract."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving import (
    contract,
    insight_contract,
    model_contract,
    receptivity_contract,
    scenario_contract,
    series_contract,
    stock_contract,
)
from serving.access.description import HEADERS, SCHEMES, describe_access
from serving.campaigns import contract as campaigns
from serving.campaigns.endpoints import CHOICES, DRAFT, DRAFTS
from serving.customers import contract as customers
from serving.customers import timeline_contract
from serving.customers.collect_endpoints import PATHS
from serving.customers.routes import ONE
from serving.decisions import contract as decisions
from serving.openapi_conditions import (
    RETRIED,
    RETRY_AFTER,
    add_conditions,
    add_replays,
    name_model,
)
from serving.problems import MEDIA_TYPE as PROBLEM_TYPE
from serving.problems import Kind

REFERENCE = "#/components/schemas/{model}"
JSON, CSV, TEXT = "application/json", "text/csv", "text/plain"
NDJSON = "application/x-ndjson"
Mode = Literal["validation", "serialization"]

_MODELS: tuple[tuple[type[BaseModel], Mode], ...] = (
    (contract.SendTimesRequest, "validation"),
    (contract.SendTimes, "validation"),
    (receptivity_contract.ReceptivityRequest, "validation"),
    (receptivity_contract.ReceptiveWeek, "validation"),
    (receptivity_contract.ReceptivitySegments, "validation"),
    (campaigns.CampaignDraftRequest, "validation"),
    (campaigns.CampaignDraft, "validation"),
    (campaigns.CampaignDecision, "validation"),
    (campaigns.CampaignChoices, "validation"),
    (contract.Forecasts, "validation"),
    (contract.ForecastLevels, "validation"),
    (scenario_contract.ScenarioRequest, "validation"),
    (scenario_contract.WhatIf, "validation"),
    (stock_contract.StockAdvicePage, "validation"),
    (stock_contract.AllocationRequest, "validation"),
    (stock_contract.Allocation, "validation"),
    (stock_contract.AssortmentPage, "validation"),
    (series_contract.SeriesPage, "validation"),
    (series_contract.SeriesKin, "validation"),
    (series_contract.History, "validation"),
    (series_contract.Accuracy, "validation"),
    (series_contract.GrowthPage, "validation"),
    (insight_contract.OmnichannelInsight, "validation"),
    (model_contract.Models, "validation"),
    (customers.SegmentMessage, "validation"),
    (customers.SegmentBatch, "validation"),
    (customers.Collected, "validation"),
    (customers.CustomerProfile, "validation"),
    (customers.CustomerErasure, "validation"),
    (customers.CustomerExport, "validation"),
    (timeline_contract.CustomerTimeline, "validation"),
    (decisions.OutcomesRequest, "validation"),
    (decisions.OutcomesTaken, "validation"),
    (contract.Readiness, "validation"),
    (contract.Liveness, "validation"),
    (contract.Landing, "validation"),
    (contract.ProblemDocument, "validation"),
)
_SEND_TIMES = {
    JSON: contract.SendTimes,
    NDJSON: {
        "type": "string",
        "description": (
            "One customer per line, as in `customers` of the JSON answer, and a last line with "
            '`"complete": true` and what holds for all; where that is false, or there is no such '
            "line, customers are missing."
        ),
    },
}
ALWAYS = (
    Kind.NOT_FOUND,
    Kind.WRONG_METHOD,
    Kind.OVERLOADED,
    Kind.FAILED,
    Kind.TIMEOUT,
)


def build_openapi(version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every address.

    Parameters
    ----------
    version : str
        Of Almanac.
    """
    paths = _paths()
    describe_access(paths, _refusal)
    _, definitions = models_json_schema(_MODELS, ref_template=REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Almanac",
            "version": version,
            "summary": "The right moment for each customer, and how much each region will want.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {
            "securitySchemes": SCHEMES,
            "schemas": definitions["$defs"],
            "headers": {
                "RequestId": {
                    "description": "The caller's X-Request-Id, or a new one.",
                    "schema": {"type": "string"},
                },
                **HEADERS,
            },
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "/v1/send-times": {
            "post": _operation(
                "sendTimes",
                "The best times to reach customers",
                {"200": name_model(_answers("Slots by customer.", _SEND_TIMES))},
                (
                    Kind.BAD_JSON,
                    Kind.NOT_ACCEPTABLE,
                    Kind.TOO_LARGE,
                    Kind.WRONG_MEDIA_TYPE,
                    Kind.INVALID,
                    Kind.NOT_LOADED,
                ),
                body=contract.SendTimesRequest,
            )
        },
        "/v1/forecasts": {
            "get": add_conditions(
                _operation(
                    "forecasts",
                    "Forecasts of units by region and product",
                    {"200": _page("One page of forecasts.", contract.Forecasts, CSV, NDJSON)},
                    (
                        Kind.NOT_FORECAST,
                        Kind.NOT_ACCEPTABLE,
                        Kind.NOT_PLANNED,
                        Kind.INVALID,
                        Kind.NOT_LOADED,
                    ),
                    parameters=_parameters(contract.ForecastsQuery),
                )
            )
        },
        "/v1/forecasts/what-if": {
            "post": _operation(
                "whatIf",
                "Another price or promotion beside the plan",
                {"200": _answers("Both, and the difference.", {JSON: scenario_contract.WhatIf})},
                (
                    Kind.BAD_JSON,
                    Kind.NOT_FORECAST,
                    Kind.NOT_ACCEPTABLE,
                    Kind.NOT_PLANNED,
                    Kind.TOO_LARGE,
                    Kind.WRONG_MEDIA_TYPE,
                    Kind.INVALID,
                    Kind.NOT_LOADED,
                ),
                body=scenario_contract.ScenarioRequest,
            )
        },
        "/v1/forecasts/levels": {
            "get": add_conditions(
                _operation(
                    "forecastLevels",
                    "What can be asked of the forecasts",
                    {"200": _answers("Levels that are forecast.", {JSON: contract.ForecastLevels})},
                    (Kind.INVALID, Kind.NOT_LOADED),
                )
            )
        },
        **_receptivity_paths(),
        **_campaign_paths(),
        "/v1/models": {
            "get": _operation(
                "models",
                "Which models there are, how they were judged, and whether they still hold",
                {
                    "200": _answers(
                        "Champions, challengers, monitor.", {JSON: model_contract.Models}
                    )
                },
                (Kind.INVALID, Kind.NOT_ACCEPTABLE),
            )
        },
        **_stock_paths(),
        **_series_paths(),
        "/v1/insight/omnichannel": {
            "get": _operation(
                "omnichannelInsight",
                "Value by channel mix, journeys between channels, funnels and friction",
                {"200": _answers("As found last.", {JSON: insight_contract.OmnichannelInsight})},
                (Kind.NOT_REPORTED, Kind.NOT_ACCEPTABLE, Kind.INVALID),
            )
        },
        **_customer_paths(),
        **_decision_paths(),
        "/livez": _about("livez", "Whether the process answers", contract.Liveness),
        "/readyz": {
            "get": _operation(
                "readyz",
                "Whether the models are loaded",
                {
                    "200": _answers("Ready.", {JSON: contract.Readiness}),
                    "503": _answers("Not ready, and why.", {JSON: contract.Readiness}),
                },
            )
        },
        "/metrics": {
            "get": _operation(
                "metrics",
                "Prometheus metrics",
                {"200": _answers("Metrics.", {TEXT: {"type": "string"}})},
            )
        },
        "/openapi.json": {
            "get": _operation(
                "openapi",
                "This document",
                {"200": _answers("The contract.", {JSON: {"type": "object"}})},
            )
        },
        "/": _about("landing", "What is where", contract.Landing),
    }


def _receptivity_paths() -> dict[str, Any]:
    told = {"200": name_model(_answers("A week.", {JSON: receptivity_contract.ReceptiveWeek}))}
    refusals = (Kind.NOT_ACCEPTABLE, Kind.INVALID, Kind.NOT_LOADED)
    listed = _answers("Segments.", {JSON: receptivity_contract.ReceptivitySegments})
    return {
        "/v1/receptivity": {
            "get": _operation(
                "receptivity",
                "When a segment is receptive: the 168 hours of its week",
                told,
                (*refusals, Kind.UNKNOWN_SEGMENT),
                parameters=_parameters(receptivity_contract.ReceptivityQuery),
            ),
            "post": _operation(
                "receptivityOfCustomers",
                "When customers are receptive: the 168 hours of their week",
                told,
                (*refusals, Kind.BAD_JSON, Kind.TOO_LARGE, Kind.WRONG_MEDIA_TYPE),
                body=receptivity_contract.ReceptivityRequest,
            ),
        },
        "/v1/receptivity/segments": {
            "get": _operation(
                "receptivitySegments",
                "Which segments can be looked at",
                {"200": name_model(listed)},
                refusals,
            )
        },
    }


def _campaign_paths() -> dict[str, Any]:
    refusals = (Kind.NOT_ACCEPTABLE, Kind.NOT_PLANNED, Kind.INVALID)
    bodies = (Kind.BAD_JSON, Kind.TOO_LARGE, Kind.WRONG_MEDIA_TYPE, Kind.UNDER_WAY)
    rows = {CSV: {"type": "string"}, NDJSON: {"type": "string"}}
    return {
        CHOICES: {
            "get": _operation(
                "campaignChoices",
                "What can be asked of a campaign here",
                {"200": _answers("Choices.", {JSON: campaigns.CampaignChoices})},
                (*refusals, Kind.NOT_LOADED),
            )
        },
        DRAFTS: {
            "post": add_replays(
                _operation(
                    "draftCampaign",
                    "Plan a campaign: schedule, arms and expected result, before anything is sent",
                    {"200": _answers("The draft.", {JSON: campaigns.CampaignDraft})},
                    (*refusals, *bodies, Kind.NOT_LOADED, Kind.NOT_STORED),
                    body=campaigns.CampaignDraftRequest,
                )
            )
        },
        DRAFT: {
            "get": _operation(
                "campaignDraft",
                "A draft, as far as it is",
                {"200": _answers("The draft.", {JSON: campaigns.CampaignDraft})},
                refusals,
                parameters=_DRAFT,
            )
        },
        f"{DRAFT}/messages": {
            "get": _operation(
                "campaignMessages",
                "The schedule of a draft, one line a customer, as `plan-campaign` writes it",
                {"200": _answers("Decisions with propensities.", rows)},
                (*refusals, Kind.NOT_STORED),
                parameters=_DRAFT,
            )
        },
        f"{DRAFT}/decision": {
            "post": add_replays(
                _operation(
                    "decideCampaign",
                    "Put a draft down in the log of decisions, so that it can be judged later",
                    {"200": _answers("In the log.", {JSON: campaigns.CampaignDecision})},
                    (*refusals, Kind.UNDER_WAY, Kind.NOT_STORED),
                    parameters=_DRAFT,
                )
            )
        },
    }


def _stock_paths() -> dict[str, Any]:
    refusals = (Kind.NOT_FORECAST, Kind.NOT_ACCEPTABLE, Kind.NOT_PLANNED, Kind.INVALID)
    bodies = (Kind.BAD_JSON, Kind.TOO_LARGE, Kind.WRONG_MEDIA_TYPE, Kind.NOT_LOADED)
    return {
        "/v1/stock-advice": {
            "get": add_conditions(
                _operation(
                    "stockAdvice",
                    "What to hold and what to order, by region and product",
                    {"200": _page("One page of advice.", stock_contract.StockAdvicePage, CSV)},
                    (*refusals, Kind.NOT_LOADED),
                    parameters=_parameters(stock_contract.StockQuery),
                )
            )
        },
        "/v1/allocations": {
            "post": _operation(
                "allocations",
                "Scarce units, given to the regions where they earn most",
                {"200": _answers("Units by region.", {JSON: stock_contract.Allocation})},
                (*refusals, *bodies),
                body=stock_contract.AllocationRequest,
            )
        },
        "/v1/assortment": {
            "get": add_conditions(
                _operation(
                    "assortment",
                    "What a region wants more and less of than others, and what rises and fades",
                    {"200": _page("One page of products.", stock_contract.AssortmentPage, CSV)},
                    (*refusals, Kind.NOT_LOADED),
                    parameters=_parameters(stock_contract.AssortmentQuery),
                )
            )
        },
    }


def _series_paths() -> dict[str, Any]:
    about = series_contract
    described: tuple[tuple[str, str, str, type[BaseModel], type[BaseModel]], ...] = (
        ("series", "series", "Series by words", about.SeriesPage, about.SeriesQuery),
        ("series/kin", "seriesKin", "A series, and what is above and below it", about.SeriesKin,
         about.PairQuery),
        ("history", "history", "What was sold and what is planned", about.History,
         about.HistoryQuery),
        ("accuracy", "accuracy", "How far off the backtest of a series was", about.Accuracy,
         about.PairQuery),
        ("growth", "growth", "Regions by expected growth", about.GrowthPage, about.GrowthQuery),
    )  # fmt: skip
    refusals = (Kind.NOT_FORECAST, Kind.NOT_PLANNED, Kind.INVALID, Kind.NOT_LOADED)
    paths = {}
    for path, name, summary, model, query in described:
        is_table = name in ("history", "growth")
        kinds = (*refusals, Kind.NOT_ACCEPTABLE) if is_table else refusals
        texts = {CSV: {"type": "string"}} if is_table else {}
        answer = _answers(f"{summary}.", {JSON: model, **texts})
        if "cursor" in query.model_fields:
            answer = _page(f"{summary}.", model, *texts)
        operation = _operation(name, summary, {"200": answer}, kinds, parameters=_parameters(query))
        paths[f"/v1/{path}"] = {"get": add_conditions(operation)}
    return paths


def _decision_paths() -> dict[str, Any]:
    return {
        "/v1/outcomes": {
            "post": add_replays(
                _operation(
                    "outcomes",
                    "What came of the messages that were sent by our answers",
                    {"200": _answers("Durable, each once.", {JSON: decisions.OutcomesTaken})},
                    (
                        Kind.BAD_JSON,
                        Kind.NOT_ACCEPTABLE,
                        Kind.TOO_LARGE,
                        Kind.WRONG_MEDIA_TYPE,
                        Kind.INVALID,
                        Kind.UNDER_WAY,
                        Kind.NOT_STORED,
                    ),
                    body=decisions.OutcomesRequest,
                )
            )
        }
    }


def _customer_paths() -> dict[str, Any]:
    taken = _answers("Durable, each message once.", {JSON: customers.Collected})
    refusals = (
        Kind.BAD_JSON,
        Kind.UNAUTHORIZED,
        Kind.TOO_LARGE,
        Kind.WRONG_MEDIA_TYPE,
        Kind.INVALID,
        Kind.UNDER_WAY,
        Kind.NOT_STORED,
    )
    paths: dict[str, Any] = {
        f"/v1/{name}": {
            "post": add_replays(
                _operation(
                    name,
                    f"Take a message of Segment's HTTP API: {name}",
                    {"200": taken},
                    refusals,
                    body=customers.SegmentMessage,
                    more={TEXT: customers.SegmentMessage},
                )
            )
        }
        for name in (*PATHS, "webhook")
    }
    paths["/v1/batch"] = {
        "post": add_replays(
            _operation(
                "batch",
                "Take many messages; each is accepted, known already, or rejected with its reason",
                {"200": taken},
                refusals,
                body=customers.SegmentBatch,
                more={TEXT: customers.SegmentBatch, NDJSON: _LINES},
            )
        )
    }
    unknown = (Kind.UNAUTHORIZED, Kind.UNKNOWN_CUSTOMER, Kind.NOT_ACCEPTABLE, Kind.INVALID)
    told = {
        "get": ("customer", "One customer across every channel", customers.CustomerProfile),
        "delete": ("eraseCustomer", "Forget a customer for ever", customers.CustomerErasure),
    }
    paths[ONE] = {
        method: _operation(
            name,
            summary,
            {"200": _answers(f"{summary}.", {JSON: model})},
            (*unknown, *([Kind.UNDER_WAY] if method == "delete" else []), Kind.NOT_STORED),
            parameters=_CUSTOMER,
        )
        for method, (name, summary, model) in told.items()
    }
    paths[ONE]["delete"] = add_replays(paths[ONE]["delete"])
    paths[f"{ONE}/export"] = {
        "get": _operation(
            "exportCustomer",
            "Everything that is kept of a customer",
            {"200": _answers("All of it.", {JSON: customers.CustomerExport})},
            (*unknown, Kind.NOT_STORED),
            parameters=_CUSTOMER,
        )
    }
    paths[f"{ONE}/timeline"] = {
        "get": _operation(
            "customerTimeline",
            "What happened with a customer, the newest first",
            {"200": _answers("One page of it.", {JSON: timeline_contract.CustomerTimeline})},
            (*unknown, Kind.NOT_STORED),
            parameters=[*_CUSTOMER, *_parameters(timeline_contract.TimelineQuery)],
        )
    }
    return paths


_LINES = {"type": "string", "description": "One message per line, each as in `batch`."}
_DRAFT = [
    {
        "name": "draft",
        "in": "path",
        "required": True,
        "description": "Its id, as it was answered.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    }
]
_CUSTOMER = [
    {
        "name": "customer",
        "in": "path",
        "required": True,
        "description": "Any identifier: kind:value, such as email:ann@example.com, or the value.",
        "schema": {"type": "string", "minLength": 1, "maxLength": customers.LONGEST_NAME},
    }
]


def _about(name: str, summary: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"get": _operation(name, summary, {"200": _answers(f"{summary}.", {JSON: model})})}


def _operation(
    name: str,
    summary: str,
    answers: dict[str, Any],
    problems: tuple[Kind, ...] = (),
    *,
    body: type[BaseModel] | None = None,
    more: dict[str, Any] | None = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": name, "summary": summary}
    if parameters is not None:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": _content({JSON: body, **(more or {})}),
        }
    refusals = {
        str(kind.status): _refusal(kind)
        for kind in sorted((*problems, *ALWAYS), key=lambda kind: kind.status)
        if str(kind.status) not in answers
    }
    for status in refusals.keys() & RETRIED:
        refusals[status]["headers"]["Retry-After"] = RETRY_AFTER
    operation["responses"] = {**answers, **refusals}
    return operation


def _refusal(kind: Kind) -> dict[str, Any]:
    return _answers(kind.title, {PROBLEM_TYPE: contract.ProblemDocument})


def _page(description: str, model: type[BaseModel], *others: str) -> dict[str, Any]:
    texts = {media_type: {"type": "string"} for media_type in others}
    answer = _answers(description, {JSON: model, **texts})
    answer["headers"] |= {
        "Link": {
            "description": 'The next page, rel="next"; absent on the last one.',
            "schema": {"type": "string"},
        },
    }
    return answer


def _answers(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
        "content": _content(content),
    }


def _content(by_type: dict[str, Any]) -> dict[str, Any]:
    return {
        media_type: {
            "schema": shape
            if isinstance(shape, dict)
            else {"$ref": REFERENCE.format(model=shape.__name__)}
        }
        for media_type, shape in by_type.items()
    }


def _parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(ref_template=REFERENCE)
    parameters = []
    for name, described in schema["properties"].items():
        shape = {
            key: value for key, value in described.items() if key not in ("title", "description")
        }
        # A query parameter is there or not; JSON's null cannot be sent.
        options = [option for option in shape.pop("anyOf", []) if option != {"type": "null"}]
        if shape.get("default", "") is None:
            del shape["default"]
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": described.get("description", ""),
                "schema": {**(options[0] if options else {}), **shape},
            }
        )
    return parameters
