"""`GET /v1/forecasts` and `GET /v1/forecasts/levels`."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from serving.bodies import CSV, JSON, NDJSON, choose_media_type
from serving.contract import ForecastsQuery
from serving.cursors import decode_cursor, encode_cursor
from serving.exports import write_csv
from serving.forecasts import ForecastQuery
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.problems import Kind, Problem, describe_invalid
from serving.representations import Asked, find_held, represent
from serving.responses import as_problems, check_no_query

Query = TypeVar("Query", bound=BaseModel)
CSV_TYPE = "text/csv; charset=utf-8; header=present"


class ForecastEndpoints:
    """The forecasts that the published demand model made."""

    def __init__(self, predictor: Predictor, metrics: Metrics) -> None:
        self.predictor, self.metrics = predictor, metrics

    async def forecasts(self, request: Request) -> Response:
        """Answer one page, as JSON, as CSV, or as one JSON object per line."""
        media_type = choose_media_type(request.headers.get("accept", ""), (JSON, CSV, NDJSON))
        asked = read_query(request, ForecastsQuery)
        query = ForecastQuery(
            asked.region, asked.product, asked.level, asked.from_date, asked.to_date
        )
        # A cursor holds for the same filters and columns; the limit may change between pages.
        spelling = repr((query, asked.probabilities, asked.reasons))
        with as_problems():
            demand = self.predictor.demand
            representation = Asked(request, demand, asked, media_type)
            if held := find_held(representation):
                return held
            row = decode_cursor(asked.cursor, spelling, demand.digest) if asked.cursor else 0
            page = demand.model.find(
                query,
                asked.probabilities,
                limit=asked.limit,
                from_row=row,
                has_reasons=asked.reasons,
            )
        self.metrics.count_forecasts(len(page.forecasts))
        headers: dict[str, str] = {}
        cursor = None
        if page.next_row is not None:
            cursor = encode_cursor(page.next_row, spelling, demand.digest)
            url = request.url.include_query_params(cursor=cursor)
            headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        if media_type == CSV:
            names = [f"{probability:g}" for probability in asked.probabilities]
            rows = write_csv(page.forecasts, names)
            return represent(representation, rows, headers, CSV_TYPE)
        if media_type == NDJSON:
            rows = msgspec.json.Encoder().encode_lines(page.forecasts)
            return represent(representation, rows, headers, NDJSON)
        content = {
            "model_version": demand.version,
            "degraded": False,
            "forecasts": page.forecasts,
            "next_cursor": cursor,
        }
        return represent(representation, msgspec.json.encode(content), headers, JSON)

    async def levels(self, request: Request) -> Response:
        """Answer what can be asked for."""
        check_no_query(request)
        with as_problems():
            demand = self.predictor.demand
        representation = Asked(request, demand, None, JSON)
        if held := find_held(representation):
            return held
        content = {
            "model_version": demand.version,
            "quantiles": list(demand.model.quantiles),
            "levels": demand.model.levels,
        }
        return represent(representation, msgspec.json.encode(content), {}, JSON)


def read_query(request: Request, contract: type[Query]) -> Query:
    """Return the query parameters, checked.

    Raises
    ------
    Problem
        422 if one is not known, is there twice, or is not what the contract says.
    """
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    if len(given) < len(pairs):
        raise Problem(Kind.INVALID, "Send each query parameter once.")
    known = [field.alias or name for name, field in contract.model_fields.items()]
    if not given.keys() <= set(known):
        raise Problem(Kind.INVALID, f"Send no other query parameters than {', '.join(known)}.")
    try:
        return contract.model_validate_strings(given, strict=True)
    except ValidationError as error:
        raise describe_invalid(error, is_query=True) from None
