"""Where spans go: a file of JSON lines, or a collector; only a fixed list of attributes leaves.

Imported only where traces are on, so that OpenTelemetry's SDK is not loaded for nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import format_span_id, format_trace_id

from features.errors import ProjectError
from serving.logs import FIELDS, LOGGER
from serving.settings import TracingSettings

log = logging.getLogger(LOGGER)

EXPORTED = frozenset(
    {
        *("http.route", "http.method", "http.status_code", "http.scheme", "http.flavor"),
        *("http.request.method", "http.response.status_code", "url.scheme"),
        "network.protocol.version",
    }
)
"""Attributes that leave the process; whatever else a library adds does not."""
OTLP_PACKAGE = "opentelemetry-exporter-otlp-proto-http"
_OTLP_MODULE = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


class SpanFile(SpanExporter):
    """Appends every span as one JSON line; opened for each batch, so the file may be rotated.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append spans; those that cannot be written are lost, and the log says so."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(describe_span(span))}\n" for span in spans)
        except OSError as error:
            log.warning("traces", extra={FIELDS: {"lost": len(spans), "reason": error.strerror}})
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


class Scrubbed(SpanExporter):
    """Hands spans on with nothing but the attributes that may leave the process.

    Parameters
    ----------
    exporter : SpanExporter
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans without what is not `EXPORTED`."""
        return self.exporter.export([_scrub(span) for span in spans])

    def shutdown(self) -> None:
        """Close what it hands on to."""
        self.exporter.shutdown()


def make_exporter(settings: TracingSettings, folder: Path) -> SpanExporter:
    """Return the exporter that `[serving.tracing]` names.

    Parameters
    ----------
    settings : TracingSettings
    folder : Path
        What a relative `file` is relative to.

    Raises
    ------
    ProjectError
        If its package is not installed.
    """
    if settings.exporter == "file":
        return SpanFile(folder / settings.file)
    try:
        exporter = import_module(_OTLP_MODULE).OTLPSpanExporter
    except ImportError:
        sdk = version("opentelemetry-sdk")
        raise ProjectError(
            f"[serving.tracing] exporter = 'otlp' needs the package {OTLP_PACKAGE} {sdk}, the "
            "version of opentelemetry-sdk here, which is not installed. Where pip refuses it for "
            "the opentelemetry-proto that is installed, set exporter = 'file' and let a collector "
            "read that file."
        ) from None
    return Scrubbed(exporter(endpoint=settings.endpoint))


def describe_span(span: ReadableSpan) -> dict[str, Any]:
    """Return a span as a line of the file holds it; times in nanoseconds since 1970."""
    context, parent = span.context, span.parent
    return {
        "name": span.name,
        "trace_id": format_trace_id(context.trace_id) if context else None,
        "span_id": format_span_id(context.span_id) if context else None,
        "parent_id": format_span_id(parent.span_id) if parent else None,
        "kind": span.kind.name.lower(),
        "start": span.start_time,
        "end": span.end_time,
        "status": span.status.status_code.name.lower(),
        "attributes": _select(span),
        "resource": dict(span.resource.attributes),
    }


def _scrub(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_select(span),
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
    )


def _select(span: ReadableSpan) -> dict[str, Any]:
    return {key: value for key, value in (span.attributes or {}).items() if key in EXPORTED}
