"""Handing a model to serving: an immutable folder, checked, then an atomic pointer."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from features.errors import ArtifactError, NotTrained
from models.artifact import (
    CHALLENGER_POINTER,
    POINTER,
    Artifact,
    Pointer,
    load_artifact,
    read_pointer,
    write_pointer,
)
from models.demand.forecast_series import FORECASTS_FILE
from models.demand.forecast_store import store_records
from models.demand.series_history import HISTORY_FILE
from models.golden.check import check_golden
from training.history import Action, append_history, begin_history

_ON_DISK = (FORECASTS_FILE, HISTORY_FILE)


def publish_bundle(
    published: Path,
    kind: str,
    bundle: Path,
    *,
    version: str,
    run_id: str,
    action: Action = "publish",
    reason: str = "",
    now: datetime | None = None,
) -> Artifact:
    """Copy `bundle` below `published`, check every byte of the copy, then point at it.

    Parameters
    ----------
    published : Path
        `Workspace.published`.
    kind : str
        'demand' or 'promotion'.
    bundle : Path
        Folder written by `models.artifact.write_artifact`.
    version, run_id : str
        What the registry calls this model, and the run that made it.
    action, reason : str
        What the history says of it.
    now : datetime, optional
        With a zone; else the clock's.

    Returns
    -------
    Artifact
        The published copy, loaded.

    Raises
    ------
    ArtifactError
        If the bundle is damaged, or answers otherwise than when it was trained; what was published
        before stays published.
    """
    copy = _copy(published, kind, bundle, version)
    pointer = Pointer(version, copy.directory.name, copy.digest, run_id)
    at = now or datetime.now(UTC)
    begin_history(published, kind, at)
    if _find(published, kind) != pointer:
        write_pointer(published, kind, pointer)
        append_history(published, kind, pointer, action, at, reason=reason)
    challenger = _find(published, kind, CHALLENGER_POINTER)
    if challenger is not None and challenger.version == version:
        withdraw_challenger(published, kind)  # it is champion now
    return copy


def publish_challenger(
    published: Path, kind: str, bundle: Path, *, version: str, run_id: str
) -> Artifact:
    """Publish a bundle beside the champion, to be tried as `[challenger]` says; see above."""
    copy = _copy(published, kind, bundle, version)
    pointer = Pointer(version, copy.directory.name, copy.digest, run_id)
    write_pointer(published, kind, pointer, CHALLENGER_POINTER)
    return copy


def withdraw_challenger(published: Path, kind: str) -> bool:
    """Point at no challenger any more; False where there was none."""
    path = published / kind / CHALLENGER_POINTER
    is_there = path.exists()
    path.unlink(missing_ok=True)
    return is_there


def _copy(published: Path, kind: str, bundle: Path, version: str) -> Artifact:
    source = load_artifact(bundle, kind, on_disk=_ON_DISK)
    check_golden(kind, source.files, source.large)
    directory = f"v{version}-{source.digest[:8]}"
    target = published / kind / directory
    aside = target.with_name(f".{directory}.{os.getpid()}.damaged")
    if target.exists() and not _is_whole(target, kind):
        target.rename(aside)  # a service that has it open keeps its files until it lets go
    if not target.exists():
        partial = target.with_name(f".{directory}.{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(bundle, partial)
        try:
            partial.rename(target)
        except OSError:
            if not target.exists():
                raise
            shutil.rmtree(partial)  # somebody else published the same meanwhile
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    copy = load_artifact(target, kind, on_disk=_ON_DISK)
    for name, large in copy.large.items():
        if name == FORECASTS_FILE:
            store_records(large)  # checks it
        else:
            large.check()
    return copy


def _is_whole(target: Path, kind: str) -> bool:
    """Say whether every byte of a published folder is still what was published."""
    try:
        for large in load_artifact(target, kind, on_disk=_ON_DISK).large.values():
            large.check()
    except ArtifactError:
        return False
    return True


def _find(published: Path, kind: str, name: str = POINTER) -> Pointer | None:
    try:
        return read_pointer(published, kind, name)
    except (NotTrained, ArtifactError):
        return None
