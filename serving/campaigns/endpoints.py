"""`/v1/campaign-choices` and `/v1/campaign-drafts`: a campaign is seen before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features.errors import AlmanacError, NotEnoughData, NotTrained
from features.schema import CHANNELS
from serving.bodies import CSV, JSON, NDJSON, choose_media_type, decode_body, read_json_body
from serving.campaigns.asking import (
    Misfit,
    ask_draft,
    list_promotions,
    read_campaign_settings,
    tell_rules,
)
from serving.campaigns.contract import MAX_AUDIENCE, MAX_NAMED, CampaignDraftRequest
from serving.campaigns.desk import CampaignDesk, Draft, Started, TooMany
from serving.campaigns.drafts import NoDraft
from serving.campaigns.messages_file import write_csv, write_lines
from serving.customers.database import StoreUnavailable
from serving.idempotency import Endpoint, Idempotency
from serving.predictor import Predictor
from serving.problems import Fault, Kind, Problem, as_sentence
from serving.receptivity import EVERYONE, UnknownSegment
from serving.responses import as_problems, check_no_query, respond
from serving.segment_source import SegmentSource, find_champion
from serving.send_time_endpoint import Clock
from serving.settings import ServingSettings

DRAFTS, CHOICES = "/v1/campaign-drafts", "/v1/campaign-choices"
DRAFT = f"{DRAFTS}/{{draft}}"
PATIENCE = 0.6
"""Share of the deadline that a request waits for its plan; then it is told that it is under way."""
MOST_READING = 2
_RETRY = {"Retry-After": "1"}
_CSV_TYPE = "text/csv; charset=utf-8; header=present"
Found = TypeVar("Found")


class CampaignEndpoints:
    """Drafts of campaigns over HTTP.

    Parameters
    ----------
    desk : CampaignDesk or None
        Plans; None where the service has no project, as in a test of other addresses.
    predictor : Predictor
    source : SegmentSource
        Of audiences.
    settings : ServingSettings
        Limits.
    clock : callable
        Returns the time, with a zone.
    """

    def __init__(
        self,
        desk: CampaignDesk | None,
        predictor: Predictor,
        source: SegmentSource,
        settings: ServingSettings,
        clock: Clock,
    ) -> None:
        self._desk, self.predictor, self.source = desk, predictor, source
        self.settings, self.clock = settings, clock
        self._reading = CapacityLimiter(MOST_READING)

    def routes(self, idempotency: Idempotency | None) -> list[Route]:
        """Return the routes; writes honour `Idempotency-Key` where there is a store for it."""
        draft: Endpoint = self.draft
        decide: Endpoint = self.decide
        if idempotency is not None:
            most = self.settings.max_body_bytes
            draft, decide = idempotency.wrap(draft, most), idempotency.wrap(decide, most)
        return [
            Route(CHOICES, self.choices, methods=["GET"]),
            Route(DRAFTS, draft, methods=["POST"]),
            Route(DRAFT, self.one, methods=["GET"]),
            Route(f"{DRAFT}/messages", self.messages, methods=["GET"]),
            Route(f"{DRAFT}/decision", decide, methods=["POST"]),
        ]

    async def choices(self, request: Request) -> Response:
        """Answer what can be asked of a draft here."""
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        return _answer(await self._run(self._list_choices))

    async def draft(self, request: Request) -> Response:
        """Plan a campaign; what takes long is answered before it is done."""
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        body = await read_json_body(request, self.settings.max_body_bytes)
        asked = decode_body(body, CampaignDraftRequest)
        started = await self._run(partial(self._start, asked))
        waiter = asyncio.wrap_future(started.done)
        waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait([waiter], timeout=PATIENCE * self.settings.timeout_seconds)
        error = waiter.exception() if waiter.done() else None
        if error is not None:
            self.desk.shelf.drop(started.id)
            raise _as_problem(error) if isinstance(error, AlmanacError) else error
        return _answer(await self._run(partial(self._read, started.id)))

    async def one(self, request: Request) -> Response:
        """Answer a draft, as far as it is."""
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        return _answer(await self._run(partial(self._read, request.path_params["draft"])))

    async def messages(self, request: Request) -> Response:
        """Answer the schedule of a draft, one line a customer."""
        check_no_query(request)
        media_type = choose_media_type(request.headers.get("accept", ""), (CSV, NDJSON))
        name = request.path_params["draft"]

        def write() -> bytes:
            _, schedule = self.desk.read_messages(name, self.clock())
            return write_csv(schedule) if media_type == CSV else write_lines(schedule)

        content = await self._run(write)
        ending = "csv" if media_type == CSV else "ndjson"
        headers = {
            "Content-Disposition": f'attachment; filename="campaign-{name[:8]}.{ending}"',
            "Vary": "Accept",
        }
        return respond(content, _CSV_TYPE if media_type == CSV else NDJSON, headers=headers)

    async def decide(self, request: Request) -> Response:
        """Put a draft down in the log of decisions, once."""
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        name = request.path_params["draft"]
        return _answer(await self._run(lambda: self.desk.decide(name, self.clock())))

    @property
    def desk(self) -> CampaignDesk:
        """What plans.

        Raises
        ------
        NotEnoughData
            If the service has no project.
        """
        if self._desk is None:
            raise NotEnoughData("this service was started without a project to plan for")
        return self._desk

    async def _run(self, work: Callable[[], Found]) -> Found:
        """Do something in a thread, as it reads files; what is refused is a problem."""
        try:
            with as_problems():
                return await anyio.to_thread.run_sync(work, limiter=self._reading)
        except AlmanacError as error:
            raise _as_problem(error) from None

    def _read(self, draft: str) -> Draft:
        return self.desk.read(draft, self.clock())

    def _list_choices(self) -> dict[str, Any]:
        desk = self.desk
        with self.predictor.use() as held:
            champion = find_champion(held)
        measure = champion.model.scorer.measure
        return {
            "model_version": champion.version,
            "profiles_as_of": champion.model.profiles.as_of,
            "time_zone": desk.project.settings.time_zone,
            "promotions": list_promotions(desk.project),
            "channels": [{"channel": name, "measure": measure(name)} for name in CHANNELS],
            "rules": tell_rules(read_campaign_settings(desk.project)),
            "max_audience": MAX_AUDIENCE,
            "max_named": MAX_NAMED,
        }

    def _start(self, asked: CampaignDraftRequest) -> Started:
        desk, now = self.desk, self.clock()
        segment = None if asked.customers is not None else asked.segment or EVERYONE
        query = ask_draft(desk.project, asked, self._find_audience(asked, segment), now)
        return desk.start(query, segment, now)

    def _find_audience(self, asked: CampaignDraftRequest, segment: str | None) -> Sequence[str]:
        if segment is None:
            return asked.customers or ()
        with self.predictor.use() as held:
            segments = self.source.open(held)
        try:
            customers = segments.list_customers(segment)
        except UnknownSegment as error:
            raise Misfit("#/segment", str(error)) from None
        if len(customers) > MAX_AUDIENCE:
            raise Misfit(
                "#/segment",
                f"has {len(customers)} customers, and a draft takes at most {MAX_AUDIENCE}; take "
                "a smaller segment, or plan it with `almanac plan-campaign`",
            )
        return customers


def _as_problem(error: AlmanacError) -> Problem:
    if isinstance(error, NoDraft):
        return Problem(Kind.NOT_FOUND, as_sentence(error))
    if isinstance(error, TooMany):
        return Problem(Kind.OVERLOADED, as_sentence(error), headers=_RETRY)
    if isinstance(error, StoreUnavailable):
        return Problem(Kind.NOT_STORED, as_sentence(error), headers=_RETRY)
    if isinstance(error, NotEnoughData):
        return Problem(Kind.NOT_PLANNED, as_sentence(error))
    if isinstance(error, NotTrained):
        return Problem(Kind.NOT_LOADED, as_sentence(error), headers={"Retry-After": "30"})
    if isinstance(error, Misfit):
        fault = Fault(str(error), pointer=error.pointer)
        return Problem(Kind.INVALID, f"{error.pointer}: {error}.", [fault])
    return Problem(Kind.INVALID, as_sentence(error))


def _answer(content: dict[str, Any]) -> Response:
    return respond(msgspec.json.encode(content))
