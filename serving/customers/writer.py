"""One thread that writes: many requests share a transaction, and small ones overtake large ones.

A request is answered when its messages are durable, never before. A transaction takes what is
waiting of small requests and one slice of the oldest large one, so that a till's single purchase
waits for a slice, not for a batch of thousands.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property

from features.errors import AlmanacError
from features.segment.messages import Message, Rejected
from serving.customers.applying import Outcome, Received
from serving.customers.database import NotUnique, StoreUnavailable
from serving.customers.store import CustomerStore
from serving.logs import FIELDS, LOGGER

SLICE = 50
"""Messages of a large request in one transaction."""
SMALL = 10
"""Messages of a request that overtakes."""
MOST_BYTES = 128 * 1024 * 1024
"""Of all messages that wait."""

Read = Callable[[bytes], Message | Rejected]
log = logging.getLogger(LOGGER)


class QueueFull(AlmanacError):
    """More messages wait than may; none of the request was taken."""


@dataclass
class _Job:
    """One request on its way to the database."""

    contents: Sequence[bytes]
    read: Read
    received_at: int
    source: str
    around: bytes | None = None
    done: Future[list[Outcome]] = field(default_factory=Future)
    outcomes: list[Outcome] = field(default_factory=list)

    @cached_property
    def size(self) -> int:
        """Bytes of its messages."""
        return sum(map(len, self.contents))

    def take(self, most: int) -> list[Received]:
        """Return the next messages, read."""
        start = len(self.outcomes)
        return [
            Received(content, self.read(content), self.received_at, self.source, self.around)
            for content in self.contents[start : start + most]
        ]


class Writer:
    """The writing thread of a process.

    Parameters
    ----------
    store : CustomerStore
        Used by this thread alone from now on.
    max_waiting : int
        Messages that may wait.
    """

    def __init__(self, store: CustomerStore, max_waiting: int) -> None:
        self.store, self.max_waiting = store, max_waiting
        self._waiting = self._bytes = 0
        self._small: deque[_Job] = deque()
        self._large: deque[_Job] = deque()
        self._calls: deque[tuple[Callable[[CustomerStore], object], Future[object]]] = deque()
        self._turn = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="customers-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Messages that wait to be stored."""
        return self._waiting

    def submit(
        self,
        contents: Sequence[bytes],
        read: Read,
        received_at: int,
        source: str,
        around: bytes | None = None,
    ) -> Future[list[Outcome]]:
        """Take messages in; the future is done when they are durable.

        Parameters
        ----------
        contents : sequence of bytes
        read : callable
            Reads one of them.
        received_at : int
            Microseconds.
        source : str
            The address they came by.
        around : bytes, optional
            What is stated around them.

        Raises
        ------
        QueueFull
            If too many wait.
        """
        job = _Job(contents, read, received_at, source, around)
        job.done.set_running_or_notify_cancel()  # a caller who went away does not take it back
        with self._turn:
            is_full = (
                self._waiting + len(contents) > self.max_waiting
                or self._bytes + job.size > MOST_BYTES
            )
            if self._is_stopping or is_full:
                raise QueueFull("too many messages wait to be stored; send them again in a second")
            self._waiting += len(contents)
            self._bytes += job.size
            (self._small if len(contents) <= SMALL else self._large).append(job)
            self._turn.notify()
        return job.done

    def call(self, work: Callable[[CustomerStore], object]) -> Future[object]:
        """Run something on the store between transactions, as an erasure."""
        done: Future[object] = Future()
        done.set_running_or_notify_cancel()
        with self._turn:
            if self._is_stopping:
                raise QueueFull("the service is stopping; send it again in a second")
            self._calls.append((work, done))
            self._turn.notify()
        return done

    def stop(self) -> None:
        """Finish what was taken, then end the thread and close the store."""
        with self._turn:
            self._is_stopping = True
            self._turn.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._turn:
                while not (self._small or self._large or self._calls or self._is_stopping):
                    self._turn.wait()
                if not (self._small or self._large or self._calls):
                    break
                calls, self._calls = self._calls, deque()
                jobs = self._choose()
            for work, done in calls:
                _settle(done, lambda work=work: work(self.store))  # type: ignore[misc]
            if jobs:
                self._write(jobs)
        self.store.close()

    def _choose(self) -> list[tuple[_Job, int]]:
        """Return the requests of the next transaction, and how many messages of each."""
        jobs, room = [], SLICE
        while self._small and room > 0:
            job = self._small.popleft()
            jobs.append((job, SMALL))
            room -= len(job.contents)
        if self._large:
            jobs.append((self._large[0], SLICE))
        return jobs

    def _write(self, jobs: Sequence[tuple[_Job, int]]) -> None:
        """Apply some messages in one transaction; when it fails, none of their requests is done."""
        parts = []
        try:
            parts = [(job, job.take(most)) for job, most in jobs]
            outcomes = iter(self.store.apply([item for _, part in parts for item in part]))
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits must be told
            self._fail(jobs, error)
            return
        for job, part in parts:
            job.outcomes.extend(next(outcomes) for _ in part)
            if len(job.outcomes) == len(job.contents):
                self._finish(job, None)

    def _fail(self, jobs: Sequence[tuple[_Job, int]], error: Exception) -> None:
        """Tell one request that it failed; of several, find out which by trying each alone."""
        is_away = isinstance(error, StoreUnavailable) and not isinstance(error, NotUnique)
        if is_away or len(jobs) == 1:
            if not is_away:
                log.error("customers could not be stored", exc_info=error, extra={FIELDS: {}})
            for job, _ in jobs:
                self._finish(job, _tell_half(error, job) if is_away else error)
            return
        for one in jobs:
            self._write([one])

    def _finish(self, job: _Job, error: Exception | None) -> None:
        with self._turn:
            self._waiting -= len(job.contents)
            self._bytes -= job.size
            if self._large and self._large[0] is job:
                self._large.popleft()
        if error is None:
            job.done.set_result(job.outcomes)
        else:
            job.done.set_exception(error)


def _tell_half(error: Exception, job: _Job) -> Exception:
    """Return the error of a request; one of which a part is stored says so."""
    if not job.outcomes:
        return error
    return StoreUnavailable(
        f"the store of customers took {len(job.outcomes)} of {len(job.contents)} messages; send "
        "them all again, none is taken twice"
    )


def _settle(done: Future[object], work: Callable[[], object]) -> None:
    try:
        done.set_result(work())
    except Exception as error:  # noqa: BLE001 - it is raised where the result is waited for
        done.set_exception(error)
