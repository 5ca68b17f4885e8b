"""Traces by OpenTelemetry, where they are configured: one span a request, and nothing personal."""

from __future__ import annotations

TRACE_ID = "almanac.trace_id"
"""Key of an ASGI scope: the trace that a request belongs to, in hex; absent without traces."""
