"""The same predictor behind other servers: bare Starlette with msgspec, FastAPI with pydantic.

Started by uvicorn with uvloop and httptools, one worker: `benchmarks.serving_peers:starlette_app`
or `:fastapi_app`. They check what comes in and answer, and do nothing else that a service must.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features.project import load_project
from models.campaign.send_slots import QuietHours
from serving.contract import SendTimes as SendTimesAnswer
from serving.contract import SendTimesRequest
from serving.customers.customers import open_customers
from serving.predictor import Predictor
from serving.send_times import SendTimeQuery, default_window

PROJECT_VARIABLE = "ALMANAC_PROJECT"


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """What the benchmark sends."""

    customers: list[str]
    channels: list[str] = msgspec.field(default_factory=lambda: ["email"])
    top_k: int = 3


def load_predictor() -> Predictor:
    """Load what the service loads: the champions and the store of live customers."""
    project = load_project(Path(os.environ[PROJECT_VARIABLE]))
    predictor = Predictor.load(project.workspace.published)
    predictor.customers = open_customers(project, predictor.champions)
    return predictor


def build_query(customers: list[str], channels: list[str], top_k: int) -> SendTimeQuery:
    """Return the query, with the defaults of the service."""
    start, end = default_window(datetime.now(UTC))
    return SendTimeQuery(
        customers=customers,
        start=start,
        end=end,
        channels=tuple(channels),
        quiet_hours=QuietHours.parse("21:00", "08:00"),
        top_k=top_k,
        has_all_slots=False,
    )


def starlette_app() -> Starlette:
    """Return the bare application."""
    predictor, decoder = load_predictor(), msgspec.json.Decoder(Asked)

    async def send_times(request: Request) -> Response:
        asked = decoder.decode(await request.body())
        query = build_query(asked.customers, asked.channels, asked.top_k)
        answer = predictor.send_times(query, datetime.now(UTC))
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return Starlette(routes=[Route("/v1/send-times", send_times, methods=["POST"])])


def fastapi_app() -> FastAPI:
    """Return an application that validates its body and its answer, as its tutorial does."""
    predictor, app = load_predictor(), FastAPI()

    async def send_times(asked: SendTimesRequest) -> Any:
        query = build_query(asked.customers, list(asked.channels), asked.top_k)
        return msgspec.to_builtins(predictor.send_times(query, datetime.now(UTC)))

    add: Callable[..., Any] = app.post("/v1/send-times", response_model=SendTimesAnswer)
    # Annotations are text in this module; FastAPI reads these.
    send_times.__annotations__ = {"asked": SendTimesRequest}
    add(send_times)
    return app
