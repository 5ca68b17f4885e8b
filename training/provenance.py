"""Where the last training of a kind is recorded: version, run, settings, data, verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow import MlflowClient, artifacts

from features.errors import NotTrained
from features.project import Project
from models.artifact import read_pointer
from training.config import TrackingSettings
from training.gates import Check, Verdict
from training.tracking import CHALLENGER, open_tracker

_VERDICTS = "verdicts"


@dataclass(frozen=True)
class Provenance:
    """What is recorded of a training.

    Attributes
    ----------
    version, run_id, digest : str
        The registered version, the run that made it, and the digest of its bundle.
    trained_at : datetime
        When the run started, UTC.
    parameters : mapping of str to str
        As logged: `settings.…`, `project.…`, `data.…` (fingerprints) and `code_version`.
    outcome : str
        'passed', 'refused' or 'forced'; '' when nobody asked to promote it yet.
    forced_because : str
        The reason given when it was forced.
    verdict : Verdict or None
        The last one logged.
    published : str
        The version that is published now; '' for none.
    """

    version: str
    run_id: str
    digest: str
    trained_at: datetime
    parameters: Mapping[str, str]
    outcome: str
    forced_because: str
    verdict: Verdict | None
    published: str


def read_provenance(project: Project, kind: str) -> Provenance | None:
    """Read what is recorded of the last training of `kind`; None when nothing is.

    Raises
    ------
    ProjectError
        If the tracking server that the project file names does not answer.
    """
    is_local = not project.section("tracking", TrackingSettings).uri
    if is_local and not (project.workspace.tracking / "mlflow.db").exists():
        return None
    tracker = open_tracker(project)
    version = tracker.find(kind, CHALLENGER)
    if version is None:
        return None
    client = MlflowClient(tracker.uri, tracker.uri)
    run = client.get_run(version.run_id)
    tags = run.data.tags
    return Provenance(
        version=version.number,
        run_id=version.run_id,
        digest=version.digest,
        trained_at=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        parameters=dict(run.data.params),
        outcome=tags.get("verdict", ""),
        forced_because=tags.get("verdict.forced_because", ""),
        verdict=_read_verdict(client, version.run_id),
        published=_read_published(project, kind),
    )


def _read_verdict(client: MlflowClient, run_id: str) -> Verdict | None:
    """Return the last verdict of a run; their names are moments, so they sort by time."""
    names = sorted(file.path for file in client.list_artifacts(run_id, _VERDICTS))
    if not names:
        return None
    logged = json.loads(artifacts.load_text(f"runs:/{run_id}/{names[-1]}"))
    return Verdict(tuple(Check(**check) for check in logged["checks"]))


def _read_published(project: Project, kind: str) -> str:
    try:
        return read_pointer(project.workspace.published, kind).version
    except NotTrained:
        return ""
