"""How the client calls: what is tried again, after how long, and what a refusal becomes."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import msgspec

BUSY = (429, 503)


class Refused(Exception):
    """The service refused, with a problem document (RFC 9457).

    Attributes
    ----------
    type : str
        Stable, such as urn:almanac:problem:not-forecast.
    status : int
    title, detail : str
    errors : list of dict
        Places to change: `detail`, and `pointer` or `parameter`.
    request_id : str
        To quote when it is reported.
    retry_after : float or None
        Seconds.
    """

    def __init__(self, response: httpx.Response) -> None:
        try:
            found = msgspec.json.decode(response.content)
        except msgspec.DecodeError:
            found = {}
        problem = found if isinstance(found, dict) else {}
        self.status = response.status_code
        self.type = str(problem.get("type", "about:blank"))
        self.title = str(problem.get("title", response.reason_phrase))
        self.detail = str(problem.get("detail", "the answer is no problem document"))
        self.errors: list[dict[str, str]] = list(problem.get("errors", ()))
        self.request_id = str(problem.get("request_id", response.headers.get("x-request-id", "")))
        self.retry_after = _read_seconds(response.headers.get("retry-after"))
        super().__init__(f"{self.status} {self.title}: {self.detail} ({self.request_id})")


@dataclass(frozen=True)
class Retries:
    """How often to try again, and after how long.

    Parameters
    ----------
    most : int
        Tries after the first one.
    first_seconds : float
        Pause before the first of them; twice as long before each further one, half of it random.
    longest_seconds : float
        No pause is longer; a Retry-After beyond it is not waited for.
    """

    most: int = 4
    first_seconds: float = 0.2
    longest_seconds: float = 30.0

    def find_pause(self, tries: int, error: Exception) -> float | None:
        """Return how long to wait after so many tries; None for no further one."""
        stated = error.retry_after if isinstance(error, Refused) else None
        if tries >= self.most or (stated or 0.0) > self.longest_seconds:
            return None
        own = min(self.longest_seconds, self.first_seconds * 2.0**tries)
        spread = own * (0.5 + random.random() / 2)  # noqa: S311 - so that callers do not march in step
        return max(stated or 0.0, spread)


class Caller:
    """Sends requests, tries again, raises refusals.

    Parameters
    ----------
    client : httpx.Client
    retries : Retries
    """

    def __init__(self, client: httpx.Client, retries: Retries) -> None:
        self.client, self.retries = client, retries

    def write(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send what has an effect, under a key of its own, so that a second try has none."""
        named = {**(headers or {}), "Idempotency-Key": str(uuid.uuid4())}
        return self.send(method, path, body=body, headers=named, busy=(*BUSY, 409))

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        allowed: Sequence[int] = (),
        busy: Sequence[int] = BUSY,
    ) -> httpx.Response:
        """Send a request until it is answered.

        Raises
        ------
        Refused
            If it is refused, or was too often.
        httpx.TransportError
            If the service cannot be reached.
        """
        tries = 0
        while True:
            error: Refused | httpx.TransportError
            try:
                response = self.client.request(
                    method, path, content=body, headers=headers, params=query
                )
            except httpx.TransportError as away:
                error = away
            else:
                if response.is_success or response.status_code in allowed:
                    return response
                error = Refused(response)
                if error.status not in busy:
                    raise error
            pause = self.retries.find_pause(tries, error)
            if pause is None:
                raise error
            time.sleep(pause)
            tries += 1

    @contextmanager
    def stream(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        """Send a request whose answer is read while it comes; it is tried once."""
        with self.client.stream(method, path, content=body, headers=headers) as response:
            if not response.is_success:
                response.read()
                raise Refused(response)
            yield response


def _read_seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
