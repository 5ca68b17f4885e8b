"""Letting the challenger answer, or score unseen, beside the champion."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from features.errors import InvalidRequest
from features.progress import Progress
from features.project import Project
from models.golden.document import GOLDEN_FILE
from training.publish import publish_challenger, withdraw_challenger
from training.tracking import CHALLENGER, open_tracker


def challenge(project: Project, kind: str, progress: Progress) -> None:
    """Publish the registry's challenger beside the champion; services take it over by themselves.

    A challenger of demand is judged offline: nobody answers to a forecast by opening or buying, so
    what tells two forecasts apart is what then arrives, which the backtest holds already.

    Raises
    ------
    InvalidRequest
        If it is of demand.
    NotTrained
        If there is no challenger.
    ArtifactError
        If its bundle is damaged or answers otherwise than when it was trained.
    """
    _check_kind(kind)
    tracker = open_tracker(project)
    version = tracker.get(kind, CHALLENGER)
    with TemporaryDirectory() as folder:
        bundle = tracker.download_bundle(kind, version, Path(folder) / "challenger")
        published = project.workspace.published
        copy = publish_challenger(
            published, kind, bundle, version=version.number, run_id=version.run_id
        )
    proof = "its golden rows hold" if GOLDEN_FILE in copy.files else "it has no golden rows"
    progress.say(
        f"{kind}: version {version.number} is published as challenger; {proof}. "
        "Services try it as [challenger] says"
    )


def stop_challenge(project: Project, kind: str, progress: Progress) -> None:
    """Take the challenger back; the champion answers everybody within a second or two."""
    _check_kind(kind)
    was_there = withdraw_challenger(project.workspace.published, kind)
    progress.say(f"{kind}: {'no challenger is tried any more' if was_there else 'none was tried'}")


def _check_kind(kind: str) -> None:
    if kind != "promotion":
        raise InvalidRequest(
            f"{kind}: expected promotion; a challenger of {kind} is judged offline, by its "
            f"backtest: almanac promote {kind}"
        )
