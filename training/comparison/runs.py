"""The registered trainings of a kind as one table: scores, the best baseline, verdicts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from features.errors import NotTrained
from features.project import Project
from training.comparison.differences import find_best_baseline
from training.demand.plots import sort_levels
from training.tracking import open_tracker

_DEMAND = ("wape", "bias", "pinball", "coverage_80", "coverage_95")
_PROMOTION = ("log_loss", "calibration_error", "hour_hit", "block_hit")


def list_runs(project: Project, kind: str) -> pd.DataFrame:
    """List the registered trainings of a kind, the newest first.

    Parameters
    ----------
    project : Project
    kind : str
        'demand' or 'promotion'.

    Returns
    -------
    DataFrame
        version, trained_at, aliases ('champion', 'challenger'), verdict ('passed', 'refused',
        'forced', '' before promotion was asked for); scores of what is published at the finest
        level (wape, bias, pinball, coverage_80, coverage_95; of promotion log_loss,
        calibration_error, hour_hit, block_hit); baseline and baseline_score, the best on the same
        rows; level; run_id.

    Raises
    ------
    NotTrained
        If none is registered.
    """
    tracker = open_tracker(project)
    client = MlflowClient(tracker.uri, tracker.uri)
    name = tracker.model_name(kind)
    try:
        aliases = _group_aliases(client.get_registered_model(name).aliases)
    except MlflowException:
        raise NotTrained(f"no {kind} model is registered; run `almanac train {kind}`") from None
    quote = '"' if "'" in name else "'"
    versions = client.search_model_versions(f"name={quote}{name}{quote}")
    rows = [
        _describe(client, kind, version, aliases)
        for version in sorted(versions, key=lambda version: -int(version.version))
    ]
    return pd.DataFrame(rows)


def _describe(
    client: MlflowClient,
    kind: str,
    version: ModelVersion,
    aliases: dict[str, str],
) -> dict[str, Any]:
    run = client.get_run(version.run_id)
    with TemporaryDirectory() as folder:
        tables = {
            path.stem: pd.read_csv(path)
            for path in _download(client, version.run_id, kind, Path(folder))
        }
    level = "" if kind == "promotion" else sort_levels(tables["scores"])[0]
    metrics = run.data.metrics
    scores = {name: metrics.get(f"{name}/{level}/all" if level else name) for name in
              (_DEMAND if level else _PROMOTION)}  # fmt: skip
    baseline, score = find_best_baseline(tables)
    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    return {
        "version": str(version.version), "trained_at": f"{started:%Y-%m-%d %H:%M}",
        "aliases": aliases.get(str(version.version), ""),
        "verdict": run.data.tags.get("verdict", ""), **scores, "baseline": baseline,
        "baseline_score": score, "level": level, "run_id": version.run_id,
    }  # fmt: skip


def _download(client: MlflowClient, run_id: str, kind: str, folder: Path) -> list[Path]:
    names = ("scores", "best") if kind == "promotion" else ("scores",)
    return [
        Path(client.download_artifacts(run_id, f"evidence/{name}.csv", str(folder)))
        for name in names
    ]


def _group_aliases(aliases: dict[str, str]) -> dict[str, str]:
    grouped: dict[str, list[str]] = {}
    for alias, number in sorted(aliases.items()):
        grouped.setdefault(str(number), []).append(alias)
    return {number: ", ".join(names) for number, names in grouped.items()}
