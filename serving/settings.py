"""`[serving]`: how the service listens, and what it refuses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal

from pydantic import Field

from features.errors import ProjectError
from features.project import Project, Settings


class TlsSettings(Settings):
    """`[serving.tls]`: PEM files, relative to the project file."""

    certificate: Path
    """Followed by those that lead to a root, if there are any."""
    key: Path


class TracingSettings(Settings):
    """`[serving.tracing]`: where spans of requests go; without them nothing is traced."""

    exporter: Literal["off", "file", "otlp"] = "off"
    """`otlp` needs the package opentelemetry-exporter-otlp-proto-http."""
    file: Path = Path("traces.jsonl")
    """One JSON line a span; beside the project file where it is relative."""
    endpoint: str = Field(default="http://127.0.0.1:4318/v1/traces", pattern=r"^https?://")
    """Of a collector that takes OTLP over HTTP."""
    sample_rate: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of requests that are traced; a caller's own decision goes before it."""


class ServingSettings(Settings):
    """What an operator may set; every default is safe on a laptop."""

    host: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    """The address to listen on; the default is reachable from this machine only."""
    port: int = Field(default=3000, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=256)
    """Processes; each holds its own copy of the models."""
    timeout_seconds: float = Field(default=5.0, gt=0.0, le=60.0)
    """After this long a request is answered with 504."""
    max_concurrency: int = Field(default=64, ge=1)
    """Requests that one worker answers at a time; more are answered with 429."""
    max_body_bytes: int = Field(default=2 * 1024 * 1024, ge=1024)
    max_customers: int = Field(default=10_000, ge=1, le=10_000)
    """Customers in one request for send times."""
    inline_customers: int = Field(default=64, ge=0)
    """Up to this many are scored on the event loop; more in a thread, so that others are served."""
    drain_notice_seconds: float = Field(default=2.0, ge=0.0, le=600.0)
    """How long, after SIGTERM, `/readyz` says 503 while requests are still answered: longer than
    a balancer takes to notice. Ctrl+C does not wait."""
    idempotency_hours: float = Field(default=24.0, ge=24.0, le=24.0 * 30)
    """How long the answer to a write with an `Idempotency-Key` is kept."""
    drain_seconds: int = Field(default=10, ge=1)
    """How long a stopping worker may then finish what it has begun."""
    is_request_logged: bool = True
    required: tuple[Literal["promotion", "demand"], ...] = ()
    """Kinds that must be loaded for `/readyz` to say yes; empty means those that are published."""
    tls: TlsSettings | None = None
    """With it the service speaks https only."""
    follow_registry_seconds: float = Field(default=0.0, ge=0.0, le=86_400.0)
    """How often the MLflow registry is asked whether another version is champion; 0 = never."""
    tracing: TracingSettings = TracingSettings()
    mlflow_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Where people reach MLflow; the page of models links there."""


def read_settings(project: Project) -> ServingSettings:
    """Return `[serving]` of a project; the files of `[serving.tls]` as absolute paths.

    Raises
    ------
    ProjectError
        If a key is wrong, or a file is not there.
    """
    settings = project.section("serving", ServingSettings)
    if settings.tls is None:
        return settings
    paths = {}
    for name in ("certificate", "key"):
        path = project.resolve(str(getattr(settings.tls, name)))
        if not path.is_file():
            raise ProjectError(f"{project.path}: [serving.tls] {name}: there is no file {path}")
        paths[name] = path
    return settings.model_copy(update={"tls": TlsSettings(**paths)})
