"""`GET /v1/stock-advice`, `POST /v1/allocations` and `GET /v1/assortment`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import anyio.to_thread
import msgspec
import numpy as np
import pandas as pd
from anyio import CapacityLimiter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from features.errors import UnknownName
from models.demand.assortment import find_assortment
from serving.allocations import allocate
from serving.bodies import CSV, JSON, choose_media_type, decode_body, read_json_body
from serving.champions import Champion
from serving.cursors import decode_cursor, encode_cursor
from serving.exports import defuse
from serving.forecast_endpoints import CSV_TYPE, read_query
from serving.names import nearest
from serving.planning import Planning, UnknownNode
from serving.predictor import Predictor
from serving.representations import Asked, find_held, represent
from serving.responses import as_problems, check_no_query, respond
from serving.settings import ServingSettings
from serving.stock_contract import (
    AllocationRequest,
    AssortedProduct,
    AssortmentQuery,
    StockAdvice,
    StockQuery,
)

_LISTS = ("stock_out_by",)


class StockEndpoints:
    """Decisions from the sample paths of the demand champion.

    Parameters
    ----------
    predictor : Predictor
        Holds what is loaded.
    settings : ServingSettings
        Limits.
    """

    def __init__(self, predictor: Predictor, settings: ServingSettings) -> None:
        self.predictor, self.settings = predictor, settings
        # Sums over sample paths keep a core busy; two at once would only share it.
        self._one_plan = CapacityLimiter(1)

    async def advice(self, request: Request) -> Response:
        """Answer one page of stock advice, as JSON or as CSV."""
        media_type = choose_media_type(request.headers.get("accept", ""), (JSON, CSV))
        asked = read_query(request, StockQuery)
        with as_problems():
            planning = self.predictor.planning
            representation = Asked(request, planning, asked, media_type)
            if held := find_held(representation):
                return held
            table = planning.model.advice
            found = planning.model.find_series(table, asked.region, asked.product)
            page = _Page(planning, f"stock {asked.region!r} {asked.product!r}", asked.cursor)
            rows = _list_rows(table.iloc[found[page.first : page.first + asked.limit]])
        page.end(len(found), asked.limit)
        headers = page.headers(request)
        if media_type == CSV:
            return represent(representation, _write_csv(rows, StockAdvice), headers, CSV_TYPE)
        content = {
            "model_version": planning.version,
            "degraded": False,
            "advice": rows,
            "next_cursor": page.cursor,
        }
        return represent(representation, msgspec.json.encode(content), headers, JSON)

    async def allocations(self, request: Request) -> Response:
        """Allocate scarce units over regions."""
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        body = await read_json_body(request, self.settings.max_body_bytes)
        asked = decode_body(body, AllocationRequest)
        with as_problems():
            planning = self.predictor.planning
            work = partial(allocate, planning.model, asked)
            answer = await anyio.to_thread.run_sync(work, limiter=self._one_plan)
        return respond(msgspec.json.encode({"model_version": planning.version, **answer}))

    async def assortment(self, request: Request) -> Response:
        """Answer what a region wants more and less of than others, as JSON or as CSV."""
        media_type = choose_media_type(request.headers.get("accept", ""), (JSON, CSV))
        asked = read_query(request, AssortmentQuery)
        with as_problems():
            planning = self.predictor.planning
            representation = Asked(request, planning, asked, media_type)
            if held := find_held(representation):
                return held
            spelling = f"assortment {asked.region!r} {asked.reference!r} {asked.level!r}"
            page = _Page(planning, spelling, asked.cursor)
            work = partial(_assort, planning.model, asked)
            found = await anyio.to_thread.run_sync(work, limiter=self._one_plan)
        totals = planning.model.totals
        page.end(len(found.products), asked.limit)
        rows = _list_rows(found.products.iloc[page.first : page.first + asked.limit])
        headers = page.headers(request)
        if media_type == CSV:
            return represent(representation, _write_csv(rows, AssortedProduct), headers, CSV_TYPE)
        content = {
            "model_version": planning.version,
            "region_id": asked.region,
            "reference_id": found.reference,
            "product_level": found.product_level,
            "first_date": str(totals.first_date),
            "last_date": str(totals.last_date),
            "products": rows,
            "next_cursor": page.cursor,
        }
        return represent(representation, msgspec.json.encode(content), headers, JSON)


class _Page:
    """Where a page starts, and the cursor of the next one."""

    def __init__(self, planning: Champion[Planning], spelling: str, cursor: str | None) -> None:
        self._spelling, self._planning = spelling, planning
        self.first = decode_cursor(cursor, spelling, planning.digest) if cursor else 0
        self.cursor: str | None = None

    def end(self, n_rows: int, limit: int) -> None:
        """Note how many rows there are in all."""
        if self.first + limit < n_rows:
            self.cursor = encode_cursor(self.first + limit, self._spelling, self._planning.digest)

    def headers(self, request: Request) -> dict[str, str]:
        """Return the header that names the next page, if there is one."""
        if self.cursor is None:
            return {}
        url = request.url.include_query_params(cursor=self.cursor)
        return {"Link": f'<{url.path}?{url.query}>; rel="next"'}


def _assort(planning: Planning, asked: AssortmentQuery) -> Any:
    totals = planning.totals
    planning.find_series(totals.series, asked.region, None)
    if asked.reference is not None:
        try:
            planning.find_series(totals.series, asked.reference, None)
        except UnknownNode as error:
            raise UnknownNode("reference", str(error)) from None
    try:
        return find_assortment(
            totals, asked.region, reference=asked.reference, product_level=asked.level
        )
    except UnknownName:
        hint = nearest(asked.level or "", sorted(totals.products.levels))
        raise UnknownNode("level", f"this level is not forecast; nearest: '{hint}'") from None


def _list_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON holds them: no NaN, dates as text."""
    columns = {name: _list_column(table[name]) for name in table.columns}
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _list_column(column: pd.Series) -> list[Any]:
    if pd.api.types.is_datetime64_any_dtype(column):
        days = column.to_numpy("datetime64[D]")
        return [None if np.isnat(day) else str(day) for day in days]
    if pd.api.types.is_float_dtype(column):
        return [None if math.isnan(value) else value for value in column.tolist()]
    if column.name in _LISTS:
        return [[float(value) for value in values] for values in column]
    return [str(value) for value in column]


def _write_csv(rows: Sequence[dict[str, Any]], contract: type[BaseModel]) -> bytes:
    """Return a header and one line per row, in UTF-8 with CRLF (RFC 4180), lists left out."""
    names = [name for name in contract.model_fields if name not in _LISTS]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    for row in rows:
        cells = (row[name] for name in names)
        writer.writerow([defuse(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue().encode()
