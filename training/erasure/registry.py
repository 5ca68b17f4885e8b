"""The record in MLflow of which model versions learned from people who were erased since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlflow
from mlflow.entities.model_registry import ModelVersion

from features.project import Project
from training.config import TrackingSettings
from training.erasure.bundles import Bundle
from training.tracking import Tracker, open_tracker

ERASED_TAG, ERASED_AT_TAG, DIGEST_TAG = "almanac.erased", "almanac.erased_at", "digest"


@dataclass(frozen=True)
class AffectedModel:
    """A version of a model that learned from somebody who was erased.

    Attributes
    ----------
    kind, version : str
        Such as 'promotion' and '3'.
    digest_before, digest_after : str
        Of its folder with the customers and without them.
    """

    kind: str
    version: str
    digest_before: str
    digest_after: str

    @property
    def words(self) -> str:
        """What is left to do, as a sentence."""
        return (
            f"{self.kind} {self.version}: learned from erased customers, and cannot unlearn them "
            f"without retraining; retrain with `almanac train {self.kind}`, then "
            f"`almanac promote {self.kind}`"
        )


def is_server_used(project: Project) -> bool:
    """Tell whether runs are kept by an MLflow server, not below the workspace."""
    return bool(project.section("tracking", TrackingSettings).uri)


def tag_versions(project: Project, bundles: Sequence[Bundle]) -> tuple[AffectedModel, ...]:
    """Tell MLflow which registered versions were rewritten and are not tagged so yet.

    The digest, by which versions are compared, is written last: what is cut short is done again.

    Parameters
    ----------
    project : Project
    bundles : sequence of Bundle
        All model folders below the workspace, as they are now.

    Returns
    -------
    tuple of AffectedModel
        The versions tagged now; none where no copy lies below the workspace.

    Raises
    ------
    ProjectError
        If an MLflow server is named and does not answer; call again when it does.
    """
    by_model = {
        description.parents[1].name: bundle
        for bundle in bundles
        if bundle.erasures and (description := bundle.mlflow_model) is not None
    }
    is_kept = is_server_used(project) or (project.workspace.tracking / "mlflow.db").exists()
    if not by_model or not is_kept:
        return ()
    tracker = open_tracker(project)
    client = mlflow.MlflowClient(tracker.uri, tracker.uri)
    tagged = []
    for version in _list_versions(client, tracker, sorted({b.kind for b in by_model.values()})):
        bundle = by_model.get(str(version.source).rpartition("/")[2])
        before = version.tags.get(DIGEST_TAG, "")
        if bundle is not None and before != bundle.digest:
            _tag(client, version, bundle)
            tagged.append(AffectedModel(bundle.kind, str(version.version), before, bundle.digest))
    return tuple(tagged)


def _list_versions(
    client: mlflow.MlflowClient, tracker: Tracker, kinds: Sequence[str]
) -> list[ModelVersion]:
    versions: list[ModelVersion] = []
    for kind in kinds:
        token = None
        while True:
            page = client.search_model_versions(
                f"name = '{tracker.model_name(kind)}'", page_token=token
            )
            versions += page
            token = page.token
            if not token:
                break
    return sorted(versions, key=lambda version: (version.name, int(version.version)))


def _tag(client: mlflow.MlflowClient, version: ModelVersion, bundle: Bundle) -> None:
    tags = {
        ERASED_TAG: str(sum(int(erasure["customers"]) for erasure in bundle.erasures)),
        ERASED_AT_TAG: str(bundle.erasures[-1]["at"]),
        DIGEST_TAG: bundle.digest,
    }
    for key, value in tags.items():
        client.set_tag(version.run_id, key, value)
        client.set_model_version_tag(version.name, str(version.version), key, value)
