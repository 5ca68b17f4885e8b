"""`GET /v1/insight/omnichannel`: what `almanac report omnichannel` found last."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
import msgspec
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from features.project import Workspace
from serving.bodies import JSON, choose_media_type
from serving.insight_contract import OmnichannelNumbers
from serving.problems import Kind, Problem
from serving.responses import check_no_query, respond

_MAKE = "Run `almanac report omnichannel --out FOLDER`."


class InsightEndpoint:
    """Answers from the file that the report left; read again when there is another.

    Parameters
    ----------
    workspace : Workspace or None
        None where the service knows none; then nothing was made.
    """

    def __init__(self, workspace: Workspace | None) -> None:
        self.path = None if workspace is None else workspace.omnichannel
        self._kept: tuple[int, int] | None = None
        self._answer = b""

    async def omnichannel(self, request: Request) -> Response:
        """Answer what was found, and when."""
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        return respond(await anyio.to_thread.run_sync(self._read))

    def _read(self) -> bytes:
        try:
            if self.path is None:
                raise FileNotFoundError
            status = self.path.stat()
            if (status.st_mtime_ns, status.st_size) != self._kept:
                self._answer = _tell(self.path, status.st_mtime)
                self._kept = (status.st_mtime_ns, status.st_size)
        except OSError:
            detail = f"Channels were not looked at yet. {_MAKE}"
            raise Problem(Kind.NOT_REPORTED, detail) from None
        return self._answer


def _tell(path: Path, modified: float) -> bytes:
    """Return the answer; the file is checked, as an older version may have written it."""
    content = path.read_bytes()
    try:
        OmnichannelNumbers.model_validate_json(content)
    except ValidationError:
        detail = f"What was found of channels was written by another version. {_MAKE}"
        raise Problem(Kind.NOT_REPORTED, detail) from None
    made_at = datetime.fromtimestamp(modified, UTC).replace(microsecond=0)
    return msgspec.json.encode({"made_at": made_at, **msgspec.json.decode(content)})
