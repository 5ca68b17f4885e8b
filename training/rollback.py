"""Going back to a version that was published before: checked, pointed at, and noted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from features.errors import AlmanacError, ArtifactError
from features.progress import Progress
from features.project import Project
from models.artifact import load_artifact, read_pointer, write_pointer
from models.golden.check import check_golden
from training.history import Entry, append_history, find_target, read_history
from training.tracking import CHAMPION, open_tracker

_QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
MOVED = "moved"


def roll_back(
    project: Project,
    kind: str,
    progress: Progress,
    *,
    now: datetime,
    version: str | None = None,
    reason: str = "",
) -> Entry:
    """Point at an earlier version again; running services take it over within a second or two.

    Parameters
    ----------
    project : Project
    kind : str
        'demand' or 'promotion'.
    progress : Progress
    now : datetime
        With a zone.
    version : str, optional
        Which one; else the one published before the current one.
    reason : str
        Why; kept in the history.

    Returns
    -------
    Entry
        What was gone back to.

    Raises
    ------
    NotTrained
        If nothing is published, or there is no such version.
    ArtifactError
        If its bytes are not those published, or it answers otherwise than when it was trained;
        then what serves goes on.
    """
    published = project.workspace.published
    current = read_pointer(published, kind)
    target = find_target(read_history(published, kind), current.version, version)
    artifact = load_artifact(published / kind / target.directory, kind)
    if artifact.digest != target.digest:
        raise ArtifactError(
            f"{artifact.directory}: not the version that was published; go back to another one"
        )
    is_proven = check_golden(kind, artifact.files)
    write_pointer(published, kind, target.pointer)
    progress.say(
        f"{kind}: version {target.version} is published again in place of {current.version}; "
        f"{'its golden rows hold' if is_proven else 'it has no golden rows, so it is unproven'}"
    )
    registry = move_alias(project, kind, target.version)
    append_history(
        published, kind, target.pointer, "rollback", now, reason=reason, registry=registry
    )
    progress.say(
        "the registry's champion moved there too"
        if registry == MOVED
        else f"the registry was not told: {registry}. What serves is right; move the alias "
        f"'{CHAMPION}' to version {target.version} there when it answers"
    )
    return target


def move_alias(project: Project, kind: str, version: str) -> str:
    """Move the registry's champion; return `MOVED`, or why it was not."""
    from mlflow.exceptions import MlflowException

    with give_up_soon():
        try:
            open_tracker(project).set_alias(kind, CHAMPION, version)
        except (AlmanacError, MlflowException, OSError) as error:
            return (str(error).splitlines() or [repr(error)])[0][:200]
    return MOVED


@contextmanager
def give_up_soon() -> Iterator[None]:
    """Ask the registry once and briefly: whoever rolls back has no minutes to wait for it."""
    before = {name: os.environ.get(name) for name in _QUICK}
    os.environ.update(_QUICK)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
