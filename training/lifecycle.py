"""The way of a model: trained → challenger → gates → champion → published.

Both kinds go the same way; what differs is in their `Recipe`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from features.errors import ArtifactError, GateRefused, NotTrained
from features.progress import Progress
from features.project import Project
from models.artifact import load_artifact, load_published, write_artifact
from models.golden.check import add_golden
from training.evidence import Evidence, add_evidence
from training.gates import Verdict
from training.publish import publish_bundle
from training.quality.measure import measure_quality
from training.records import Outcome, record_training, record_verdict
from training.tracking import (
    CHALLENGER,
    CHAMPION,
    FoldRecord,
    Tracker,
    TrainingRecord,
    Version,
    open_tracker,
)

Tables = Mapping[str, pd.DataFrame]
"""Evidence of a training by file stem; 'scores' is always there."""


@dataclass(frozen=True)
class Trained:
    """What a recipe hands over: the model as files, and everything measured on the way."""

    files: Mapping[str, bytes]
    metrics: Mapping[str, float]
    folds: tuple[FoldRecord, ...]
    tables: Tables


@dataclass(frozen=True)
class Recipe:
    """How one kind of model is made and judged.

    Attributes
    ----------
    kind : str
        'demand' or 'promotion'.
    settings : callable
        Project → its section as plain values; with the data and the seed it remakes the model.
    inputs, optional_inputs : tuple of str
        Canonical tables it cannot do without, and those it reads where the project has them.
    train : callable
        Project, progress → `Trained`.
    backtest : callable
        Project, settings as plain values, progress → evidence tables of a method on today's data.
    judge : callable
        Project, challenger's tables, champion's tables on the same data or None → `Verdict`.
    plot : callable
        Evidence tables, folder → writes PNG files there.
    tell : callable
        Files of the model, evidence tables → what is published of the evidence with the model.
    compare : callable, optional
        Project, kind, champion, parameters, evidence tables, folder of the model → tables of what
        changed since the champion, which are evidence too.
    """

    kind: str
    settings: Callable[[Project], Mapping[str, object]]
    inputs: tuple[str, ...]
    train: Callable[[Project, Progress], Trained]
    backtest: Callable[[Project, Mapping[str, object], Progress], Tables]
    judge: Callable[[Project, Tables, Tables | None], Verdict]
    plot: Callable[[Tables, Path], None]
    optional_inputs: tuple[str, ...] = ()
    tell: Callable[[Mapping[str, bytes], Tables], Evidence] = lambda _files, _tables: {}
    compare: (
        Callable[[Project, str, Version, Mapping[str, object], Tables, Path], Tables] | None
    ) = None

    def tables(self, project: Project) -> list[str]:
        """Return the tables it reads of this project."""
        return [*self.inputs, *(name for name in self.optional_inputs if name in project.tables)]


def describe(
    project: Project, recipe: Recipe, fingerprints: Mapping[str, str]
) -> dict[str, object]:
    """Return what decides a model: settings, seed, data, code; equal here, equal bytes."""
    return {
        "settings": dict(recipe.settings(project)),
        "project": project.settings.model_dump(mode="json", exclude={"workspace", "memory_limit"}),
        "data": {name: fingerprints[name] for name in recipe.tables(project)},
        "code_version": package_version("almanac"),
    }


def is_published(project: Project, recipe: Recipe, fingerprints: Mapping[str, str]) -> bool:
    """Tell whether the published champion is what training would make again from this data."""
    try:
        _, artifact = load_published(project.workspace.published, recipe.kind)
    except (NotTrained, ArtifactError):
        return False
    return artifact.configuration == describe(project, recipe, fingerprints)


def train(
    project: Project, recipe: Recipe, fingerprints: Mapping[str, str], progress: Progress
) -> Version:
    """Train a model, record it with its evidence, and make it the challenger."""
    tracker = open_tracker(project)
    trained = recipe.train(project, progress)
    progress.say(f"{recipe.kind}: recording scores, plots and model in MLflow")
    configuration = describe(project, recipe, fingerprints)
    parameters = _flatten(configuration)
    evidence = project.workspace.runs / recipe.kind
    tables = {**trained.tables, **measure_quality(project, recipe.tables(project))}
    told = recipe.tell(trained.files, tables)
    with TemporaryDirectory() as folder:
        bundle = Path(folder) / recipe.kind
        digest = write_artifact(
            bundle,
            recipe.kind,
            add_golden(recipe.kind, add_evidence(trained.files, told)),
            configuration,
            code_version=package_version("almanac"),
        )
        champion = tracker.find(recipe.kind, CHAMPION)
        if champion is not None and recipe.compare is not None:
            tables |= recipe.compare(project, recipe.kind, champion, parameters, tables, bundle)
        write_evidence(tables, evidence)
        recipe.plot(tables, evidence)
        record = TrainingRecord(
            kind=recipe.kind,
            parameters=parameters,
            metrics=trained.metrics,
            folds=trained.folds,
            bundle=bundle,
            evidence=evidence,
        )
        version = tracker.log_training(record, digest)
    record_training(
        project.workspace.published,
        recipe.kind,
        version.number,
        registered=tracker.model_name(recipe.kind),
        evidence=told,
        now=datetime.now(UTC),
    )
    progress.say(f"{recipe.kind}: version {version.number} is the challenger")
    return version


def promote(
    project: Project, recipe: Recipe, progress: Progress, *, forced_because: str | None = None
) -> Verdict:
    """Make the challenger champion if every gate passes, publish it, and log verdict and evidence.

    Raises
    ------
    NotTrained
        If there is no challenger.
    GateRefused
        If a gate did not pass and no reason was given to force it.
    """
    tracker = open_tracker(project)
    challenger = tracker.get(recipe.kind, CHALLENGER)
    with TemporaryDirectory() as folder:
        bundle = tracker.download_bundle(recipe.kind, challenger, Path(folder) / "challenger")
        tables = read_evidence(tracker.download_evidence(challenger, Path(folder)))
        rival = _champion_tables(project, recipe, tracker, challenger, bundle, progress)
        verdict = recipe.judge(project, tables, rival)
        outcome: Outcome = (
            "passed" if verdict.is_passed else "forced" if forced_because else "refused"
        )
        tags = {"verdict": outcome, "verdict.failures": verdict.failures or "none"}
        if forced_because:
            tags["verdict.forced_because"] = forced_because
        tracker.log_verdict(challenger, tags, verdict.to_json())
        record_verdict(
            project.workspace.published,
            recipe.kind,
            challenger.number,
            verdict=verdict,
            outcome=outcome,
            because=forced_because if outcome == "forced" else None,
            evidence=recipe.tell(load_artifact(bundle, recipe.kind).files, tables),
            now=datetime.now(UTC),
        )
        for check in verdict.checks:
            progress.say(f"  {'passed' if check.is_passed else 'FAILED'}  {check.words}")
        if outcome == "refused":
            raise GateRefused(
                f"{recipe.kind} version {challenger.number} stays challenger: {verdict.failures}. "
                "Change the settings and train again, or promote with --force --reason '…'."
            )
        tracker.set_alias(recipe.kind, CHAMPION, challenger.number)
        publish_bundle(
            project.workspace.published,
            recipe.kind,
            bundle,
            version=challenger.number,
            run_id=challenger.run_id,
            reason=forced_because or "",
        )
    progress.say(f"{recipe.kind}: version {challenger.number} is champion and published")
    return verdict


def _champion_tables(
    project: Project,
    recipe: Recipe,
    tracker: Tracker,
    challenger: Version,
    bundle: Path,
    progress: Progress,
) -> Tables | None:
    """Return the champion's evidence on the challenger's data: its record, or its method rerun."""
    champion = tracker.find(recipe.kind, CHAMPION)
    if champion is None or champion.digest == challenger.digest:
        return None
    with TemporaryDirectory() as folder:
        own = load_artifact(bundle, recipe.kind).configuration
        rival = load_artifact(
            tracker.download_bundle(recipe.kind, champion, Path(folder) / "champion"), recipe.kind
        ).configuration
        if rival["data"] == own["data"]:
            return read_evidence(tracker.download_evidence(champion, Path(folder)))
    progress.say(f"{recipe.kind}: the data is new since the champion; its method runs again on it")
    return recipe.backtest(project, rival["settings"], progress)


def describe_scores(scores: pd.DataFrame) -> str:
    """Write scores over all horizons as text, the levels one after the other."""
    if "bucket" in scores:
        scores = scores[scores["bucket"] == "all"].drop(columns="bucket")
    if "level" in scores:
        scores = scores.sort_values("level", kind="stable")
    return scores.round(4).to_string(index=False)


def write_evidence(tables: Tables, folder: Path) -> None:
    """Replace what lies in `folder` by `tables`: Parquet for forecasts, CSV for all else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for stem, table in tables.items():
        if stem == "forecasts":
            table.to_parquet(folder / f"{stem}.parquet", index=False)
        else:
            table.to_csv(folder / f"{stem}.csv", index=False)


def read_evidence(folder: Path) -> dict[str, pd.DataFrame]:
    """Read every table that `write_evidence` left in `folder`."""
    tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    tables |= {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    if not tables:
        raise NotTrained(f"nothing was trained here yet: {folder} is empty; run `almanac train`")
    return tables


def _flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat
