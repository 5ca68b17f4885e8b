"""Two registered trainings, opened and set side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from features.errors import AlmanacError, InvalidRequest, NotTrained
from features.project import Project
from training.comparison.differences import compare_importance, compare_scores, compare_settings
from training.comparison.movements import FORECASTS_FILE, compare_forecasts, compare_hours
from training.lifecycle import Tables, read_evidence
from training.tracking import CHALLENGER, CHAMPION, Version, open_tracker

ABOUT = "change_about"
"""Evidence table of one row: before, trained_at, is_same_data, note."""
_DATA = "data."


@dataclass(frozen=True)
class Training:
    """What is known of a training.

    Attributes
    ----------
    version : str
        As the registry numbers it; '' before it is registered.
    trained_at : str
        When its run started, UTC; '' likewise.
    parameters : mapping of str to str
        As logged with the run.
    tables : mapping of name to DataFrame
        Its evidence.
    bundle : Path
        Its model, a folder of files.
    """

    version: str
    trained_at: str
    parameters: Mapping[str, str]
    tables: Tables
    bundle: Path


def compare_trainings(
    project: Project, kind: str, before: Training, after: Training
) -> dict[str, pd.DataFrame]:
    """Compare two trainings of a kind.

    Returns
    -------
    dict of name to DataFrame
        `change_about`, `change_scores`, `change_features`, `change_settings` (without the data's
        fingerprints); of demand `change_levels`, `change_forecasts` and `change_paths` of what
        both forecast; of promotion `change_hours`.
    """
    settings = compare_settings(before.parameters, after.parameters)
    is_data = settings["key"].str.startswith(_DATA)
    about = {"before": before.version, "trained_at": before.trained_at,
             "is_same_data": not is_data.any(), "note": ""}  # fmt: skip
    return {
        ABOUT: pd.DataFrame([about]),
        "change_scores": compare_scores(before.tables, after.tables),
        "change_features": compare_importance(before.tables, after.tables),
        "change_settings": settings[~is_data].reset_index(drop=True),
        **_compare_answers(project, kind, before.bundle, after.bundle),
    }


def compare_versions(
    project: Project, kind: str, new: str = CHALLENGER, old: str = CHAMPION
) -> dict[str, pd.DataFrame]:
    """Compare two registered versions, each by its number or its alias; see `compare_trainings`.

    Raises
    ------
    NotTrained
        If one of them is not registered.
    InvalidRequest
        If both are the same version.
    """
    tracker = open_tracker(project)
    versions = [find_version(project, kind, name) for name in (old, new)]
    if versions[0].number == versions[1].number:
        raise InvalidRequest(
            f"{kind}: {old} and {new} are both version {versions[0].number}, so nothing differs; "
            f"name two versions, as in: almanac compare {kind} 2 1 "
            f"(almanac runs {kind} lists them, {tracker.experiment})"
        )
    with TemporaryDirectory() as folder:
        before, after = (
            open_training(project, kind, version, Path(folder) / version.number)
            for version in versions
        )
        return compare_trainings(project, kind, before, after)


def compare_with_champion(
    project: Project,
    kind: str,
    champion: Version,
    parameters: Mapping[str, object],
    tables: Tables,
    bundle: Path,
) -> dict[str, pd.DataFrame]:
    """Compare a training that is not registered yet with the present champion.

    A champion that cannot be read any more does not stop a training: the table `change_about` says
    so, and is then all there is.
    """
    logged = {key: str(value) for key, value in parameters.items()}
    after = Training("", "", logged, tables, bundle)
    try:
        with TemporaryDirectory() as folder:
            before = open_training(project, kind, champion, Path(folder) / "champion")
            return compare_trainings(project, kind, before, after)
    except (AlmanacError, MlflowException, OSError, duckdb.Error, KeyError) as error:
        note = f"version {champion.number} could not be read: {str(error).splitlines()[0]}"
        about = {"before": champion.number, "trained_at": "", "is_same_data": False, "note": note}
        return {ABOUT: pd.DataFrame([about])}


def find_version(project: Project, kind: str, name: str) -> Version:
    """Return the version that `name`, a number or an alias, stands for.

    Raises
    ------
    NotTrained
        If there is none.
    """
    tracker = open_tracker(project)
    if not name.isdigit():
        return tracker.get(kind, name)
    run = tracker.find_run(kind, name)
    if run is None:
        raise NotTrained(
            f"no version {name} of {kind} is registered; `almanac runs {kind}` lists those that are"
        )
    found = MlflowClient(tracker.uri, tracker.uri).get_model_version(tracker.model_name(kind), name)
    return Version(name, run, found.tags.get("digest", ""))


def open_training(project: Project, kind: str, version: Version, folder: Path) -> Training:
    """Read a registered training from MLflow; its files are copied below `folder`."""
    tracker = open_tracker(project)
    folder.mkdir(parents=True, exist_ok=True)
    run = MlflowClient(tracker.uri, tracker.uri).get_run(version.run_id)
    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    return Training(
        version=version.number,
        trained_at=f"{started:%Y-%m-%d %H:%M}",
        parameters=dict(run.data.params),
        tables=read_evidence(tracker.download_evidence(version, folder)),
        bundle=tracker.download_bundle(kind, version, folder / "bundle"),
    )


def _compare_answers(
    project: Project, kind: str, before: Path, after: Path
) -> dict[str, pd.DataFrame]:
    if kind == "promotion":
        return {"change_hours": compare_hours(before, after)}
    if not all((folder / FORECASTS_FILE).exists() for folder in (before, after)):
        return {}
    return compare_forecasts(project, before, after)
