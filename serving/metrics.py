"""What the service counts, as Prometheus text; labels are route templates, never raw paths.

Under BentoML several workers count into shared files (`PROMETHEUS_MULTIPROC_DIR`), so that
whichever worker is asked answers for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

MEDIA_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"
"""The route of whatever is no address of ours, and the method of whatever is not HTTP's."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SHED = frozenset({429, 503, 504})
"""Statuses of answers that were not given for want of room, time, a store or a model."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "almanac_requests",
            "Requests answered.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "almanac_request_seconds",
            "Time to answer.",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._problems = Counter(
            "almanac_problems",
            "Requests refused, by type of problem.",
            ("type",),
            registry=self._registry,
        )
        self._customers = Counter(
            "almanac_send_time_customers",
            "Customers answered, by what the answer rests on.",
            ("evidence",),
            registry=self._registry,
        )
        self._forecasts = Counter(
            "almanac_forecast_rows", "Forecasts answered.", registry=self._registry
        )
        self._messages = Counter(
            "almanac_messages",
            "Messages of customer-data platforms, by what became of them.",
            ("outcome",),
            registry=self._registry,
        )
        self._decisions = Counter(
            "almanac_decisions",
            "Decisions, by whether their row was logged or lost.",
            ("outcome",),
            registry=self._registry,
        )
        self._shed = Counter(
            "almanac_shed",
            "Requests turned away with 429, 503 or 504, by the name of the problem.",
            ("reason",),
            registry=self._registry,
        )
        self._bytes = Counter(
            "almanac_response_bytes", "Bytes of bodies answered.", ("route",),
            registry=self._registry,
        )  # fmt: skip
        self._in_flight = Gauge(
            "almanac_requests_in_flight",
            "Requests that are being answered.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._waiting = Gauge(
            "almanac_store_waiting",
            "Messages of customers that wait to be stored.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._read_waiting: Callable[[], int] | None = None
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram, Counter]] = {}
        self._reloads = Counter(
            "almanac_model_reloads",
            "Published models that were looked at while serving, by what became of them.",
            ("kind", "outcome"),
            registry=self._registry,
        )
        self._challenger = Counter(
            "almanac_challenger_customers",
            "Customers of the challenger's share, by what it did of them.",
            ("outcome",),
            registry=self._registry,
        )

    def watch_store(self, read_waiting: Callable[[], int]) -> None:
        """Tell after every request how many messages wait to be stored."""
        self._read_waiting = read_waiting

    def state_in_flight(self, n_requests: int) -> None:
        """Say how many requests this worker is answering."""
        self._in_flight.set(n_requests)

    def count_request(
        self, route: str, method: str, status: int, seconds: float, n_bytes: int = 0
    ) -> None:
        """Count one answer."""
        known = method if method in METHODS else OTHER
        requests, durations, sizes = self._find_series(route, known, status)
        requests.inc()
        durations.observe(seconds)
        sizes.inc(n_bytes)
        if self._read_waiting is not None:
            self._waiting.set(self._read_waiting())

    def _find_series(
        self, route: str, method: str, status: int
    ) -> tuple[Counter, Histogram, Counter]:
        key = (route, method, status)
        if key not in self._known:
            # As few as there are routes, methods and statuses: raw paths never come here.
            requests = self._requests.labels(route, method, str(status))
            self._known[key] = (requests, self._seconds.labels(route), self._bytes.labels(route))
        return self._known[key]

    def count_problem(self, kind: str, status: int = 0) -> None:
        """Count one refusal, by the type of its problem, and by why if it was turned away."""
        self._problems.labels(kind).inc()
        if status in SHED:
            self._shed.labels(kind.rpartition(":")[2]).inc()

    def count_customers(self, evidence: dict[str, int]) -> None:
        """Count answered customers by evidence."""
        for label, n_customers in evidence.items():
            self._customers.labels(label).inc(n_customers)

    def count_forecasts(self, rows: int) -> None:
        """Count answered forecasts."""
        self._forecasts.inc(rows)

    def count_messages(self, outcomes: dict[str, int]) -> None:
        """Count messages taken in: accepted, duplicate, or rejected."""
        for outcome, n_messages in outcomes.items():
            self._messages.labels(outcome).inc(n_messages)

    def count_decisions(self, outcome: str, rows: int) -> None:
        """Count decisions: logged, or lost where the log takes nothing."""
        self._decisions.labels(outcome).inc(rows)

    def count_reload(self, kind: str, outcome: str) -> None:
        """Count a model that was taken over or refused."""
        self._reloads.labels(kind, outcome).inc()

    def count_challenger(self, outcome: str, n_customers: int) -> None:
        """Count customers that a challenger answered, scored, was not asked of, or failed at."""
        self._challenger.labels(outcome).inc(n_customers)

    def text(self, more: Iterable[Metric] = ()) -> bytes:
        """Return all of it, of all workers, as Prometheus text.

        Parameters
        ----------
        more : iterable of Metric
            What is measured at the time of asking, such as `serving.scrape` does.
        """
        registry = CollectorRegistry()
        registry.register(_Families(more))
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is None:
            return generate_latest(self._registry) + generate_latest(registry)
        forget_dead(Path(folder))
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class _Families(Collector):
    """Metrics that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self.families


def list_workers(folder: Path) -> set[int]:
    """Return the processes that count into a folder, living and dead."""
    ends = (path.stem.rpartition("_")[2] for path in folder.glob("*_*.db"))
    return {int(end) for end in ends if end.isdigit()}


def forget_dead(folder: Path) -> None:
    """Leave out what dead workers had in flight: a killed one cannot take it back itself."""
    for worker in list_workers(folder):
        if not psutil.pid_exists(worker):
            mark_process_dead(worker, str(folder))  # type: ignore[no-untyped-call]
