"""MLflow: a parent run a training, a child run a fold, one registered model a kind.

The registry holds data only: each version is an MLflow model made from code, whose one artifact is
the folder that `models.artifact` wrote. It loads with pickle refused.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from features.errors import NotTrained, ProjectError
from features.project import Project
from training.config import TrackingSettings

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

CHAMPION = "champion"
CHALLENGER = "challenger"
BUNDLE = "bundle"
PAGE_ADDRESS = "http://127.0.0.1:5000"
_LOADER = Path(__file__).with_name("registered_model.py")
_MAX_PARAM = 6000


@dataclass(frozen=True)
class FoldRecord:
    """What one fold measured: becomes one child run."""

    name: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class TrainingRecord:
    """What one training is remembered by: becomes one parent run and one registered version."""

    kind: str
    parameters: Mapping[str, object]
    metrics: Mapping[str, float]
    folds: Sequence[FoldRecord]
    bundle: Path
    evidence: Path
    """Folder of tables and plots; logged below `evidence/`."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Version:
    """One registered version: its number, the run that made it, and the digest of its bundle."""

    number: str
    run_id: str
    digest: str


class Tracker:
    """Records trainings and moves aliases in one MLflow server or database.

    Parameters
    ----------
    uri : str
        MLflow tracking and registry address.
    experiment : str
        Name of the experiment and stem of the registered models.
    artifacts : Path or None
        Where a new experiment keeps its artifacts; None leaves it to the server.
    """

    def __init__(self, uri: str, experiment: str, artifacts: Path | None) -> None:
        for name in ("alembic", "mlflow"):
            logging.getLogger(name).setLevel(logging.ERROR)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        self.uri = uri
        self.experiment = experiment
        self._client = mlflow.MlflowClient(uri, uri)
        self._experiment_id = self._find_experiment(artifacts)

    def _find_experiment(self, artifacts: Path | None) -> str:
        try:
            found = self._client.get_experiment_by_name(self.experiment)
            if found is not None:
                return str(found.experiment_id)
            location = None if artifacts is None else artifacts.as_uri()
            return str(self._client.create_experiment(self.experiment, location))
        except (MlflowException, OSError) as error:
            reason = str(error).splitlines()[0][:200]
            raise ProjectError(
                f"[tracking] uri: MLflow does not answer: {reason}. "
                "Start the server, or leave uri empty to use SQLite in the workspace."
            ) from None

    def model_name(self, kind: str) -> str:
        """Return the name under which models of `kind` are registered."""
        return f"{self.experiment}-{kind}"

    def log_training(self, record: TrainingRecord, digest: str) -> Version:
        """Record a training, register its model and make it the challenger."""
        run = self._client.create_run(
            self._experiment_id,
            run_name=f"train {record.kind}",
            tags={**record.tags, "kind": record.kind, "digest": digest},
        ).info.run_id
        try:
            self._log_values(run, record.parameters, record.metrics)
            for fold in record.folds:
                self._log_fold(run, record.kind, fold)
            self._client.log_artifacts(run, str(record.evidence), "evidence")
            number = self._register(run, record, digest)
        except BaseException:
            self._client.set_terminated(run, "FAILED")
            raise
        self._client.set_terminated(run)
        self.set_alias(record.kind, CHALLENGER, number)
        return Version(number, run, digest)

    def _log_fold(self, parent: str, kind: str, fold: FoldRecord) -> None:
        tags = {"mlflow.parentRunId": parent, "kind": kind}
        child = self._client.create_run(self._experiment_id, run_name=fold.name, tags=tags)
        self._log_values(child.info.run_id, fold.parameters, fold.metrics)
        self._client.set_terminated(child.info.run_id)

    def _log_values(
        self, run: str, parameters: Mapping[str, object], metrics: Mapping[str, float]
    ) -> None:
        now = int(time.time() * 1000)
        self._client.log_batch(
            run,
            metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)[:_MAX_PARAM]) for key, value in parameters.items()],
        )

    def _register(self, run: str, record: TrainingRecord, digest: str) -> str:
        name = self.model_name(record.kind)
        with mlflow.start_run(run_id=run), warnings.catch_warnings():
            # MLflow wants row schemas in type hints; the bundle's manifest is the contract here.
            warnings.filterwarnings("ignore", message=".*type hint", category=UserWarning)
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(_LOADER),
                artifacts={BUNDLE: str(record.bundle)},
                pip_requirements=["almanac"],
            )
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self._client.create_model_version(
            name, info.model_uri, run, tags={"digest": digest}, model_id=info.model_id
        )
        return str(version.version)

    def set_alias(self, kind: str, alias: str, number: str) -> None:
        """Point `alias` at a version."""
        self._client.set_registered_model_alias(self.model_name(kind), alias, number)

    def find(self, kind: str, alias: str) -> Version | None:
        """Return the version behind `alias`, or None when there is none."""
        try:
            version = self._client.get_model_version_by_alias(self.model_name(kind), alias)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return Version(str(version.version), version.run_id, version.tags.get("digest", ""))

    def get(self, kind: str, alias: str) -> Version:
        """Return the version behind `alias`.

        Raises
        ------
        NotTrained
            If there is none.
        """
        version = self.find(kind, alias)
        if version is None:
            raise NotTrained(f"no {kind} {alias} is registered; run `almanac train {kind}`")
        return version

    def find_run(self, kind: str, number: str) -> str | None:
        """Return the run that made a version of this number, or None when there is none."""
        try:
            found = self._client.get_model_version(self.model_name(kind), number)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return str(found.run_id) if found.run_id else None

    def download_bundle(self, kind: str, version: Version, target: Path) -> Path:
        """Copy a version's bundle to `target` and return it."""
        uri = f"models:/{self.model_name(kind)}/{version.number}"
        with TemporaryDirectory() as folder:
            model = Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
            shutil.copytree(next((model / "artifacts").iterdir()), target)
        return target

    def download_evidence(self, version: Version, target: Path) -> Path:
        """Copy the tables and plots of a version's run to `target` and return their folder."""
        self._client.download_artifacts(version.run_id, "evidence", str(target))
        return target / "evidence"

    def log_verdict(self, version: Version, tags: Mapping[str, str], evidence: str) -> None:
        """Write a promotion's outcome and its evidence to the run that made the version."""
        for key, value in tags.items():
            self._client.set_tag(version.run_id, key, value[:_MAX_PARAM])
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._client.log_text(version.run_id, evidence, f"verdicts/{stamp}.json")


def open_tracker(project: Project) -> Tracker:
    """Open the tracker that the project file names, else SQLite in the workspace."""
    settings = project.section("tracking", TrackingSettings)
    experiment = settings.experiment or project.settings.name
    if settings.uri:
        return Tracker(settings.uri, experiment, artifacts=None)
    folder = project.workspace.tracking
    folder.mkdir(parents=True, exist_ok=True)
    return Tracker(local_uri(project), experiment, artifacts=folder / "artifacts")


def local_uri(project: Project) -> str:
    """Return the address of the SQLite database that is used when no server is named."""
    return f"sqlite:///{project.workspace.tracking / 'mlflow.db'}"


@contextmanager
def open_page(project: Project) -> Iterator[None]:
    """Show MLflow's own page of the project's local runs at `PAGE_ADDRESS` while the block runs."""
    page = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", local_uri(project)),
            *("--host", "127.0.0.1", "--port", PAGE_ADDRESS.rpartition(":")[2], "--workers", "1"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # a page to look at needs none of the workers that MLflow starts for jobs
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    )
    try:
        yield
    finally:
        if page.poll() is None:
            os.killpg(page.pid, signal.SIGTERM)
            page.wait()
