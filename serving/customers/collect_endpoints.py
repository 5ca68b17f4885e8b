"""What customer-data platforms send to: the addresses of the Segment HTTP API."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from features.errors import InvalidRequest
from features.segment.envelope import Envelope, split_batch
from features.segment.messages import Message, Rejected
from features.segment.reader import MessageReader
from serving.access.gate import admit_body
from serving.access.signatures import check_signature
from serving.bodies import JSON, NDJSON, TEXT, is_ndjson, read_collected_body
from serving.customers.applying import ACCEPTED, DUPLICATE, Outcome
from serving.customers.database import StoreUnavailable
from serving.customers.person import to_microseconds_of
from serving.customers.settings import CustomersSettings
from serving.customers.writer import QueueFull, Writer
from serving.metrics import Metrics
from serving.problems import Fault, Kind, Problem, as_sentence
from serving.responses import check_no_query, respond

PATHS = ("identify", "track", "page", "screen", "group", "alias")
_RETRY = {"Retry-After": "1"}


class CollectEndpoints:
    """Takes messages in, and answers when they are durable.

    Parameters
    ----------
    writer : Writer
    reader : MessageReader
    settings : CustomersSettings
    metrics : Metrics
    clock : callable
        Returns the time, with a zone.
    """

    def __init__(
        self,
        writer: Writer,
        reader: MessageReader,
        settings: CustomersSettings,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self.writer, self.reader, self.settings = writer, reader, settings
        self.metrics, self.clock = metrics, clock

    async def one(self, request: Request) -> Response:
        """Take one message; its type is that of the path."""
        check_no_query(request)
        kind = request.url.path.rsplit("/", 1)[-1]
        body = await read_collected_body(request, self.settings.max_event_bytes)
        await admit_body(request, body)
        return await self._take_one(body, Envelope(type=kind), f"/v1/{kind}")

    async def webhook(self, request: Request) -> Response:
        """Take one message that a platform forwards, signed; its type is its own."""
        check_no_query(request)
        body = await read_collected_body(request, self.settings.max_event_bytes)
        check_signature(request, self.settings, body)
        return await self._take_one(body, Envelope(), "/v1/webhook")

    async def batch(self, request: Request) -> Response:
        """Take many messages; each is accepted, known already, or rejected with its reason."""
        check_no_query(request)
        known = (JSON, TEXT, NDJSON)
        body = await read_collected_body(request, self.settings.max_batch_bytes, known)
        await admit_body(request, body)
        contents, envelope = _split_lines(body) if is_ndjson(request) else _split(body)
        most = self.settings.max_batch_events
        if len(contents) > most:
            fault = Fault(f"must have at most {most} entries", pointer="#/batch")
            raise Problem(Kind.TOO_LARGE, f"#/batch: {fault.detail}.", [fault])
        outcomes = await self._store(contents, envelope, "/v1/batch")
        return respond(msgspec.json.encode(_summarise(outcomes)))

    async def _take_one(self, body: bytes, envelope: Envelope, source: str) -> Response:
        (outcome,) = await self._store([body], envelope, source)
        if outcome.rejected is not None:
            raise _as_problem(outcome.rejected)
        return respond(msgspec.json.encode(_summarise([outcome])))

    async def _store(
        self, contents: Sequence[bytes], envelope: Envelope, source: str
    ) -> list[Outcome]:
        """Store messages and return when that is durable."""
        if not contents:
            return []
        received_at = to_microseconds_of(self.clock())
        read: Callable[[bytes], Message | Rejected] = partial(
            self.reader.read, received_at=received_at, envelope=envelope
        )
        try:
            around = envelope.surroundings
            done = self.writer.submit(contents, read, received_at, source, around)
            outcomes = await asyncio.wrap_future(done)
        except (QueueFull, StoreUnavailable) as error:
            raise Problem(Kind.NOT_STORED, as_sentence(error), headers=_RETRY) from None
        self.metrics.count_messages(Counter(outcome.status for outcome in outcomes))
        return outcomes


def _split(body: bytes) -> tuple[list[bytes], Envelope]:
    try:
        return split_batch(body)
    except InvalidRequest as error:
        raise Problem(Kind.BAD_JSON, as_sentence(error)) from None


def _split_lines(body: bytes) -> tuple[list[bytes], Envelope]:
    """Return the lines that are not blank; one that is no message is rejected by itself."""
    return [line for line in body.split(b"\n") if line.strip()], Envelope()


def _summarise(outcomes: Sequence[Outcome]) -> dict[str, object]:
    rejected = [
        {
            "index": index,
            "message_id": outcome.rejected.message_id,
            "reason": outcome.rejected.reason,
            "detail": outcome.rejected.detail,
            "pointer": outcome.rejected.pointer,
        }
        for index, outcome in enumerate(outcomes)
        if outcome.rejected is not None
    ]
    statuses = [outcome.status for outcome in outcomes]
    return {
        "success": not rejected,
        "accepted": statuses.count(ACCEPTED),
        "duplicates": statuses.count(DUPLICATE),
        "rejected": rejected,
    }


def _as_problem(rejected: Rejected) -> Problem:
    detail = f"{rejected.reason}: {rejected.detail}"
    fault = Fault(rejected.detail, pointer=f"#{rejected.pointer or ''}")
    return Problem(Kind.REJECTED, f"{detail.rstrip('.')}.", [fault])
