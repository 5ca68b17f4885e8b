"""Handing a champion to serving: an immutable folder, checked, then an atomic pointer."""

from __future__ import annotations

import shutil
from pathlib import Path

from models.artifact import Artifact, Pointer, load_artifact, write_pointer
from models.demand.forecast_series import FORECASTS_FILE
from models.demand.forecast_store import store_records


def publish_bundle(
    published: Path, kind: str, bundle: Path, *, version: str, run_id: str
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

    Returns
    -------
    Artifact
        The published copy, loaded.

    Raises
    ------
    ArtifactError
        If the bundle is damaged; what was published before stays published.
    """
    source = load_artifact(bundle, kind, on_disk=(FORECASTS_FILE,))
    directory = f"v{version}-{source.digest[:8]}"
    target = published / kind / directory
    if not target.exists():
        partial = target.with_name(f".{directory}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(bundle, partial)
        partial.rename(target)
    copy = load_artifact(target, kind, on_disk=(FORECASTS_FILE,))
    for forecasts in copy.large.values():
        store_records(forecasts)
    write_pointer(published, kind, Pointer(version, directory, copy.digest, run_id))
    return copy
