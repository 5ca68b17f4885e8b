"""Following the registry: what became champion there, by whatever way, is published here.

Run by `almanac serve` where `[serving] follow_registry_seconds` says so: `python -m training.follow
PROJECT SECONDS`. Whether the registry answers is written to `published/registry.json`, which the
service tells at `/readyz`; nothing that happens here ever touches what serves but a pointer.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from features.errors import AlmanacError, ArtifactError, NotTrained
from features.project import Project, load_project
from models.artifact import load_artifact, read_pointer
from training.history import read_history
from training.publish import publish_bundle
from training.rollback import MOVED
from training.tracking import CHAMPION, Tracker, Version, open_tracker

KINDS = ("promotion", "demand")
REGISTRY_FILE = "registry.json"
"""Below `published/`."""
_ONCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
log = logging.getLogger("almanac.follow")


@dataclass(frozen=True)
class Found:
    """What the registry answered last: the file as it is written.

    Attributes
    ----------
    asked_at : str
        When it was asked last, RFC 3339.
    since : str
        Since when it answers, or does not.
    reached_at : str or None
        When it answered last.
    error : str or None
        Why it does not answer; None where it does.
    version : dict of str to str
        The champion's version by kind, as it was seen last.
    refused : dict of str to str
        By kind, why a champion of the registry was not published.
    """

    asked_at: str
    since: str
    reached_at: str | None = None
    error: str | None = None
    version: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def follow_once(project: Project, before: Found | None, now: datetime) -> Found:
    """Ask the registry once, and publish what became champion there since the last time.

    Parameters
    ----------
    project : Project
    before : Found or None
        What was found the last time, if ever.
    now : datetime
        With a zone.
    """
    from mlflow.exceptions import MlflowException

    moment = now.isoformat(timespec="seconds")
    last = before or Found(moment, moment)
    versions, refused = dict(last.version), dict(last.refused)
    try:
        tracker = open_tracker(project)
        for kind in KINDS:
            champion = tracker.find(kind, CHAMPION)
            if champion is None or versions.get(kind) == champion.number:
                continue
            refused.pop(kind, None)
            if is_to_be_published(project, kind, champion, is_first=kind not in versions):
                reason = _publish(project, tracker, kind, champion, now)
                if reason is not None:
                    refused[kind] = reason
            versions[kind] = champion.number
    except (AlmanacError, MlflowException, OSError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0][:200]
        since = last.since if last.error is not None else moment
        return replace(last, asked_at=moment, since=since, error=reason, version=versions)
    is_new = before is None or last.error is not None
    return Found(moment, moment if is_new else last.since, moment, None, versions, refused)


def is_to_be_published(project: Project, kind: str, champion: Version, *, is_first: bool) -> bool:
    """Say whether a champion that was not seen before is news.

    It is not where it is published already, nor where somebody went back from it while the registry
    could not be told: then the registry is behind, not ahead.

    Parameters
    ----------
    project : Project
    kind : str
    champion : Version
        Of the registry.
    is_first : bool
        Whether the registry is asked for the first time.
    """
    published = project.workspace.published
    try:
        if read_pointer(published, kind).version == champion.number:
            return False
    except (NotTrained, ArtifactError):
        return True
    history = read_history(published, kind)
    is_behind = bool(history) and history[-1].action == "rollback" and history[-1].registry != MOVED
    return not (is_first and is_behind)


def _publish(
    project: Project, tracker: Tracker, kind: str, champion: Version, now: datetime
) -> str | None:
    """Download, check and publish a champion; return why it was refused, or None."""
    try:
        with TemporaryDirectory() as folder:
            bundle = tracker.download_bundle(kind, champion, Path(folder) / "champion")
            if champion.digest not in ("", load_artifact(bundle, kind).digest):
                raise ArtifactError(f"{kind} {champion.number}: not the bytes that were registered")
            publish_bundle(
                project.workspace.published,
                kind,
                bundle,
                version=champion.number,
                run_id=champion.run_id,
                action="follow",
                reason="it became champion in the registry",
                now=now,
            )
    except ArtifactError as error:
        log.warning("%s %s was refused: %s", kind, champion.number, error)
        return str(error)
    log.info("%s %s is published", kind, champion.number)
    return None


def write_found(published: Path, found: Found) -> None:
    """Write what was found, by one rename."""
    published.mkdir(parents=True, exist_ok=True)
    partial = published / f".{REGISTRY_FILE}.{os.getpid()}.partial"
    partial.write_text(json.dumps(asdict(found), indent=2, sort_keys=True), encoding="utf-8")
    partial.replace(published / REGISTRY_FILE)


def read_found(published: Path) -> Found | None:
    """Return what was found the last time; None where that cannot be read."""
    try:
        return Found(**json.loads((published / REGISTRY_FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def follow(project: Project, seconds: float) -> None:
    """Ask until the process that started this one is gone."""
    parent, published = os.getppid(), project.workspace.published
    found = read_found(published)
    while os.getppid() == parent:
        found = follow_once(project, found, datetime.now(UTC))
        write_found(published, found)
        next_at = time.monotonic() + seconds
        while time.monotonic() < next_at and os.getppid() == parent:
            time.sleep(min(1.0, seconds))


def main() -> None:
    """Follow as the command line says."""
    os.environ.update({name: value for name, value in _ONCE.items() if name not in os.environ})
    line = '{"level":"%(levelname)s","logger":"%(name)s","message":"%(message)s"}'
    logging.basicConfig(level=logging.WARNING, format=line, stream=sys.stderr)
    log.setLevel(logging.INFO)
    follow(load_project(Path(sys.argv[1])), float(sys.argv[2]))


if __name__ == "__main__":
    main()
