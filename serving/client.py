"""A client of the service in Python: each operation a method, each answer a model of the contract.

with Almanac("http://127.0.0.1:3000", key="…") as almanac:
    answer = almanac.send_times(["ann", "bob"])
    for forecast in almanac.forecasts(level="store/category"):
        ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from pydantic import BaseModel

from serving import contract, model_contract, scenario_contract, stock_contract
from serving.client_calls import Caller, Refused, Retries
from serving.customers import contract as customers
from serving.decisions import contract as decisions

__all__ = ["Almanac", "Incomplete", "Refused", "Retries"]
JSON, NDJSON = "application/json", "application/x-ndjson"
Model = TypeVar("Model", bound=BaseModel)


class Incomplete(Exception):
    """Lines that ended before all customers were told of; `customers` were."""

    def __init__(self, customers: int, problem: str) -> None:
        self.customers, self.problem = customers, problem
        super().__init__(f"told of {customers} customers only ({problem or 'cut off'}); ask again")


class Almanac:
    """The service at one address.

    Parameters
    ----------
    base_url : str
        Such as http://127.0.0.1:3000.
    key : str, optional
        Sent as a bearer token.
    timeout : float
        Seconds for one try.
    retries : Retries, optional
        How often, and for how long, to try again what is refused with 429 or 503.
    transport : httpx.BaseTransport, optional
        Instead of the network, for tests.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        timeout: float = 10.0,
        *,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        client = httpx.Client(
            base_url=base_url, headers=headers, timeout=timeout, transport=transport
        )
        self._caller = Caller(client, retries or Retries())

    def __enter__(self) -> Almanac:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._caller.client.close()

    def send_times(self, asked: Sequence[str] | contract.SendTimesRequest) -> contract.SendTimes:
        """Return the best times to reach customers.

        Parameters
        ----------
        asked : sequence of str or SendTimesRequest
            Customer ids, or these with a window, channels and so on.

        Raises
        ------
        Refused
            If the service refuses; so for every method.
        """
        body = _dump(_as_request(asked))
        return self._post("/v1/send-times", body, contract.SendTimes)

    def send_time_lines(
        self, asked: Sequence[str] | contract.SendTimesRequest
    ) -> Iterator[contract.CustomerSendTimes]:
        """Yield the send times of many customers as they arrive.

        Raises
        ------
        Incomplete
            At the end, if not all of them were told of.
        """
        body = _dump(_as_request(asked))
        headers = {"Accept": NDJSON, "Content-Type": JSON}
        count, last = 0, None
        try:
            with self._caller.stream("POST", "/v1/send-times", body, headers) as response:
                for line in response.iter_lines():
                    if line.startswith('{"complete"'):
                        last = msgspec.json.decode(line)
                    elif line:
                        count += 1
                        yield contract.CustomerSendTimes.model_validate_json(line)
        except httpx.RemoteProtocolError:
            last = None
        if last is None or not last["complete"]:
            raise Incomplete(count, "" if last is None else last.get("problem", ""))

    def outcomes(self, told: Sequence[decisions.Outcome]) -> decisions.OutcomesTaken:
        """Tell what came of the messages that were sent by the service's answers."""
        body = _dump(decisions.OutcomesRequest(outcomes=list(told)))
        return self._write("POST", "/v1/outcomes", decisions.OutcomesTaken, body)

    def forecasts(
        self,
        *,
        region: str | None = None,
        product: str | None = None,
        level: str | None = None,
        first_date: date | None = None,
        last_date: date | None = None,
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        limit: int = contract.MAX_FORECASTS,
        reasons: bool = False,
    ) -> Iterator[contract.Forecast]:
        """Yield forecasts, page after page; `limit` is of a page."""
        query = {
            "region": region,
            "product": product,
            "level": level,
            "from": first_date,
            "to": last_date,
            "quantiles": ",".join(f"{probability:g}" for probability in quantiles),
            "limit": limit,
            "reasons": "true" if reasons else None,
        }
        for page in self._pages("/v1/forecasts", query, contract.Forecasts):
            yield from page.forecasts

    def forecast_levels(self) -> contract.ForecastLevels:
        """Return what can be asked of the forecasts."""
        return self._get("/v1/forecasts/levels", contract.ForecastLevels)

    def models(self) -> model_contract.Models:
        """Return which models there are, and how they were judged."""
        return self._get("/v1/models", model_contract.Models)

    def what_if(self, asked: scenario_contract.ScenarioRequest) -> scenario_contract.WhatIf:
        """Return another price or promotion beside the plan."""
        return self._post("/v1/forecasts/what-if", _dump(asked), scenario_contract.WhatIf)

    def stock_advice(
        self,
        *,
        region: str | None = None,
        product: str | None = None,
        limit: int = contract.MAX_FORECASTS,
    ) -> Iterator[stock_contract.StockAdvice]:
        """Yield stock advice, page after page."""
        query = {"region": region, "product": product, "limit": limit}
        for page in self._pages("/v1/stock-advice", query, stock_contract.StockAdvicePage):
            yield from page.advice

    def allocations(self, asked: stock_contract.AllocationRequest) -> stock_contract.Allocation:
        """Return who gets what of scarce units."""
        return self._post("/v1/allocations", _dump(asked), stock_contract.Allocation)

    def assortment(
        self,
        region: str,
        *,
        reference: str | None = None,
        level: str | None = None,
        limit: int = contract.MAX_FORECASTS,
    ) -> Iterator[stock_contract.AssortedProduct]:
        """Yield what a region wants more and less of than others, page after page."""
        query = {"region": region, "reference": reference, "level": level, "limit": limit}
        for page in self._pages("/v1/assortment", query, stock_contract.AssortmentPage):
            yield from page.products

    def collect(self, kind: str, message: Mapping[str, Any]) -> customers.Collected:
        """Send one message: identify, track, page, screen, group or alias."""
        body = msgspec.json.encode(message)
        return self._write("POST", f"/v1/{kind}", customers.Collected, body)

    def collect_batch(self, messages: Iterable[Mapping[str, Any]]) -> customers.Collected:
        """Send many messages; each is accepted, known already, or rejected with its reason."""
        body = msgspec.json.Encoder().encode_lines(list(messages))
        return self._write("POST", "/v1/batch", customers.Collected, body, NDJSON)

    def webhook(self, body: bytes, signature: str) -> customers.Collected:
        """Forward one signed message as it was received; see `X-Signature`."""
        headers = {"X-Signature": signature}
        return self._write("POST", "/v1/webhook", customers.Collected, body, headers=headers)

    def customer(self, name: str) -> customers.CustomerProfile:
        """Return one customer across every channel; `name` as kind:value or a bare value."""
        return self._get(_path(name), customers.CustomerProfile)

    def export_customer(self, name: str) -> customers.CustomerExport:
        """Return everything that is kept of a customer."""
        return self._get(f"{_path(name)}/export", customers.CustomerExport)

    def erase_customer(self, name: str) -> customers.CustomerErasure:
        """Forget a customer for ever."""
        return self._write("DELETE", _path(name), customers.CustomerErasure)

    def liveness(self) -> contract.Liveness:
        """Return that the process answers."""
        return self._get("/livez", contract.Liveness)

    def readiness(self) -> contract.Readiness:
        """Return whether the models are loaded, also where they are not."""
        response = self._caller.send("GET", "/readyz", allowed=(503,))
        return contract.Readiness.model_validate_json(response.content)

    def landing(self) -> contract.Landing:
        """Return what is where."""
        return self._get("/", contract.Landing)

    def metrics(self) -> str:
        """Return Prometheus metrics."""
        return self._caller.send("GET", "/metrics").text

    def openapi(self) -> dict[str, Any]:
        """Return the contract."""
        document: dict[str, Any] = self._caller.send("GET", "/openapi.json").json()
        return document

    def _get(self, path: str, model: type[Model]) -> Model:
        return model.model_validate_json(self._caller.send("GET", path).content)

    def _post(self, path: str, body: bytes, model: type[Model]) -> Model:
        """Ask with a body; nothing is written, so that it may be tried again."""
        response = self._caller.send("POST", path, body=body, headers={"Content-Type": JSON})
        return model.model_validate_json(response.content)

    def _write(
        self,
        method: str,
        path: str,
        model: type[Model],
        body: bytes | None = None,
        media_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Model:
        told = {**({} if body is None else {"Content-Type": media_type}), **(headers or {})}
        response = self._caller.write(method, path, body=body, headers=told)
        return model.model_validate_json(response.content)

    def _pages(self, path: str, query: Mapping[str, Any], model: type[Model]) -> Iterator[Model]:
        given = {name: str(value) for name, value in query.items() if value is not None}
        while True:
            response = self._caller.send("GET", path, query=given)
            yield model.model_validate_json(response.content)
            cursor = response.json()["next_cursor"]
            if cursor is None:
                return
            given["cursor"] = cursor


def _as_request(
    asked: Sequence[str] | contract.SendTimesRequest,
) -> contract.SendTimesRequest:
    if isinstance(asked, contract.SendTimesRequest):
        return asked
    return contract.SendTimesRequest(customers=list(asked))


def _dump(asked: BaseModel) -> bytes:
    return asked.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _path(name: str) -> str:
    return f"/v1/customers/{quote(name, safe='')}"
