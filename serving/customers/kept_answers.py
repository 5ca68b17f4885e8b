"""Answers to writes that may be sent again, in the store of customers: for all workers, durable.

What is kept names nobody: keys, callers, addresses and bodies as keyed hashes. An answer can name
message ids, which are the sender's own words; so an erasure clears every answer that names any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, cast

import msgspec

from serving.customers.database import Session
from serving.customers.store import CustomerStore
from serving.customers.writer import Writer

Found = TypeVar("Found")
SECOND = 1_000_000


class KeptAnswer(msgspec.Struct, frozen=True):
    """What a first request was answered with."""

    status: int
    headers: dict[str, str]
    body: str


class Claim(msgspec.Struct, frozen=True):
    """One request with a key, as the store tells it again.

    Attributes
    ----------
    mark : str
        Of key, caller and route.
    fingerprint : str
        Of the address and body.
    token : str
        Of this very request: only who claimed may keep or release.
    """

    mark: str
    fingerprint: str
    token: str


class Standing(msgspec.Struct, frozen=True):
    """How a claim stands: taken by us, answered before, of another body, or under way."""

    is_ours: bool = False
    is_other: bool = False
    kept: KeptAnswer | None = None


class KeptAnswers:
    """The kept answers of a store, read and written by its one writing thread.

    Parameters
    ----------
    writer : Writer
    keep_seconds : float
        How long an answer is kept.
    lease_seconds : float
        After this long a claim that was neither answered nor released is anybody's: its worker is
        gone.
    """

    def __init__(self, writer: Writer, *, keep_seconds: float, lease_seconds: float) -> None:
        self._writer = writer
        self._keep, self._lease = round(keep_seconds * SECOND), round(lease_seconds * SECOND)
        self._mark = writer.store.marker.mark

    def mark(self, *parts: str) -> str:
        """Return a keyed hash of texts."""
        return self._mark("\x1f".join(parts))

    async def claim(self, claim: Claim, now: int) -> Standing:
        """Try to be the one request that has the effect; durable when this returns.

        Parameters
        ----------
        claim : Claim
        now : int
            Microseconds.
        """

        def work(store: CustomerStore) -> Standing:
            standing = _look(store.session, claim, now)
            if standing is not None:
                return standing
            with store.write() as session:
                # Between the look and the write another process may have been first.
                return _look(session, claim, now) or self._take(session, claim, now)

        return await self._call(work)

    async def keep(self, claim: Claim, answer: KeptAnswer, now: int) -> None:
        """Keep the answer to a request that had its effect."""
        has_ids = '"message_id":"' in answer.body
        content = msgspec.json.encode(answer).decode()

        def work(store: CustomerStore) -> None:
            with store.write() as session:
                session.run(
                    "UPDATE kept_answers SET answer = ?, has_ids = ?, until = ? "
                    "WHERE mark = ? AND token = ?",
                    (content, int(has_ids), now + self._keep, claim.mark, claim.token),
                )

        await self._call(work)

    async def release(self, claim: Claim) -> None:
        """Forget a claim that came to nothing, so that the request can be sent again."""

        def work(store: CustomerStore) -> None:
            with store.write() as session:
                session.run(
                    "DELETE FROM kept_answers WHERE mark = ? AND token = ? AND answer IS NULL",
                    (claim.mark, claim.token),
                )

        await self._call(work)

    def _take(self, session: Session, claim: Claim, now: int) -> Standing:
        session.run("DELETE FROM kept_answers WHERE until <= ?", (now,))
        session.run(
            "INSERT INTO kept_answers (mark, fingerprint, token, until, has_ids) "
            "VALUES (?, ?, ?, ?, 0)",
            (claim.mark, claim.fingerprint, claim.token, now + self._lease),
        )
        return Standing(is_ours=True)

    async def _call(self, work: Callable[[CustomerStore], Found]) -> Found:
        return cast(Found, await asyncio.wrap_future(self._writer.call(work)))


def _look(session: Session, claim: Claim, now: int) -> Standing | None:
    """Return how a claim stands; None where nobody has it."""
    found = session.rows(
        "SELECT fingerprint, answer FROM kept_answers WHERE mark = ? AND until > ?",
        (claim.mark, now),
    )
    if not found:
        return None
    ((fingerprint, answer),) = found
    if fingerprint != claim.fingerprint:
        return Standing(is_other=True)
    if answer is None:
        return Standing()
    return Standing(kept=msgspec.json.decode(answer, type=KeptAnswer))
