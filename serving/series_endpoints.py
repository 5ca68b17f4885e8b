"""`GET /v1/series`, `/v1/series/kin`, `/v1/history`, `/v1/accuracy` and `/v1/growth`."""

from __future__ import annotations

import csv
import io
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from models.demand.series_facts import SeriesFacts
from serving.bodies import CSV, JSON, choose_media_type
from serving.champions import Champion
from serving.cursors import decode_cursor, encode_cursor
from serving.exports import defuse
from serving.forecast_endpoints import CSV_TYPE, read_query
from serving.planning import NotPlanned
from serving.predictor import Predictor
from serving.representations import Asked, find_held, represent
from serving.responses import as_problems
from serving.series_contract import (
    MAX_KIN,
    GrowthQuery,
    HistoryQuery,
    PairQuery,
    RegionGrowth,
    SeriesQuery,
)
from serving.series_lookup import (
    describe_series,
    find_above,
    find_below,
    find_level,
    find_node,
    find_one,
    finest_level,
    grow,
    read_figure,
    search_series,
)

_DIGITS = 4
"""Of units, prices and shares: what is seen, in fewer bytes."""


class SeriesEndpoints:
    """What the demand champion tells of single series beside their forecasts."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    async def search(self, request: Request) -> Response:
        """Answer one page of series."""
        asked = read_query(request, SeriesQuery)
        with as_problems():
            facts, representation = self._open(request, asked)
            if held := find_held(representation):
                return held
            found = search_series(
                facts,
                asked.search or "",
                level=asked.level,
                region=asked.region,
                product=asked.product,
            )
            spelling = f"series {asked.search!r} {asked.level!r} {asked.region!r} {asked.product!r}"
            first, cursor, headers = _turn(request, representation.champion, asked, spelling, found)
        rows = describe_series(facts, found[first : first + asked.limit].tolist())
        return _answer(representation, {"series": rows, "next_cursor": cursor}, headers)

    async def kin(self, request: Request) -> Response:
        """Answer a series with those above and below it."""
        asked = read_query(request, PairQuery)
        with as_problems():
            facts, representation = self._open(request, asked)
            if held := find_held(representation):
                return held
            at = find_one(facts, asked.region, asked.product)
        below = {kind: find_below(facts, at, kind)[:MAX_KIN].tolist() for kind in facts.trees}
        content = {
            "series": describe_series(facts, [at])[0],
            "above": describe_series(facts, find_above(facts, at)),
            "regions": describe_series(facts, below["region"]),
            "products": describe_series(facts, below["product"]),
        }
        return _answer(representation, content)

    async def history(self, request: Request) -> Response:
        """Answer what was sold and what is planned, as JSON or as CSV."""
        media_type = choose_media_type(request.headers.get("accept", ""), (JSON, CSV))
        asked = read_query(request, HistoryQuery)
        with as_problems():
            facts, representation = self._open(request, asked, media_type)
            if held := find_held(representation):
                return held
            content = _read_history(facts, asked)
        if media_type == CSV:
            names = ("dates", "units", "price", "promoted", "stock_out")
            rows = list(zip(*(content[name] for name in names), strict=True))
            table = _write_csv(("date", *names[1:]), rows)
            return represent(representation, table, {}, CSV_TYPE)
        return _answer(representation, content)

    async def accuracy(self, request: Request) -> Response:
        """Answer how far off the backtest was."""
        asked = read_query(request, PairQuery)
        with as_problems():
            facts, representation = self._open(request, asked)
            if held := find_held(representation):
                return held
            at = find_one(facts, asked.region, asked.product)
        judged = facts.calendar.judged
        n_judged = int(read_figure(facts, "judged_rows", at) or 0)
        names = ("wape", "bias", "coverage_80", "coverage_95")
        content = {
            "region_id": asked.region,
            "product_id": asked.product,
            "first_date": judged.get("first"),
            "last_date": judged.get("last"),
            "origins": judged.get("origins", 0),
            "judged": n_judged,
            "units": read_figure(facts, "judged_units", at),
            **{name: read_figure(facts, name, at) for name in names},
            "baseline": judged.get("baseline"),
            "baseline_wape": read_figure(facts, "naive_wape", at),
        }
        return _answer(representation, content)

    async def growth(self, request: Request) -> Response:
        """Answer one page of regions by expected growth, as JSON or as CSV."""
        media_type = choose_media_type(request.headers.get("accept", ""), (JSON, CSV))
        asked = read_query(request, GrowthQuery)
        with as_problems():
            facts, representation = self._open(request, asked, media_type)
            if held := find_held(representation):
                return held
            level = asked.level or finest_level(facts)
            rows = _list_growth(facts, level, find_node(facts, "product", asked.product))
            spelling = f"growth {asked.product!r} {level!r}"
            first, cursor, headers = _turn(request, representation.champion, asked, spelling, rows)
        page = rows[first : first + asked.limit]
        if media_type == CSV:
            names = tuple(RegionGrowth.model_fields)
            table = _write_csv(names, [[row[name] for name in names] for row in page])
            return represent(representation, table, headers, CSV_TYPE)
        ahead = facts.calendar.dates[facts.calendar.n_past :]
        content = {
            "product_id": asked.product,
            "region_level": level,
            "first_date": ahead[0],
            "last_date": ahead[-1],
            "regions": page,
            "next_cursor": cursor,
        }
        return _answer(representation, content, headers)

    def _open(
        self, request: Request, asked: object, media_type: str = JSON
    ) -> tuple[SeriesFacts, Asked]:
        champion = self.predictor.facts
        if champion.model is None:
            raise NotPlanned(
                "the published model is an older one and tells nothing of its series' past; train "
                "and promote again"
            )
        return champion.model, Asked(request, champion, asked, media_type)


def _turn(
    request: Request,
    champion: Champion[Any],
    asked: SeriesQuery | GrowthQuery,
    spelling: str,
    rows: Sequence[Any] | np.ndarray,
) -> tuple[int, str | None, dict[str, str]]:
    """Return where the page starts, the cursor of the next one, and the header that names it."""
    first = decode_cursor(asked.cursor, spelling, champion.digest) if asked.cursor else 0
    if first + asked.limit >= len(rows):
        return first, None, {}
    cursor = encode_cursor(first + asked.limit, spelling, champion.digest)
    url = request.url.include_query_params(cursor=cursor)
    return first, cursor, {"Link": f'<{url.path}?{url.query}>; rel="next"'}


def _read_history(facts: SeriesFacts, asked: HistoryQuery) -> dict[str, Any]:
    at = find_one(facts, asked.region, asked.product)
    found, calendar = facts.history.read(at), facts.calendar
    dates = calendar.dates
    start = bisect_left(dates, str(asked.from_date)) if asked.from_date else 0
    stop = bisect_right(dates, str(asked.to_date)) if asked.to_date else len(dates)
    place = int(facts.trees["region"].places[facts.codes["region"][at]])
    shown = dates[start:stop]
    holidays = calendar.holidays[place] if shown else {}
    return {
        "region_id": asked.region,
        "product_id": asked.product,
        "origin": dates[calendar.n_past - 1],
        "dates": shown,
        "units": _list(found.units[start:stop]),
        "price": _list(found.price[start:stop]),
        "promoted": _list(found.promoted[start:stop]),
        "stock_out": _list(found.out[start:stop]),
        "holidays": [
            {"date": day, "name": name}
            for day, name in sorted(holidays.items())
            if shown[0] <= day <= shown[-1]
        ],
    }


def _list_growth(facts: SeriesFacts, level: str, product: int) -> list[dict[str, Any]]:
    """Return the regions of a level, the one that grows most first, the unknown ones last."""
    regions = facts.codes["region"]
    is_there = find_level(facts, "region", level)[regions] & (facts.codes["product"] == product)
    places = np.flatnonzero(is_there).tolist()
    tree, rows = facts.trees["region"], []
    for at, growth in zip(places, grow(facts, places), strict=True):
        code = int(regions[at])
        spot = {"latitude": tree.latitude[code], "longitude": tree.longitude[code]}
        rows.append(
            {
                "region_id": tree.ids[code],
                "name": tree.names[code],
                "region_level": level,
                **{name: None if np.isnan(value) else float(value) for name, value in spot.items()},
                **growth,
            }
        )
    return sorted(rows, key=lambda row: (row["growth"] is None, -(row["growth"] or 0.0)))


def _list(values: np.ndarray) -> list[float | None]:
    rounded = np.round(values.astype(np.float64), _DIGITS).tolist()
    return [None if math.isnan(value) else value for value in rounded]


def _write_csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return a header and one line per row, in UTF-8 with CRLF (RFC 4180)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    for row in rows:
        writer.writerow([defuse(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue().encode()


def _answer(
    representation: Asked, content: dict[str, Any], headers: dict[str, str] | None = None
) -> Response:
    whole = {"model_version": representation.champion.version, **content}
    return represent(representation, msgspec.json.encode(whole), headers or {}, JSON)
