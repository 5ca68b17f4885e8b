"""What the rows of the benchmark share: the workspace, how long to measure, what was measured."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.serving_load import Request, run_closed_loop
from benchmarks.serving_model import (
    CUSTOMERS,
    DAYS,
    REGIONS,
    customer_name,
    product_name,
    publish_forecasts,
    publish_send_times,
    region_name,
)
from benchmarks.serving_servers import Egress, Server, start_almanac
from models.artifact import MANIFEST, Pointer, write_pointer

SEND_TIMES = "/v1/send-times"
VERSIONS = ("one", "two")


@dataclass
class Bench:
    """One run.

    Attributes
    ----------
    folder : Path
        Of the project files; its workspace holds two made-up send-time models, and forecasts.
    rows : int
        Of the forecasts.
    seconds : int
        How long a rate is measured.
    minutes, soak_minutes : float
        Of the long loads.
    is_quick : bool
        Whether everything is cut short, to see that it runs; its figures mean little.
    """

    folder: Path
    rows: int
    seconds: int
    minutes: float
    soak_minutes: float
    is_quick: bool
    port: int = 3950
    egress: Egress = field(default_factory=Egress)
    cold_starts: list[float] = field(default_factory=list)

    @property
    def published(self) -> Path:
        """What is served."""
        return self.folder / ".almanac" / "published"

    def prepare(self) -> None:
        """Make the models that are not there yet."""
        customers, trees = (2_000, 30) if self.is_quick else (CUSTOMERS, 300)
        for seed, version in enumerate(VERSIONS):
            if not (self.published / "promotion" / version).exists():
                publish_send_times(
                    self.published, version, customers=customers, trees=trees, seed=seed
                )
        self.point_at(VERSIONS[0])
        if not (self.published / "demand" / "current.json").exists():
            publish_forecasts(self.published, self.rows)

    def point_at(self, version: str) -> None:
        """Publish one of the send-time models."""
        folder = self.published / "promotion" / version
        write_pointer(self.published, "promotion", point_to(folder, version))

    def start(self, port: int | None = None, log: Path | None = None) -> Server:
        """Start the product, watched for egress."""
        server = self.egress.watch(start_almanac(self.folder, port or self.port, log))
        self.cold_starts.append(server.seconds_to_ready)
        return server

    @cached_property
    def n_customers(self) -> int:
        """Customers that the models know."""
        return 2_000 if self.is_quick else CUSTOMERS

    @cached_property
    def capacity(self) -> float:
        """Single send times a second that one worker answers, 16 connections in a closed loop."""
        server = self.start()
        try:
            load = self.single_requests()
            run_closed_loop(self.port, load, connections=16, seconds=2)
            found = run_closed_loop(self.port, load, connections=16, seconds=self.seconds)
        finally:
            server.end()
        return found["rps"]

    def single_requests(self, n: int = 1000) -> list[Request]:
        """Return requests for the send times of one customer each."""
        rng = random.Random(1)
        return [self.send_times([rng.randrange(self.n_customers)]) for _ in range(n)]

    def batch_request(self, size: int) -> Request:
        """Return a request for the send times of many; some are not known in a quick run."""
        return self.send_times(range(size))

    def send_times(self, customers: Sequence[int]) -> Request:
        """Return a request for the send times of customers by number."""
        names = [customer_name(at) for at in customers]
        return Request(SEND_TIMES, json.dumps({"customers": names, "channels": ["email"]}))

    def forecast_requests(self, n: int = 5000) -> list[Request]:
        """Return look-ups of a random series each, all its days."""
        rng = random.Random(2)
        products = max(1, self.rows // (REGIONS * DAYS))
        return [
            Request(
                f"/v1/forecasts?region={region_name(rng.randrange(REGIONS))}"
                f"&product={product_name(rng.randrange(products))}"
            )
            for _ in range(n)
        ]


def point_to(folder: Path, version: str) -> Pointer:
    """Return the pointer to a published folder as it is on disk."""
    digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    return Pointer(version, folder.name, digest, "made up")


def row(name: str, bar: str, found: str, *, is_met: bool, how: str) -> dict[str, Any]:
    """Return one row of the results."""
    return {"name": name, "bar": bar, "found": found, "is_met": bool(is_met), "how": how}
