"""Logs as one JSON object a line: what happened, never to whom."""

from __future__ import annotations

import logging
import logging.config
import traceback
from datetime import UTC, datetime
from typing import Any

import msgspec

LOGGER = "almanac.serving"
FIELDS = "fields"
"""Attribute of a log record that holds further members of the line."""
TRACE_ID = "almanac.trace_id"
"""Key of an ASGI scope: the trace that a request belongs to, in hex; absent without traces."""


class JsonLines(logging.Formatter):
    """One JSON object a line.

    Of an exception its type and the places in the code are written, not its message: messages of
    libraries quote rows.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = type(error).__qualname__
            line["at"] = [
                f"{frame.name}:{frame.lineno}"
                for frame in traceback.extract_tb(error.__traceback__)
            ]
        return msgspec.json.encode(line).decode()


def configure_logs() -> None:
    """Write everything in this process, BentoML's and uvicorn's lines too, as JSON lines."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonLines}},
            "handlers": {
                "lines": {
                    "class": "logging.StreamHandler",
                    "formatter": "json",
                    "stream": "ext://sys.stderr",
                }
            },
            "root": {"handlers": ["lines"], "level": "WARNING"},
            "loggers": {
                LOGGER: {"level": "INFO"},
                "bentoml": {"handlers": [], "level": "WARNING", "propagate": True},
                "uvicorn.error": {"handlers": [], "level": "WARNING", "propagate": True},
                "circus": {"handlers": [], "level": "WARNING", "propagate": True},
            },
        }
    )
