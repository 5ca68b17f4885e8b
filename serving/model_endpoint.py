"""`GET /v1/models`: champions, challengers, their evidence, and what the monitor found."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio.to_thread
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from features.project import Workspace
from serving.bodies import JSON, choose_media_type
from serving.model_contract import ModelKind, Models, Monitor
from serving.model_records import Answering, describe_kind
from serving.predictor import Predictor
from serving.responses import check_no_query, respond
from serving.scrape import MonitorFile

KINDS = ("promotion", "demand")


class ModelsEndpoint:
    """Tells of models.

    Parameters
    ----------
    predictor : Predictor
        Holds what is loaded.
    workspace : Workspace or None
        Where models are published; without it only versions are known.
    mlflow_url : str
        Where MLflow is reached; '' for nowhere.
    """

    def __init__(
        self, predictor: Predictor, workspace: Workspace | None, mlflow_url: str = ""
    ) -> None:
        self.predictor, self.workspace = predictor, workspace
        self.mlflow_url = mlflow_url or None
        self._monitor = None if workspace is None else MonitorFile(workspace)

    async def models(self, request: Request) -> Response:
        """Answer what is known of every kind."""
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        answering = {kind: self._find_answering(kind) for kind in KINDS}
        content = await anyio.to_thread.run_sync(partial(self._describe, answering))
        return respond(content)

    def _find_answering(self, kind: str) -> Answering:
        champions = self.predictor.champions
        champion = champions.promotion if kind == "promotion" else champions.demand
        trial = self.predictor.holder.held.trial_state if kind == "promotion" else None
        return Answering(
            None if champion is None else champion.version,
            None if trial is None or trial.state != "loaded" else trial.model_version,
        )

    def _describe(self, answering: dict[str, Answering]) -> bytes:
        if self.workspace is None:
            kinds = [
                ModelKind(kind=kind, champion=None, challenger=None)  # type: ignore[arg-type]
                for kind in answering
            ]
        else:
            published = self.workspace.published
            kinds = [
                describe_kind(published, kind, found, self.mlflow_url)
                for kind, found in answering.items()
            ]
        found = Models(models=kinds, monitor=self._read_monitor(), mlflow_url=self.mlflow_url)
        return found.model_dump_json().encode()

    def _read_monitor(self) -> Monitor | None:
        found = None if self._monitor is None else self._monitor.read()
        return None if found is None else read_findings(found)


def read_findings(found: dict[str, Any]) -> Monitor | None:
    """Return the monitor's file as the contract says it; None where it is another."""
    names = ("kind", "subject", "model", "verdict", "reason", "n", "value", "baseline", "threshold")
    try:
        return Monitor.model_validate(
            {
                "made_at": found["made_at"],
                "verdict": found["verdict"],
                "retraining": [f"{one['model']}: {one['because']}" for one in found["retraining"]],
                "checks": [{name: check[name] for name in names} for check in found["checks"]],
            },
            strict=False,
        )
    except (KeyError, TypeError, ValidationError):
        return None
