"""`/v1/customers/{id}`: one customer across every channel; their export and their erasure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response

from serving.bodies import JSON, choose_media_type
from serving.customers.contract import LONGEST_NAME
from serving.customers.customers import Customers
from serving.customers.database import StoreUnavailable
from serving.customers.erase import Erased
from serving.customers.export import export_rows
from serving.customers.live import Row
from serving.customers.person import to_microseconds_of
from serving.customers.store import CustomerStore, UnknownCustomer
from serving.customers.timeline import tell_timeline
from serving.customers.timeline_contract import TimelineQuery
from serving.customers.writer import QueueFull, Writer
from serving.forecast_endpoints import read_query
from serving.problems import Kind, Problem, as_sentence
from serving.responses import as_problems, check_no_query, respond

Use = Callable[[], AbstractContextManager[Customers]]
_NOBODY = "Name somebody who is known, as kind:value, such as email:ann@example.com."


class CustomerEndpoints:
    """Tells of one customer, and forgets them.

    Parameters
    ----------
    use : callable
        Returns the live customers within a block, which goes on with the same models until its end.
    writer : Writer
    clock : callable
        Returns the time, with a zone.
    """

    def __init__(
        self,
        use: Use,
        writer: Writer,
        clock: Callable[[], datetime],
    ) -> None:
        self.use, self.writer, self.clock = use, writer, clock
        self._one = CapacityLimiter(1)

    async def serve(self, request: Request) -> Response:
        """Tell of a customer, or forget them, as the method says."""
        if request.method == "DELETE":
            return await self.erase(request)
        return await self.profile(request)

    async def profile(self, request: Request) -> Response:
        """Tell who a customer is and what is known of them now."""
        return respond(await self._in_thread(request, self._tell))

    async def export(self, request: Request) -> Response:
        """Tell everything that is kept of a customer, as they may ask for."""
        return respond(
            await self._in_thread(request, self._tell_all),
            headers={"Content-Disposition": 'attachment; filename="customer.json"'},
        )

    async def timeline(self, request: Request) -> Response:
        """Tell what happened with a customer, a page at a time, the newest first."""
        name = self._check_address(request)
        asked = read_query(request, TimelineQuery)

        def tell(customers: Customers, row: Row) -> dict[str, Any]:
            return tell_timeline(customers.desk, row, name, asked)

        with as_problems():
            content = await self._look_up(name, tell)
        return respond(content)

    async def erase(self, request: Request) -> Response:
        """Forget a customer for ever; what is in files is removed by `almanac purge`."""
        name = self._check(request)
        at = to_microseconds_of(self.clock())
        with self.use() as customers:
            is_published = customers.view.is_published(name)

        def forget(store: CustomerStore) -> Erased:
            return store.erase(name, at, is_published=is_published)

        try:
            erased: Any = await asyncio.wrap_future(self.writer.call(forget))
        except UnknownCustomer:
            raise Problem(Kind.UNKNOWN_CUSTOMER, _NOBODY) from None
        except (QueueFull, StoreUnavailable) as error:
            raise _refuse(error) from None
        return respond(msgspec.json.encode(_tell_erased(erased)))

    async def _in_thread(
        self, request: Request, tell: Callable[[Customers, Row], dict[str, Any]]
    ) -> bytes:
        return await self._look_up(self._check(request), tell)

    async def _look_up(self, name: str, tell: Callable[[Customers, Row], dict[str, Any]]) -> bytes:
        """Look a customer up beside the event loop, which goes on answering others."""

        def look_up() -> bytes:
            with self.use() as customers:
                found = customers.desk.find([name])
                if name not in found:
                    raise Problem(Kind.UNKNOWN_CUSTOMER, _NOBODY)
                return msgspec.json.encode(tell(customers, found[name]))

        try:
            return await anyio.to_thread.run_sync(look_up, limiter=self._one)
        except StoreUnavailable as error:
            raise _refuse(error) from None

    def _tell(self, customers: Customers, row: Row) -> dict[str, Any]:
        return customers.view.tell(row, self.clock())

    def _tell_all(self, customers: Customers, row: Row) -> dict[str, Any]:
        return {"customer": self._tell(customers, row), **export_rows(customers.desk, row)}

    def _check(self, request: Request) -> str:
        check_no_query(request)
        return self._check_address(request)

    def _check_address(self, request: Request) -> str:
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        name = str(request.path_params["customer"])
        if len(name) > LONGEST_NAME:  # before it is cleaned, which could make a known one of it
            raise Problem(Kind.UNKNOWN_CUSTOMER, _NOBODY)
        return name


def _refuse(error: Exception) -> Problem:
    return Problem(Kind.NOT_STORED, as_sentence(error), headers={"Retry-After": "1"})


def _tell_erased(erased: Erased) -> dict[str, Any]:
    return {
        "erased": erased.counts,
        "affected_models": list(erased.models),
        "files": "pending",
    }
