"""A look at MLflow that writes nothing: whether it answers, and who is champion there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mlflow
from mlflow.exceptions import MlflowException

from features.errors import ProjectError
from features.project import Project
from training.config import TrackingSettings
from training.rollback import give_up_soon
from training.tracking import CHAMPION, Version, local_uri, open_tracker


@dataclass(frozen=True)
class RegistryLook:
    """What was found.

    Attributes
    ----------
    uri : str
    is_begun : bool
        Whether anything of this project was ever recorded there.
    champions : mapping of kind to Version
    """

    uri: str
    is_begun: bool
    champions: Mapping[str, Version] = field(default_factory=dict)


def look_at_registry(project: Project, kinds: Sequence[str]) -> RegistryLook:
    """Ask MLflow once and briefly for the champions of `kinds`.

    Raises
    ------
    ProjectError
        If it does not answer, or its database is of another version of MLflow.
    """
    settings = project.section("tracking", TrackingSettings)
    uri = settings.uri or local_uri(project)
    if not settings.uri and not (project.workspace.tracking / "mlflow.db").exists():
        return RegistryLook(uri, is_begun=False)  # MLflow would make the file
    with give_up_soon():
        try:
            client = mlflow.MlflowClient(uri, uri)
            name = settings.experiment or project.settings.name
            if client.get_experiment_by_name(name) is None:
                return RegistryLook(uri, is_begun=False)
            tracker = open_tracker(project)
            found = {kind: tracker.find(kind, CHAMPION) for kind in kinds}
        except (MlflowException, OSError) as error:
            reason = str(error).splitlines()[0][:300]
            raise ProjectError(f"{uri}: MLflow does not answer: {reason}") from None
    champions = {kind: version for kind, version in found.items() if version is not None}
    return RegistryLook(uri, is_begun=True, champions=champions)
