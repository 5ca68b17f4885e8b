"""What the service counts, as Prometheus text; labels are route templates, never raw paths.

Under BentoML several workers count into shared files (`PROMETHEUS_MULTIPROC_DIR`), so that
whichever worker is asked answers for all of them.
"""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

MEDIA_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"
"""The route of whatever is no address of ours, and the method of whatever is not HTTP's."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
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
        self._models = Gauge(
            "almanac_model_loaded",
            "1 for the model version that answers; 0 for a kind that does not.",
            ("kind", "version"),
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )

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

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answer."""
        known = method if method in METHODS else OTHER
        self._requests.labels(route, known, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_problem(self, kind: str) -> None:
        """Count one refusal."""
        self._problems.labels(kind).inc()

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

    def state_model(self, kind: str, version: str, *, is_loaded: bool) -> None:
        """Say which version of a kind answers."""
        self._models.labels(kind, version).set(float(is_loaded))

    def count_reload(self, kind: str, outcome: str) -> None:
        """Count a model that was taken over or refused."""
        self._reloads.labels(kind, outcome).inc()

    def count_challenger(self, outcome: str, n_customers: int) -> None:
        """Count customers that a challenger answered, scored, was not asked of, or failed at."""
        self._challenger.labels(outcome).inc(n_customers)

    def text(self) -> bytes:
        """Return all of it, of all workers, as Prometheus text."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
