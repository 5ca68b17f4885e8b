"""`POST /v1/forecasts/what-if`."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio.to_thread
import msgspec
import pandas as pd
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response

from features.errors import InvalidRequest, UnknownName
from models.demand.plan_changes import Change
from models.demand.scenario import FIGURES, SIDES, find_series, run_scenario
from models.demand.scenario_files import Scenarios
from serving.bodies import JSON, choose_media_type, decode_body, read_json_body
from serving.names import nearest
from serving.planning import NotPlanned, UnknownNode
from serving.predictor import Predictor
from serving.problems import Fault, Kind, Problem
from serving.responses import as_problems, check_no_query, respond
from serving.scenario_contract import ScenarioRequest
from serving.settings import ServingSettings

MAX_ROWS = 30_000
"""Series x periods that one request may ask the trees about; more would take seconds."""


class ScenarioEndpoint:
    """Another price or promotion beside the plan.

    Parameters
    ----------
    predictor : Predictor
        Holds the published rows.
    settings : ServingSettings
        Limits.
    """

    def __init__(self, predictor: Predictor, settings: ServingSettings) -> None:
        self.predictor, self.settings = predictor, settings
        # A scenario keeps one core busy; two at once would only share it.
        self._one_at_a_time = CapacityLimiter(1)

    async def what_if(self, request: Request) -> Response:
        """Answer one scenario, in a thread so that others are served."""
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        body = await read_json_body(request, self.settings.max_body_bytes)
        asked = decode_body(body, ScenarioRequest)
        answer = partial(self._answer, asked)
        return respond(await anyio.to_thread.run_sync(answer, limiter=self._one_at_a_time))

    def _answer(self, asked: ScenarioRequest) -> bytes:
        with as_problems():
            champion = self.predictor.scenarios
            if champion.model is None:
                raise NotPlanned(
                    "the published model holds no rows for scenarios, as it has too many series "
                    "or is an older one; ask `almanac what-if`, or train and promote again"
                )
            content = compare(champion.model, asked)
        return msgspec.json.encode({"model_version": champion.version, **content})


def compare(scenarios: Scenarios, asked: ScenarioRequest) -> dict[str, Any]:
    """Return the answer to a request but for the model's version.

    Raises
    ------
    UnknownNode
        If a name is not forecast.
    Problem
        If the node holds too many series, or the dates lie outside the forecast.
    """
    paths = scenarios.paths
    try:
        chosen = find_series(paths, asked.region, asked.product)
    except UnknownName as error:
        tree = paths.regions if error.kind == "region" else paths.products
        known = sorted(tree.level_of)
        words = f"this {error.kind} is not forecast; nearest: '{nearest(error.name, known)}'"
        raise UnknownNode(f"#/{error.kind}", words) from None
    except InvalidRequest:
        raise UnknownNode("#/product", "this product is not forecast in this region") from None
    if len(chosen) * paths.n_steps > MAX_ROWS:
        raise _refuse(
            "region", f"holds {len(chosen)} series below, too many for one request; name a finer "
            "region or product, or use almanac what-if",
        )  # fmt: skip
    try:
        found = run_scenario(paths, scenarios.read(chosen), _read_change(asked))
    except InvalidRequest as error:
        field, _, detail = str(error).partition(": ")
        raise _refuse(field, detail) from None
    return {
        "region_id": asked.region,
        "product_id": asked.product,
        "series": found.n_series,
        "total": _nest(found.total)[0],
        "dates": [
            {"date": str(day), **sides}
            for day, sides in zip(found.by_date["date"], _nest(found.by_date), strict=True)
        ],
        "warnings": found.warnings,
    }


def _read_change(asked: ScenarioRequest) -> Change:
    return Change(
        price=asked.price,
        is_promoted=asked.promotion,
        depth=asked.depth,
        display=asked.display,
        mailer=asked.mailer,
        first_date=asked.from_date,
        last_date=asked.to_date,
    )


def _refuse(field: str, detail: str) -> Problem:
    pointer = f"#/{field}"
    return Problem(Kind.INVALID, f"{pointer}: {detail}.", [Fault(detail, pointer=pointer)])


def _nest(table: pd.DataFrame) -> list[dict[str, dict[str, float]]]:
    return [
        {side: {name: float(row[f"{side}_{name}"]) for name in FIGURES} for side in SIDES}
        for row in table.to_dict("records")
    ]
